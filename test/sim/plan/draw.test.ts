import assert from "node:assert/strict"
import { test } from "vitest"
import { harmOf } from "#sim/faults/disk-atlas.ts"
import { drawPlan, parsePlan, scenario, SWARM_KINDS, type FaultKind, type Plan } from "#sim"
import { classify } from "#sim/faults/atlas.ts"
import { Chance } from "#sim/plan/chance.ts"
import { settleUs } from "#sim/check/liveness.ts"

const SECOND = 1_000_000
const campaign = scenario({ name: "campaign", about: "Everything." })

const PLANS: readonly Plan[] = Array.from({ length: 200 }, (_, seed) => drawPlan(campaign, seed))

function plans(count: number): readonly Plan[] {
  return PLANS.slice(0, count)
}

test("one seed draws one plan, another seed another", () => {
  assert.deepEqual(drawPlan(campaign, 7), drawPlan(campaign, 7))
  assert.notDeepEqual(drawPlan(campaign, 7), drawPlan(campaign, 8))
})

test("every seed of the campaign has the size that DESIGN §3 asks for", () => {
  for (const plan of plans(200)) {
    const { phases, workload, faults } = plan
    assert.ok(
      phases.rounds * (phases.faultsUs + phases.quietUs) >= 60 * SECOND,
      `seed ${plan.seed} is too short`,
    )
    assert.ok(workload.ops.length >= 500)
    assert.ok(faults.length >= 5, `seed ${plan.seed} has ${faults.length} faults`)
    assert.ok(phases.quietUs > settleUs(plan.cluster.config.timing), "liveness could not be judged")
  }
})

test("every drawn plan survives JSON and the strict reader unchanged", () => {
  for (const plan of plans(60)) assert.deepEqual(parsePlan(JSON.parse(JSON.stringify(plan))), plan)
})

test("over a few seeds every kind of fault strikes, and no seed has them all", () => {
  const seen = new Set<FaultKind>()
  for (const plan of plans(100)) {
    const kinds = new Set(plan.faults.map((fault) => fault.kind))
    assert.ok(kinds.size < SWARM_KINDS.length)
    for (const kind of kinds) seen.add(kind)
  }
  // The last one is drawn to leave the fault model, and by nothing else.
  assert.deepEqual([...seen].sort(), [...SWARM_KINDS, "clockFarFuture"].sort())
})

test("every fault lies in a faults part, with ids in the order of time", () => {
  for (const { faults, phases } of plans(100)) {
    const round = phases.faultsUs + phases.quietUs
    for (const [index, fault] of faults.entries()) {
      assert.equal(fault.id, index + 1)
      assert.ok(fault.at % round < phases.faultsUs, `fault ${fault.id} begins in quiet`)
      assert.ok(
        fault.until <= Math.floor(fault.at / round) * round + phases.faultsUs,
        `fault ${fault.id} ends late`,
      )
    }
  }
})

test("few plans leave the model, and only by their clocks or their disks", () => {
  const beyond = plans(200).filter((plan) => classify(plan) !== "within")
  assert.ok(beyond.length > 0 && beyond.length <= 30, `${beyond.length} of 200`)
  for (const plan of beyond)
    assert.ok(plan.faults.some((fault) => fault.kind.startsWith("clock") || harmOf(fault) !== null))
})

test("the shapes of clusters cover one to four ranges and tenants, three and five replicas, both transports", () => {
  const seen = new Set<string>()
  for (const { cluster, host } of plans(100)) {
    seen.add(`ranges ${cluster.ranges.length}`)
    seen.add(`tenants ${cluster.tenants.length}`)
    seen.add(`stores ${cluster.stores}`)
    seen.add(`replicas ${cluster.ranges[0]!.configuration.voters.length}`)
    seen.add(host.transport)
  }
  for (const wanted of ["ranges 1", "ranges 4", "tenants 1", "tenants 4", "stores 3", "stores 7"])
    assert.ok(seen.has(wanted), wanted)
  for (const wanted of ["replicas 3", "replicas 5", "objects", "bytes"]) assert.ok(seen.has(wanted), wanted)
  assert.ok(![...seen].some((shape) => shape === "replicas 4"))
})

test("the ranges of a tenant meet and cover every key", () => {
  for (const { cluster } of plans(100)) {
    for (const tenant of cluster.tenants) {
      const spans = cluster.ranges.map((range) => range.descriptor).filter((range) => range.tenant === tenant)
      assert.equal(spans[0]!.start, "")
      assert.equal(spans.at(-1)!.end, "")
      for (let index = 1; index < spans.length; index++)
        assert.equal(spans[index]!.start, spans[index - 1]!.end)
    }
  }
})

test("a purpose has a stream of its own: more of one shifts nothing of another", () => {
  const more = scenario({ name: "campaign", about: "Everything.", workload: { operations: 1_000 } })
  for (let seed = 0; seed < 10; seed++) {
    assert.deepEqual(drawPlan(more, seed).cluster, drawPlan(campaign, seed).cluster)
    assert.deepEqual(drawPlan(more, seed).host, drawPlan(campaign, seed).host)
    assert.deepEqual(drawPlan(more, seed).phases, drawPlan(campaign, seed).phases)
  }
})

test("chance draws what it always drew: plans outlive releases", () => {
  const chance = new Chance("golden")
  assert.deepEqual(
    Array.from({ length: 6 }, () => chance.below(1_000)),
    GOLDEN,
  )
})

const GOLDEN: readonly number[] = [439, 928, 855, 651, 23, 925]

test("a scripted fault strikes where and when the script says", () => {
  const scripted = scenario({
    name: "scripted",
    about: "One crash of a leader in each round.",
    faults: {
      script: [
        {
          kind: "crash",
          stores: "leader",
          atUs: [3 * SECOND, 5 * SECOND],
          forUs: SECOND,
          args: { restartUs: SECOND },
          times: 2,
        },
      ],
    },
    phases: { rounds: 2, faultsUs: 10 * SECOND, quietUs: 10 * SECOND },
  })
  const { faults } = drawPlan(scripted, 3)
  assert.equal(faults.length, 4)
  for (const [index, fault] of faults.entries()) {
    const from = index < 2 ? 0 : 20 * SECOND
    assert.ok(fault.at >= from + 3 * SECOND && fault.at <= from + 5 * SECOND)
    assert.equal(fault.until, fault.at + SECOND)
    assert.equal(fault.target.role, "leader")
    assert.deepEqual(fault.args, { restartUs: SECOND })
  }
})

test("a scenario that cannot be drawn from is refused when it is made", () => {
  assert.throws(() => scenario({ name: "No Good", about: "" }), /kebab-case/)
  assert.throws(
    () => scenario({ name: "a", about: "", workload: { kinds: ["regster"] } }),
    /no workload "regster"/,
  )
  const script = [{ kind: "crash", stores: "any", atUs: 0, forUs: 0, args: { restart: 1 } }] as const
  assert.throws(() => scenario({ name: "a", about: "", faults: { script } }), /no argument "restart"/)
})
