import { existsSync } from "node:fs"
import { join, parse } from "node:path"
import type { Command } from "commander"
import { JOBS_MAX, parseDuration, parseInteger } from "../arguments.ts"
import { SHRINK_RUNS_MAX, SHRINK_WALL_MS_MAX } from "../campaign/default-campaign.ts"
import { loadEngine, type Engine } from "../campaign/engine.ts"
import { sizeText, tellSmaller, writeCapsuleFile, writeRegression } from "../campaign/failures.ts"
import { Pool } from "../campaign/pool.ts"
import { planDigest, shrinkOver, type ShrinkEnd, type Smaller } from "../campaign/shrinker.ts"
import { EXIT } from "../errors.ts"
import type { Host } from "../host.ts"
import { count, duration } from "../report/format.ts"
import { paintFor } from "../report/paint.ts"
import { shellWord } from "../report/shell-word.ts"
import { failureText } from "../report/table.ts"
import { sizeOf, type Capsule, type Plan } from "#sim"
import { readCapsule } from "./replay.ts"

/** Without a terminal a line is said this often, and on one it is redrawn this often. */
const LINE_MS = 10_000
const REDRAW_MS = 250
const SMALLER = ".min"

type Options = {
  readonly out?: string
  readonly for?: number
  readonly jobs?: number
  readonly keep?: string | true
}

export function addShrink(sim: Command, host: Host, end: (code: number) => void): void {
  sim
    .command("shrink")
    .summary("a capsule made smaller")
    .description(
      "Leaves out of a capsule's plan whatever the same failure does not need. What it has when time is up or at Ctrl-C\n" +
        "is kept, and the same line again goes on from there.",
    )
    .argument("<capsule>")
    .option("--out <file>", "where the smaller capsule goes (beside the first one)")
    .option("--for <duration>", `stop after 90s, 10m (${SHRINK_WALL_MS_MAX / 1_000}s)`, (text) =>
      parseDuration("--for", text),
    )
    .option("--jobs <n>", "worker threads (one for each core); the outcome is the same for any", (text) =>
      parseInteger("--jobs", text, 1, JOBS_MAX),
    )
    .option("--keep [dir]", "write it as a regression to commit as well (scenarios/regressions)")
    .action(async (path: string, options: Options) => end(await shrink(host, path, options)))
}

async function shrink(host: Host, path: string, options: Options): Promise<number> {
  const engine = await loadEngine(host.engineUrl)
  const given = readCapsule(engine, path)
  const out = options.out ?? smallerPath(path)
  const { capsule, isResumed } = begun(engine, given, path, out)
  const about = isResumed
    ? `Going on from ${capsule === given ? path : out}, after ${count(capsule.shrink?.runs ?? 0)} runs`
    : `Shrinking ${path}`
  const end = await search(host, engine, capsule, about, options)
  if (end.type === "gone") {
    const instead = end.result.violation?.oracle
    const how = instead === undefined ? "" : `; it fails by ${instead} instead`
    host.stdout.write(`Nothing to shrink: the plan no longer fails by ${capsule.oracle}${how}.\n`)
    return instead === undefined ? EXIT.pass : EXIT.failed
  }
  writeCapsuleFile(engine, out, end, capsule.found)
  const folder = options.keep === true ? join("scenarios", "regressions") : options.keep
  const regression = folder === undefined ? null : writeRegression(engine, folder, end, capsule.found)
  tell(host, engine, capsule, end, out, regression)
  return EXIT.failed
}

/** Beside the first one; a smaller one that is shrunk further stays where it is. */
function smallerPath(path: string): string {
  const { dir, name } = parse(path)
  return name.endsWith(SMALLER) ? path : join(dir, `${name}${SMALLER}.json`)
}

