import { assert, test } from "vitest"
import { overlaps, type Damage } from "#kernel/engine/damage.ts"
import { SPACE_META, SPACE_VERSIONS } from "#kernel/engine/engine.ts"
import { encodeCheckpoint } from "#kernel/engine/checkpoint-file.ts"
import { MemoryBase } from "#kernel/engine/memory-base.ts"
import { OverlayEngine } from "#kernel/engine/overlay.ts"
import { KV_TABLE, tableSpan } from "#kernel/mvcc/key.ts"
import { encodeVersion } from "#kernel/mvcc/version.ts"
import type { Observation } from "#kernel/node/observation.ts"
import { makeEntry } from "#kernel/raft/types.ts"
import { appliedWrite, readApplied } from "#kernel/range/meta.ts"
import type { Effect } from "#kernel/node/effect.ts"
import { StateHash } from "#kernel/range/state-hash.ts"
import { StateMachine } from "#kernel/range/state-machine.ts"
import { configurationOf, DESCRIPTOR } from "../../support/raft-group.ts"
import { Cluster, configOf, TENANT_VOLUME, type Store } from "../../support/store-rig.ts"

const SCRUB_US = 2_000_000
const LIMITS = { ...configOf(1).limits, checkpointLogBytes: 2_000, logKeepEntries: 2 }

function clusterOf(ids: readonly number[] = [1, 2, 3]): Cluster {
  return new Cluster(ids, (id) => {
    const config = configOf(id, ids)
    return { ...config, timing: { ...config.timing, scrubPeriodUs: SCRUB_US }, limits: LIMITS }
  })
}

/** Rows in the base of every store, and not in its log any more. */
function filled(ids: readonly number[] = [1, 2, 3]): Cluster {
  const cluster = clusterOf(ids)
  const leader = cluster.elect()
  for (let i = 0; i < 30; i++) put(cluster, leader, `k${String(i).padStart(2, "0")}`)
  cluster.pass(2_000_000)
  for (const store of cluster.stores) {
    assert.isAbove(store.disk.get(TENANT_VOLUME)!.base.current.checkpoint, 2)
    assert.isAbove(store.status!.firstIndex, 10)
  }
  return cluster
}

function put(cluster: Cluster, leader: Store, key: string, value = "v".repeat(200)): void {
  leader.request([{ type: "put", key, value }])
  cluster.settle()
}

const ALL_ROWS = tableSpan(DESCRIPTOR.tenant, KV_TABLE, "", "")
const ROWS = tableSpan(DESCRIPTOR.tenant, KV_TABLE, "k05", "k09")
const SOME_ROWS: Damage = { space: SPACE_VERSIONS, from: ROWS.start, to: ROWS.end }
const EVERY_ROW: Damage = { space: SPACE_VERSIONS, from: "", to: "" }
const RECORDS: Damage = { space: SPACE_META, from: "", to: "" }

/** At rest: the file of the base says so when it is opened. */
function damageAtRest(store: Store, ...damage: readonly Damage[]): void {
  const volume = store.disk.get(TENANT_VOLUME)!
  volume.base.current = volume.base.current.without(damage)
}

/** Of a store that runs: whoever reads there finds it, and nobody knows before. */
function makeBrittle(store: Store, ...spans: readonly Damage[]): void {
  store.disk.get(TENANT_VOLUME)!.base.brittle.push({ id: 1, spans, tally: { changes: 0 } })
}

/** The disk can be read again; what was found stays what it is. */
function mend(store: Store): void {
  store.disk.get(TENANT_VOLUME)!.base.brittle.length = 0
}

type StateLost = Extract<Observation, { readonly type: "stateLost" }>

function isStateLost(
  effect: Effect,
): effect is { readonly type: "observe"; readonly observation: StateLost } {
  return effect.type === "observe" && effect.observation.type === "stateLost"
}

function hashes(cluster: Cluster): readonly string[] {
  return cluster.stores.map(({ status }) => `${status!.appliedIndex} ${status!.hashHigh} ${status!.hashLow}`)
}

function assertWhole(cluster: Cluster): void {
  cluster.pass(6_000_000)
  assert.equal(new Set(hashes(cluster)).size, 1, hashes(cluster).join(", "))
  for (const store of cluster.stores) {
    assert.isNull(store.fatal)
    assert.notEqual(store.status!.role, "recovering")
    // What nobody owns stays damaged: nobody ever reads it.
    const { damage } = store.disk.get(TENANT_VOLUME)!.base
    assert.isFalse(overlaps(damage, SPACE_VERSIONS, ALL_ROWS.start, ALL_ROWS.end))
  }
}

