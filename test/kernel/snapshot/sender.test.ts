import { assert, test } from "vitest"
import { MemoryBase } from "#kernel/engine/memory-base.ts"
import { OverlayEngine } from "#kernel/engine/overlay.ts"
import { ByteReader } from "#kernel/lib/bytes.ts"
import { KV_TABLE, userKeyPrefix } from "#kernel/mvcc/key.ts"
import { DEFAULT_LIMITS, DEFAULT_TIMING, type Limits } from "#kernel/node/config.ts"
import { makeEntry } from "#kernel/raft/types.ts"
import { StateMachine } from "#kernel/range/state-machine.ts"
import { SnapshotReceiver } from "#kernel/snapshot/receiver.ts"
import { SnapshotSender, type ReceiverWord, type SenderContext } from "#kernel/snapshot/sender.ts"
import { SnapshotTraffic } from "#kernel/snapshot/traffic.ts"
import { bytesOf } from "../../support/kernel-arbitraries.ts"
import { configurationOf, DESCRIPTOR, member } from "../../support/raft-group.ts"

const { heartbeatUs, electionUsMax } = DEFAULT_TIMING
const CHUNK_BYTES = 60
const LIMITS: Limits = { ...DEFAULT_LIMITS, snapshotWindowChunks: 3, snapshotBytesPerSecond: 1e12 }

/** A range of so many rows, two of which make a chunk. */
function rangeOf(rows: number): StateMachine {
  const machine = StateMachine.create(new OverlayEngine(MemoryBase.empty()), DESCRIPTOR, 1)
  const bootstrap = { descriptor: DESCRIPTOR, configuration: configurationOf([1, 2, 3]) }
  machine.apply(makeEntry(1, 1, { type: "bootstrap", bootstrap }))
  const writes = Array.from({ length: rows }, (_, i) => ({
    space: 1 as const,
    type: "put" as const,
    key: userKeyPrefix(0, KV_TABLE, String(i).padStart(4, "0")),
    value: "v".repeat(20),
  }))
  const batch = { generation: 1, leaseSequence: 0, closedTs: 0, minVersion: 1, writes }
  machine.apply(makeEntry(2, 1, { type: "batch", batch }))
  return machine
}

/** A sender whose words are kept until the test hands them over. */
class Rig {
  readonly machine: StateMachine
  traffic: SnapshotTraffic
  sender: SnapshotSender
  readonly limits: Limits
  mono = 1_000_000
  sent: { readonly to: number; readonly what: "offer" | number }[] = []
  readonly marks: string[] = []
  pins = 0

  constructor(rows: number, limits: Limits = LIMITS) {
    this.machine = rangeOf(rows)
    this.limits = limits
    this.traffic = new SnapshotTraffic(limits)
    this.sender = new SnapshotSender(1, DEFAULT_TIMING, limits)
  }

  get context(): SenderContext {
    return {
      mono: this.mono,
      traffic: this.traffic,
      pin: () => {
        this.pins++
        return this.machine.pin(CHUNK_BYTES)
      },
      offer: (to) => void this.sent.push({ to: to.replica, what: "offer" }),
      send: (to, _, chunk) => void this.sent.push({ to: to.replica, what: chunk.number }),
      mark: (name) => void this.marks.push(name),
    }
  }

  begin(...replicas: readonly number[]): void {
    for (const replica of replicas) this.sender.begin(member(replica), this.context)
  }

  answer(verdict: ReceiverWord["verdict"], nextChunk = 0, from = 2, retryAfterUs = 0): void {
    const { id } = this.sender.head!
    this.sender.answered(from, { id, verdict, nextChunk, retryAfterUs }, this.context)
  }

  /** What was sent to one since this was asked last. */
  taken(to = 2): readonly ("offer" | number)[] {
    const mine = this.sent.filter((each) => each.to === to).map(({ what }) => what)
    this.sent = this.sent.filter((each) => each.to !== to)
    return mine
  }

