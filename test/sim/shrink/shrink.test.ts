import assert from "node:assert/strict"
import fc from "fast-check"
import { test } from "vitest"
import {
  classify,
  drawPlan,
  FAULTS,
  KERNEL_SEARCH,
  parsePlan,
  runUs,
  scenario,
  shrink,
  superfluous,
  type Plan,
  type Seen,
} from "#sim"
import { drive } from "#sim/shrink/drive.ts"
import { Search, subsets } from "#sim/shrink/search.ts"

const campaign = scenario({ name: "campaign", about: "Everything.", workload: { operations: 60 } })

/** What delta debugging leaves of a list, one candidate after the other. */
function minimize(items: readonly number[], fails: (kept: readonly number[]) => boolean): readonly number[] {
  const pass = subsets<readonly number[]>(
    "items",
    (list) => list.length,
    (list, kept) => kept.map((index) => list[index]!),
  )
  const search = new Search([pass], () => true)
  let state = search.begin(items, Infinity)
  for (let step = search.next(state); step !== null; step = search.next(state))
    state = fails(step.candidate) ? step.taken(Infinity) : step.left
  return state.plan
}

test("what is left of a list still fails, and loses that with any one of its items", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.array(fc.array(fc.nat(59), { maxLength: 4 }), { minLength: 1, maxLength: 3 }),
      (count, wants) => {
        // Fails when all items of any one of these sets are there.
        const sets = wants.map((want) => want.filter((item) => item < count))
        const fails = (kept: readonly number[]): boolean =>
          sets.some((set) => set.every((item) => kept.includes(item)))
        const items = Array.from({ length: count }, (_, index) => index)
        const least = minimize(items, fails)
        assert.ok(fails(least))
        for (const item of least) assert.ok(!fails(least.filter((other) => other !== item)))
        assert.deepEqual(
          [...least].sort((a, b) => a - b),
          least,
        )
      },
    ),
    { numRuns: 300, seed: 3 },
  )
})

/** Fails by "A" when these faults and operations are all there, by "B" when other ones are. */
function planted(faults: ReadonlySet<number>, operations: ReadonlySet<number>, others: ReadonlySet<number>) {
  return (plan: Plan): string | null => {
    const faultIds = new Set(plan.faults.map((fault) => fault.id))
    const opIds = new Set(plan.workload.ops.map((op) => op.id))
    if ([...faults].every((id) => faultIds.has(id)) && [...operations].every((id) => opIds.has(id)))
      return "A"
    return [...others].every((id) => opIds.has(id)) ? "B" : null
  }
}

test("a shrunk plan is 1-minimal over faults and operations and fails by the same check only", () => {
  fc.assert(
    fc.property(
      fc.nat(50),
      fc.array(fc.nat(7), { maxLength: 3 }),
      fc.array(fc.nat(59), { maxLength: 4 }),
      fc.array(fc.nat(59), { minLength: 1, maxLength: 3 }),
      (seed, faults, operations, others) => {
        const plan = drawPlan(campaign, seed)
        const wanted = new Set(faults.map((index) => plan.faults[index % plan.faults.length]!.id))
        const asked = new Set(operations.map((index) => plan.workload.ops[index]!.id))
        const run = planted(wanted, asked, new Set(others.map((index) => plan.workload.ops[index]!.id)))
        const shrunk = shrink(plan, { oracle: "A", run, runsMax: 100_000 })
        assert.ok(shrunk.minimal)
        assert.equal(run(shrunk.plan), "A")
        assert.deepEqual(new Set(shrunk.plan.faults.map((fault) => fault.id)), wanted)
        assert.deepEqual(new Set(shrunk.plan.workload.ops.map((op) => op.id)), asked)
        // What is left can be written down and read again.
        assert.deepEqual(parsePlan(JSON.parse(JSON.stringify(shrunk.plan))), shrunk.plan)
      },
    ),
    { numRuns: 40, seed: 5 },
  )
})

test("stores, spares, ranges, clients and settings that do not matter are gone", () => {
  const plan = drawPlan(
    scenario({
      name: "campaign",
      about: "",
      cluster: { stores: 7, spares: 2, ranges: 4, tenants: 2, replicas: 5 },
    }),
    1,
  )
  const shrunk = shrink(plan, {
    oracle: "A",
    run: (candidate) => (candidate.cluster.stores >= 2 ? "A" : null),
    runsMax: 10_000,
  })
  const { cluster, workload, phases, host } = shrunk.plan
  assert.deepEqual(
    [cluster.stores, cluster.spares, cluster.ranges.length, cluster.tenants.length],
    [2, 0, 1, 1],
  )
  assert.deepEqual(
    [workload.clients, workload.ops.length, shrunk.plan.faults.length, phases.rounds],
    [0, 0, 0, 1],
  )
  assert.equal(host.transport, "objects")
})

