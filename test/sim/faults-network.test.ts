import assert from "node:assert/strict"
import { test } from "vitest"
import type { AdminRequest, Frame, Input, KvReply } from "#kernel"
import type { OnlineChecker } from "#sim/check/checker.ts"
import type { PlanFault } from "#sim/plan/plan.ts"
import { World } from "#sim/world.ts"
import { fault, plan } from "./support/plans.ts"
import { toyBuild } from "./support/toy-kernel.ts"

const SECOND = 1_000_000
const ALL = { stores: [1, 2, 3] }

type Heard = { readonly at: number; readonly store: number; readonly frame: Frame }

/** Every frame as the store that it was for took it in. */
function listener(heard: Heard[]): OnlineChecker {
  return {
    name: "frames",
    stepped(world, store, input: Input) {
      if (input.type === "frame") heard.push({ at: world.now, store, frame: input.frame })
    },
  }
}

function asker(asked: AdminRequest["action"][]): OnlineChecker {
  return {
    name: "admin",
    stepped(_world, _store, input: Input) {
      if (input.type === "admin") asked.push(input.request.action)
    },
  }
}

function worldOf(faults: readonly PlanFault[], checkers: readonly OnlineChecker[] = []): World {
  return new World({ plan: plan({ faults }), build: toyBuild(3), checkers, clients: null, listener: null })
}

for (const [order, name] of ["as they were sent", "the last one first", "in any order"].entries()) {
  test(`what a hold kept back arrives at one moment, ${name}`, () => {
    const replies: { readonly id: number; readonly at: number }[] = []
    const world: World = new World({
      plan: plan({
        faults: [
          fault(1, "hold", SECOND, 9 * SECOND, { stores: [2], peers: [1_000] }, { periodUs: 500_000, order }),
        ],
      }),
      build: toyBuild(3),
      checkers: [],
      listener: null,
      clients: {
        replied: (_client, _store, reply: KvReply) => void replies.push({ id: reply.id, at: world.now }),
        timerFired: () => {},
      },
    })
    world.runUntil(1.1 * SECOND)
    for (let id = 1; id <= 8; id++)
      world.network.sendReply(2, 0, { type: "ok", id, commitTs: 0, results: [], answer: null })
    world.runUntil(1.5 * SECOND - 1)
    assert.equal(replies.length, 0)
    world.runUntil(1.6 * SECOND)
    assert.equal(new Set(replies.map((reply) => reply.at)).size, 1)
    const ids = replies.map((reply) => reply.id)
    const sorted = [1, 2, 3, 4, 5, 6, 7, 8]
    if (order === 2) {
      assert.notDeepEqual(ids, sorted)
      assert.deepEqual(
        ids.toSorted((x, y) => x - y),
        sorted,
      )
    } else assert.deepEqual(ids, order === 0 ? sorted : sorted.toReversed())
  })
}

test("a swizzle silences one store after the other, frees them in turn, and loses nothing", () => {
  const heard: Heard[] = []
  const world = worldOf([fault(1, "swizzle", 3.5 * SECOND, 9.5 * SECOND, ALL)], [listener(heard)])
  world.runUntil(10 * SECOND)
  const between = (from: number, to: number): number =>
    heard.filter(({ at }) => at >= from * SECOND && at < to * SECOND).length
  assert.ok(between(3.9, 4.4) > 0, "one store alone silences the two others")
  assert.equal(between(5.6, 6.5), 0)
  assert.ok(between(8.9, 9.5) > 0)
  assert.equal(world.network.counts.dropped, 0)
})

test("what an earlier life said comes again, to those who know a later one, and not more than the tape holds", () => {
  const heard: Heard[] = []
  const replay = { messages: 5, afterUs: 100_000 }
  const world = worldOf(
    [
      fault(1, "replayOld", SECOND, 9 * SECOND, { stores: [1] }, replay),
      fault(2, "crash", 5 * SECOND, 5 * SECOND, { stores: [1] }, { restartUs: SECOND }),
    ],
    [listener(heard)],
  )
  world.runUntil(10 * SECOND)
  let stale = 0
  const newest = new Map<number, number>()
  for (const { store, frame } of heard) {
    const { fromStore, fromBoot } = frame.header
    if (fromStore !== 1) continue
    if (fromBoot < (newest.get(store) ?? 0)) stale++
    else newest.set(store, fromBoot)
  }
  const { changes } = world.faultRuns()[0]!.tally
  assert.ok(changes > 0 && changes <= replay.messages)
  assert.equal(stale, changes)
})

test("a zombie goes on talking under its old boot beside its successor, writes nothing, and is gone when lifted", () => {
  const heard: Heard[] = []
  const faults = [fault(1, "zombie", 3 * SECOND, 8 * SECOND, { stores: [1] }, { restartUs: 500_000 })]
  const world = worldOf(faults, [listener(heard)])
  world.runUntil(3.4 * SECOND)
  assert.equal(world.host(1).alive, false)
  const durable = world.host(1).disk.durableLsn(1)
  world.runUntil(3.49 * SECOND)
  assert.equal(world.host(1).disk.durableLsn(1), durable)
  world.runUntil(10 * SECOND)
  const from = (boot: number, since: number): number =>
    heard.filter(
      ({ at, frame: { header } }) => header.fromStore === 1 && header.fromBoot === boot && at > since,
    ).length
  assert.ok(from(2, 4 * SECOND) > 0, "the successor is not heard")
  assert.ok(from(1, 5 * SECOND) > 0, "the old process is not heard")
  assert.equal(from(1, 8.1 * SECOND), 0)
  assert.equal(world.host(1).zombie, null)
})

test("a majority dies at one moment and comes back", () => {
  const world = worldOf([fault(1, "quorumLoss", 3 * SECOND, 3 * SECOND, ALL, { restartUs: 2 * SECOND })])
  world.runUntil(3.5 * SECOND)
  const alive = (): number => [1, 2, 3].filter((store) => world.host(store).alive).length
  assert.equal(alive(), 1)
  world.runUntil(5.5 * SECOND)
  assert.equal(alive(), 3)
})

test("a replacement adds first, and removes only when that was accepted", () => {
  const asked: AdminRequest["action"][] = []
  const world = worldOf(
    [fault(1, "replaceReplica", 3 * SECOND, 9 * SECOND, { stores: [4], peers: [2] })],
    [asker(asked)],
  )
  world.runUntil(10 * SECOND)
  assert.deepEqual(asked, [
    { type: "addVoter", store: 4, incarnation: 4 },
    { type: "removeReplica", store: 2 },
  ])
})

for (const kind of ["topologyStorm", "rebalanceStorm"] as const) {
  test(`a ${kind} asks as often as it says, of stores it names, and leaves a group of three as large as it is`, () => {
    const asked: AdminRequest["action"][] = []
    const args = { changes: 12, periodUs: 100_000 }
    const target = { stores: [1, 2, 3, 4] }
    const world = worldOf([fault(1, kind, 3 * SECOND, 9 * SECOND, target, args)], [asker(asked)])
    world.runUntil(10 * SECOND)
    assert.equal(asked.length, 12)
    assert.ok(asked.every(({ type, store }) => type !== "removeReplica" && store >= 1 && store <= 4))
    assert.ok(new Set(asked.map(({ type }) => type)).size >= 2)
  })
}