for (const [what, damage] of [
  ["rows", SOME_ROWS],
  ["what the group keeps beside its rows", RECORDS],
] as const) {
  test(`a follower that lost ${what} serves nothing, asks its leader, and is whole again`, () => {
    const cluster = filled()
    const leader = cluster.elect()
    const follower = cluster.stores.find((store) => store !== leader)!
    damageAtRest(follower, damage)
    follower.boot()
    follower.settle()
    assert.equal(follower.status!.role, "recovering")
    follower.replies.length = 0
    follower.request([{ type: "get", key: "k20" }], { read: "eventual" })
    assert.deepEqual(
      follower.replies.map((reply) => reply.type === "error" && reply.error.code),
      ["recovering"],
    )
    assertWhole(cluster)
    assert.include(follower.marks, "raft.state.repaired")
  })
}

test("a base that says nothing any more is made good from a peer", () => {
  const cluster = filled()
  const leader = cluster.elect()
  const follower = cluster.stores.find((store) => store !== leader)!
  follower.disk.get(TENANT_VOLUME)!.base.current = MemoryBase.unreadable()
  follower.boot()
  assertWhole(cluster)
})

for (const [how, old] of [
  ["gone", () => MemoryBase.empty()],
  ["gone back", (seen: MemoryBase) => seen],
] as const) {
  test(`a base that has ${how} without a word is told, and made good from a peer under the same name`, () => {
    const cluster = clusterOf()
    const leader = cluster.elect()
    const follower = cluster.stores.find((store) => store !== leader)!
    put(cluster, leader, "k")
    cluster.pass(2_000_000)
    const { base } = follower.disk.get(TENANT_VOLUME)!
    const seen = base.current
    for (let i = 0; i < 30; i++) put(cluster, leader, `k${i}`)
    cluster.pass(2_000_000)
    assert.isAbove(follower.status!.firstIndex, 10)
    const name = follower.status!.replica
    base.current = old(seen)
    const before = follower.all.length
    follower.boot()
    const told = follower.all.slice(before).filter(isStateLost)
    assert.equal(told.length, 1)
    const { applied, logStart } = told[0]!.observation
    assert.isBelow(applied, logStart)
    assert.equal(follower.status!.role, "recovering")
    // A start before the repair knows as little, and says so again.
    follower.boot()
    assert.equal(follower.all.slice(before).filter(isStateLost).length, 2)
    assertWhole(cluster)
    assert.equal(follower.status!.replica, name)
    const repaired = follower.all.length
    follower.boot()
    assert.isEmpty(follower.all.slice(repaired).filter(isStateLost))
    assertWhole(cluster)
  })
}

test("a base that has gone where nobody else has the state is told, and is not taken for an empty one", () => {
  const cluster = filled([1])
  const [store] = cluster.stores
  store!.disk.get(TENANT_VOLUME)!.base.current = MemoryBase.empty()
  const before = store!.all.length
  store!.boot()
  assert.equal(store!.all.slice(before).filter(isStateLost).length, 1)
  cluster.pass(6_000_000)
  // Who its voters are was in the base: it waits for one that may have the state, and answers nothing meanwhile.
  assert.equal(store!.status!.role, "recovering")
  store!.replies.length = 0
  store!.request([{ type: "get", key: "k20" }], { read: "eventual" })
  assert.deepEqual(
    store!.replies.map((reply) => reply.type === "error" && reply.error.code),
    ["recovering"],
  )
})

test("a damaged state keeps acknowledging and voting by its log", () => {
  const cluster = filled()
  const leader = cluster.elect()
  const [follower, other] = cluster.stores.filter((store) => store !== leader)
  damageAtRest(follower!, SOME_ROWS)
  follower!.boot()
  cluster.cut.add(other!.id)
  // The quorum is the leader and the damaged one.
  for (let i = 0; i < 5; i++) put(cluster, leader, "again")
  assert.equal(leader.status!.commitIndex, leader.status!.lastIndex)
  cluster.cut.clear()
  assertWhole(cluster)
})

