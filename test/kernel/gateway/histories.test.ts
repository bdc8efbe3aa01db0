import fc from "fast-check"
import { assert, test } from "vitest"
import type { KvOp } from "#kernel/range/request.ts"
import {
  assertAtomic,
  assertCounters,
  assertFirstCommitterWins,
  assertReads,
  assertRealTime,
  Historian,
  type Lived,
  type Script,
  type Step,
} from "../../support/txn-history.ts"
import { FAIR, TxnWorld, type Weather } from "../../support/txn-world.ts"

const KEYS = ["a", "b", "h", "i", "z"]
const COUNTERS = ["c", "y"]

type Shape = {
  readonly mode: number
  readonly how: Script["how"]
  readonly pauseUs: number
  readonly savepoint: boolean
  readonly steps: readonly (readonly (readonly [number, number])[])[]
}

const MODES = [
  ["snapshot", "locking"],
  ["serializable", "locking"],
  ["serializable", "optimistic"],
  ["readCommitted", "locking"],
] as const

const shape: fc.Arbitrary<Shape> = fc.record({
  mode: fc.nat(MODES.length - 1),
  how: fc.constantFrom<Script["how"]>("commit", "commit", "withLast", "run", "rollback"),
  pauseUs: fc.constantFrom(0, 500, 20_000),
  savepoint: fc.boolean(),
  steps: fc.array(fc.array(fc.tuple(fc.nat(9), fc.nat(4)), { minLength: 1, maxLength: 3 }), {
    minLength: 1,
    maxLength: 3,
  }),
})

/** Values are said once, so that what was read says by whom it was written. */
function scriptOf(shape: Shape, name: string): Script {
  const [level, control] = MODES[shape.mode]!
  let serial = 0
  const steps: Step[] = shape.steps.map((ops) => ({
    type: "ops",
    ops: ops.map(([kind, key]): KvOp => {
      if (kind < 4) return { type: "put", key: KEYS[key]!, value: `${name}.${serial++}` }
      if (kind < 7) return { type: "get", key: KEYS[key]! }
      if (kind < 9)
        return { type: "scan", start: KEYS[key]!, end: kind === 7 ? "" : "n", limit: 3, reverse: false }
      return { type: "increment", key: COUNTERS[key % 2]!, by: 1 }
    }),
  }))
  // Scans would meet counters, whose values are not said once.
  const apart = steps.map((step) =>
    step.type === "ops" ? { ...step, ops: step.ops.flatMap(splitScan) } : step,
  )
  if (shape.savepoint && shape.how === "commit") {
    return {
      level,
      control,
      how: "commit",
      pauseUs: shape.pauseUs,
      steps: [{ type: "savepoint" }, ...apart, { type: "rollbackTo" }, ...apart.map(renamed)],
    }
  }
  return { level, control, how: shape.how, pauseUs: shape.pauseUs, steps: apart }
}

function renamed(step: Step): Step {
  if (step.type !== "ops") return step
  return {
    type: "ops",
    ops: step.ops.map((op) => (op.type === "put" ? { ...op, value: `${op.value}'` } : op)),
  }
}

/** Around the counters "c" and "y". */
function splitScan(op: KvOp): readonly KvOp[] {
  if (op.type !== "scan") return [op]
  return op.start < "c"
    ? [{ ...op, end: "c" }]
    : [{ ...op, start: op.start < "d" ? "d" : op.start, end: op.start >= "y" ? "" : "y" }]
}

type Trouble = { readonly kind: "none" | "kill" | "leaderLost"; readonly at: number; readonly which: number }

function live(
  seed: number,
  weather: Weather,
  skewUs: readonly number[],
  clients: readonly (readonly Shape[])[],
  trouble: Trouble,
): { readonly world: TxnWorld; readonly all: readonly Lived[] } {
  const world = new TxnWorld(seed, [1, 2, 3], weather, skewUs)
  world.reloads = true
  const historians = clients.map(
    (shapes, i) =>
      new Historian(
        world,
        1 + (i % 3),
        i + 1,
        shapes.map((each, n) => scriptOf(each, `${i}.${n}`)),
      ),
  )
  world.onEvent = (count) => {
    if (count !== trouble.at) return
    if (trouble.kind === "leaderLost") world.ranges[trouble.which % 3]!.leaderLost()
    if (trouble.kind !== "kill") return
    const store = 1 + (trouble.which % 3)
    world.kill(store)
    for (const each of historians) if (each.store === store) each.gatewayDied()
    world.after(700_000, () => {
      world.start(store)
      for (const each of historians) if (each.store === store) each.gatewayIsBack()
    })
  }
  world.run(120_000_000, () => historians.every((each) => each.isDone))
  assert.isTrue(
    historians.every((each) => each.isDone),
    "every request is answered in the end",
  )
  world.onEvent = () => {}
  world.weather = FAIR
  world.run(8_000_000)
  // Whoever reads decides what was left behind.
  let seen = false
  world.ask(
    1,
    99,
    0,
    {
      type: "run",
      level: "snapshot",
      control: "locking",
      ops: [{ type: "scan", start: "", end: "", limit: 100, reverse: false }],
      wait: "wait",
      lock: null,
      token: null,
    },
    (reply) => (seen = reply.type === "ok"),
    30_000_000,
  )
  world.run(40_000_000, () => seen)
  assert.isTrue(seen, "what was left behind is in nobody's way")
  world.run(2_000_000)
  for (const range of world.ranges) assert.equal(range.intents.size, 0, "no intent is left")
  return { world, all: historians.flatMap(({ lived }) => lived) }
}

