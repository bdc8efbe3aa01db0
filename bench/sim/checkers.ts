/**
 * What share of a default campaign's time do the checks take, and which of them? The plans of the scenario `campaign`, each run with
 * every check and then without one of them, without the online ones, without those at the end, and without any, in turn, and each
 * plan begins with another; a share is what the time of all runs falls by. Beside it a sampled profile of further runs with every check: the
 * time below each of them, also of the looks at the world each simulated second, which cannot be left out. Promised: at most 40 % of
 * the wall time (reference/simulation.md, G15). A run is one thread that waits for nothing, so on a machine where others compete its CPU
 * time is what its wall time would be alone. `node bench/sim/checkers.ts [--seeds 20] [--from 1] [--json]`.
 */
import { Session, type Profiler } from "node:inspector/promises"
import { frameItems } from "#kernel"
import { main as campaign } from "#scenarios/campaign.ts"
import { drawPlan, simulate, type Plan, type SimulateOptions } from "#sim"
import { onlineCheckers } from "#sim/check/oracles.ts"
import { runUs } from "#sim/phases.ts"
import { about, benchOptions, cpuSeconds, median, printReport, type Row } from "../support/report.ts"

const SHARE_MAX = 0.4
const WARM_UPS = 3
const SAMPLE_US = 500

type Variant = {
  readonly name: string
  readonly options: (plan: Plan) => SimulateOptions
  /** It ends a moment early, which is how the checks at the end are left out. */
  readonly isCut: boolean
}

type Spent = { readonly cpuS: number; readonly wallS: number }

const { seeds, from } = benchOptions(import.meta.filename, { seeds: 20, from: 1 })

function without(name: string): Variant {
  return {
    name: `without ${name}`,
    options: (plan) => ({
      checkers: onlineCheckers(plan, frameItems).filter((checker) => checker.name !== name),
    }),
    isCut: false,
  }
}

function beforeTheEnd(plan: Plan): SimulateOptions {
  return { until: runUs(plan.phases) - 1 }
}

const NAMES = [
  ...new Set(plans().flatMap((plan) => onlineCheckers(plan, frameItems).map(({ name }) => name))),
]
const VARIANTS: readonly Variant[] = [
  { name: "every check", options: () => ({}), isCut: false },
  { name: "without the hash", options: () => ({ hash: false }), isCut: false },
  ...NAMES.map(without),
  { name: "without online checkers", options: () => ({ checkers: [] }), isCut: false },
  { name: "without checks at the end", options: beforeTheEnd, isCut: true },
  {
    name: "without any of these",
    options: (plan) => ({ ...beforeTheEnd(plan), checkers: [], hash: false }),
    isCut: true,
  },
]

function plans(): Plan[] {
  return Array.from({ length: seeds }, (_, index) => drawPlan(campaign, from + index))
}

/** By variant, what each plan took. */
function measure(): readonly (readonly Spent[])[] {
  const spent = VARIANTS.map((): Spent[] => [])
  for (const [index, plan] of [...plans().slice(0, WARM_UPS), ...plans()].entries()) {
    const states = new Set<string>()
    for (let turn = 0; turn < VARIANTS.length; turn++) {
      const at = (turn + index) % VARIANTS.length
      const { options, isCut } = VARIANTS[at]!
      const given = options(plan)
      const wall = process.hrtime.bigint()
      const cpu = cpuSeconds()
      const { verdict, stateHash } = simulate(plan, given)
      const cpuS = cpuSeconds() - cpu
      const wallS = Number(process.hrtime.bigint() - wall) / 1e9
      if (verdict === "invalid") throw new Error(`Seed ${plan.seed} fails: there is no telling what it costs`)
      if (!isCut) states.add(stateHash)
      if (index >= WARM_UPS) spent[at]!.push({ cpuS, wallS })
    }
    if (states.size > 1) throw new Error(`Seed ${plan.seed} goes otherwise where a check is left out`)
  }
  return spent
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
const percent = (share: number): string => `${(share * 100).toFixed(1)} %`

function shares(of: readonly Spent[], all: readonly Spent[]): Row {
  const share = (time: (spent: Spent) => number): number => 1 - sum(of.map(time)) / sum(all.map(time))
  return {
    "CPU s": about(sum(of.map(({ cpuS }) => cpuS))),
    "share of CPU time": percent(share(({ cpuS }) => cpuS)),
    "median plan": percent(median(of.map(({ cpuS }, plan) => 1 - cpuS / all[plan]!.cpuS))),
    "share of wall time": percent(share(({ wallS }) => wallS)),
  }
}

/** What a frame is part of: the outermost of these on the stack has the sample. */
function partOf({
  url,
  functionName,
}: {
  readonly url: string
  readonly functionName: string
}): string | null {
  const path = /\/sim\/(.*)\.[jt]s$/.exec(url)?.[1] ?? ""
  if (path === "trace/hash") return "hash"
  if (path === "judge") return "history, at the end"
  if (path === "simulate" && /^(checkWorld|look|quietView)$/.test(functionName)) return "looks at the world"
  if (path.startsWith("check/")) return `online: ${path}`
  if (path.startsWith("coverage/")) return "counts of marks, sites and steps (no check)"
  return null
}

async function profile(): Promise<Readonly<Record<string, Row>>> {
  const session = new Session()
  session.connect()
  await session.post("Profiler.enable")
  await session.post("Profiler.setSamplingInterval", { interval: SAMPLE_US })
  await session.post("Profiler.start")
  for (const plan of plans()) simulate(plan)
  const { profile: taken } = await session.post("Profiler.stop")
  session.disconnect()
  const nodes = new Map(taken.nodes.map((node) => [node.id, node]))
  const parts = new Map<string, number>()
  let all = 0
  const visit = (node: Profiler.ProfileNode, within: string | null): void => {
    const part = within ?? partOf(node.callFrame)
    const hits = node.hitCount ?? 0
    all += hits
    if (part !== null) parts.set(part, (parts.get(part) ?? 0) + hits)
    for (const child of node.children ?? []) visit(nodes.get(child)!, part)
  }
  visit(taken.nodes[0]!, null)
  const sorted = [...parts].sort((a, b) => b[1] - a[1])
  const row = (hits: number): Row => ({ "share of samples": percent(hits / all), samples: hits })
  const checks = sum(sorted.flatMap(([part, hits]) => (part.endsWith("(no check)") ? [] : [hits])))
  return {
    "all checks": row(checks),
    ...Object.fromEntries(sorted.map(([part, hits]) => [part, row(hits)])),
  }
}

const spent = measure()
const all = spent[0]!
const rows = Object.fromEntries(VARIANTS.map(({ name }, at) => [name, shares(spent[at]!, all)]))
const profiled = await profile()
const share = 1 - sum(spent.at(-1)!.map(({ cpuS }) => cpuS)) / sum(all.map(({ cpuS }) => cpuS))
printReport({
  bench: "sim/checkers",
  question: "What share of a default campaign's time do the checks take?",
  rows,
  notes: [
    ...Object.entries(profiled).map(
      ([part, row]) => `profile: ${part} ${row["share of samples"]} (${row["samples"]} samples)`,
    ),
    `Promise: at most ${SHARE_MAX * 100} % of the wall time; ${percent(share)} of the CPU time fell away with the checks, and the looks at the world come on top.`,
  ],
})
