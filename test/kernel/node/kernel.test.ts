import { assert, describe, test } from "vitest"
import { SYSTEM_VOLUME } from "#kernel/ids.ts"
import type { Effect } from "#kernel/node/effect.ts"
import type { RaftMessage } from "#kernel/raft/message.ts"
import {
  appendEntries,
  appendReply,
  entry,
  heartbeat,
  voteReply,
  voteRequest,
} from "../../support/raft-group.ts"
import { lagging } from "../../support/lagging.ts"
import {
  Cluster,
  configOf,
  emptyDisk,
  EPOCH_US,
  Store,
  TENANT_VOLUME,
  type SendEffect,
} from "../../support/store-rig.ts"

/** A store that has started; nobody has spoken to it yet. */
function running(id = 1): Store {
  const store = new Store(configOf(id))
  store.settle()
  store.wake()
  store.settle()
  store.take()
  return store
}

/** A store that is the only one of its cluster, and leads. */
function alone(): Store {
  const store = new Store(configOf(1, [1]))
  store.settle()
  for (let i = 0; i < 100 && store.status?.role !== "leader"; i++) {
    store.wake()
    store.settle()
  }
  // Past the low-water of its first entry.
  store.mono += 1_000_000
  store.wake()
  store.settle()
  return store
}

function follows(
  term: number,
  more: Partial<Extract<RaftMessage, { type: "appendEntries" }>> = {},
): RaftMessage {
  return { ...appendEntries(2, 1, term, [1, 1]), ...more }
}

function sendsIn(store: Store, type: RaftMessage["type"]): readonly SendEffect[] {
  return store.all.filter(
    (effect): effect is SendEffect => effect.type === "send" && effect.message.type === type,
  )
}

/** The send of this type the store made last, with its barrier. */
function lastSend(store: Store, type: RaftMessage["type"]): SendEffect {
  const send = sendsIn(store, type).at(-1)
  assert.isDefined(send, `no ${type} was sent`)
  return send
}

/** Of the frame that would carry what is appended now. */
function nextLsn(store: Store, volume = TENANT_VOLUME): number {
  const lsns = store.all.flatMap((effect) =>
    effect.type === "append" && effect.volume === volume ? [effect.lsn] : [],
  )
  return Math.max(0, ...lsns) + 1
}

