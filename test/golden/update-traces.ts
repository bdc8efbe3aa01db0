/**
 * Writes traces.json anew. A golden trace that changes is read like code: run this only when the change
 * of behaviour is meant, and say in the commit what it was.
 */
import { writeFileSync } from "node:fs"
import { GOLDEN_RUNS, traceOf } from "../support/golden-traces.ts"

const lines = GOLDEN_RUNS.map(([scenario, seed]) => `  ${JSON.stringify(traceOf(scenario, seed))}`)
writeFileSync(new URL("traces.json", import.meta.url), `[\n${lines.join(",\n")}\n]\n`)
