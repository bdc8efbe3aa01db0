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
import { TxnCluster } from "../../support/txn-cluster.ts"
import { FAIR, type Weather } from "../../support/txn-world.ts"

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

type Trouble = {
  readonly kind: "cut" | "restart" | "transfer"
  readonly atUs: number
  readonly which: number
}

const weather: fc.Arbitrary<Weather> = fc.record({
  loss: fc.constantFrom(0, 5, 20),
  twice: fc.constantFrom(0, 10),
  delayUsMax: fc.constantFrom(1_000, 10_000, 100_000),
})
const skew = fc.array(fc.integer({ min: -100_000, max: 100_000 }), { minLength: 3, maxLength: 3 })
const clients = fc.array(fc.array(shape, { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 5 })
const troubles: fc.Arbitrary<readonly Trouble[]> = fc.array(
  fc.record({
    kind: fc.constantFrom<Trouble["kind"]>("cut", "restart", "transfer", "transfer"),
    atUs: fc.oneof(fc.nat(300_000), fc.nat(4_000_000)),
    which: fc.nat(2),
  }),
  { maxLength: 3 },
)

function live(
  seed: number,
  weather: Weather,
  skewUs: readonly number[],
  clients: readonly (readonly Shape[])[],
  troubles: readonly Trouble[],
): { readonly world: TxnCluster; readonly all: readonly Lived[] } {
  const world = new TxnCluster(seed, skewUs)
  world.weather = weather
  const historians = clients.map(
    (shapes, i) =>
      new Historian(
        world,
        1 + (i % 3),
        i + 1,
        shapes.map((each, n) => scriptOf(each, `${i}.${n}`)),
      ),
  )
  for (const { kind, atUs, which } of troubles) {
    const store = 1 + which
    world.after(1 + atUs, () => {
      if (kind === "transfer") world.transfer(world.cluster.store(store), store, 1 + (store % 3))
      if (kind === "cut") {
        world.cluster.cut.add(store)
        world.after(2_500_000, () => world.cluster.cut.delete(store))
      }
      if (kind !== "restart") return
      world.restart(store)
      for (const each of historians) {
        if (each.store !== store) continue
        each.gatewayDied()
        world.after(1_500_000, () => each.gatewayIsBack())
      }
    })
  }
  world.run(60_000_000, () => historians.every((each) => each.isDone))
  assert.isTrue(
    historians.every((each) => each.isDone),
    "every request is answered in the end",
  )
  world.weather = FAIR
  world.run(8_000_000)
  const ops: readonly KvOp[] = [{ type: "scan", start: "", end: "", limit: 100, reverse: false }]
  const reader = new Historian(world, 1, 99, [
    { level: "snapshot", control: "locking", steps: [{ type: "ops", ops }], how: "commit", pauseUs: 0 },
  ])
  world.run(40_000_000, () => reader.isDone)
  assert.equal(
    reader.lived[0]?.outcome,
    "committed",
    `what was left behind is in nobody's way: ${reader.lived[0]?.code}`,
  )
  world.run(4_000_000)
  return { world, all: historians.flatMap(({ lived }) => lived) }
}

/** Many more with ORRERY_HISTORIES=n, which says how they ended, and does not shrink. */
const RUNS = 15

test("histories of real stores keep their word, whatever the network, the clocks and the crashes do", () => {
  const outcomes = new Map<string, number>()
  const many = process.env["ORRERY_HISTORIES"]
  fc.assert(
    fc.property(fc.nat(), weather, skew, clients, troubles, (seed, ...plan) => {
      const { world, all } = live(seed, ...plan)
      assertAtomic(world, all)
      assertReads(world, all, KEYS)
      assertFirstCommitterWins(world, all)
      assertRealTime(all)
      assertCounters(world, all, COUNTERS)
      for (const { outcome, code } of all) {
        const name = outcome === "failed" ? code : outcome
        outcomes.set(name, (outcomes.get(name) ?? 0) + 1)
      }
    }),
    { numRuns: Number(many ?? RUNS), endOnFailure: many !== undefined },
  )
  assert.isAbove(outcomes.get("committed") ?? 0, 0)
  if (many !== undefined) process.stderr.write(`${JSON.stringify([...outcomes])}\n`)
}, 600_000)