describe("start", () => {
  test("nothing is sent and no replica is made before the boot number is durable", () => {
    const store = new Store(configOf(1))
    store.endTurn()
    assert.isUndefined(store.status)
    while (store.status === undefined) {
      const boot = store.doing.find((each) => each.type === "append" && each.volume === SYSTEM_VOLUME)
      assert.deepEqual(store.sent, [])
      assert.isTrue(store.complete())
      store.endTurn()
      if (boot === undefined) assert.isUndefined(store.status, "the frame was not even written")
    }
    assert.isTrue(store.all.some((each) => each.type === "append" && each.volume === SYSTEM_VOLUME))
  })

  test("while it starts, a store answers that it is recovering, and not before its boot number is durable", () => {
    const store = new Store(configOf(1))
    store.request([{ type: "get", key: "a" }])
    const replies = store.all.filter((effect) => effect.type === "reply")
    assert.deepEqual(
      replies.map(({ reply, barrier }) => [reply.type === "error" && reply.error.code, barrier?.volume]),
      [["recovering", SYSTEM_VOLUME]],
    )
    assert.deepEqual(store.replies, [])
    store.settle()
    assert.equal(store.replies.length, 1)
  })

  test("frames that come before it runs are dropped", () => {
    const store = new Store(configOf(1))
    store.frame([heartbeat(2, 1, 5)])
    store.settle()
    assert.equal(store.status?.term, 1)
  })

  test("the document is applied once, wherever in the start a crash comes", () => {
    const steps = ((): number => {
      const whole = new Store(configOf(1))
      let count = 0
      for (whole.endTurn(); whole.complete(); count++) whole.endTurn()
      return count
    })()
    assert.isAtLeast(steps, 5)
    for (let crashAt = 0; crashAt <= steps; crashAt++) {
      for (const again of [0, 1, 2, 3]) {
        const store = new Store(configOf(1))
        store.endTurn()
        for (let i = 0; i < crashAt; i++, store.endTurn()) store.complete()
        store.boot()
        store.endTurn()
        // And once more in the second start.
        for (let i = 0; i < again; i++, store.endTurn()) store.complete()
        store.boot()
        store.settle()
        const context = `crash at ${crashAt}, then at ${again}`
        assert.isNull(store.fatal, context)
        assert.equal(store.kernel.identity().incarnation, 1, context)
        const { replica, term, lastIndex, firstIndex } = store.status!
        assert.deepEqual([replica, term, firstIndex, lastIndex], [1, 1, 1, 1], context)
        store.wake()
        store.settle()
        assert.isNotEmpty(store.wakeAt === null ? [] : [store.wakeAt], context)
      }
    }
  })

  test("a store that has lived does not begin again: it comes back with term, vote and log", () => {
    const store = running()
    store.frame([follows(5, { entries: [entry(2, 5), entry(3, 5)], leaderCommit: 2 })])
    store.settle()
    store.boot()
    store.settle()
    assert.deepInclude(store.status, { term: 5, lastIndex: 3, replica: 1, role: "follower" })
    assert.equal(store.kernel.identity().boot, 2)
  })

  test("every start has a boot number of its own, a crash in the middle of one included", () => {
    const store = new Store(configOf(1))
    store.settle()
    const boots = [store.kernel.identity().boot]
    for (let i = 0; i < 4; i++) {
      store.boot()
      if (i % 2 === 0) store.settle()
      boots.push(store.kernel.identity().boot)
    }
    assert.deepEqual(boots, [1, 2, 3, 3, 4], "one that never was durable was never said")
  })

  test("a volume that is listed and gone opens under another incarnation, and no document is applied to it", () => {
    const store = running()
    store.disk.set(TENANT_VOLUME, emptyDisk().get(TENANT_VOLUME)!)
    store.boot()
    store.settle()
    assert.isNull(store.fatal)
    assert.isUndefined(store.status, "nothing can vote with an old name and an empty memory")
  })

  test("a wiped store that another of its name replaces draws an incarnation of its own only without a document", () => {
    const stranger = new Store({ ...configOf(1), bootstrap: null })
    stranger.settle()
    assert.isAbove(stranger.kernel.identity().incarnation, 1)
    assert.isTrue(Number.isSafeInteger(stranger.kernel.identity().incarnation))
    assert.isUndefined(stranger.status)
  })

  test("a directory of another store or cluster is refused", () => {
    for (const other of [{ store: 2 }, { cluster: "other" }]) {
      const store = running()
      const wrong = new Store({ ...configOf(1), ...other }, store.disk)
      assert.equal(wrong.fatal, "identityMismatch")
      assert.deepEqual(wrong.step({ type: "wake" }), [])
    }
  })

  test("a store that cannot read who it is stops", () => {
    const store = running()
    store.frame([follows(5, { entries: [entry(2, 5)] })])
    store.settle()
    const { segments } = store.disk.get(SYSTEM_VOLUME)!
    const frames = store.all.filter((effect) => effect.type === "append" && effect.volume === SYSTEM_VOLUME)
    assert.isAtLeast(frames.length, 3)
    for (const frame of frames) {
      if (frame.type !== "append") continue
      for (const at of [0, 9, frame.bytes.length - 9]) {
        segments.get(frame.segment)![frame.offset + at]! ^= 1
        store.boot()
        assert.equal(store.fatal, "corruptSystemVolume")
        segments.get(frame.segment)![frame.offset + at]! ^= 1
      }
    }
    store.boot()
    assert.isNull(store.fatal)
  })

  test("a failed sync or checkpoint stops the store, and nothing it is told afterwards moves it", () => {
    const failures = [
      ["appendFailed", "syncFailed"],
      ["checkpointFailed", "checkpointFailed"],
    ] as const
    for (const [type, code] of failures) {
      const store = running()
      store.step({ type, volume: TENANT_VOLUME, lsn: 1, checkpoint: 1 })
      assert.equal(store.fatal, code)
      assert.deepEqual(store.step({ type: "frame", frame: null as never }), [])
    }
  })
})

