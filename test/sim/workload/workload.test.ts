import assert from "node:assert/strict"
import { test } from "vitest"
import { KEY_BYTES_MAX, type KvOp, type KvResult } from "#kernel"
import { drawPlan, scenario, WORKLOADS, type Operation } from "#sim"
import { workloadOf } from "#sim/workload/kinds.ts"

function heard(id: number, op: KvOp, result: KvResult | null, at = id): Operation {
  return {
    id,
    process: 0,
    request: [op],
    invokedAt: 10 * at,
    endedAt: 10 * at + 5,
    outcome: result === null ? "info" : "ok",
    results: result === null ? null : [result],
    commitTs: 0,
    token: null,
    retries: 0,
  }
}

test("every workload has a kind of its own and draws requests of one range", () => {
  assert.equal(new Set(WORKLOADS.map((workload) => workload.kind)).size, WORKLOADS.length)
  for (const { kind } of WORKLOADS) {
    const plan = drawPlan(scenario({ name: "one-kind", about: "", workload: { kinds: [kind] } }), 1)
    assert.equal(plan.workload.kind, kind)
    const types = new Set(plan.workload.ops.flatMap(({ op }) => op.ops.map((step) => step.type)))
    assert.ok(types.size >= 2, `${kind} only does ${[...types].join()}`)
  }
})

test("written values are unlike any other of the run", () => {
  for (const kind of ["register", "set", "scan"]) {
    const { ops } = drawPlan(scenario({ name: "unique", about: "", workload: { kinds: [kind] } }), 2).workload
    const values = ops.flatMap(({ op }) =>
      op.ops.flatMap((step) => (step.type === "put" || step.type === "cas" ? [step.value] : [])),
    )
    assert.equal(new Set(values).size, values.length)
  }
})

test("counters count with tokens only", () => {
  const { ops } = drawPlan(
    scenario({ name: "counted", about: "", workload: { kinds: ["counter"] } }),
    2,
  ).workload
  for (const { op } of ops) assert.equal(op.token, op.ops[0]!.type === "increment")
})

test("a register that shows what nobody wrote is found out", () => {
  const workload = workloadOf("register")!
  const put = heard(1, { type: "put", key: "a", value: "v1" }, { type: "done" })
  assert.equal(
    workload.check([put, heard(2, { type: "get", key: "a" }, { type: "value", value: "v1" })]),
    null,
  )
  assert.match(
    workload.check([put, heard(2, { type: "get", key: "b" }, { type: "value", value: "v1" })])!,
    /nobody wrote there/,
  )
})

test("lists that disagree, repeat or invent an element are found out", () => {
  const workload = workloadOf("append")!
  const one = heard(1, { type: "append", key: "a", value: "x;" }, { type: "done" })
  const two = heard(2, { type: "append", key: "a", value: "y;" }, { type: "done" })
  const read = (id: number, value: string): Operation =>
    heard(id, { type: "get", key: "a" }, { type: "value", value })
  assert.equal(workload.check([one, two, read(3, "x;"), read(4, "x;y;")]), null)
  assert.match(workload.check([one, two, read(3, "x;y;"), read(4, "y;")])!, /another/)
  assert.match(workload.check([one, two, read(3, "x;x;")])!, /twice/)
  assert.match(workload.check([one, two, read(3, "z;")])!, /nobody appended/)
})

test("a counter below what was acknowledged or above what was asked is found out", () => {
  const workload = workloadOf("counter")!
  const add = heard(1, { type: "increment", key: "a", by: 3 }, { type: "count", value: 3 })
  const lost = heard(2, { type: "increment", key: "a", by: 4 }, null)
  const read = (value: string): Operation => heard(3, { type: "get", key: "a" }, { type: "value", value })
  for (const sum of ["3", "7"]) assert.equal(workload.check([add, lost, read(sum)]), null)
  assert.match(workload.check([add, lost, read("0")])!, /acknowledged before/)
  assert.match(workload.check([add, lost, read("10")])!, /no more than 7/)
})

test("requests of many steps read what they wrote, some are refused whole, and none is drawn where nobody asks for it", () => {
  const workload = workloadOf("steps")!
  const ops = drawPlan(scenario({ name: "stepped", about: "", workload: { kinds: ["steps"] } }), 3).workload
    .ops
  assert.ok(ops.some(({ op }) => op.ops.length > 5))
  const spans = ops.flatMap(({ op }) => op.ops.filter((step) => step.type === "scan"))
  assert.ok(spans.some(({ start, end }) => end < start))
  assert.ok(spans.some(({ start }) => start.length > KEY_BYTES_MAX))
  for (let seed = 1; seed <= 40; seed++)
    assert.notEqual(drawPlan(scenario({ name: "any", about: "" }), seed).workload.kind, "steps")

  const put = heard(1, { type: "put", key: "a", value: "v1" }, { type: "done" })
  const append = heard(2, { type: "append", key: "a", value: "+v2" }, null)
  const add = heard(3, { type: "increment", key: "b", by: 3 }, { type: "count", value: 3 })
  const read = (key: string, value: string): Operation =>
    heard(4, { type: "get", key }, { type: "value", value })
  const history = [put, append, add]
  for (const [key, value] of [
    ["a", "v1"],
    ["a", "v1+v2"],
    ["a", "+v2"],
    ["b", "3"],
  ] as const)
    assert.equal(workload.check([...history, read(key, value)]), null)
  for (const [key, value] of [
    ["a", "v2+v3"],
    ["a", "3"],
    ["b", "v1"],
  ] as const)
    assert.match(workload.check([...history, read(key, value)])!, /nobody wrote there/)
})
