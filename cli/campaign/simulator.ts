import { SCENARIOS } from "#scenarios/index.ts"
import {
  drawPlan,
  explainPlan,
  isPlanError,
  LineRecorder,
  makeCapsule,
  parseCapsule,
  parsePlan,
  shrink,
  simulate,
  writeCapsule,
  writeHistory,
  writePlan,
  type Plan,
  type PlanError,
} from "#sim"
import { UsageError } from "../errors.ts"
import type { Engine } from "./engine.ts"

/** The real simulator behind `Engine`. Workers load this file, each for itself. */
export const engine: Engine = {
  scenarios: SCENARIOS,
  drawPlan,
  simulate(plan, { untilEvent, trace, tell }) {
    return simulate(plan, {
      ...(untilEvent === 0 ? {} : { eventsMax: untilEvent }),
      ...(trace === null ? {} : { onTrace: new LineRecorder(trace.from, trace.to, tell) }),
    })
  },
  parsePlan: (json) => sound(parsePlan(json)),
  parseCapsule: (json) => sound(parseCapsule(json)),
  writeCapsule: (plan, result, about) => writeCapsule(makeCapsule(plan, result, about)),
  writePlan,
  explainPlan,
  shrink(plan, oracle, { runsMax, shouldStop }) {
    let runs = 0
    const run = (candidate: Plan): string | null => {
      runs++
      return failedOracle(candidate)
    }
    const smallest = shrink(plan, { oracle, run, runsMax, shouldStop: () => shouldStop(runs) })
    // Once more, for what the smallest one says of itself.
    return { ...smallest, result: simulate(smallest.plan) }
  },
  writeHistory,
}

/** A candidate on which the simulator itself trips fails by another check than the one that is sought. */
function failedOracle(plan: Plan): string | null {
  try {
    return simulate(plan).violation?.oracle ?? null
  } catch {
    return null
  }
}

function sound<T extends object>(parsed: T | PlanError): T {
  if (isPlanError(parsed)) throw new UsageError(parsed.message)
  return parsed
}