describe("barriers", () => {
  test("append, heartbeat and pre-vote wait for nothing", () => {
    const store = running()
    store.wake()
    assert.equal(lastSend(store, "voteRequest").message.type === "voteRequest", true)
    assert.isNull(lastSend(store, "voteRequest").barrier)
    store.frame([voteRequest(2, 1, 9, [1, 1], { preVote: true })])
    assert.isNull(lastSend(store, "voteReply").barrier)
    const cluster = new Cluster()
    const leader = cluster.elect()
    leader.request([{ type: "put", key: "a", value: "1" }])
    leader.endTurn()
    cluster.pass(200_000)
    for (const type of ["appendEntries", "heartbeat"] as const) {
      for (const send of sendsIn(leader, type)) assert.isNull(send.barrier)
      assert.isNotEmpty(sendsIn(leader, type))
    }
  })

  test("a vote request waits for the candidate's term and vote", () => {
    const store = running()
    store.wake()
    store.take()
    const lsn = nextLsn(store)
    store.frame([voteReply(2, 1, 2, true, true)])
    const send = lastSend(store, "voteRequest")
    assert.deepEqual(
      [send.message.type === "voteRequest" && send.message.term, send.barrier],
      [2, { volume: TENANT_VOLUME, lsn }],
    )
    store.endTurn()
    assert.deepEqual(store.take(), [])
    store.settle()
    assert.equal(store.take().length, 2)
  })

  test("a vote waits for the record of the vote", () => {
    const store = running()
    const lsn = nextLsn(store)
    store.frame([voteRequest(2, 1, 7, [1, 1])])
    assert.deepEqual(lastSend(store, "voteReply").barrier, { volume: TENANT_VOLUME, lsn })
    store.endTurn()
    assert.deepEqual(store.take(), [])
    store.settle()
    assert.deepEqual(
      store.take().map(({ message }) => message),
      [voteReply(1, 2, 7)],
    )
  })

  test("an append is acknowledged when the entries are durable", () => {
    const store = running()
    const lsn = nextLsn(store)
    store.frame([follows(7, { entries: [entry(2, 7)] })])
    assert.deepEqual(lastSend(store, "appendReply").barrier, { volume: TENANT_VOLUME, lsn })
    store.endTurn()
    assert.deepEqual(store.take(), [])
    store.settle()
    assert.deepEqual(
      store.take().map(({ message }) => message),
      [appendReply(1, 2, 7, 2)],
    )
  })

  test("a heartbeat is acknowledged when the term it was heard in is durable", () => {
    const store = running()
    const lsn = nextLsn(store)
    store.frame([heartbeat(2, 1, 7)])
    assert.deepEqual(lastSend(store, "heartbeatReply").barrier, { volume: TENANT_VOLUME, lsn })
    store.settle()
    store.take()
    store.frame([heartbeat(2, 1, 7)])
    assert.isNull(lastSend(store, "heartbeatReply").barrier)
  })

  test("a client is answered when what it was told is committed: on the leader's own disk when it is alone", () => {
    const store = alone()
    store.request([{ type: "put", key: "a", value: "1" }])
    store.endTurn()
    assert.deepEqual(store.replies, [])
    while (store.doing.length > 0) {
      assert.deepEqual(store.replies, [])
      store.complete()
    }
    assert.deepEqual(
      store.replies.map(({ type }) => type),
      ["ok"],
    )
  })

  test("a client is answered when what it was told is committed: durable on a quorum when it is not", () => {
    const cluster = new Cluster()
    const leader = cluster.elect()
    for (const store of cluster.stores) if (store !== leader) cluster.cut.add(store.id)
    leader.request([{ type: "put", key: "a", value: "1" }])
    cluster.settle()
    assert.deepEqual(leader.replies, [], "it is durable here and nowhere else")
    cluster.cut.clear()
    cluster.pass(500_000)
    assert.deepEqual(
      leader.replies.map(({ type }) => type),
      ["ok"],
    )
  })

  test("a snapshot and every index past it are acknowledged when its checkpoint is durable", () => {
    const { follower, leader, cluster } = lagging({ checkpointLogBytes: 2_000 }, 40)
    // The follower's checkpoint alone is held back.
    const settle = cluster.settle.bind(cluster)
    let acknowledged = 0
    for (let round = 0; round < 60; round++) {
      for (const store of cluster.stores) {
        store.endTurn()
        for (let at = store.doing.length - 1; at >= 0; at--) {
          if (store === follower && store.doing[at]!.type === "checkpoint") continue
          store.complete(at)
        }
      }
      for (const store of cluster.stores)
        for (const send of store.take()) {
          if (store === follower && send.message.type === "appendReply" && send.message.success) {
            acknowledged = Math.max(acknowledged, send.message.matchIndex)
          }
          assert.notEqual(store === follower && send.message.type, "snapshotReply")
          cluster.deliver(store, send)
        }
      if (round % 10 === 9) {
        for (const store of cluster.stores) store.mono += 100_000
        leader.step({ type: "wake" })
      }
    }
    const installed = follower.all.some((effect) => effect.type === "checkpoint")
    assert.isTrue(installed, "a snapshot was taken in")
    assert.isBelow(acknowledged, leader.status!.firstIndex)
    settle()
    assert.isNotEmpty(sendsIn(follower, "snapshotReply"))
    cluster.pass(500_000)
    assert.equal(follower.status!.appliedIndex, leader.status!.appliedIndex)
  })

  test("what a group has appended, voted or campaigned for counts for itself only when it is durable", () => {
    const store = new Store(configOf(1, [1]))
    store.settle()
    store.wake()
    store.settle()
    store.take()
    while (store.status!.role === "follower") store.wake()
    store.endTurn()
    assert.equal(store.status!.role, "candidate", "its term and vote are not durable")
    store.complete()
    assert.equal(store.status!.role, "leader")
    const { commitIndex } = store.status!
    store.endTurn()
    assert.equal(store.status!.commitIndex, commitIndex, "its first entry is not durable")
    store.settle()
    assert.equal(store.status!.commitIndex, 2)
  })

  test("a checkpoint waits until the log it rests on is durable", () => {
    const config = configOf(1, [1])
    const store = new Store({ ...config, limits: { ...config.limits, checkpointLogBytes: 1 } })
    store.settle()
    for (let i = 0; i < 10; i++) {
      store.wake()
      store.settle()
    }
    let lsn = 0
    for (const effect of store.all) {
      if (effect.type === "append" && effect.volume === TENANT_VOLUME) lsn = effect.lsn
      if (effect.type === "checkpoint" && effect.volume === TENANT_VOLUME && effect.barrier !== null) {
        assert.isAtLeast(effect.barrier.lsn, lsn)
      }
    }
    assert.isTrue(store.all.some((effect) => effect.type === "checkpoint" && effect.barrier !== null))
  })
})

