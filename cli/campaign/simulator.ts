import { SCENARIOS } from "#scenarios/index.ts"
import {
  Corpus,
  drawPlan,
  explainPlan,
  failureOf,
  GENERATION,
  isPlanError,
  KERNEL_SEARCH,
  LineRecorder,
  makeCapsule,
  MARKS,
  parseCapsule,
  parsePlan,
  signatureOf,
  simulate,
  simulateSighted,
  Strategist,
  writeCapsule,
  writeHistory,
  writePlan,
  type PlanError,
} from "#sim"
import { UsageError } from "../errors.ts"
import type { Engine } from "./engine.ts"

/** The real simulator behind `Engine`. Workers load this file, each for itself. */
export const engine: Engine = {
  scenarios: SCENARIOS,
  marks: MARKS,
  drawPlan,
  simulate(plan, { untilEvent, trace, tell }) {
    return simulate(plan, {
      ...(untilEvent === 0 ? {} : { eventsMax: untilEvent }),
      ...(trace === null ? {} : { onTrace: new LineRecorder(trace.from, trace.to, tell) }),
    })
  },
  simulateSighted: (plan) => simulateSighted(plan),
  strategist: (strategy, scenario, corpus) =>
    new Strategist(strategy, scenario, corpus === null ? new Corpus() : sound(Corpus.parse(corpus))),
  generation: GENERATION,
  parsePlan: (json) => sound(parsePlan(json)),
  parseCapsule: (json) => sound(parseCapsule(json)),
  writeCapsule: (plan, result, about) => writeCapsule(makeCapsule(plan, result, about)),
  writePlan,
  explainPlan,
  search: KERNEL_SEARCH,
  // A candidate on which the simulator itself trips fails by another check than the one that is sought.
  failureOf(plan, until) {
    try {
      return failureOf(plan, until)
    } catch {
      return null
    }
  },
  signatureOf,
  writeHistory,
}

function sound<T extends object>(parsed: T | PlanError): T {
  if (isPlanError(parsed)) throw new UsageError(parsed.message)
  return parsed
}
