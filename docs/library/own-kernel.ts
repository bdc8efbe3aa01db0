import {
  drawPlan,
  makeCapsule,
  scenario,
  shrinkFailure,
  simulate,
  writeCapsule,
  type Scenario,
} from "orrery/sim"

export const pauses: Scenario = scenario({
  name: "pauses",
  about: "Stores stand still and go on. A leader that slept serves nothing it may not.",
  cluster: { stores: 3 },
  workload: { kinds: ["register"], clients: 3, operations: 60 },
  faults: { swarm: ["pause", "slowProcess"] },
})

/** Runs one seed; null when all is well, else the text of a capsule, made small. */
export function failureOf(seed: number): string | null {
  const plan = drawPlan(pauses, seed)
  const result = simulate(plan) // the same for ever: result.traceHash says so
  if (result.violation === null) return null
  const small = shrinkFailure(plan, { runsMax: 500 })
  const about = { version: "mine", command: "npx orrery sim replay pauses.json" }
  return writeCapsule(makeCapsule(small?.plan ?? plan, small?.result ?? result, about))
}
