import assert from "node:assert/strict"
import { test } from "vitest"
import { DEFAULT_LIMITS, DEFAULT_TIMING, type Effect, type GroupStatus, type RaftMessage } from "#kernel"
import type { WorldView } from "#sim/check/checker.ts"
import {
  checkQuiet,
  excusesOf,
  LivelockChecker,
  placeOf,
  settleUs,
  underWayUs,
  type QuietView,
} from "#sim/check/liveness.ts"
import { ORACLES } from "#sim/check/oracles.ts"
import { AppendSizeChecker, checkLoad, DEFAULT_HOST_LIMITS, type StoreLoad } from "#sim/check/resources.ts"
import { BIRTH, configuration, entry, role } from "../../support/told-cluster.ts"

const SETTLE = settleUs(DEFAULT_TIMING)

function status(replica: number, isLeader: boolean): GroupStatus {
  return {
    group: 1,
    replica,
    role: isLeader ? "leader" : "follower",
    term: 4,
    leader: 1,
    firstIndex: 1,
    lastIndex: 9,
    commitIndex: 9,
    appliedIndex: 9,
    configuration: configuration([1, 2, 3]),
    descriptor: BIRTH.descriptor,
    hashHigh: 5,
    hashLow: 6,
    waitingRequests: 0,
    votedFor: 0,
    durableIndex: 0,
    sending: [],
    followers: [],
    state: "whole",
    recoveredAt: 0,
    size: null,
    checkpoint: null,
    scrub: { passes: 0, mono: 0, key: "" },
  }
}

const store = (id: number): QuietView["stores"][number] => ({
  store: id,
  up: true,
  downBy: null,
  groups: [status(id, id === 1)],
  inbox: 0,
  held: 0,
})

const down = (id: number, downBy: number | null): QuietView["stores"][number] => ({
  ...store(id),
  up: false,
  downBy,
  groups: [],
})

const WELL: QuietView = {
  now: 3 * SETTLE,
  event: 77,
  calmSince: 0,
  timing: DEFAULT_TIMING,
  stores: [store(1), store(2), store(3)],
  logEnds: new Map([[1, 9]]),
  appliedAgo: new Map([1, 2, 3].map((id) => [placeOf(1, id), 9])),
  requests: [],
}

/** `WELL` with the status of replica 2 changed. */
const second = (change: Partial<GroupStatus>): QuietView => ({
  ...WELL,
  stores: [store(1), { ...store(2), groups: [{ ...status(2, false), ...change }] }, store(3)],
})

test("a cluster with a leader, equal logs and no request left is well", () => {
  assert.equal(checkQuiet(WELL), null)
  assert.deepEqual(excusesOf(WELL), [])
})

test("a group with a quorum and no leader fires leader, so does a leader others have left behind", () => {
  const headless = {
    ...WELL,
    stores: WELL.stores.map((each) => ({ ...each, groups: [status(each.store, false)] })),
  }
  assert.equal(checkQuiet(headless)?.oracle, "LIVE-leader")
  assert.equal(checkQuiet(second({ term: 5 }))?.oracle, "LIVE-leader")
})

test("a group without a quorum is excused if the plan keeps its stores down, and only then", () => {
  const headless = { ...store(1), groups: [status(1, false)] }
  const planned = { ...WELL, stores: [headless, down(2, 12), down(3, 13)] }
  assert.equal(checkQuiet(planned), null)
  assert.deepEqual(excusesOf(planned), [{ name: "noQuorum", group: 1 }])
  const unexplained = { ...WELL, stores: [headless, down(2, 12), down(3, null)] }
  assert.equal(checkQuiet(unexplained)?.oracle, "LIVE-store-up")
})

test("a quiet part shorter than the settling time is excused", () => {
  const short = { ...WELL, calmSince: WELL.now - SETTLE + 1, stores: [store(2), store(3)] }
  assert.equal(checkQuiet(short), null)
  assert.deepEqual(excusesOf(short), [{ name: "tooShort", group: 0 }])
})

test("a request without an answer after its deadline fires progress; earlier or in time it does not", () => {
  const request = {
    id: 5,
    group: 1,
    sentAt: SETTLE,
    deadlineAt: SETTLE + 10,
    answeredAt: null as number | null,
    abandoned: false,
  }
  const asked = (change: Partial<typeof request>): QuietView => ({
    ...WELL,
    requests: [{ ...request, ...change }],
  })
  assert.equal(checkQuiet(asked({}))?.oracle, "LIVE-progress")
  assert.equal(checkQuiet(asked({ answeredAt: SETTLE + 5 })), null)
  assert.equal(checkQuiet(asked({ deadlineAt: WELL.now + 1 })), null)
  assert.equal(checkQuiet(asked({ sentAt: SETTLE - 1 })), null)
  assert.equal(checkQuiet(asked({ abandoned: true })), null)
})

