/**
 * How fast is a cluster under load and every fault, and what do the hash and the checks cost? S1: five stores, one
 * range, twenty operations a second, the whole swarm. `node bench/sim/s1.ts [--seeds 10] [--json]`.
 * Promised (DESIGN §13): 1,000 simulated seconds a wall second a core, 400,000 events a second with hash and checks.
 */
import type { Plan } from "#sim"
import { main as steady } from "#scenarios/load/steady.ts"
import { benchOptions, printReport } from "../support/report.ts"
import { compare, withoutEndChecks } from "../support/speed.ts"

function over(transport: "objects" | "bytes"): (plan: Plan) => Plan {
  return (plan) => ({ ...plan, host: { ...plan.host, transport } })
}

const { seeds } = benchOptions(import.meta.filename, { seeds: 10 })
const rows = compare(
  steady,
  [
    { name: "hash and all checks", options: {} },
    { name: "no hash", options: { hash: false } },
    { name: "no online checkers", options: { checkers: [] } },
    { name: "no end checks", options: withoutEndChecks({}, steady) },
    { name: "neither hash nor checks", options: withoutEndChecks({ checkers: [], hash: false }, steady) },
    { name: "all, frames as objects", options: {}, change: over("objects") },
    { name: "all, frames as bytes", options: {}, change: over("bytes") },
  ],
  seeds,
  2,
)
printReport({
  bench: "sim/s1",
  question: "How fast is a cluster under load and every fault, and what do hash and checks cost?",
  rows,
  notes: ["Promise: 1,000 simulated s/wall s/core, 400,000 events/s with hash and checks."],
})
