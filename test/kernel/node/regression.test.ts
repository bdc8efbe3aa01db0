import { assert, test } from "vitest"
import type { MemoryBase } from "#kernel/engine/memory-base.ts"
import { appendReply, heartbeatReply, leaderOf, voteRequest } from "../../support/raft-group.ts"
import { Cluster, configOf, Store } from "../../support/store-rig.ts"

// DESIGN §4, "Identity": peers keep what each life acknowledged, and refuse who goes back on it.

const SECOND = 1_000_000

type Backup = ReadonlyMap<
  number,
  {
    readonly segments: ReadonlyMap<number, Uint8Array>
    readonly witness: Uint8Array | null
    readonly base: MemoryBase
  }
>

function backupOf(store: Store): Backup {
  return new Map(
    [...store.disk].map(([id, { segments, witness, base }]) => [
      id,
      {
        segments: new Map([...segments].map(([sequence, bytes]) => [sequence, bytes.slice()])),
        witness,
        base: base.current,
      },
    ]),
  )
}

function restore(store: Store, backup: Backup): void {
  for (const [id, { segments, witness, base }] of backup) {
    const volume = store.disk.get(id)!
    volume.segments.clear()
    for (const [sequence, bytes] of segments) volume.segments.set(sequence, bytes.slice())
    volume.witness = witness
    volume.base.current = base
  }
  store.boot()
}

function write(cluster: Cluster, from: number, count: number): void {
  for (let i = from; i < from + count; i++) {
    cluster.leader!.request([{ type: "put", key: `k${i % 5}`, value: `v${i}` }], { id: 100 + i })
    cluster.pass(SECOND / 10)
  }
}

function assertAlike(cluster: Cluster): void {
  const states = cluster.stores.map(({ status }) => [status?.appliedIndex, status?.hashHigh, status?.hashLow])
  assert.deepEqual(states[1], states[0])
  assert.deepEqual(states[2], states[0])
  assert.deepEqual(cluster.leader!.status!.configuration.learners, [])
  assert.equal(cluster.leader!.status!.configuration.voters.length, 3)
}

test("an old image whose boot was followed by later ones is told, gives itself up and comes back above them", () => {
  const cluster = new Cluster()
  cluster.elect()
  write(cluster, 0, 5)
  const victim = cluster.stores.find((store) => store !== cluster.leader)!
  const backup = backupOf(victim)
  for (let i = 0; i < 3; i++) {
    victim.boot()
    cluster.pass(SECOND)
    write(cluster, 10 * i, 3)
  }
  const { boot } = victim.kernel.identity()
  restore(victim, backup)
  assert.isBelow(victim.kernel.identity().boot, boot)
  for (let i = 0; i < 50 && victim.fatal === null; i++) cluster.pass(SECOND / 10)
  assert.equal(victim.fatal, "outdatedImage")
  assert.include(victim.marks, "node.image.old")
  victim.boot()
  assert.isUndefined(victim.status)
  assert.isAbove(victim.kernel.identity().boot, boot)
  cluster.pass(15 * SECOND)
  write(cluster, 50, 3)
  cluster.pass(SECOND)
  assertAlike(cluster)
  assert.isAbove(victim.status!.replica, 3)
})

test("who was told so and dies before it is durable is told again", () => {
  const cluster = new Cluster()
  cluster.elect()
  const victim = cluster.stores.find((store) => store !== cluster.leader)!
  const backup = backupOf(victim)
  for (let i = 0; i < 3; i++) {
    victim.boot()
    cluster.pass(SECOND)
  }
  restore(victim, backup)
  for (let i = 0; i < 50 && !victim.marks.includes("node.image.old"); i++) cluster.pass(SECOND / 20)
  restore(victim, backup)
  for (let i = 0; i < 50 && victim.fatal === null; i++) cluster.pass(SECOND / 10)
  assert.equal(victim.fatal, "outdatedImage")
})