test("a damaged state never campaigns", () => {
  const cluster = filled()
  const leader = cluster.elect()
  const [follower, other] = cluster.stores.filter((store) => store !== leader)
  damageAtRest(follower!, SOME_ROWS)
  follower!.boot()
  cluster.cut.add(leader.id)
  cluster.pass(8_000_000)
  assert.equal(other!.status!.role, "leader")
  cluster.cut.clear()
  assertWhole(cluster)
})

test("damage that a read finds leaves no wrong answer behind, and the leader hands over", () => {
  const cluster = filled()
  const leader = cluster.elect()
  makeBrittle(leader, SOME_ROWS)
  leader.replies.length = 0
  leader.request([{ type: "get", key: "k06" }])
  cluster.settle()
  const [reply] = leader.replies
  assert.isTrue(reply!.type === "error" && reply!.error.code === "recovering", JSON.stringify(reply))
  assertWhole(cluster)
  assert.notEqual(cluster.leader, leader)
  assert.include(leader.marks, "raft.state.repaired")
})

test("damage that the chunks of a snapshot come upon leaves in none of them, and another one gives the state", () => {
  const cluster = filled()
  const leader = cluster.elect()
  const [behind] = cluster.stores.filter((store) => store !== leader)
  cluster.cut.add(behind!.id)
  for (let i = 0; i < 20; i++) put(cluster, leader, `m${i}`)
  cluster.pass(500_000)
  assert.isAbove(leader.status!.firstIndex, behind!.status!.lastIndex + 1)
  makeBrittle(leader, EVERY_ROW)
  leader.all.length = 0
  cluster.cut.clear()
  for (let i = 0; i < 40 && !leader.marks.includes("raft.state.damaged"); i++) cluster.pass(50_000)
  assert.include(leader.marks, "raft.snapshot.unreadable")
  const types = leader.all.map((effect) => (effect.type === "send" ? effect.message.type : effect.type))
  assert.include(types, "snapshotOffer")
  assert.notInclude(types, "snapshotChunk")
  assertWhole(cluster)
  assert.notEqual(cluster.leader, leader)
  assert.include(leader.marks, "raft.state.repaired")
})

test("the only replica whose rows cannot be read any more refuses by name, and writes to other groups go on", () => {
  const left = { ...DESCRIPTOR, end: "m" }
  const right = { ...DESCRIPTOR, rangeId: 2, groupId: 2, start: "m" }
  const config = configOf(1, [1])
  const groups = [left, right].map((descriptor) => ({ descriptor, configuration: configurationOf([1]) }))
  const bootstrap = { ...config.bootstrap!, groups }
  const cluster = new Cluster([1], () => ({ ...config, bootstrap, limits: LIMITS }))
  const store = cluster.elect()
  cluster.pass(5_000_000)
  for (let i = 0; i < 30; i++) put(cluster, store, `k${String(i).padStart(2, "0")}`)
  cluster.pass(2_000_000)
  makeBrittle(store, SOME_ROWS)
  store.replies.length = 0
  const ask = (): void => {
    store.request([{ type: "get", key: "k06" }])
    store.request([{ type: "put", key: "k20", value: "w" }])
    store.request([{ type: "put", key: "r7", value: "w" }], { rangeId: 2 })
    cluster.settle()
  }
  ask()
  mend(store)
  cluster.pass(SCRUB_US)
  ask()
  assert.deepEqual(
    store.replies.map((reply) => (reply.type === "error" ? reply.error.code : "ok")),
    ["recovering", "corruptSingleReplica", "ok", "corruptSingleReplica", "corruptSingleReplica", "ok"],
  )
  assert.isNull(store.fatal)
})

for (const kind of ["a", "s"] as const) {
  test(`a record beside the rows (${kind}) that a start alone finds unreadable stops nobody, and comes from a peer`, () => {
    const cluster = filled()
    const leader = cluster.elect()
    const follower = cluster.stores.find((store) => store !== leader)!
    makeBrittle(follower, { space: SPACE_META, from: kind, to: String.fromCharCode(kind.charCodeAt(0) + 1) })
    follower.boot()
    follower.settle()
    assert.equal(follower.status!.role, "recovering")
    assertWhole(cluster)
    assert.include(follower.marks, "raft.state.repaired")
  })
}