/** What lies where the smaller one goes is gone on from, if it comes from this very plan. */
function begun(
  engine: Engine,
  given: Capsule,
  path: string,
  out: string,
): { readonly capsule: Capsule; readonly isResumed: boolean } {
  const kept = { capsule: given, isResumed: given.shrink !== null && given.shrink.cursor !== null }
  if (out === path || !existsSync(out)) return kept
  const earlier = readCapsule(engine, out)
  const { shrink: note } = earlier
  const origin = given.shrink?.from.plan ?? planDigest(given.plan)
  const isOfThis = note?.from.plan === origin && earlier.oracle === given.oracle
  const isFurther = note !== null && note.runs >= (given.shrink?.runs ?? 0)
  return isOfThis && isFurther ? { capsule: earlier, isResumed: true } : kept
}

async function search(
  host: Host,
  engine: Engine,
  capsule: Capsule,
  about: string,
  options: Options,
): Promise<ShrinkEnd> {
  const wallMsMax = options.for ?? SHRINK_WALL_MS_MAX
  const pool = new Pool(host.engineUrl, options.jobs ?? Math.min(host.cores, JOBS_MAX))
  const line = progressLine(host, wallMsMax)
  let interrupted = false
  const stopListening = host.onInterrupt(() => {
    interrupted = true
    line.end()
    host.stderr.write("Interrupted: what there is will be kept; once more ends at once\n")
  })
  host.stderr.write(`${about}\n`)
  const task = {
    plan: capsule.plan,
    oracle: capsule.oracle,
    note: capsule.shrink,
    // With a time of one's own the time is the bound.
    runsMax: options.for === undefined ? SHRINK_RUNS_MAX : Number.MAX_SAFE_INTEGER,
    wallMsMax,
  }
  try {
    return await shrinkOver(pool.lanes, engine, task, { shouldStop: () => interrupted, tried: line.say })
  } finally {
    line.end()
    stopListening()
    pool.close()
  }
}

/** How far a search is: one line that is redrawn, or a new one now and then. */
function progressLine(
  host: Host,
  wallMsMax: number,
): { readonly say: (runs: number, plan: Plan, pass: string) => void; readonly end: () => void } {
  const startedAt = performance.now()
  const isTerminal = host.stderr.isTTY === true
  let saidAt = isTerminal ? 0 : startedAt
  let isOver = false
  return {
    say(runs, plan, pass) {
      const now = performance.now()
      if (isOver || now - saidAt < (isTerminal ? REDRAW_MS : LINE_MS)) return
      saidAt = now
      const time = `${duration((now - startedAt) / 1_000)} of ${duration(wallMsMax / 1_000)}`
      const text = `${count(runs)} plans tried, ${sizeText(sizeOf(plan))} left  ${pass}  ${time}`
      host.stderr.write(isTerminal ? `\r\u001b[K${text}` : `${text}\n`)
    },
    end() {
      if (isTerminal && !isOver) host.stderr.write("\r\u001b[K")
      isOver = true
    },
  }
}

function tell(
  host: Host,
  engine: Engine,
  capsule: Capsule,
  smaller: Smaller,
  out: string,
  regression: string | null,
): void {
  const { plan, result } = smaller
  const { violation } = result
  if (violation === null) throw new Error("A failure without a violation was shrunk")
  const seeds = capsule.found?.seeds ?? [{ scenario: plan.scenario, seed: plan.seed }]
  const failure = {
    scenario: plan.scenario,
    seed: plan.seed,
    oracle: violation.oracle,
    signature: engine.signatureOf(plan, violation),
    count: capsule.found?.count ?? 1,
    before: 0,
    seeds,
    regression: null,
    ...tellSmaller(smaller, out),
  }
  host.stdout.write(`${failureText(failure, paintFor(host.stdout, host.env))}\n`)
  if (regression !== null) host.stdout.write(`  kept     ${regression}: say in its "bug" what was wrong\n`)
  if (smaller.note?.cursor !== null) {
    host.stdout.write(`Not minimal yet: npx orrery sim shrink ${shellWord(out)} goes on.\n`)
  }
}