describe("one wake-up", () => {
  test("the kernel asks to be woken once, at the end of a turn, and only when the time is another one", () => {
    const store = running()
    const before = store.all.length
    for (let i = 0; i < 5; i++) store.endTurn()
    assert.deepEqual(store.all.slice(before), [], "nothing changed: nothing is asked for")
    store.frame([heartbeat(2, 1, 3)])
    const wakes = (): readonly Effect[] =>
      store.all.slice(before).filter((effect) => effect.type === "wakeAt")
    assert.deepEqual(wakes(), [])
    store.settle()
    assert.isAtMost(wakes().length, 1)
  })

  test("it is woken for the earliest of everything it waits for, and never has to be ticked", () => {
    const store = running()
    assert.isNotNull(store.wakeAt)
    const at = store.wakeAt
    store.mono = at - 1
    store.step({ type: "wake" })
    assert.deepEqual(store.take(), [], "too early is harmless")
    store.settle()
    assert.equal(store.wakeAt, at, "and it asks again")
    store.mono = at
    for (let i = 0; i < 4; i++) {
      store.wake()
      store.settle()
    }
    assert.isNotEmpty(sendsIn(store, "voteRequest"))
  })

  test("an idle store asks for a second of sleep at a time, not for less", () => {
    const cluster = new Cluster([1])
    const store = cluster.elect()
    cluster.pass(5_000_000)
    const before = store.all.filter((effect) => effect.type === "wakeAt").length
    cluster.pass(10_000_000)
    const wakes = store.all.filter((effect) => effect.type === "wakeAt").length - before
    // A leader beats ten times a second as long as its group is not quiescent.
    assert.isAtMost(wakes, 10 * 11 + 11)
  })
})

