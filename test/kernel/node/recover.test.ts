import { assert, test } from "vitest"
import type { Damage } from "#kernel/engine/damage.ts"
import { encodeCheckpoint } from "#kernel/engine/checkpoint-file.ts"
import { SPACE_META, SPACE_VERSIONS, type ReadView } from "#kernel/engine/engine.ts"
import { MemoryBase } from "#kernel/engine/memory-base.ts"
import { OverlayEngine } from "#kernel/engine/overlay.ts"
import { KV_TABLE, tableSpan } from "#kernel/mvcc/key.ts"
import type { RecoverOrder } from "#kernel/node/config.ts"
import type { Observation } from "#kernel/node/observation.ts"
import { fromWall } from "#kernel/time/hlc.ts"
import type { Row } from "#kernel/snapshot/chunk.ts"
import { decodeFrame } from "#kernel/wal/frame.ts"
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from "#kernel/wal/segment.ts"
import { DESCRIPTOR } from "../../support/raft-group.ts"
import { Cluster, configOf, Store, TENANT_VOLUME } from "../../support/store-rig.ts"

// ADR 0036: a group that lost its only replica stands still by name until an operator says to go on without what is lost.

const SECOND = 1_000_000
const LIMITS = { ...configOf(1).limits, checkpointLogBytes: 2_000, logKeepEntries: 2 }
const PLAIN = { ...configOf(1, [1]), limits: LIMITS }
/** Nothing is ever checkpointed. */
const LOG_ONLY = configOf(1, [1])

/** The one store of a cluster, driven until it leads. */
function led(store: Store): Store {
  store.settle()
  for (let i = 0; i < 60 && store.status?.role !== "leader"; i++) {
    store.wake()
    store.settle()
  }
  assert.equal(store.status?.role, "leader")
  // Past the low-water of its first entry.
  for (const until = store.mono + SECOND; store.mono < until; store.settle()) store.wake()
  return store
}

function filled(config = PLAIN): Store {
  const store = led(new Store(config))
  for (let i = 0; i < 30; i++) put(store, keyAt(i))
  return store
}

function keyAt(i: number): string {
  return `k${String(i).padStart(2, "0")}`
}

function put(store: Store, key: string, value = "v".repeat(120)): void {
  store.replies.length = 0
  store.request([{ type: "put", key, value }], { generation: store.status!.descriptor.generation })
  store.settle()
  assert.equal(store.replies[0]?.type, "ok", JSON.stringify(store.replies))
}

function get(store: Store, key: string): string | null {
  store.replies.length = 0
  store.request([{ type: "get", key }], { generation: store.status!.descriptor.generation })
  store.settle()
  const [reply] = store.replies
  if (reply?.type !== "ok") return `refused: ${reply?.error.code}`
  const [result] = reply.results
  return result?.type === "value" ? result.value : "nothing was read"
}

/** Keys of those that were written that are there. */
function held(store: Store): readonly number[] {
  return Array.from({ length: 30 }, (_, i) => i).filter((i) => get(store, keyAt(i)) !== null)
}

function said<Type extends Observation["type"]>(
  store: Store,
  type: Type,
): readonly Extract<Observation, { readonly type: Type }>[] {
  return store.all.flatMap((effect) =>
    effect.type === "observe" && effect.observation.type === type
      ? [effect.observation as Extract<Observation, { readonly type: Type }>]
      : [],
  )
}

/** The same disk, started with these orders. */
function startedWith(store: Store, ...recover: readonly RecoverOrder[]): Store {
  return new Store({ ...store.config, recover }, store.disk, store.mono + SECOND, store.boots)
}

function orderOf(store: Store): RecoverOrder {
  const [told] = said(store, "recoverable")
  assert.isDefined(told)
  return told.order
}

