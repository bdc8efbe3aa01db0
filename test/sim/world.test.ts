import assert from "node:assert/strict"
import { test } from "vitest"
import type { KvReply } from "#kernel"
import { World, type ClientPort } from "#sim/world.ts"
import type { Plan } from "#sim/plan/plan.ts"
import { fault, plan, request } from "./support/plans.ts"
import { toyBuild, type ToyBehaviour } from "./support/toy-kernel.ts"

const SECOND = 1_000_000

function worldOf(
  changes: Partial<Plan> = {},
  behaviour: Partial<ToyBehaviour> = {},
  clients: ClientPort | null = null,
): World {
  const build = toyBuild(3, behaviour)
  return new World({ plan: plan(changes), build, checkers: [], clients, listener: null })
}

const EVERY_FAULT = [
  fault(1, "partition", 1 * SECOND, 2 * SECOND, { stores: [1] }),
  fault(2, "drop", 2 * SECOND, 4 * SECOND, { stores: [2] }, { ratioPpm: 300_000 }),
  fault(3, "duplicate", 2 * SECOND, 5 * SECOND, { stores: [1] }, { ratioPpm: 500_000 }),
  fault(4, "delay", 3 * SECOND, 6 * SECOND, { stores: [3] }, { minUs: 1_000, meanUs: 300_000 }),
  fault(5, "corrupt", 3 * SECOND, 7 * SECOND, { stores: [1, 2, 3] }, { ratioPpm: 200_000 }),
  fault(6, "crash", 4 * SECOND, 4 * SECOND, { stores: [2] }, { restartUs: 700_000, powerLoss: 1 }),
  fault(7, "clockDrift", 1 * SECOND, 8 * SECOND, { stores: [3] }, { ppm: 400 }),
  fault(8, "pause", 6 * SECOND, 7 * SECOND, { stores: [3] }),
  fault(9, "syncError", 7 * SECOND, 9 * SECOND, { stores: [1] }, { restartUs: 300_000 }),
  fault(10, "misroute", 5 * SECOND, 9 * SECOND, { stores: [1, 2, 3] }, { ratioPpm: 200_000 }),
  fault(11, "reload", 5 * SECOND, 5 * SECOND, { stores: [1, 2, 3] }),
  fault(12, "slowDisk", 1 * SECOND, 3 * SECOND, { stores: [2] }, { factor: 20 }),
]

test("one plan, run twice, gives one trace and one state", () => {
  const first = worldOf({ faults: EVERY_FAULT })
  const second = worldOf({ faults: EVERY_FAULT })
  assert.equal(first.run(), true, first.violation?.message ?? "")
  assert.equal(second.run(), true)
  assert.ok(first.event > 300, `${first.event} events`)
  assert.equal(first.trace.hex(), second.trace.hex())
  assert.equal(first.stateDigest(), second.stateDigest())
  for (const count of Object.values(first.faultCounts())) assert.equal(count.effective, 1)
})

test("another seed is another run", () => {
  const first = worldOf()
  const second = worldOf({ seed: 8 })
  first.run()
  second.run()
  assert.notEqual(first.trace.hex(), second.trace.hex())
})

test("a run in pieces is the same run", () => {
  const whole = worldOf({ faults: EVERY_FAULT })
  const pieces = worldOf({ faults: EVERY_FAULT })
  whole.run()
  for (let at = 0; at <= 15 * SECOND; at += 12_345) pieces.runUntil(at)
  pieces.run()
  assert.equal(whole.trace.hex(), pieces.trace.hex())
})

test("messages as objects and as bytes give one hash", () => {
  const objects = worldOf({ faults: EVERY_FAULT })
  const bytes = worldOf({ faults: EVERY_FAULT, host: { ...plan().host, transport: "bytes" } })
  objects.run()
  bytes.run()
  assert.equal(objects.trace.hex(), bytes.trace.hex())
  assert.equal(objects.stateDigest(), bytes.stateDigest())
  assert.deepEqual(objects.network.counts, bytes.network.counts)
  assert.ok(objects.network.counts.refused > 0)
})

test("a fault dropped from the plan shifts no draw of what it did not touch", () => {
  // The pause of one store late in the run: until then, and for the others' own draws, nothing differs.
  const late = [
    fault(1, "drop", 8 * SECOND, 9 * SECOND, { stores: [1], peers: [2] }, { ratioPpm: 1_000_000 }),
  ]
  const without = worldOf()
  const withIt = worldOf({ faults: late })
  without.runUntil(8 * SECOND - 1)
  withIt.runUntil(8 * SECOND - 1)
  assert.equal(without.trace.hex(), withIt.trace.hex())
  // A fault of another link that changes no traffic leaves the whole trace as it is.
  const idle = [
    fault(2, "drop", 1 * SECOND, 9 * SECOND, { stores: [4], peers: [1] }, { ratioPpm: 1_000_000 }),
  ]
  const both = worldOf({ faults: idle })
  without.run()
  both.run()
  assert.equal(without.trace.hex(), both.trace.hex())
})