describe("clocks", () => {
  test("a store whose wall clock jumps gives its leadership up and serves nothing", () => {
    const cluster = new Cluster()
    const leader = cluster.elect()
    leader.wallOffsetUs = 400_000
    leader.request([{ type: "put", key: "a", value: "1" }])
    leader.settle()
    assert.equal(leader.status!.role, "follower")
    assert.deepInclude(leader.marks, "clock.fenced")
    assert.deepEqual(
      leader.replies.map((reply) => reply.type),
      ["error"],
    )
    assert.isAbove(leader.stamp.wall, EPOCH_US)
  })

  test("a store that started with a wrong clock comes back when the clock is right", () => {
    const cluster = new Cluster()
    const store = cluster.elect()
    store.wallOffsetUs = 3_600_000_000
    store.boot()
    cluster.pass(10_000_000)
    assert.include(store.marks, "clock.fenced")
    assert.notInclude(store.marks, "clock.unfenced")
    store.wallOffsetUs = 0
    cluster.pass(3_000_000)
    assert.include(store.marks, "clock.unfenced")
    // It leads again when it is asked to.
    const action = { type: "transferLeader", store: store.id } as const
    cluster.leader!.step({ type: "admin", session: 1, request: { id: 1, group: 1, action } })
    cluster.settle()
    cluster.pass(2_000_000)
    assert.equal(cluster.leader, store)
    assert.isAbove(store.kernel.leaseTerm(1, store.stamp), 0)
  })

  test("clocks that were all set anew are trusted again, but no lease from before", () => {
    const cluster = new Cluster()
    const leader = cluster.elect()
    assert.isAbove(leader.kernel.leaseTerm(1, leader.stamp), 0)
    for (const store of cluster.stores) store.wallOffsetUs = 3_600_000_000
    let back = 0
    for (let i = 0; i < 40; i++) {
      if (!leader.marks.includes("clock.unfenced"))
        assert.equal(leader.kernel.leaseTerm(1, leader.stamp), 0, "ended")
      cluster.pass(100_000)
      back = cluster.stores.filter((store) => store.marks.includes("clock.unfenced")).length
      if (back > 0) break
    }
    assert.isAbove(back, 0)
    assert.include(leader.marks, "liveness.withdrawn")
    assert.equal(leader.kernel.leaseTerm(1, leader.stamp), 0, "what it was promised was given up")
    cluster.pass(6_000_000)
    for (const store of cluster.stores) assert.include(store.marks, "clock.unfenced")
    const next = cluster.leader
    assert.isDefined(next)
    assert.isAbove(next.kernel.leaseTerm(1, next.stamp), 0)
  })

  test("no timestamp is shown before the clock of whoever shows it has reached it", () => {
    const cluster = new Cluster()
    const leader = cluster.elect()
    for (let i = 0; i < 5; i++) {
      leader.request([{ type: "put", key: "a", value: `${i}` }], { id: i + 1 })
      cluster.settle()
      cluster.pass(10_000)
      for (const reply of leader.replies.splice(0)) {
        assert.isTrue(reply.type === "ok" && reply.commitTs / 2048 <= leader.stamp.wall / 1000)
      }
    }
  })
})