/** Flips a bit in the frame of the tenant's log at this share of it, from its beginning. */
function spoil(store: Store, share: number): void {
  const frames: { readonly file: Uint8Array; readonly at: number }[] = []
  for (const [, file] of [...store.disk.get(TENANT_VOLUME)!.segments].sort((a, b) => a[0] - b[0])) {
    const decoded = decodeSegmentHeader(file)
    if (decoded.type !== "header") continue
    let offset = SEGMENT_HEADER_BYTES
    for (;;) {
      const frame = decodeFrame(file, offset, decoded.header)
      if (frame.type !== "frame") break
      frames.push({ file, at: Math.floor((offset + frame.header.end) / 2) })
      offset = frame.header.end
    }
  }
  const { file, at } = frames[Math.floor(frames.length * share)]!
  file[at]! ^= 0x40
}

const ROWS = tableSpan(DESCRIPTOR.tenant, KV_TABLE, "k05", "k09")
const SOME_ROWS: Damage = { space: SPACE_VERSIONS, from: ROWS.start, to: ROWS.end }
const RECORDS: Damage = { space: SPACE_META, from: "", to: "" }

function damageRows(store: Store): void {
  const { base } = store.disk.get(TENANT_VOLUME)!
  base.current = base.current.without([SOME_ROWS])
}

/** The log is damaged in the middle: the store stops by name and says what an order must name. */
function withLogLost(config = LOG_ONLY): Store {
  const store = filled(config)
  spoil(store, 0.7)
  store.boot()
  assert.equal(store.fatal, "corruptSingleReplica")
  return store
}

test("a log that lost some of its end goes on with what is left, in the next generation, and the old order is void", () => {
  const stopped = withLogLost()
  const order = orderOf(stopped)
  assert.deepEqual(order, { group: 1, replica: 1, incarnation: 1, generation: 1 })
  const store = led(startedWith(stopped, order))
  const [told] = said(store, "groupRecovered")
  assert.deepInclude(told, { group: 1, replica: 1, generation: 2, isLogLost: true, isStateLost: false })
  assert.equal(store.status!.recoveredAt, told!.index)
  assert.equal(store.status!.descriptor.generation, 2)
  const left = held(store)
  assert.isAbove(left.length, 5)
  assert.isBelow(left.length, 29)
  assert.deepEqual(left, [...left.keys()], "all up to the first that is lost")
  put(store, "k29", "after")
  // A client that has the old descriptor is told so.
  store.replies.length = 0
  store.request([{ type: "get", key: "k00" }], { generation: 1 })
  store.settle()
  assert.equal(store.replies[0]!.type === "error" && store.replies[0]!.error.code, "staleGeneration")
  for (const again of [[], [order]]) {
    const restarted = led(startedWith(store, ...again))
    assert.deepEqual(held(restarted), [...left, 29])
    assert.equal(get(restarted, "k29"), "after")
    assert.equal(restarted.status!.descriptor.generation, 2)
    assert.deepEqual(said(restarted, "groupRecovered"), [])
    assert.deepEqual(
      said(restarted, "recoverRefused").map(({ code }) => code),
      again.map(() => "otherGeneration"),
    )
  }
})

test("rows that cannot be read are given up, the rest is served, and no token from before is executed again", () => {
  const store = filled()
  const token = { client: 7, seq: 1, ackedSeq: 0, birth: fromWall(store.stamp.wall) }
  damageRows(store)
  store.boot()
  for (let i = 0; i < 40; i++) {
    store.wake()
    store.settle()
  }
  assert.equal(get(store, "k20"), "refused: corruptSingleReplica")
  const order = orderOf(store)
  const again = led(startedWith(store, order))
  assert.deepInclude(said(again, "groupRecovered")[0], { isLogLost: false, isStateLost: true })
  assert.equal(again.status!.state, "whole")
  const lost = [5, 6, 7, 8]
  const left = Array.from({ length: 30 }, (_, i) => i).filter((i) => !lost.includes(i))
  assert.deepEqual(held(again), left)
  again.replies.length = 0
  again.request([{ type: "increment", key: "n", by: 1 }], { generation: 2, token })
  again.settle()
  assert.equal(again.replies[0]!.type === "error" && again.replies[0]!.error.code, "tokenExpired")
  again.bearTwin()
  again.reloadTwin()
  const restarted = led(startedWith(again))
  assert.deepEqual(held(restarted), left)
  assert.deepEqual(said(restarted, "recoverable"), [])
})