  /** Time goes on, and it is woken whenever it asks to be. */
  pass(us: number): readonly number[] {
    const end = this.mono + us
    const givenUp: number[] = []
    while (this.sender.deadline <= end) {
      this.mono = Math.max(this.mono, this.sender.deadline)
      givenUp.push(...this.sender.pump(this.context))
      assert.isAbove(this.sender.deadline, this.mono, "it never asks for the same instant again")
      // A look into it changes nothing.
      const bytes = bytesOf(this.sender)
      const again = new SnapshotSender(1, DEFAULT_TIMING, this.limits)
      again.load(new ByteReader(bytes))
      assert.deepEqual(bytesOf(again), bytes)
      this.sender = again
    }
    this.mono = end
    return givenUp
  }
}

test("nothing is sent before the receiver has said where it stands, and then as much as the window holds", () => {
  const rig = new Rig(20)
  rig.begin(2)
  assert.deepEqual(rig.taken(), ["offer"])
  rig.answer("position", 0)
  rig.pass(1_000)
  assert.deepEqual(rig.taken(), [0, 1, 2])
  rig.answer("taken", 2)
  rig.pass(1_000)
  assert.deepEqual(rig.taken(), [3, 4])
})

test("it goes on where the receiver stands, also where that is behind what it said before", () => {
  const rig = new Rig(40)
  rig.begin(2)
  rig.answer("position", 7)
  rig.pass(1_000)
  assert.deepEqual(rig.taken(), ["offer", 7, 8, 9])
  rig.answer("taken", 10)
  rig.pass(10)
  rig.taken()
  // It falls silent and comes back with less.
  rig.pass(4 * heartbeatUs)
  assert.deepEqual(rig.taken(), ["offer"])
  rig.answer("position", 5)
  rig.pass(10)
  assert.deepEqual(rig.taken(), [5, 6, 7])
})

test("what the receiver has taken in is counted in bytes, and what it has lost is not", () => {
  const rig = new Rig(20)
  rig.begin(2)
  rig.answer("position", 0)
  const source = rig.machine.pin(CHUNK_BYTES)
  const sizes: number[] = []
  for (let chunk = source.chunk(0); chunk !== null; chunk = source.chunk(sizes.length))
    sizes.push(chunk.data.length)
  const first = (count: number): number => sizes.slice(0, count).reduce((sum, size) => sum + size, 0)
  assert.equal(rig.sender.carried(2), 0)
  rig.answer("taken", 2)
  assert.equal(rig.sender.carried(2), first(2))
  rig.answer("position", 1)
  assert.equal(rig.sender.carried(2), first(1))
  rig.answer("installing", sizes.length)
  assert.equal(rig.sender.carried(2), first(sizes.length))
  assert.equal(rig.sender.carried(3), 0)
})

test("a gap is filled once for all that came after it; older words change nothing", () => {
  const rig = new Rig(40)
  rig.begin(2)
  rig.answer("position", 0)
  rig.pass(10)
  rig.taken()
  rig.answer("gap", 0)
  rig.answer("gap", 0)
  rig.pass(10)
  assert.deepEqual(rig.taken(), [0, 1, 2])
  rig.answer("taken", 3)
  rig.pass(10)
  assert.deepEqual(rig.taken(), [3, 4, 5])
  rig.answer("taken", 1)
  rig.answer("gap", 1)
  rig.pass(10)
  assert.deepEqual(rig.taken(), [])
})

test("after the last chunk it asks until the receiver has put it in place, and gives up in the end", () => {
  const rig = new Rig(4)
  rig.begin(2)
  rig.answer("position", 0)
  rig.pass(10)
  assert.deepEqual(rig.taken(), ["offer", 0, 1])
  rig.answer("taken", 1)
  rig.answer("installing", 2)
  rig.pass(10)
  assert.deepEqual(rig.taken(), [])
  for (let asked = 0; asked < 5; asked++) {
    rig.pass(4 * heartbeatUs)
    assert.deepEqual(rig.taken(), ["offer"])
    rig.answer("installing", 0)
  }
  assert.deepEqual(rig.pass(9 * electionUsMax), [2])
  assert.deepEqual([rig.sender.size, rig.sender.head], [0, null])
})