test("an image whose log ends before what it acknowledged is refused by its leader, and replaced", () => {
  const cluster = new Cluster()
  const leader = cluster.elect()
  write(cluster, 0, 5)
  const victim = cluster.stores.find((store) => store !== leader)!
  const backup = backupOf(victim)
  write(cluster, 5, 8)
  cluster.pass(SECOND)
  restore(victim, backup)
  assert.equal(victim.status!.role, "follower", "it knows of nothing")
  cluster.pass(15 * SECOND)
  assert.include(leader.marks, "raft.member.refused")
  write(cluster, 20, 3)
  cluster.pass(SECOND)
  assertAlike(cluster)
  assert.isAbove(victim.status!.replica, 3)
})

test("an image whose log ends no earlier, but with entries that were cut away since, commits none of them", () => {
  const cluster = new Cluster()
  const victim = cluster.elect()
  write(cluster, 0, 3)
  // Entries that nobody else gets, durable here.
  cluster.cut.add(victim.id)
  for (let i = 0; i < 8; i++) victim.request([{ type: "put", key: `lost${i}`, value: "x" }], { id: 50 + i })
  victim.settle()
  const backup = backupOf(victim)
  const { lastIndex } = victim.status!
  for (let i = 0; i < 100 && cluster.leader === victim; i++) cluster.pass(SECOND / 10)
  for (let i = 0; i < 100 && cluster.leader === undefined; i++) cluster.pass(SECOND / 10)
  cluster.cut.clear()
  cluster.pass(2 * SECOND)
  write(cluster, 10, 2)
  cluster.pass(2 * SECOND)
  const leader = cluster.leader!
  assert.notEqual(leader, victim)
  assert.isBelow(victim.status!.lastIndex, lastIndex)
  assert.equal(victim.status!.commitIndex, leader.status!.commitIndex)
  restore(victim, backup)
  assert.equal(victim.status!.lastIndex, lastIndex)
  cluster.pass(10 * SECOND)
  write(cluster, 20, 3)
  cluster.pass(SECOND)
  assertAlike(cluster)
})

test("an image that starts under a boot that was used since, with a log that ends as far, is told and comes back above it", () => {
  const cluster = new Cluster()
  const victim = cluster.elect()
  write(cluster, 0, 3)
  // What a leader writes of its own accord, such as how far versions may go, is there.
  cluster.pass(2 * SECOND)
  // Entries that nobody else gets, durable here.
  cluster.cut.add(victim.id)
  for (let i = 0; i < 4; i++) victim.request([{ type: "put", key: `lost${i}`, value: "x" }], { id: 50 + i })
  victim.settle()
  const backup = backupOf(victim)
  const { lastIndex } = victim.status!
  for (let i = 0; i < 100 && cluster.leader === victim; i++) cluster.pass(SECOND / 10)
  for (let i = 0; i < 100 && cluster.leader === undefined; i++) cluster.pass(SECOND / 10)
  victim.boot()
  cluster.cut.clear()
  cluster.pass(2 * SECOND)
  const leader = cluster.leader!
  for (let i = 0; i < 20 && leader.status!.lastIndex < lastIndex; i++) write(cluster, 20 + i, 1)
  cluster.pass(2 * SECOND)
  assert.notEqual(leader, victim)
  assert.equal(victim.status!.commitIndex, lastIndex)
  const { boot } = victim.kernel.identity()
  restore(victim, backup)
  assert.deepEqual([victim.kernel.identity().boot, victim.status!.lastIndex], [boot, lastIndex])
  assert.isBelow(victim.status!.commitIndex, lastIndex)
  for (let i = 0; i < 50 && victim.fatal === null; i++) cluster.pass(SECOND / 10)
  assert.equal(victim.fatal, "outdatedImage")
  victim.boot()
  assert.isUndefined(victim.status)
  assert.isAbove(victim.kernel.identity().boot, boot)
  cluster.pass(15 * SECOND)
  write(cluster, 50, 3)
  cluster.pass(SECOND)
  assertAlike(cluster)
  assert.isAbove(victim.status!.replica, 3)
})

