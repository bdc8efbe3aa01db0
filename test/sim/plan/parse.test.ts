import assert from "node:assert/strict"
import fc from "fast-check"
import { test } from "vitest"
import { drawPlan, explainPlan, isPlanError, parsePlan, scenario, type Plan } from "#sim"
import { nearestName } from "#sim/plan/shape.ts"

const plan = drawPlan(scenario({ name: "campaign", about: "Everything.", workload: { operations: 20 } }), 1)

/** The plan with the value at this path replaced; `undefined` takes it away. */
function changed(path: readonly (string | number)[], value: unknown): unknown {
  const copy = structuredClone(plan) as unknown
  let at = copy as Record<string | number, unknown>
  for (const step of path.slice(0, -1)) at = at[step] as Record<string | number, unknown>
  const last = path.at(-1)!
  if (value === undefined && Array.isArray(at)) at.splice(Number(last), 1)
  else if (value === undefined) delete at[last]
  else at[last] = value
  return copy
}

function refusal(json: unknown): string {
  const read = parsePlan(json)
  assert.ok(isPlanError(read), "the plan was taken")
  return read.message
}

test("an unknown field is named, with its place and the nearest known one", () => {
  assert.equal(refusal(changed(["fautls"], [])), '$: there is no field "fautls". Did you mean "faults"?')
  assert.match(
    refusal(changed(["faults", 0, "untill"], 5)),
    /^\$\.faults\[0\]: .*"untill"\. Did you mean "until"\?$/,
  )
  assert.match(
    refusal(changed(["cluster", "config", "timing", "heartbeatMs"], 5)),
    /Did you mean "heartbeatUs"/,
  )
})

test("a missing field, a wrong type and a value out of range are refused", () => {
  assert.match(refusal(changed(["seed"], undefined)), /"seed" is missing/)
  assert.match(refusal(changed(["seed"], "1")), /expected a whole number/)
  assert.match(refusal(changed(["seed"], 1.5)), /expected a whole number/)
  assert.match(refusal(changed(["format"], 2)), /expected 1, found 2/)
  assert.match(refusal(changed(["workload", "kind"], "counters")), /Did you mean "counter"/)
  assert.match(refusal(changed(["faults", 0, "kind"], "crush")), /Did you mean "crash"/)
  assert.match(refusal([]), /expected an object, found a list/)
})

test("arguments are those of the kind of fault", () => {
  const crash = {
    id: 99,
    at: 0,
    until: 5,
    kind: "crash",
    target: plan.faults[0]!.target,
    args: { restart: 5 },
  }
  assert.match(refusal(changed(["faults", 0], crash)), /no field "restart". Did you mean "restartUs"/)
})

test("what names nothing or nobody is refused", () => {
  const fault = { ...plan.faults[0]!, target: { role: "stores", stores: [99], peers: [], group: 0 } }
  assert.match(refusal(changed(["faults", 0], fault)), /there is no store 99/)
  assert.match(refusal(changed(["workload", "ops", 0, "client"], 999)), /there is no client 999/)
  assert.match(refusal(changed(["workload", "ops", 0, "id"], plan.workload.ops[1]!.id)), /is there twice/)
  assert.match(refusal(changed(["faults", 0, "until"], 0)), /before it begins/)
  assert.match(refusal(changed(["cluster", "ranges"], [])), /at least one range/)
})

test("copies of a write without a token are refused: they would be several writes", () => {
  const op = {
    ops: [{ type: "put", key: plan.workload.ops[0]!.op.ops[0]!.type === "scan" ? "a0" : "a0", value: "x" }],
    range: 1,
    token: false,
    timeoutUs: 5,
    copies: 2,
    abandoned: false,
    read: "strong",
  }
  assert.match(refusal(changed(["workload", "ops", 0, "op"], op)), /without a token/)
})

test("no mutilated plan throws or is taken for another one", () => {
  const paths: (string | number)[][] = []
  collect(plan, [], paths)
  fc.assert(
    fc.property(
      fc.constantFrom(...paths),
      fc.constantFrom(undefined, null, -1, 0.5, "x", [], {}, true),
      (path, value) => {
        const read = parsePlan(changed(path, value))
        if (isPlanError(read)) assert.ok(read.path.startsWith("$"))
      },
    ),
    { numRuns: 500, seed: 1 },
  )
})

function collect(value: unknown, path: (string | number)[], into: (string | number)[][]): void {
  if (path.length > 0) into.push(path)
  if (typeof value !== "object" || value === null) return
  for (const [name, inner] of Object.entries(value))
    collect(inner, [...path, Array.isArray(value) ? Number(name) : name], into)
}

test("the nearest name is near, or there is none", () => {
  assert.equal(nearestName("partitoin", ["partition", "pause"]), "partition")
  assert.equal(nearestName("zzzzzz", ["partition", "pause"]), null)
})

test("a plan explains itself in tables of equal width", () => {
  const tables = explainPlan(plan satisfies Plan)
  assert.deepEqual(
    tables.map((table) => table.title),
    ["campaign, seed 1", "Ranges", "Workload", "Faults"],
  )
  for (const { columns, rows } of tables) for (const row of rows) assert.equal(row.length, columns.length)
  assert.equal(tables.at(-1)!.rows.length, plan.faults.length)
})