test("what remains is weakened: shorter, milder, fewer", () => {
  const plan = drawPlan(campaign, 4)
  const kept = plan.faults.find((fault) => fault.until - fault.at > 1_000_000)!
  const run = (candidate: Plan): string | null => {
    const fault = candidate.faults.find(({ id }) => id === kept.id)
    return fault !== undefined && fault.until - fault.at >= 30_000 ? "A" : null
  }
  const shrunk = shrink(plan, { oracle: "A", run, runsMax: 10_000 })
  assert.equal(shrunk.plan.faults.length, 1)
  const left = shrunk.plan.faults[0]!
  assert.ok(left.until - left.at < 60_000, `${left.until - left.at} µs are left`)
})

test("the budget of runs and the caller's clock end the search with a plan that fails", () => {
  const plan = drawPlan(campaign, 2)
  const wanted = plan.faults[3]!.id
  const run = (candidate: Plan): string | null =>
    candidate.faults.some((fault) => fault.id === wanted) ? "A" : null
  for (const runsMax of [0, 1, 5, 20]) {
    const shrunk = shrink(plan, { oracle: "A", run, runsMax })
    assert.ok(shrunk.runs <= runsMax)
    assert.equal(shrunk.minimal, false)
    assert.equal(run(shrunk.plan), "A")
  }
  let asked = 0
  const stopped = shrink(plan, { oracle: "A", run, runsMax: 1_000, shouldStop: () => ++asked > 3 })
  assert.deepEqual([stopped.runs, stopped.minimal], [3, false])
})

test("a search that was put away after any number of runs ends with the plan of one that was not", () => {
  const plan = drawPlan(campaign, 3)
  const { faults, workload } = plan
  const fails = planted(
    new Set([faults[2]!.id, faults.at(-1)!.id]),
    new Set([workload.ops[31]!.id]),
    new Set(),
  )
  const run = (candidate: Plan): Seen => (fails(candidate) === "A" ? { oracle: "A", at: 60_000_000 } : null)
  const begun = KERNEL_SEARCH.begin(plan, 60_000_000)
  const whole = drive(KERNEL_SEARCH, begun, { oracle: "A", run, runsMax: 100_000 })
  assert.equal(whole.state.cursor, null)
  for (const runsMax of [1, 7, 40]) {
    let state = begun
    for (let turns = 0; state.cursor !== null; turns++) {
      assert.ok(turns < 100_000)
      // What is kept is text, as in a capsule.
      const { plan: kept, cursor } = JSON.parse(JSON.stringify(state)) as typeof state
      const from = KERNEL_SEARCH.resume(kept, state.failedAt, cursor)
      state = drive(KERNEL_SEARCH, from, { oracle: "A", run, runsMax }).state
    }
    assert.deepEqual(state.plan, whole.state.plan)
  }
})

test("candidates are cut short while it goes on, and run to their end in the last round", () => {
  const plan = drawPlan(campaign, 5)
  const wanted = plan.faults[1]!
  const untils: number[] = []
  const run = (candidate: Plan, until: number): Seen => {
    untils.push(until)
    const isLong = runUs(candidate.phases) >= 20_000_000
    const isThere = candidate.faults.some(({ kind }) => kind === wanted.kind)
    return isLong && isThere ? { oracle: "A", at: 3_000_000 } : null
  }
  const { state } = drive(KERNEL_SEARCH, KERNEL_SEARCH.begin(plan, 9_000_000), {
    oracle: "A",
    run,
    runsMax: 100_000,
  })
  assert.equal(state.cursor, null)
  assert.equal(untils[0], 11_000_000)
  const first = untils.indexOf(Infinity)
  assert.ok(first > 0 && untils.slice(0, first).every((until) => until <= 11_000_000))
  assert.ok(untils.slice(first).every((until) => until === Infinity))
  // Each fault and each operation that is left was tried in a whole run, or was known to be needed.
  assert.deepEqual(
    superfluous(state.plan, "A", (candidate) => run(candidate, Infinity)?.oracle ?? null),
    [],
  )
})

test("no candidate leaves the fault model further than the plan it was made from", () => {
  const plan = drawPlan(campaign, 6)
  assert.equal(classify(plan), "within")
  // A fault of the disk that one of five bears is beyond what one of one does.
  const run = (candidate: Plan): string | null => {
    assert.equal(classify(candidate), "within")
    return candidate.faults.some(({ kind }) => FAULTS[kind].family === "disk") ? "A" : null
  }
  const small = shrink(plan, { oracle: "A", run, runsMax: 10_000 })
  assert.equal(run(small.plan), "A")
})

test("progress is told run by run", () => {
  const runs: number[] = []
  shrink(drawPlan(campaign, 2), {
    oracle: "A",
    run: () => "A",
    runsMax: 1_000,
    onProgress: (progress) => runs.push(progress.runs),
  })
  assert.deepEqual(
    runs,
    runs.map((_, index) => index + 1),
  )
})
