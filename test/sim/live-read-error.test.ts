import assert from "node:assert/strict"
import { test } from "vitest"
import { drawPlan, scenario, simulate } from "#sim"
import { MemoryBase } from "#kernel/engine/memory-base.ts"
import { OverlayEngine } from "#kernel/engine/overlay.ts"
import { DiskBase } from "#sim/env/disk-base.ts"
import { classify } from "#sim/faults/atlas.ts"
import type { Plan, PlanFault } from "#sim/plan/plan.ts"

const SECOND = 1_000_000
const LIMITS = { checkpointLogBytes: 1_024, logKeepEntries: 2 }

/** A base of ten rows in one space, 0 to 9, under an engine. */
function filled(): { readonly base: DiskBase; readonly engine: OverlayEngine } {
  const base = new DiskBase()
  const engine = new OverlayEngine(base)
  engine.apply("0123456789".split("").map((key) => ({ space: 1, type: "put", key, value: `v${key}` })))
  base.advance(engine.freeze(1))
  engine.settle(1, base)
  return { base, engine }
}

function keysOf(view: Pick<DiskBase, "cursor">): string {
  let keys = ""
  for (const row = view.cursor(1, "", "", false); row.valid; row.next()) keys += row.key
  return keys
}

test("a brittle row is nothing until it is read; then it is named, counted once, and answers as if nothing lay there", () => {
  const { base, engine } = filled()
  const before = base.snapshot()
  const tally = { changes: 0 }
  base.brittle.push({ id: 1, spans: [base.stretch(3, 2)], tally })
  assert.deepEqual([base.get(1, "2"), base.get(1, "7"), base.damage, tally.changes], ["v2", "v7", [], 0])
  assert.equal(before.get(1, "4"), null, "a view that stood before stands on the same disk")
  assert.deepEqual(base.damage, [{ space: 1, from: "3", to: "4\0" }])
  assert.deepEqual(
    [keysOf(base), keysOf(before), keysOf(engine), tally.changes],
    ["01256789", "01256789", "01256789", 1],
  )
  assert.equal(before.cursor(1, "", "5", true).key, "2")
  // The disk can be read again. What was named stays so until it is written anew.
  base.brittle.length = 0
  assert.deepEqual([base.get(1, "3"), engine.damage.length], [null, 1])
  engine.apply([
    { space: 1, type: "clear", key: "3", value: "4\0" },
    { space: 1, type: "put", key: "3", value: "again" },
  ])
  base.advance(engine.freeze(2))
  engine.settle(2, base)
  assert.deepEqual([base.get(1, "3"), base.damage], ["again", []])
})

test("what was written anew lies elsewhere on the disk: it is brittle no more", () => {
  const { base, engine } = filled()
  base.brittle.push({ id: 1, spans: [base.stretch(3, 4)], tally: { changes: 0 } })
  // The walk of the clear finds it.
  engine.apply([{ space: 1, type: "clear", key: "2", value: "5" }])
  base.advance(engine.freeze(2))
  engine.settle(2, base)
  assert.deepEqual(base.brittle[0]!.spans, [{ space: 1, from: "5", to: "6\0" }])
  assert.deepEqual(base.damage, [{ space: 1, from: "5", to: "6\0" }])
})

test("the next process reads the file as it is: what only the one before found is found again, or not at all", () => {
  const { base } = filled()
  base.brittle.push({ id: 1, spans: [base.stretch(0, 1)], tally: { changes: 0 } })
  const file = base.current.encode()
  base.get(1, "0")
  const next = new DiskBase(MemoryBase.decode(file)!, base.brittle)
  assert.deepEqual([next.damage, next.get(1, "0"), next.damage.length], [[], null, 1])
})

const healthy = drawPlan(
  scenario({
    name: "live-read-errors",
    about: "A small cluster whose rows leave the log soon.",
    cluster: { stores: 3, ranges: 1, spares: 0, limits: LIMITS, timing: { scrubPeriodUs: 3 * SECOND } },
    workload: { kinds: ["register"], clients: 3, operations: 300 },
    faults: {},
    phases: { rounds: 1, faultsUs: 20 * SECOND, quietUs: 20 * SECOND },
    smallBecause: "It is a part of a test.",
  }),
  1,
)

/** Another `id` strikes other rows. */
function under(stores: readonly number[], rows: number, id: number): Plan {
  const target = { role: "stores", stores, peers: [], group: 0 } as const
  const at = 10 * SECOND
  const faults: readonly PlanFault[] = [
    { id, at, until: 16 * SECOND, kind: "liveReadError", target, args: { rows } },
  ]
  return { ...healthy, faults }
}

test("a store whose rows cannot be read any more runs on, asks a peer for its state, and is whole when it is quiet", () => {
  let found = 0
  for (let id = 1; id <= 6; id++) {
    const plan = under([1 + (id % 3)], 100, id)
    assert.equal(classify(plan), "within")
    const { verdict, faults, marks } = simulate(plan)
    assert.equal(verdict, "valid")
    assert.equal(faults.liveReadError!.applied, 1)
    assert.equal(marks["wal.recovered.cleanEnd"], undefined, "no store stopped for it")
    if (faults.liveReadError!.effective === 0) continue
    found++
    assert.ok(marks["raft.state.damaged"]! > 0 && marks["raft.state.repaired"]! > 0)
  }
  assert.ok(found >= 2, `found by ${found} of 6`)
})

test("a majority whose rows cannot be read may halt, and does not lie", () => {
  const plan = under([1, 2], 1_000, 1)
  assert.equal(classify(plan), "detectable")
  assert.equal(simulate(plan).violation, null)
})