test("damage that an apply finds applies nothing", () => {
  const cluster = filled()
  const [store] = cluster.stores
  const { base } = store!.disk.get(TENANT_VOLUME)!
  const machine = StateMachine.open(new OverlayEngine(base), DESCRIPTOR.groupId, store!.status!.replica)!
  const row = base.cursor(SPACE_VERSIONS, ROWS.start, ROWS.end, false)
  makeBrittle(store!, SOME_ROWS)
  const { descriptor, leaseSequence } = machine
  const writes = [{ space: SPACE_VERSIONS, type: "delete", key: row.key, value: "" } as const]
  const batch = { generation: descriptor.generation, leaseSequence, closedTs: 0, minVersion: 1, writes }
  const index = machine.appliedIndex
  assert.isNull(machine.apply(makeEntry(index + 1, machine.appliedTerm, { type: "batch", batch })))
  assert.deepEqual([machine.appliedIndex, machine.isDamaged], [index, true])
})

test("damage that an evaluation finds proposes nothing, and a follower that finds it serves nothing", () => {
  const cluster = filled()
  const leader = cluster.elect()
  const follower = cluster.stores.find((store) => store !== leader)!
  makeBrittle(follower, EVERY_ROW)
  follower.replies.length = 0
  follower.request([{ type: "get", key: "k06" }], { read: "eventual" })
  const [refusal] = follower.replies
  assert.isTrue(refusal!.type === "error" && refusal!.error.code === "recovering")
  assert.include(follower.marks, "raft.state.damaged")
  assertWhole(cluster)
  const last = leader.status!.lastIndex
  makeBrittle(leader, EVERY_ROW)
  leader.replies.length = 0
  leader.request([{ type: "increment", key: "k07", by: 1 }])
  assert.equal(leader.status!.lastIndex, last)
  cluster.settle()
  const [reply] = leader.replies
  assert.isTrue(reply!.type === "error" && reply!.error.code === "recovering")
})

test("a crash at any step of the repair leaves a store that is repaired after it", () => {
  for (let steps = 0; steps < 12; steps++) {
    const cluster = filled()
    const leader = cluster.elect()
    const follower = cluster.stores.find((store) => store !== leader)!
    damageAtRest(follower, SOME_ROWS, RECORDS)
    follower.boot()
    let left = steps
    for (let round = 0; round < 200 && left > 0; round++) {
      cluster.store(leader.id).mono += 50_000
      follower.mono = leader.mono
      leader.step({ type: "wake" })
      leader.settle()
      for (const send of leader.take()) cluster.deliver(leader, send)
      follower.endTurn()
      if (follower.complete()) left--
      for (const send of follower.take()) cluster.deliver(follower, send)
    }
    follower.boot()
    for (const store of cluster.stores) store.mono = Math.max(leader.mono, store.mono)
    assertWhole(cluster)
  }
})

test("the only replica of a group refuses by name, and the other groups of its store go on", () => {
  const left = { ...DESCRIPTOR, end: "m" }
  const right = { ...DESCRIPTOR, rangeId: 2, groupId: 2, start: "m" }
  const config = configOf(1, [1])
  const groups = [left, right].map((descriptor) => ({ descriptor, configuration: configurationOf([1]) }))
  const bootstrap = { ...config.bootstrap!, groups }
  const cluster = new Cluster([1], () => ({ ...config, bootstrap, limits: LIMITS }))
  const store = cluster.elect()
  cluster.pass(5_000_000)
  for (let i = 0; i < 30; i++) {
    put(cluster, store, `k${String(i).padStart(2, "0")}`)
    store.request([{ type: "put", key: `r${i}`, value: "v" }], { rangeId: 2 })
    cluster.settle()
  }
  damageAtRest(store, SOME_ROWS)
  store.boot()
  cluster.pass(20_000_000)
  store.replies.length = 0
  store.request([{ type: "get", key: "k20" }])
  store.request([{ type: "get", key: "r7" }], { rangeId: 2 })
  cluster.settle()
  assert.deepEqual(
    store.replies.map((reply) => (reply.type === "error" ? reply.error.code : reply.results)),
    ["corruptSingleReplica", [{ type: "value", value: "v" }]] as unknown[],
  )
  assert.isNull(store.fatal)
})

