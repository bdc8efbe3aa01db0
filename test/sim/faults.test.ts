import assert from "node:assert/strict"
import { test } from "vitest"
import type { AdminRequest, Effect, Input } from "#kernel"
import { classify, clockSpreadMax } from "#sim/faults/atlas.ts"
import type { FaultKind, PlanFault } from "#sim/plan/plan.ts"
import { World } from "#sim/world.ts"
import type { Damage, LiveDamage } from "../support/damage-kinds.ts"
import { fault, plan } from "./support/plans.ts"
import { toyBuild, type ToyBehaviour } from "./support/toy-kernel.ts"

const SECOND = 1_000_000
const ALL = { stores: [1, 2, 3] }

function worldOf(faults: readonly PlanFault[], behaviour: Partial<ToyBehaviour> = {}): World {
  return new World({
    plan: plan({ faults }),
    build: toyBuild(3, behaviour),
    checkers: [],
    clients: null,
    listener: null,
  })
}

// What an operator accepts to lose has a test with real kernels of its own.
type Plain = Exclude<FaultKind, Damage | LiveDamage | "recoverGroup">

/** One of each, in force from the third to the sixth second where it lasts. */
const EXAMPLES: Readonly<Record<Plain, PlanFault>> = {
  partition: lasting("partition"),
  drop: lasting("drop", { ratioPpm: 500_000 }),
  duplicate: lasting("duplicate", { ratioPpm: 500_000 }),
  delay: lasting("delay", { minUs: 5_000, meanUs: 5_000 }),
  corrupt: lasting("corrupt", { ratioPpm: 500_000 }),
  capacity: lasting("capacity", { messages: 1 }),
  clog: lasting("clog"),
  flap: lasting("flap", { upUs: 300_000, downUs: 300_000 }),
  misroute: lasting("misroute", { ratioPpm: 500_000 }),
  swizzle: lasting("swizzle"),
  hold: lasting("hold", { periodUs: 700_000, order: 1 }),
  prioritize: lasting("prioritize", { by: 0, slowestUs: 300_000, changes: 3 }),
  replayOld: fault(1, "replayOld", SECOND, 6 * SECOND, { stores: [1] }, { messages: 20, afterUs: 10_000 }),
  crash: instant("crash", { restartUs: 2 * SECOND }),
  crashLoop: instant("crashLoop", { times: 3, upUs: 300_000, restartUs: 400_000, powerLoss: 1 }),
  drain: lasting("drain", { restartUs: 500_000 }),
  pause: lasting("pause"),
  zombie: lasting("zombie", { restartUs: 300_000, hearsPpm: 500_000 }),
  slowProcess: lasting("slowProcess", { factor: 20 }),
  syncError: lasting("syncError", { restartUs: 500_000 }),
  diskFull: lasting("diskFull"),
  diskQuota: lasting("diskQuota", { bytes: 0 }),
  slowDisk: lasting("slowDisk", { factor: 30 }),
  stalledDisk: lasting("stalledDisk"),
  clockOffset: lasting("clockOffset", { offsetUs: 100_000 }),
  clockDrift: lasting("clockDrift", { ppm: 300 }),
  clockStep: instant("clockStep", { offsetUs: -3_600_000_000 }),
  clockFreeze: lasting("clockFreeze"),
  clockSmear: lasting("clockSmear", { offsetUs: 100_000, overUs: 2 * SECOND }),
  clockSine: lasting("clockSine", { amplitudeUs: 100_000, periodUs: 700_000 }),
  clockBackAtBoot: lasting("clockBackAtBoot", { offsetUs: -100_000 }),
  clockFarFuture: lasting("clockFarFuture", { aheadUs: 3_155_760_000_000_000 }),
  monoDrift: lasting("monoDrift", { ppm: 40_000 }),
  timerSkew: lasting("timerSkew", { earlyUs: 300_000, lateUs: 300_000 }),
  addVoter: { ...instant("addVoter"), target: { role: "stores", stores: [4], peers: [], group: 1 } },
  addLearner: { ...instant("addLearner"), target: { role: "stores", stores: [4], peers: [], group: 1 } },
  removeReplica: instant("removeReplica"),
  transferLeader: {
    ...instant("transferLeader"),
    target: { role: "followers", stores: [], peers: [], group: 1 },
  },
  replaceReplica: {
    ...lasting("replaceReplica"),
    target: { role: "stores", stores: [4], peers: [2], group: 1 },
  },
  topologyStorm: lasting("topologyStorm", { changes: 5, periodUs: 300_000 }),
  rebalanceStorm: lasting("rebalanceStorm", { changes: 5, periodUs: 300_000 }),
  quorumLoss: {
    ...instant("quorumLoss", { restartUs: 2 * SECOND, powerLoss: 1 }),
    target: { role: "stores", stores: [1, 2, 3], peers: [], group: 1 },
  },
  windowOfOne: lasting("windowOfOne"),
  appendOfOne: lasting("appendOfOne"),
  electionSoonest: lasting("electionSoonest"),
  electionLatest: lasting("electionLatest"),
  queueOfOne: lasting("queueOfOne"),
  checkpointAlways: lasting("checkpointAlways"),
  segmentsSmallest: lasting("segmentsSmallest"),
  keepNoEntries: lasting("keepNoEntries"),
  reload: instant("reload"),
}

