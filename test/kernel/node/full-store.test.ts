import { assert, test } from "vitest"
import type { KvOp } from "#kernel/range/request.ts"
import { Cluster, configOf, TENANT_VOLUME, type Store } from "../../support/store-rig.ts"

const SECOND = 1_000_000

/** One store whose disk refuses segments and checkpoints of its tenant while it is full. */
class FullStore {
  readonly store: Store
  readonly #cluster: Cluster
  isFull = false
  /** Bytes of segments that have their place. */
  roomBytes = Infinity
  #id = 0

  constructor(segmentBytes = 1 << 14, checkpointLogBytes = 16 << 20) {
    const config = configOf(1, [1])
    const segments = { segmentBytesFirst: segmentBytes, segmentBytesMax: segmentBytes }
    const limits = { ...config.limits, ...segments, checkpointLogBytes }
    this.#cluster = new Cluster([1], () => ({ ...config, limits }))
    this.store = this.#cluster.elect()
    this.#cluster.pass(5 * SECOND)
    for (let i = 0; i < 20; i++) this.ask({ type: "put", key: `k${i}`, value: "v" })
  }

  /** Turns and disk until nothing is left to do, as the disk is now. */
  settle(): void {
    const { store } = this
    for (let round = 0; round < 50; round++) {
      store.endTurn()
      if (store.doing.length === 0) return
      for (let at = store.doing.length - 1; at >= 0; at--) {
        const effect = store.doing[at]!
        const isTooMuch =
          effect.type === "createSegment" && this.heldBytes + effect.sizeBytes > this.roomBytes
        const isTenants = effect.volume === TENANT_VOLUME && effect.type !== "append"
        const isRefused = isTenants && (this.isFull || isTooMuch)
        if (!isRefused) {
          store.complete(at)
          continue
        }
        store.doing.splice(at, 1)
        const { volume } = effect
        if (effect.type === "createSegment")
          store.step({ type: "segmentRefused", volume, segment: effect.segment, code: "diskFull" })
        else
          store.step({ type: "checkpointRefused", volume, checkpoint: effect.checkpoint, code: "diskFull" })
      }
    }
  }

  get heldBytes(): number {
    const { segments } = this.store.disk.get(TENANT_VOLUME)!
    return [...segments.values()].reduce((sum, { length }) => sum + length, 0)
  }

  ask(op: KvOp): string {
    const { store } = this
    store.replies.length = 0
    store.request([op], { id: ++this.#id })
    this.settle()
    const [reply] = store.replies
    return reply === undefined ? "nothing" : reply.type === "ok" ? "ok" : reply.error.code
  }

  /** Puts until one is refused; gives how many were taken. */
  fill(): number {
    for (let count = 0; count < 1_000; count++) {
      if (this.ask({ type: "put", key: `k${count % 20}`, value: "x".repeat(300) }) !== "ok") return count
    }
    return Infinity
  }

  pass(us: number): void {
    const end = this.store.mono + us
    while (this.store.wakeAt !== null && this.store.wakeAt <= end) {
      this.store.mono = Math.max(this.store.mono, this.store.wakeAt)
      this.store.step({ type: "wake" })
      this.settle()
    }
    this.store.mono = end
  }
}

test("a full disk refuses what makes a range larger, and takes deletes and reads", () => {
  const full = new FullStore()
  full.isFull = true
  assert.isAbove(full.fill(), 0)
  assert.equal(full.ask({ type: "put", key: "k1", value: "x" }), "diskFull")
  assert.equal(full.ask({ type: "increment", key: "n", by: 1 }), "diskFull")
  assert.include(full.store.marks, "range.diskFull.refused")
  assert.notInclude(full.store.marks, "range.diskFull.deletes")
  assert.equal(full.ask({ type: "delete", key: "k1" }), "ok")
  assert.include(full.store.marks, "range.diskFull.deletes")
  assert.equal(full.ask({ type: "get", key: "k2" }), "ok")
})

test("when what is left of the log is nearly used up deletes are refused too, and nothing that was answered is lost", () => {
  const full = new FullStore()
  full.isFull = true
  full.fill()
  let deletes = 0
  while (full.ask({ type: "delete", key: `k${deletes % 20}` }) === "ok") deletes++
  assert.isAbove(deletes, 10)
  assert.equal(full.ask({ type: "delete", key: "k1" }), "diskFull")
  const { hashHigh, hashLow, commitIndex } = full.store.status!
  full.isFull = false
  full.store.boot()
  full.settle()
  full.pass(10 * SECOND)
  const after = full.store.status!
  assert.isAtLeast(after.commitIndex, commitIndex)
  assert.deepEqual([after.hashHigh, after.hashLow], [hashHigh, hashLow])
})

test("when space returns the store goes on by itself", () => {
  const full = new FullStore()
  full.isFull = true
  full.fill()
  full.pass(3 * SECOND)
  assert.equal(full.ask({ type: "put", key: "k1", value: "x" }), "diskFull")
  assert.notInclude(full.store.marks, "wal.spaceReturned")
  full.isFull = false
  full.pass(3 * SECOND)
  assert.include(full.store.marks, "wal.spaceReturned")
  assert.equal(full.ask({ type: "put", key: "k1", value: "x" }), "ok")
  assert.isNull(full.store.fatal)
})

test("a checkpoint that is refused makes the store full as well, until one is made", () => {
  // A segment that lasts for all of this, and a checkpoint that is due long before its half is used.
  const full = new FullStore(1 << 20, 20_000)
  full.isFull = true
  assert.isBelow(full.fill(), 100)
  assert.include(full.store.marks, "engine.checkpoint.refused")
  assert.notInclude(full.store.marks, "wal.diskFull")
  assert.equal(full.ask({ type: "delete", key: "k1" }), "ok")
  full.isFull = false
  full.pass(2 * SECOND)
  assert.equal(full.ask({ type: "put", key: "k1", value: "x" }), "ok")
})

test("a log that has filled its disk is let go by a checkpoint, and writes go on though the disk has not grown", () => {
  // No checkpoint is due by the log's weight, and followers are spared more entries than there are.
  const full = new FullStore(1 << 14, 1 << 30)
  full.roomBytes = 3 << 14
  for (let time = 1; time <= 4; time++) {
    assert.isBelow(full.fill(), 200)
    assert.equal(full.ask({ type: "put", key: "k1", value: "x" }), "diskFull")
    assert.equal(full.ask({ type: "delete", key: "k1" }), "ok")
    full.pass(2 * SECOND)
    assert.equal(full.ask({ type: "put", key: "k1", value: "x" }), "ok")
    assert.equal(full.store.marks.filter((mark) => mark === "wal.madeRoom").length, time)
    assert.isAtMost(full.heldBytes, full.roomBytes)
  }
})

test("a disk that stays full is asked for a checkpoint now and then, not with every refusal", () => {
  const full = new FullStore()
  full.isFull = true
  full.fill()
  // Checkpoints have room where segments have none.
  full.isFull = false
  full.roomBytes = 0
  const checkpoints = (): number =>
    full.store.all.filter(({ type, ...effect }) => {
      return type === "checkpoint" && "volume" in effect && effect.volume === TENANT_VOLUME
    }).length
  const before = checkpoints()
  full.pass(40 * SECOND)
  assert.isAtLeast(checkpoints() - before, 4)
  assert.isAtMost(checkpoints() - before, 7)
  assert.notInclude(full.store.marks, "wal.spaceReturned")
})