test("everything is lifted when a quiet part begins, and who was down comes back", () => {
  const world = worldOf({
    faults: [
      fault(1, "crash", 9 * SECOND, 9 * SECOND, { stores: [1] }, { restartUs: 60 * SECOND }),
      fault(2, "pause", 9 * SECOND, 14 * SECOND, { stores: [2] }),
      fault(3, "partition", 9 * SECOND, 14 * SECOND, { stores: [3] }),
      fault(4, "clockStep", 9 * SECOND, 9 * SECOND, { stores: [3] }, { offsetUs: -3_600_000_000 }),
      fault(5, "crash", 12 * SECOND, 12 * SECOND, { stores: [3] }),
    ],
  })
  world.runUntil(10 * SECOND - 1)
  assert.equal(world.host(1).alive, false)
  assert.equal(world.quiet, false)
  const { dropped } = world.network.counts
  world.runUntil(15 * SECOND)
  assert.equal(world.quiet, true)
  assert.equal(world.host(1).alive, true)
  assert.equal(world.host(2).process.paused, false)
  assert.equal(world.host(3).clock.faulty, false)
  // What was under way when the partition began is lost by then: nothing is lost later.
  assert.ok(world.network.counts.dropped - dropped <= 1)
  const runs = world.faultRuns()
  assert.equal(runs[4]!.applied, false, "a fault of the quiet part does not happen")
  assert.deepEqual(
    runs.slice(0, 4).map((run) => run.tally.changes > 0),
    [true, true, true, true],
  )
})

test("what a kernel throws ends the run as RES-invariant", () => {
  const throwsAt = 1_767_225_600_000_000 + 5 * SECOND
  const world = worldOf({}, { throwsAt })
  assert.equal(world.run(), false)
  assert.equal(world.violation?.oracle, "RES-invariant")
  assert.match(world.violation.message, /the toy is broken/)
  const { event } = world
  world.run()
  assert.equal(world.event, event, "nothing happens after a violation")
})

test("a kernel that saves other bytes once loaded is DET-reload", () => {
  const world = worldOf({ faults: [fault(1, "reload", SECOND, SECOND, { stores: [2] })] }, { forgets: true })
  assert.equal(world.run(), false)
  assert.equal(world.violation?.oracle, "DET-reload")
})

test("reloading kernels changes nothing", () => {
  const reloads = Array.from({ length: 40 }, (_, index) =>
    fault(index + 1, "reload", SECOND + index * 200_003, SECOND + index * 200_003, { stores: [1, 2, 3] }),
  )
  const plain = worldOf()
  const reloaded = worldOf({ faults: reloads })
  plain.run()
  assert.equal(reloaded.run(), true)
  assert.equal(plain.trace.hex(), reloaded.trace.hex())
})

test("the first report of a checker is the verdict, with its time and event", () => {
  const build = toyBuild(3)
  const world = new World({
    plan: plan(),
    build,
    clients: null,
    listener: null,
    checkers: [
      {
        name: "picky",
        observed(view, store) {
          if (view.now > 3 * SECOND) view.report("TOY-heard", `store ${store} heard something`)
        },
      },
    ],
  })
  assert.equal(world.run(), false)
  assert.equal(world.violation?.oracle, "TOY-heard")
  assert.ok(world.violation.at > 3 * SECOND && world.violation.at < 4.1 * SECOND)
  assert.equal(world.violation.event, world.event)
})

test("a client's request is answered once what it rests on is durable, and its timers fire", () => {
  const replies: [number, number, KvReply][] = []
  const fired: number[] = []
  const world: World = worldOf(
    {},
    {},
    {
      replied: (client, store, reply) => replies.push([client, store, reply]),
      timerFired: (client) => fired.push(client, world.now),
    },
  )
  world.runUntil(SECOND)
  world.clientSend(1, 2, request(5))
  world.setClientTimer(0, 2 * SECOND)
  world.setClientTimer(1, 3 * SECOND)
  world.setClientTimer(1, null)
  world.runUntil(4 * SECOND)
  assert.equal(replies.length, 1)
  assert.deepEqual(replies[0]!.slice(0, 2), [1, 2])
  assert.equal(replies[0]![2].id, 5)
  assert.deepEqual(fired, [0, 2 * SECOND])
})

test("marks are counted by name", () => {
  const world = worldOf()
  world.run()
  assert.ok(world.marks()["toy.heard"]! > 50)
})