/** What has to happen beside a fault so that it can show itself. */
const BESIDES: Readonly<Partial<Record<FaultKind, PlanFault>>> = {
  replayOld: fault(2, "crash", 3 * SECOND, 3 * SECOND, { stores: [1] }, { restartUs: 200_000 }),
  clockBackAtBoot: fault(2, "crash", 4 * SECOND, 4 * SECOND, { stores: [1] }, { restartUs: 200_000 }),
}

function lasting(kind: FaultKind, args: Readonly<Record<string, number>> = {}): PlanFault {
  return fault(1, kind, 3 * SECOND, 6 * SECOND, { stores: [1] }, args)
}

function instant(kind: FaultKind, args: Readonly<Record<string, number>> = {}): PlanFault {
  return fault(1, kind, 3 * SECOND, 3 * SECOND, { stores: [1] }, args)
}

for (const kind of Object.keys(EXAMPLES) as Plain[]) {
  test(`${kind} changes the run, is counted, and changes nothing before its time or once lifted`, () => {
    const example = EXAMPLES[kind]
    const besides = BESIDES[kind]
    const others = besides === undefined ? [] : [besides]
    const healthy = worldOf(others)
    const struck = worldOf([example, ...others])
    healthy.runUntil(3 * SECOND - 1)
    struck.runUntil(3 * SECOND - 1)
    assert.equal(struck.trace.hex(), healthy.trace.hex())
    assert.equal(struck.faultRuns()[0]!.tally.changes, 0)
    healthy.runUntil(10 * SECOND)
    struck.runUntil(10 * SECOND)
    assert.equal(struck.violation, null)
    // A reload is the one fault that must leave no trace at all.
    assert.equal(struck.trace.hex() !== healthy.trace.hex(), kind !== "reload")
    assert.deepEqual(struck.faultCounts()[kind], { applied: 1, effective: 1 })
    const { changes } = struck.faultRuns()[0]!.tally
    assert.equal(struck.run(), true)
    const later = struck.faultRuns()[0]!.tally.changes
    // A step of the clock is lifted when the quiet part begins, in the turn of that moment at the latest.
    assert.ok(
      later === changes || kind === "clockStep",
      `${later} changes in the quiet part, ${changes} before`,
    )
    for (const store of [1, 2, 3]) assert.equal(struck.host(store).alive, true)
  })
}

test("a crash kills the process and loses what it knew; it starts again after its time", () => {
  const world = worldOf([fault(1, "crash", 3 * SECOND, 3 * SECOND, { stores: [2] }, { restartUs: SECOND })])
  world.runUntil(3.5 * SECOND)
  assert.equal(world.host(2).alive, false)
  world.runUntil(4.5 * SECOND)
  assert.equal(world.host(2).alive, true)
  assert.equal(world.host(2).boots, 2)
  assert.equal(world.host(2).kernel!.identity().boot, 2)
})

test("a crash loop kills as often as it says, and a power loss of the whole cluster spares nobody", () => {
  const world = worldOf([
    fault(1, "crashLoop", SECOND, SECOND, { stores: [2] }, { times: 4, upUs: 200_000, restartUs: 300_000 }),
    fault(2, "crash", 8 * SECOND, 8 * SECOND, ALL, { restartUs: SECOND, powerLoss: 1 }),
  ])
  world.runUntil(7 * SECOND)
  assert.equal(world.host(2).boots, 5)
  world.runUntil(8 * SECOND)
  assert.deepEqual(
    [1, 2, 3].map((store) => world.host(store).alive),
    [false, false, false],
  )
  assert.equal(world.run(), true)
})

test("a paused store takes no turn, and finds all that came meanwhile", () => {
  const taken: Input[] = []
  const world = new World({
    plan: plan({ faults: [fault(1, "pause", 3 * SECOND, 6 * SECOND, { stores: [2] })] }),
    build: toyBuild(3),
    clients: null,
    listener: null,
    checkers: [
      {
        name: "inputs",
        stepped: (view, store, input) => void (store === 2 && view.now > 3.01 * SECOND && taken.push(input)),
      },
    ],
  })
  world.runUntil(6 * SECOND - 1)
  assert.equal(taken.length, 0)
  assert.ok(world.host(2).process.count >= 8)
  world.runUntil(6 * SECOND + 1_000)
  assert.ok(taken.filter((input) => input.type === "frame").length >= 8)
  assert.equal(taken.filter((input) => input.type === "turnEnded").length >= 1, true)
})

test("a failed sync stops the store by its own word, and it comes back", () => {
  const world = worldOf([EXAMPLES.syncError])
  world.runUntil(10 * SECOND)
  assert.deepEqual([...world.fatals], [["syncFailed", 1]])
  assert.equal(world.host(1).boots, 2)
})

