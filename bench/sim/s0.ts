/**
 * How fast does an idle cluster pass? S0: five stores, one range, nobody asks anything.
 * `node bench/sim/s0.ts [--seeds 10] [--json]`. Promised (DESIGN §13): 10,000 simulated seconds a wall second a core.
 */
import { main as idle } from "#scenarios/load/idle.ts"
import { benchOptions, printReport } from "../support/report.ts"
import { compare, withoutEndChecks } from "../support/speed.ts"

const { seeds } = benchOptions(import.meta.filename, { seeds: 10 })
const rows = compare(
  idle,
  [
    { name: "hash and checks", options: {} },
    { name: "neither", options: withoutEndChecks({ checkers: [], hash: false }, idle) },
  ],
  seeds,
  5,
)
printReport({
  bench: "sim/s0",
  question: "How fast does an idle five-store cluster pass?",
  rows,
  notes: ["Promise: 10,000 simulated s/wall s/core."],
})