test("the answer of a process that is gone is no sign of an old image", () => {
  const store = new Store(configOf(1))
  store.settle()
  const { incarnation, boot, nonce } = store.kernel.identity()
  const told = { type: "outdated", incarnation, nonce } as const
  store.frame([
    { ...told, boot },
    { ...told, boot: boot - 1, nonce: nonce + 1 },
    { ...told, incarnation: incarnation + 1, boot: boot + 5 },
  ])
  store.settle()
  assert.isNull(store.fatal)
  assert.isDefined(store.status)
  store.frame([{ ...told, boot: boot + 5 }, voteRequest(2, 1, 9, [99, 9])])
  store.settle()
  assert.equal(store.fatal, "outdatedImage")
  assert.isFalse(store.sent.some(({ message }) => message.type === "voteReply"))
})

test("under its own boot another process was heard: that is an old image, and it says not one word more", () => {
  const store = new Store(configOf(1))
  store.settle()
  const { incarnation, boot, nonce } = store.kernel.identity()
  store.take()
  store.frame([{ type: "outdated", incarnation, boot, nonce: nonce + 1 }, voteRequest(2, 1, 9, [99, 9])])
  store.settle()
  assert.equal(store.fatal, "outdatedImage")
  assert.deepEqual(store.take(), [])
  store.boot()
  assert.isUndefined(store.status)
  assert.equal(store.kernel.identity().boot, boot + 1)
})

/** A leader of term 1 whose entry is committed and durable, to whom 2 has acknowledged it. */
function acknowledgedLeader(): ReturnType<typeof leaderOf> {
  const leader = leaderOf(1)
  leader.sync()
  leader.step({ type: "turnEnded" })
  leader.receive(appendReply(2, 1, 1, 1))
  leader.mono += 1
  return leader
}

test("a log end is held against an acknowledgement only if the heartbeat left after that had arrived", () => {
  const leader = acknowledgedLeader()
  // Sent before: the two may have overtaken each other.
  leader.receive({ ...heartbeatReply(2, 1, 1), lastIndex: 0, sentMono: 0 } as never)
  assert.isFalse(leader.raft.hasLost)
  // Now what it acknowledged is known to have been so at this moment…
  leader.receive({ ...heartbeatReply(2, 1, 1), lastIndex: 1, sentMono: leader.mono } as never)
  const before = leader.mono
  leader.mono += 1
  leader.receive({ ...heartbeatReply(2, 1, 1), lastIndex: 0, sentMono: before - 1 } as never)
  assert.isFalse(leader.raft.hasLost)
  // …and this heartbeat left later.
  leader.receive({ ...heartbeatReply(2, 1, 1), lastIndex: 0, sentMono: leader.mono } as never)
  assert.isTrue(leader.raft.hasLost)
})

test("who is refused is not believed, does not vote here, and is still led", () => {
  const leader = acknowledgedLeader()
  leader.receive({ ...heartbeatReply(2, 1, 1), lastIndex: 1, sentMono: leader.mono } as never)
  leader.mono += 1
  leader.receive({ ...heartbeatReply(2, 1, 1), lastIndex: 0, sentMono: leader.mono } as never)
  const entry = leader.propose("x")
  leader.sync()
  leader.receive(appendReply(2, 1, 1, entry.index))
  assert.isBelow(leader.raft.commitIndex, entry.index, "not by its word")
  leader.receive(appendReply(3, 1, 1, entry.index))
  assert.equal(leader.raft.commitIndex, entry.index)
  leader.takeReleased()
  assert.deepEqual(
    leader.receive(voteRequest(2, 1, 9, [99, 9])).filter(({ type }) => type === "send"),
    [],
  )
  leader.mono = leader.raft.deadline
  const types = leader
    .step({ type: "timePassed" })
    .flatMap((effect) => (effect.type === "send" ? [effect] : []))
  assert.isTrue(types.some(({ to, message }) => to.replica === 2 && message.type === "heartbeat"))
})