test("a member that stays behind, one that is not repaired and a queue that stays full fire converge", () => {
  assert.equal(checkQuiet(second({ appliedIndex: 8 }))?.oracle, "LIVE-converge")
  assert.equal(checkQuiet(second({ role: "recovering" }))?.oracle, "LIVE-converge")
  const full = { ...WELL, stores: [store(1), store(2), { ...store(3), held: 400 }] }
  assert.equal(checkQuiet(full)?.oracle, "LIVE-converge")
})

test("what the leader's log did not hold a while ago, and work on requests just now, are under way", () => {
  assert.equal(checkQuiet({ ...second({ appliedIndex: 8 }), logEnds: new Map([[1, 8]]) }), null)
  const request = {
    id: 5,
    group: 1,
    sentAt: SETTLE,
    deadlineAt: WELL.now + 1,
    answeredAt: null,
    abandoned: false,
  }
  const full = { ...WELL, stores: [store(1), store(2), { ...store(3), held: 400 }] }
  assert.equal(checkQuiet({ ...full, requests: [request] }), null)
  const justAnswered = { ...request, answeredAt: WELL.now - 1 }
  assert.equal(checkQuiet({ ...full, requests: [justAnswered] }), null)
})

test("equal applied index with another state, or another configuration, is named for what it is", () => {
  assert.equal(checkQuiet(second({ hashLow: 7 }))?.oracle, "HASH-replicas-agree")
  assert.equal(checkQuiet(second({ configuration: configuration([1, 2]) }))?.oracle, "RAFT-config-overlap")
})

class Reports implements WorldView {
  now = 0
  readonly event = 0
  readonly oracles: string[] = []
  leaseHolders(): readonly [] {
    return []
  }

  report(oracle: string): void {
    this.oracles.push(oracle)
  }
}

function livelock(): LivelockChecker {
  return new LivelockChecker({ rounds: 1, faultsUs: 1_000, quietUs: 10 * SETTLE }, DEFAULT_TIMING, [
    { group: 1, replicas: 3 },
  ])
}

const HEARTBEAT: RaftMessage = {
  type: "heartbeat",
  group: 1,
  from: 1,
  to: 2,
  term: 1,
  leaderCommit: 0,
  round: 0,
  sentMono: 0,
  statedWall: 0,
  statedCommit: 0,
  life: 1,
  rests: false,
}
const SEND: Effect = { type: "send", to: 2, lane: "liveness", message: HEARTBEAT, barrier: null }

/** `perSecond` sends for 12 seconds, from `start` on. */
function chatter(start: number, perSecond: number): readonly string[] {
  const checker = livelock()
  const world = new Reports()
  const gap = Math.floor(1_000_000 / perSecond)
  for (world.now = start; world.now < start + 12_000_000; world.now += gap) {
    checker.stepped(world, 1, { type: "wake", mono: world.now, wall: world.now }, [SEND])
  }
  return world.oracles
}

test("messages out of proportion in settled quiet fire no livelock; heartbeats and catching up do not", () => {
  assert.equal(chatter(1_000 + SETTLE, 2_000)[0], "LIVE-no-livelock")
  assert.deepEqual(chatter(1_000 + SETTLE, 100), [])
  assert.deepEqual(chatter(0, 2_000), [])
})

test("terms that go on rising in settled quiet fire no livelock; one election does not", () => {
  const checker = livelock()
  const world = new Reports()
  world.now = 1_000 + SETTLE
  const wake = { type: "wake", mono: 1, wall: 1 } as const
  for (const term of [1, 2]) {
    checker.stepped(world, 1, wake, [{ type: "observe", observation: role(1, term, "candidate") }])
  }
  assert.deepEqual(world.oracles, [])
  checker.stepped(world, 1, wake, [{ type: "observe", observation: role(1, 3, "candidate") }])
  assert.deepEqual(world.oracles, ["LIVE-no-livelock"])
})

const LOAD: StoreLoad = {
  store: 1,
  inbox: 10,
  held: 10,
  timers: 10,
  groups: [{ group: 1, waitingRequests: 10, sending: [], firstIndex: 1, lastIndex: 4_000 }],
}