test("a checkpoint that is older than the log it rests on is gone on from as it is", () => {
  const store = filled()
  const { base } = store.disk.get(TENANT_VOLUME)!
  const old = base.current
  for (let i = 0; i < 30; i++) put(store, "later")
  assert.isAbove(base.current.checkpoint, old.checkpoint + 1)
  const { appliedIndex } = store.status!
  base.current = old
  store.boot()
  assert.equal(store.fatal, "corruptSingleReplica")
  const again = led(startedWith(store, orderOf(store)))
  assert.deepInclude(said(again, "groupRecovered")[0], { isLogLost: true })
  assert.isAbove(again.status!.appliedIndex, appliedIndex - 1, "no index is given twice")
  assert.isAbove(held(again).length, 15)
  assert.deepEqual(held(led(startedWith(again))), held(again))
})

for (const [what, damage, config] of [
  ["log", (store: Store) => spoil(store, 0.7), LOG_ONLY],
  ["state", damageRows, PLAIN],
  [
    "log and state",
    (store: Store) => {
      spoil(store, 0.9)
      damageRows(store)
    },
    PLAIN,
  ],
] as const) {
  test(`a crash at any step of the act leaves a group that is recovered once, or is still to be: ${what}`, () => {
    const outcomes = new Set<string>()
    for (let steps = 0; steps < 14; steps++) {
      const broken = filled(config)
      damage(broken)
      broken.boot()
      for (let i = 0; i < 10 && broken.fatal === null; i++) {
        broken.wake()
        broken.settle()
      }
      const order = orderOf(broken)
      const acting = startedWith(broken, order)
      for (let left = steps, round = 0; left > 0 && round < 60; round++) {
        acting.wake()
        acting.endTurn()
        if (acting.doing.some((_, at) => acting.complete(at))) left--
      }
      const after = startedWith(acting, order)
      const store = led(after)
      const acts = said(store, "groupRecovered").length
      outcomes.add(`${acts}`)
      assert.equal(acts + said(store, "recoverRefused").length, 1)
      assert.equal(store.status!.descriptor.generation, 2)
      assert.equal(store.status!.state, "whole")
      put(store, "after")
      const left = held(store)
      assert.isAbove(left.length, 5)
      const last = led(startedWith(store))
      assert.deepEqual(held(last), left)
      assert.equal(last.status!.descriptor.generation, 2)
    }
    assert.sameMembers([...outcomes], ["0", "1"])
  })
}

test("an entry that was half done when the damage was found is done once", () => {
  const store = filled({ ...PLAIN, timing: { ...PLAIN.timing, scrubPeriodUs: 2 * SECOND } })
  const { base } = store.disk.get(TENANT_VOLUME)!
  const engine = new OverlayEngine(base.current)
  const rowsOf = (view: ReadView, start: string, end: string): readonly Row[] => {
    const rows: Row[] = []
    for (const row = view.cursor(SPACE_VERSIONS, start, end, false); row.valid; row.next())
      rows.push({ space: SPACE_VERSIONS, key: row.key, value: row.value })
    return rows
  }
  // The first entry behind the checkpoint has left its row in it all the same.
  const next = keyAt(rowsOf(engine, "", "").length)
  const span = tableSpan(DESCRIPTOR.tenant, KV_TABLE, next, next + "\0")
  const rows = rowsOf(store.kernel.view(TENANT_VOLUME), span.start, span.end)
  assert.lengthOf(rows, 1)
  engine.apply(rows.map((row) => ({ type: "put", ...row })))
  const file = encodeCheckpoint(base.current.checkpoint, [], (space) => engine.cursor(space, "", "", false))
  base.current = MemoryBase.decode(file)!
  damageRows(store)
  const again = led(startedWith(store, { group: 1, replica: 1, incarnation: 1, generation: 1 }))
  assert.lengthOf(held(again), 26)
  for (const until = again.mono + 5 * SECOND; again.mono < until; again.settle()) again.wake()
  assert.isAbove(again.status!.scrub.passes, 0)
  assert.notInclude(again.marks, "range.scrub.differs")
  assert.equal(again.status!.state, "whole")
})