/** Behind the back of the kernel: a row of the base is another one, with a checksum that is right. */
function changeRow(store: Store, key: string): void {
  const { base } = store.disk.get(TENANT_VOLUME)!
  const engine = new OverlayEngine(base.current)
  const span = tableSpan(DESCRIPTOR.tenant, KV_TABLE, key, key + "\0")
  const row = engine.cursor(SPACE_VERSIONS, span.start, span.end, false)
  assert.isTrue(row.valid)
  const value = encodeVersion("forged", 0, null)
  engine.apply([{ space: SPACE_VERSIONS, type: "put", key: row.key, value }])
  const { checkpoint } = base.current
  const forged = MemoryBase.decode(
    encodeCheckpoint(checkpoint, [], (space) => engine.cursor(space, "", "", false)),
  )
  base.current = forged!
}

for (const who of ["a follower", "the leader"] as const) {
  test(`a row of ${who} that is another one, with a good checksum, is found by the count and repaired`, () => {
    const cluster = filled()
    const leader = cluster.elect()
    const victim = who === "the leader" ? leader : cluster.stores.find((store) => store !== leader)!
    changeRow(victim, "k07")
    cluster.pass(3 * SCRUB_US)
    assert.include(victim.marks, "range.scrub.differs")
    assertWhole(cluster)
    assert.include(victim.marks, "raft.state.repaired")
  })
}

/** A write that one replica applied otherwise than the others: rows and hash agree with each other. */
function applyOtherwise(store: Store, key: string): void {
  const volume = store.disk.get(TENANT_VOLUME)!
  const { base } = volume
  changeRow(store, key)
  // The kept hash is counted anew when a checkpoint is read whose applied record has the hash of its rows.
  const engine = new OverlayEngine(base.current)
  const machine = StateMachine.open(engine, DESCRIPTOR.groupId, store.status!.replica)!
  const sum = new StateHash()
  for (const space of [1, 2, 3, 4] as const) {
    for (const row = engine.cursor(space, "", "", false); row.valid; row.next())
      sum.add(space, row.key, row.value)
  }
  const record = readApplied(engine, DESCRIPTOR.groupId)!
  engine.apply([appliedWrite(DESCRIPTOR.groupId, { ...record, hashHigh: sum.high, hashLow: sum.low })])
  assert.isFalse(machine.isDamaged)
  const file = encodeCheckpoint(base.current.checkpoint, [], (space) => engine.cursor(space, "", "", false))
  base.current = MemoryBase.decode(file)!
  store.boot()
}

for (const who of ["a follower", "the leader"] as const) {
  test(`${who} whose state is in the minority, and agrees with itself, is found by comparison and repaired`, () => {
    const cluster = filled()
    const before = cluster.elect()
    const victim = cluster.stores.find((store) => store !== before)!
    applyOtherwise(victim, "k07")
    if (who === "the leader") {
      cluster.pass(100_000)
      before.step({
        type: "admin",
        session: 1,
        request: { id: 1, group: 1, action: { type: "transferLeader", store: victim.id } },
      })
      cluster.settle()
      assert.equal(cluster.leader, victim)
    }
    cluster.pass(3 * SCRUB_US)
    assert.include(victim.marks, "range.scrub.wrong")
    assert.equal(
      cluster.stores.some((store) => store.marks.includes("range.scrub.disagree")),
      true,
      "nobody has said that an answer differs",
    )
    assertWhole(cluster)
    assert.include(victim.marks, "raft.state.repaired")
  })
}

test("of two that differ, with the third cut off, nobody can say who is wrong, and until it is back nothing is done", () => {
  const cluster = filled()
  const leader = cluster.elect()
  const [victim, away] = cluster.stores.filter((store) => store !== leader)
  cluster.cut.add(away!.id)
  applyOtherwise(victim!, "k07")
  cluster.pass(3 * SCRUB_US)
  assert.include(leader.marks, "range.scrub.undecided")
  for (const store of cluster.stores)
    for (const mark of ["range.scrub.wrong", "range.scrub.diverged"]) assert.notInclude(store.marks, mark)
  cluster.cut.clear()
  cluster.pass(3 * SCRUB_US)
  assert.include(victim!.marks, "range.scrub.wrong")
  assertWhole(cluster)
})

test("where no two of three agree the range refuses by name", () => {
  const cluster = filled()
  const leader = cluster.elect()
  const [one, two] = cluster.stores.filter((store) => store !== leader)
  applyOtherwise(one!, "k07")
  applyOtherwise(two!, "k08")
  cluster.pass(3 * SCRUB_US)
  for (const store of cluster.stores) {
    assert.include(store.marks, "range.scrub.diverged")
    store.replies.length = 0
    store.request([{ type: "get", key: "k20" }], { read: "eventual" })
    const [reply] = store.replies
    assert.isTrue(reply!.type === "error" && reply!.error.code === "replicasDiverged")
  }
})