test("a fault that names the leader or the followers strikes who is that at its time", () => {
  const world = worldOf(
    [
      fault(1, "crash", 3 * SECOND, 3 * SECOND, { role: "leader" }, { restartUs: 2 * SECOND }),
      fault(2, "crash", 7 * SECOND, 7 * SECOND, { role: "followers" }, { restartUs: 2 * SECOND }),
    ],
    { leader: 3 },
  )
  world.runUntil(4 * SECOND)
  assert.deepEqual(
    [1, 2, 3].map((store) => world.host(store).alive),
    [true, true, false],
  )
  world.runUntil(8 * SECOND)
  assert.deepEqual(
    [1, 2, 3].map((store) => world.host(store).alive),
    [false, false, true],
  )
})

test("a fault of the leader waits for one, for a while", () => {
  const behaviour = { leader: 0 }
  const build = toyBuild(3, behaviour)
  const faults = [fault(1, "crash", 3 * SECOND, 3 * SECOND, { role: "leader" }, { restartUs: SECOND })]
  const world = new World({ plan: plan({ faults }), build, checkers: [], clients: null, listener: null })
  world.runUntil(4 * SECOND)
  assert.deepEqual(world.faultCounts().crash, { applied: 0, effective: 0 })
  build.behaviour.leader = 2
  world.runUntil(4.3 * SECOND)
  assert.equal(world.host(2).alive, false)
})

test("a change of membership is asked of the leader until accepted, and bears the spare it names", () => {
  const asked: { readonly store: number; readonly request: AdminRequest }[] = []
  const world = new World({
    plan: plan({ faults: [fault(1, "addVoter", 3 * SECOND, 9 * SECOND, { stores: [4] })] }),
    build: toyBuild(3, { leader: 2 }),
    clients: null,
    listener: null,
    checkers: [
      {
        name: "admin",
        stepped(_view, store: number, input: Input, _effects: readonly Effect[]) {
          if (input.type === "admin") asked.push({ store, request: input.request })
        },
      },
    ],
  })
  world.runUntil(2 * SECOND)
  assert.equal(world.host(4).boots, 0)
  world.run()
  assert.equal(world.host(4).boots, 1)
  assert.deepEqual(asked, [
    { store: 2, request: { id: 1, group: 1, action: { type: "addVoter", store: 4, incarnation: 4 } } },
  ])
})

test("a partition may cut clients from stores: they have the ids from 1,000 on", () => {
  const world = worldOf([fault(1, "partition", SECOND, 9 * SECOND, { stores: [1_001], peers: [2] })])
  world.runUntil(2 * SECOND)
  const { dropped } = world.network.counts
  world.network.sendReply(2, 1, { type: "ok", id: 1, commitTs: 0, results: [], answer: null })
  world.network.sendReply(2, 0, { type: "ok", id: 1, commitTs: 0, results: [], answer: null })
  assert.equal(world.network.counts.dropped, dropped + 1)
})

// The atlas.

test("crashes, partitions and power losses damage nobody", () => {
  const { crash, partition, syncError, crashLoop } = EXAMPLES
  assert.equal(classify(plan({ faults: [crash, partition, syncError, crashLoop] })), "within")
})

test("clocks are beyond the model when two of them may differ by more than the bound", () => {
  const offset = (id: number, stores: readonly number[], offsetUs: number) =>
    fault(id, "clockOffset", SECOND, 2 * SECOND, { stores }, { offsetUs })
  assert.equal(classify(plan({ faults: [offset(1, [1], 250_000)] })), "within")
  assert.equal(classify(plan({ faults: [offset(1, [1], 250_001)] })), "detectable")
  // Both within the bound of true time, but not of each other.
  assert.equal(clockSpreadMax(plan({ faults: [offset(1, [1], 150_000), offset(2, [2], -150_000)] })), 300_000)
  // Together they move as one, but for the spare, which keeps true time.
  assert.equal(clockSpreadMax(plan({ faults: [offset(1, [1, 2, 3, 4], 900_000)] })), 0)
  assert.equal(clockSpreadMax(plan({ faults: [offset(1, [1, 2, 3], 900_000)] })), 900_000)
})

test("drifts and freezes count by what they add up to, steps until the quiet part", () => {
  const drift = fault(1, "clockDrift", SECOND, 9 * SECOND, { stores: [1] }, { ppm: 500 })
  assert.equal(clockSpreadMax(plan({ faults: [drift] })), 4_000)
  const freeze = fault(2, "clockFreeze", 2 * SECOND, 60 * SECOND, { stores: [2] })
  assert.equal(clockSpreadMax(plan({ faults: [freeze] })), 8 * SECOND)
  const step = fault(3, "clockStep", 2 * SECOND, 2 * SECOND, { role: "leader" }, { offsetUs: 200_000 })
  const other = fault(4, "clockOffset", 9 * SECOND, 10 * SECOND, { role: "leader" }, { offsetUs: -200_000 })
  assert.equal(clockSpreadMax(plan({ faults: [step, other] })), 400_000)
  // In a quiet part nothing strikes.
  assert.equal(classify(plan({ faults: [{ ...step, at: 12 * SECOND, args: { offsetUs: 9e9 } }] })), "within")
})
