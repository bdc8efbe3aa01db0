/**
 * How small do failures get, and how soon? One failure of each mutant of the bug zoo, found by the unhinted default campaign
 * where its seed is known, shrunk under its mutant by one thread, then tried for 1-minimality in whole runs; what is left
 * must break nothing of the shipped kernel. `node bench/sim/shrink.ts [--mutant R04,W03] [--jobs 1] [--cpu 60] [--seeds 400] [--plans DIR]`.
 * Promised (DESIGN §13): at least 95 % within 60 s, median at most 5 faults, 10 operations, 3 stores. `--cpu` is the bound of
 * a search in seconds of its thread's CPU, which a busy machine does not change; the wall is shown beside it.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { simulate } from "#sim"
import { benchOptions, median, printReport, type Row } from "../support/report.ts"
import { shrinkMutant, type ZooShrunk } from "../support/zoo-shrinks.ts"

type Mutant = { readonly id: string; readonly title: string }

const options = benchOptions(import.meta.filename, { mutant: "", jobs: 1, cpu: 60, seeds: 400, plans: "" })
const wanted = options.mutant === "" ? [] : options.mutant.split(",")
const CPU_MS_MAX = options.cpu * 1_000

/** Where a mutant was met, to save the hunt: the search goes on from there when it is no longer the first. */
const MET: Readonly<Record<string, { readonly from: number; readonly scenario?: string }>> = {
  R04: { from: 5 },
  W03: { from: 71 },
  R07: { from: 3 },
  R23: { from: 72 },
  R09: { from: 5 },
  R05: { from: 2 },
  R06: { from: 22 },
  T23: { from: 53 },
  W09: { from: 23 },
  R18: { from: 3 },
  I01: { from: 14, scenario: "unsure-voter" },
  I02: { from: 25 },
  I03: { from: 3 },
  R24: { from: 10 },
  R25: { from: 22 },
  L02: { from: 145 },
  L03: { from: 57 },
  S05: { from: 3 },
  W41: { from: 13 },
  W42: { from: 16 },
  S01: { from: 43 },
}

// By its address: the zoo is a test, and tests may know of benches.
const catalogue = new URL("../../test/zoo/mutants.ts", import.meta.url).href
const { MUTANTS } = (await import(catalogue)) as { readonly MUTANTS: readonly Mutant[] }
const mutants = MUTANTS.filter(({ id }) => wanted.length === 0 || wanted.includes(id))

const shrunk = new Map<string, ZooShrunk | null>()
const left = [...mutants]
await Promise.all(
  Array.from({ length: options.jobs }, async () => {
    for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
      const { from = 1, scenario = "campaign" } = MET[mutant.id] ?? {}
      const found = await shrinkMutant({
        mutant: mutant.id,
        scenario,
        seeds: { from, count: options.seeds },
        runsMax: 100_000,
        cpuMsMax: CPU_MS_MAX,
      })
      shrunk.set(mutant.id, found)
      process.stderr.write(`${mutant.id} ${found === null ? "not met" : lineOf(found)}\n`)
      if (found !== null && options.plans !== "") {
        mkdirSync(options.plans, { recursive: true })
        writeFileSync(`${options.plans}/${mutant.id}.json`, JSON.stringify(found.plan, null, 1))
      }
    }
  }),
)

function lineOf({ seed, oracle, before, after, runs, cpuSeconds, minimal, signature }: ZooShrunk): string {
  const size = ({ faults, operations, stores }: ZooShrunk["after"]): string =>
    `${faults}/${operations}/${stores}`
  return `seed ${seed} ${oracle} ${size(before)} → ${size(after)} in ${runs} runs, ${cpuSeconds.toFixed(1)} s CPU${minimal ? "" : ", not minimal"} ${signature}`
}

const rows: Record<string, Row> = {}
for (const { id } of mutants) {
  const found = shrunk.get(id)
  if (found === null || found === undefined) continue
  const { before, after } = found
  rows[id] = {
    seed: found.seed,
    oracle: found.oracle,
    "faults before": before.faults,
    faults: after.faults,
    "ops before": before.operations,
    ops: after.operations,
    "stores before": before.stores,
    stores: after.stores,
    runs: found.runs,
    "CPU s": Number(found.cpuSeconds.toFixed(1)),
    "wall s": Number(found.wallSeconds.toFixed(1)),
    "1-minimal": found.minimal && found.superfluous.length === 0 ? "yes" : "no",
    "shipped kernel": simulate(found.plan).violation?.oracle ?? "clean",
  }
}
const all = [...shrunk.values()].filter((found) => found !== null)
const middle = (of: (found: ZooShrunk) => number): number => median(all.map(of))
const inTime = all.filter((found) => found.minimal && found.cpuSeconds <= 60).length
const notMet = mutants.filter(({ id }) => shrunk.get(id) === null).map(({ id }) => id)
printReport({
  bench: "sim/shrink",
  question: "how small do failures of the bug zoo get, and how soon?",
  rows,
  notes: [
    `${inTime} of ${all.length} minimal within 60 s of CPU (promised: 95 %); ${all.filter((found) => found.minimal && found.wallSeconds <= 60).length} within 60 s of wall`,
    `median: ${middle(({ after }) => after.faults)} faults (≤ 5), ${middle(({ after }) => after.operations)} operations (≤ 10), ${middle(({ after }) => after.stores)} stores (≤ 3), ${middle(({ runs }) => runs)} runs, ${middle(({ cpuSeconds }) => cpuSeconds).toFixed(1)} s CPU`,
    ...(notMet.length === 0 ? [] : [`not met within ${options.seeds} seeds: ${notMet.join(", ")}`]),
  ],
})