function judge(world: TxnWorld, all: readonly Lived[]): void {
  assertAtomic(world, all)
  assertReads(world, all, KEYS)
  assertFirstCommitterWins(world, all)
  assertRealTime(all)
  assertCounters(world, all, COUNTERS)
}

const weather: fc.Arbitrary<Weather> = fc.record({
  loss: fc.constantFrom(0, 5, 20),
  twice: fc.constantFrom(0, 10),
  delayUsMax: fc.constantFrom(1_000, 10_000, 100_000),
})
const skew = fc.array(fc.integer({ min: -100_000, max: 100_000 }), { minLength: 3, maxLength: 3 })
const clients = fc.array(fc.array(shape, { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 5 })
const trouble: fc.Arbitrary<Trouble> = fc.record({
  kind: fc.constantFrom<Trouble["kind"]>("none", "kill", "kill", "leaderLost"),
  at: fc.integer({ min: 1, max: 600 }),
  which: fc.nat(2),
})

/** Many more with ORRERY_HISTORIES=n, which says how they ended, and does not shrink. */
const RUNS = 40

test("histories over three ranges keep their word, whatever the network, the clocks and the crashes do", () => {
  const outcomes = new Map<string, number>()
  fc.assert(
    fc.property(fc.nat(), weather, skew, clients, trouble, (seed, ...plan) => {
      const { world, all } = live(seed, ...plan)
      judge(world, all)
      for (const { outcome, code } of all) {
        const name = outcome === "failed" ? code : outcome
        outcomes.set(name, (outcomes.get(name) ?? 0) + 1)
      }
    }),
    {
      numRuns: Number(process.env["ORRERY_HISTORIES"] ?? RUNS),
      endOnFailure: process.env["ORRERY_HISTORIES"] !== undefined,
    },
  )
  for (const name of ["committed", "txnRestart", "rolledBack"])
    assert.isAbove(outcomes.get(name) ?? 0, 0, name)
  if (process.env["ORRERY_HISTORIES"] !== undefined)
    process.stderr.write(`${JSON.stringify([...outcomes])}\n`)
}, 600_000)

for (const [level, control] of MODES) {
  test(`whatever is under way when a gateway dies is done whole or not at all, at ${level} by ${control}`, () => {
    const put = (key: string, value: string): KvOp => ({ type: "put", key, value })
    const get = (key: string): KvOp => ({ type: "get", key })
    const steps: readonly Step[] = [
      { type: "ops", ops: [get("b"), put("a", "1")] },
      { type: "ops", ops: [put("h", "2"), get("z"), put("z", "3")] },
    ]
    const ended = new Set<string>()
    for (let at = 1, isOver = false; !isOver; at++) {
      const world = new TxnWorld(at, [2, 3, 2])
      const client = new Historian(world, 1, 1, [{ level, control, steps, how: "commit", pauseUs: 0 }])
      isOver = true
      world.onEvent = (count) => {
        if (count !== at || client.isDone) return
        isOver = false
        world.kill(1)
        client.gatewayDied()
      }
      world.run(5_000_000)
      const reader = new Historian(world, 3, 2, [
        {
          level: "serializable",
          control: "locking",
          steps: [{ type: "ops", ops: ["a", "h", "z"].map(get) }],
          how: "commit",
          pauseUs: 0,
        },
        {
          level: "snapshot",
          control: "locking",
          steps: [{ type: "ops", ops: [put("a", "4"), put("h", "4"), put("z", "4")] }],
          how: "run",
          pauseUs: 0,
        },
      ])
      world.run(30_000_000, () => reader.isDone)
      world.run(2_000_000)
      const all = [...client.lived, ...reader.lived]
      judge(world, all)
      assert.deepEqual(
        reader.lived.map(({ outcome }) => outcome),
        ["committed", "committed"],
        `killed at ${at}`,
      )
      const seen = reader.lived[0]!.done.map(({ result }) => (result.type === "value" ? result.value : ""))
      assert.include(["1,2,3", ",,"], seen.join(), `killed at ${at}`)
      ended.add(`${client.lived[0]?.outcome} ${seen.join()}`)
    }
    // Deaths of every kind were died.
    assert.includeMembers([...ended], ["committed 1,2,3", "failed ,,", "unknown 1,2,3"])
  })
}