test("each queue past its limit fires its own oracle, at its limit none", () => {
  const group = LOAD.groups[0]!
  const check = (load: Partial<StoreLoad>): string | undefined =>
    checkLoad(0, 0, { ...LOAD, ...load }, DEFAULT_LIMITS)?.oracle
  assert.equal(check({}), undefined)
  assert.equal(check({ inbox: DEFAULT_HOST_LIMITS.inboxMax }), undefined)
  assert.equal(check({ inbox: DEFAULT_HOST_LIMITS.inboxMax + 1 }), "RES-inbox")
  assert.equal(check({ held: DEFAULT_HOST_LIMITS.heldMax + 1 }), "RES-held")
  assert.equal(check({ timers: DEFAULT_HOST_LIMITS.timersMax + 1 }), "RES-timers")
  assert.equal(check({ groups: [{ ...group, waitingRequests: 4_097 }] }), "RES-requests")
  assert.equal(check({ groups: [{ ...group, lastIndex: 10_000_000 }] }), "RES-log")
  const groups = Array.from({ length: 17 }, (_, index) => ({
    ...group,
    group: index,
    waitingRequests: 4_000,
  }))
  assert.equal(check({ groups: groups.slice(1) }), undefined)
  assert.equal(check({ groups }), "RES-store-requests")
  const sending = (bytes: number) => [{ ...group, sending: [{ store: 2, bytes }] }]
  const { peerBytesMax, appendBytesMax } = DEFAULT_LIMITS
  assert.equal(check({ groups: sending(peerBytesMax + 2 * appendBytesMax) }), undefined)
  assert.equal(check({ groups: sending(peerBytesMax + 2 * appendBytesMax + 1) }), "RES-peer-bytes")
})

test("an append of several entries past its limit fires append bytes; a single large entry does not", () => {
  const big = entry(3, 1, "x".repeat(600_000))
  const check = (...entries: readonly (typeof big)[]): readonly string[] => {
    const world = new Reports()
    const message: RaftMessage = {
      type: "appendEntries",
      group: 1,
      from: 1,
      to: 2,
      term: 1,
      prevIndex: 2,
      prevTerm: 1,
      leaderCommit: 2,
      entries,
      descriptor: null,
      incarnation: 0,
    }
    const effect: Effect = { type: "send", to: 2, lane: "raft", message, barrier: null }
    new AppendSizeChecker(DEFAULT_LIMITS).stepped(world, 1, { type: "wake", mono: 1, wall: 1 }, [effect])
    return world.oracles
  }
  assert.deepEqual(check(big, entry(4, 1, "x".repeat(600_000))), ["RES-append-bytes"])
  assert.deepEqual(check(entry(3, 1, "x".repeat(2_000_000))), [])
})

test("every oracle has one row that says what it promises and what it does not verify", () => {
  const ids = ORACLES.map((oracle) => oracle.id)
  assert.equal(new Set(ids).size, ids.length)
  for (const oracle of ORACLES)
    assert.ok(oracle.promises.endsWith(".") && oracle.notVerified.endsWith("."), oracle.id)
})

test("who lacks entries is excused while it comes forward fast enough, and not when it crawls or stands still", () => {
  const lacks = { ...second({ appliedIndex: 100 }), logEnds: new Map([[1, 200]]) }
  const paces = SETTLE / underWayUs(DEFAULT_TIMING)
  const from = (appliedAgo: number): QuietView => ({
    ...lacks,
    appliedAgo: new Map([[placeOf(1, 2), appliedAgo]]),
  })
  const enough = Math.ceil(100 / paces)
  const behind = (view: QuietView): QuietView => ({
    ...view,
    stores: view.stores.map((each) =>
      each.store === 2 ? each : { ...each, groups: each.groups.map((of) => ({ ...of, appliedIndex: 200 })) },
    ),
  })
  assert.equal(checkQuiet(behind(from(100 - enough))), null)
  assert.deepEqual(excusesOf(behind(from(100 - enough))), [{ name: "comingForward", group: 1 }])
  for (const view of [
    from(100 - enough + 2),
    from(100),
    from(101),
    { ...lacks, appliedAgo: new Map<string, number>() },
  ]) {
    assert.equal(checkQuiet(behind(view))?.oracle, "LIVE-converge")
    assert.deepEqual(excusesOf(behind(view)), [])
  }
})