test("a receiver without room is asked again when it said, and one that is silent loses its slot to the next", () => {
  const rig = new Rig(20, { ...LIMITS, snapshotsSendingMax: 1 })
  rig.begin(2, 3)
  assert.deepEqual([rig.taken(2), rig.taken(3)], [["offer"], []])
  assert.include(rig.marks, "raft.snapshot.queued")
  rig.answer("declined", 0, 2, 3_000_000)
  rig.pass(500_000)
  assert.deepEqual([rig.taken(2), rig.taken(3)], [[], ["offer"]])
  rig.pass(3_500_000)
  assert.include(rig.taken(2), "offer", "3 did not answer, and 2 has its turn")
})

test("receivers share one view; when the last is done it goes, and the next snapshot is a newer one", () => {
  const rig = new Rig(20)
  rig.begin(2, 3)
  assert.equal(rig.pins, 1)
  rig.sender.drop(2, rig.traffic)
  assert.isNotNull(rig.sender.head)
  rig.begin(2)
  assert.equal(rig.pins, 1)
  rig.sender.drop(2, rig.traffic)
  rig.sender.drop(3, rig.traffic)
  assert.isNull(rig.sender.head)
  rig.begin(3)
  assert.equal(rig.pins, 2)
})

test("no more bytes leave in a second than are allowed, and transfers take turns", () => {
  const rig = new Rig(400, { ...LIMITS, snapshotWindowChunks: 50, snapshotBytesPerSecond: 600 })
  rig.begin(2, 3)
  rig.answer("position", 0, 2)
  rig.answer("position", 0, 3)
  rig.taken(2)
  rig.taken(3)
  const counts = [0, 0]
  for (let i = 0; i < 50; i++) {
    rig.pass(100_000)
    for (const [at, replica] of [2, 3].entries()) {
      const numbers = rig.taken(replica).filter((what) => what !== "offer")
      counts[at]! += numbers.length
      rig.answer("taken", counts[at], replica)
    }
  }
  const chunkBytes = rig.machine.pin(CHUNK_BYTES).chunk(0)!.data.length
  const bytes = (counts[0]! + counts[1]!) * chunkBytes
  assert.isAtMost(bytes, 600 * 5 + 2 * chunkBytes)
  assert.isAtLeast(bytes, 600 * 4)
  assert.isAtMost(Math.abs(counts[0]! - counts[1]!), 1, `${counts[0]} to 2 and ${counts[1]} to 3`)
  assert.include(rig.marks, "raft.snapshot.throttled")
})

test("whatever is lost, repeated or late on the way, the whole arrives", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const rig = new Rig(30)
    let dice = seed
    const roll = (below: number): number => {
      dice = (dice * 48_271) % 0x7fff_ffff
      return dice % below
    }
    const source = rig.machine.pin(CHUNK_BYTES)
    const { id } = source.head
    let base = MemoryBase.empty()
    let engine = new OverlayEngine(base)
    let receiver = new SnapshotReceiver(engine, 1, 2)
    let isWhole = false
    let checkpoints = 0
    const late: ("offer" | number)[] = []
    rig.begin(2)
    for (let round = 0; round < 3_000 && !isWhole; round++) {
      if (rig.pass(20_000).length > 0) rig.begin(2)
      late.push(...rig.taken())
      for (let left = roll(4); left > 0 && late.length > 0; left--) {
        const at = roll(late.length)
        const what = late[at]!
        // One in four stays for another time.
        if (roll(4) > 0) late.splice(at, 1)
        if (roll(5) === 0) continue
        const next = (): number => receiver.staged?.nextChunk ?? 0
        if (what === "offer") {
          receiver.begin(source.head, 1, rig.mono, () => {})
          if (roll(4) > 0) rig.answer("position", next())
          continue
        }
        const taken = receiver.take(id, source.chunk(what)!, rig.mono, () => {})
        isWhole ||= taken === "complete"
        if (taken === "unknown" || roll(4) === 0) continue
        rig.answer(taken === "gap" ? "gap" : "taken", next())
      }
      if (isWhole) break
      if (roll(10) === 0) {
        base = base.apply(engine.freeze(++checkpoints))
        engine.settle(checkpoints, base)
      } else if (roll(40) === 0) {
        engine = new OverlayEngine(base)
        receiver = new SnapshotReceiver(engine, 1, 2)
      }
    }
    assert.isTrue(isWhole, `seed ${seed}`)
    assert.equal(receiver.staged!.rowCount, 30)
  }
})