test("who joins a group that lost rows gets what is left of them, though the log has all that made them", () => {
  const config = { ...PLAIN, limits: { ...LIMITS, logKeepEntries: 4_096 } }
  const store = filled(config)
  assert.equal(store.status!.firstIndex, 1)
  damageRows(store)
  const again = startedWith(store, { group: 1, replica: 1, incarnation: 1, generation: 1 })
  const cluster = new Cluster([1], () => config)
  const other = new Store({ ...configOf(2, [1]), limits: LIMITS, bootstrap: null })
  cluster.stores.splice(0, 1, again, other)
  other.mono = again.mono
  cluster.elect()
  const { incarnation } = other.kernel.identity()
  const action = { type: "addLearner", store: 2, incarnation } as const
  again.step({ type: "admin", session: 1, request: { id: 1, group: 1, action } })
  cluster.pass(5 * SECOND)
  assert.include(other.marks, "raft.snapshot.switched")
  assert.deepEqual(
    [other.status!.appliedIndex, other.status!.hashHigh, other.status!.hashLow],
    [again.status!.appliedIndex, again.status!.hashHigh, again.status!.hashLow],
  )
  assert.equal(other.status!.descriptor.generation, 2)
})

test("an order that does not fit does nothing, by name", () => {
  const stopped = withLogLost()
  const order = orderOf(stopped)
  for (const [wrong, code] of [
    [{ ...order, replica: 2 }, "noSuchReplica"],
    [{ ...order, incarnation: 2 }, "otherLife"],
    [{ ...order, generation: 2 }, "otherGeneration"],
  ] as const) {
    const store = startedWith(stopped, wrong)
    assert.equal(store.fatal, "corruptSingleReplica", code)
    assert.deepEqual(
      said(store, "recoverRefused").map((refused) => refused.code),
      [code],
    )
    assert.deepEqual(orderOf(store), order, "and still says what would fit")
    assert.deepEqual(said(store, "groupRecovered"), [])
  }
  const whole = filled()
  for (const [wrong, code] of [
    [order, "notDamaged"],
    [{ ...order, group: 9 }, "noSuchReplica"],
    [{ ...order, replica: 2 }, "noSuchReplica"],
    [{ ...order, incarnation: 2 }, "otherLife"],
    [{ ...order, generation: 2 }, "otherGeneration"],
  ] as const) {
    const store = led(startedWith(whole, wrong))
    assert.deepEqual(
      said(store, "recoverRefused").map((refused) => refused.code),
      [code],
    )
    assert.equal(store.status!.descriptor.generation, 1)
    assert.equal(held(store).length, 30)
  }
})

test("a replica that others can repair is left to them", () => {
  const cluster = new Cluster([1, 2, 3], (id) => ({ ...configOf(id), limits: LIMITS }))
  const leader = cluster.elect()
  const victim = cluster.stores.find((store) => store !== leader)!
  spoil(victim, 0.7)
  const order = { group: 1, replica: victim.id, incarnation: victim.id, generation: 1 }
  const again = startedWith(victim, order)
  cluster.replace(again)
  assert.deepEqual(
    said(again, "recoverRefused").map(({ code }) => code),
    ["notAlone"],
  )
  cluster.pass(8 * SECOND)
  assert.equal(again.status!.role, "follower")
  assert.equal(again.status!.descriptor.generation, 1)
})

test("where nobody can say what the rows are the state of, they are not gone on with", () => {
  const store = filled()
  const { base } = store.disk.get(TENANT_VOLUME)!
  base.current = base.current.without([RECORDS])
  const again = startedWith(store, { group: 1, replica: 1, incarnation: 1, generation: 1 })
  assert.deepEqual(
    said(again, "recoverRefused").map(({ code }) => code),
    ["stateUnknown"],
  )
  // While the log has everything that was ever written, nothing is lost at all.
  const young = filled(LOG_ONLY)
  young.disk.get(TENANT_VOLUME)!.base.current = MemoryBase.unreadable()
  const whole = led(startedWith(young, { group: 1, replica: 1, incarnation: 1, generation: 1 }))
  assert.equal(held(whole).length, 30)
})