test("a kernel that is saved and loaded at any moment of scrub and repair goes on alike", () => {
  const cluster = filled()
  const leader = cluster.elect()
  for (const store of cluster.stores) store.bearTwin()
  const follower = cluster.stores.find((store) => store !== leader)!
  changeRow(follower, "k07")
  for (let i = 0; i < 120; i++) {
    cluster.pass(50_000)
    for (const store of cluster.stores) store.reloadTwin()
  }
  assertWhole(cluster)
})

test("a status tells how much a range holds, as a model counts it, and when it was scrubbed and checkpointed", () => {
  const cluster = filled()
  const leader = cluster.elect()
  for (const key of ["k03", "k04"]) {
    leader.request([{ type: "delete", key }])
    cluster.settle()
  }
  cluster.pass(3 * SCRUB_US)
  // 30 versions and two tombstones, and how far versions may go; no tokens were given, so there are no records.
  const model = { rows: 33, tombstones: 2 }
  for (const { status, mono } of cluster.stores) {
    const { size, scrub, checkpoint } = status!
    assert.deepEqual([size!.rows, size!.tombstones], [model.rows, model.tombstones])
    assert.isAbove(size!.bytes, 30 * 200)
    assert.isAtLeast(scrub.passes, 2)
    assert.isAbove(scrub.mono, mono - 2 * SCRUB_US)
    assert.isAbove(checkpoint!.id, 2)
    assert.isAtMost(checkpoint!.mono, mono)
  }
  assert.equal(new Set(cluster.stores.map(({ status }) => status!.size!.bytes)).size, 1)
  // Written since: counted along the way.
  put(cluster, leader, "zz")
  assert.equal(leader.status!.size!.rows, 34)
})

type Differed = Extract<Observation, { readonly type: "stateDiffered" }>

function differencesOf(store: Store): readonly Differed[] {
  return store.all.flatMap((effect) =>
    effect.type === "observe" && effect.observation.type === "stateDiffered" ? [effect.observation] : [],
  )
}

function told({ space, key, kind, isCertain }: Differed): readonly unknown[] {
  return [space, key, kind, isCertain]
}

for (const who of ["a follower", "the leader"] as const) {
  test(`what was wrong with ${who} is named by its first key before the repair replaces it, while writes go on`, () => {
    const cluster = filled()
    const leader = cluster.elect()
    const victim = who === "the leader" ? leader : cluster.stores.find((store) => store !== leader)!
    changeRow(victim, "k07")
    changeRow(victim, "k21")
    for (let i = 0; i < 40; i++) {
      // Keys before and behind the one that rotted.
      const now = cluster.leader
      if (now !== undefined) put(cluster, now, `k0${i % 5}`, `later ${i}`)
      cluster.pass(SCRUB_US / 10)
    }
    assertWhole(cluster)
    assert.deepEqual(differencesOf(victim).map(told), [["versions", "k07", "changed", true]])
    assert.include(victim.marks, "range.repair.differs")
  })
}

test("rows that could not be read are named as such, and a state that only lost its records has no difference", () => {
  const cluster = filled()
  const leader = cluster.elect()
  const [one, two] = cluster.stores.filter((store) => store !== leader)
  damageAtRest(one!, SOME_ROWS)
  one!.boot()
  assertWhole(cluster)
  assert.deepEqual(differencesOf(one!).map(told), [["versions", "k05", "unreadable", true]])
  damageAtRest(two!, RECORDS)
  two!.boot()
  assertWhole(cluster)
  assert.deepEqual(differencesOf(two!), [])
  assert.include(two!.marks, "range.repair.sameRows")
})

test("where the leader is gone when the damage is found, the one after it repairs, and the key is named", () => {
  const cluster = filled()
  const leader = cluster.elect()
  const victim = cluster.stores.find((store) => store !== leader)!
  changeRow(victim, "k07")
  cluster.cut.add(leader.id)
  cluster.pass(8_000_000)
  assert.deepEqual(differencesOf(victim).map(told), [["versions", "k07", "changed", true]])
  cluster.cut.clear()
  assertWhole(cluster)
})
