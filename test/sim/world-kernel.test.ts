import assert from "node:assert/strict"
import { test } from "vitest"
import { kernelBuild } from "#sim/build.ts"
import { drawPlan } from "#sim/plan/draw.ts"
import type { Plan } from "#sim/plan/plan.ts"
import { scenario } from "#sim/plan/scenario.ts"
import { Clients } from "#sim/workload/clients.ts"
import { World } from "#sim/world.ts"

const chaos = scenario({
  name: "world-kernel",
  about: "Everything that can go wrong, for one short round.",
  phases: { rounds: 1, faultsUs: 6_000_000, quietUs: 4_000_000 },
  smallBecause: "It is run several times, and only its trace is looked at.",
})

/** The hashes of a run of the real kernel, without checkers: what it does is the matter here, not whether it may. */
function hashesOf(plan: Plan): { readonly trace: string; readonly state: string; readonly world: World } {
  const clients = new Clients(plan, plan.workload.ops)
  const world = new World({ plan, build: kernelBuild, checkers: [], clients, listener: null })
  clients.start(world)
  assert.equal(world.run(), true, world.violation?.message ?? "")
  return { trace: world.trace.hex(), state: world.stateDigest(), world }
}

for (const seed of [1, 2]) {
  test(`the real kernel under chaos, seed ${seed}: twice, by objects and by bytes, with and without reloads, one trace`, () => {
    const plan = drawPlan(chaos, seed)
    const first = hashesOf(plan)
    const again = hashesOf(plan)
    assert.equal(again.trace, first.trace)
    assert.equal(again.state, first.state)
    assert.ok(first.world.event > 1_500, `${first.world.event} events`)

    const other = plan.host.transport === "bytes" ? "objects" : "bytes"
    const crossed = hashesOf({ ...plan, host: { ...plan.host, transport: other } })
    assert.equal(crossed.trace, first.trace)
    assert.equal(crossed.state, first.state)

    const lastId = Math.max(0, ...plan.faults.map((fault) => fault.id))
    const stores = Array.from({ length: plan.cluster.stores }, (_, index) => index + 1)
    const reloads = Array.from({ length: 30 }, (_, index) => ({
      id: lastId + 1 + index,
      at: 100_000 + index * 187_013,
      until: 100_000 + index * 187_013,
      kind: "reload" as const,
      target: { role: "stores" as const, stores, peers: [], group: 0 },
      args: {},
    }))
    const reloaded = hashesOf({ ...plan, faults: [...plan.faults, ...reloads] })
    assert.ok(reloaded.world.faultCounts().reload!.effective >= 20)
    assert.equal(reloaded.trace, first.trace)
    assert.equal(reloaded.state, first.state)
  })
}
