import { existsSync } from "node:fs"
import { buildId } from "#cli/build-id.ts"
import type { ZooModule, ZooOptions } from "#cli/commands/zoo.ts"
import { didYouMean, EXIT, UsageError } from "#cli/errors.ts"
import { readJsonFile, writeTextFile } from "#cli/files.ts"
import type { Host } from "#cli/host.ts"
import { paintFor } from "#cli/report/paint.ts"
import { scenarioOf } from "#scenarios/index.ts"
import { hunt, shrinkFound, type Window } from "./hunt.ts"
import { MUTANTS, mutantOf } from "./mutants.ts"
import type { Mutant } from "./mutant.ts"
import { patchedText } from "./patch.ts"
import { startZooProgress, type ZooProgress } from "./progress.ts"
import { zooHtml, zooText } from "./report.ts"
import {
  goingOn,
  nextSeed,
  parseResults,
  windowsLeft,
  type MutantResult,
  type ZooResults,
} from "./results.ts"
import { isCaught } from "./score.ts"
import { drops, sightingOf, type Drop } from "./sensitivity.ts"

/** `orrery sim zoo`. */
export const runZoo: ZooModule["runZoo"] = async (options, host) => {
  const mutants = chosen(options.mutants)
  if (scenarioOf(options.scenario) === null)
    throw new UsageError(`There is no scenario "${options.scenario}"`)
  const baseline = options.against === null ? null : readResults(options.against)
  // Before a long hunt ends at a patch that no longer fits.
  for (const mutant of MUTANTS) for (const { file } of mutant.edits) patchedText(mutant.edits, file)
  const { scenario, strategy, from, seeds: seedsMax } = options
  const start = { version: 2, build: buildId(), scenario, strategy, from, seedsMax } as const
  const before = !options.isFresh && existsSync(options.json) ? readResults(options.json) : null
  // All of them are in the file, so that a hunt for one forgets nothing of the others.
  let results = goingOn(before, start, MUTANTS)
  const isHunted = (result: MutantResult): boolean => mutants.some(({ id }) => id === result.id)
  const progress = startZooProgress(host, options.isQuiet, () => results.mutants.filter(isHunted), options)
  let isInterrupted = false
  const stopListening = host.onInterrupt(() => {
    isInterrupted = true
  })
  const stopAt = options.wallMsMax === null ? Infinity : performance.now() + options.wallMsMax
  const work = {
    options,
    mutants,
    progress,
    shouldStop: () => isInterrupted || performance.now() >= stopAt,
    resultOf: (id: string) => results.mutants.find((result) => result.id === id)!,
    keep: (changed: MutantResult) => {
      const known = results.mutants.map((result) => (result.id === changed.id ? changed : result))
      results = { ...results, mutants: known }
      // After every window: what was found outlives whatever ends this.
      writeTextFile(options.json, `${JSON.stringify(results, null, 1)}\n`)
    },
  }
  try {
    await huntAll(work)
  } finally {
    stopListening()
    progress.stop()
  }
  return tell(results, mutants, baseline, options, host)
}

function chosen(ids: readonly string[]): readonly Mutant[] {
  if (ids.length === 0) return MUTANTS
  const names = MUTANTS.map(({ id }) => id)
  return [...new Set(ids)].map((id) => {
    const known = mutantOf(id)
    if (known !== null) return known
    throw new UsageError(`--mutant: there is no "${id}"${didYouMean(id, names)}`)
  })
}

function readResults(path: string): ZooResults {
  return parseResults(readJsonFile(path), path)
}

type Work = {
  readonly options: ZooOptions
  readonly mutants: readonly Mutant[]
  readonly progress: ZooProgress
  readonly shouldStop: () => boolean
  readonly resultOf: (id: string) => MutantResult
  readonly keep: (changed: MutantResult) => void
}

/** A window of each, then another of each: a hunt that ends early has seen all of them. */
async function huntAll(work: Work): Promise<void> {
  const { mutants, options, shouldStop, resultOf } = work
  for (let round = 0; round < options.windows && !shouldStop(); round++) {
    const due = mutants.filter(({ id }) => {
      const result = resultOf(id)
      return result.windows.length <= round && windowsLeft(result, options.windows) > 0
    })
    const lane = async (): Promise<void> => {
      for (let mutant = due.shift(); mutant !== undefined && !shouldStop(); mutant = due.shift()) {
        await huntOnce(mutant, work)
      }
    }
    await Promise.all(Array.from({ length: Math.min(options.jobs, due.length) }, lane))
  }
  if (!options.shrink) return
  const unshrunk = mutants.filter(({ id }) => resultOf(id).shrunk === null)
  const lane = async (): Promise<void> => {
    for (let mutant = unshrunk.shift(); mutant !== undefined && !shouldStop(); mutant = unshrunk.shift()) {
      await shrinkOnce(mutant, work)
    }
  }
  await Promise.all(Array.from({ length: Math.min(options.jobs, unshrunk.length) }, lane))
}

async function huntOnce(
  mutant: Mutant,
  { options, progress, shouldStop, resultOf, keep }: Work,
): Promise<void> {
  const { id } = mutant
  const { scenario, strategy, from, seeds } = options
  const at = nextSeed(resultOf(id), from)
  const window = await hunt(mutant, at, seeds, {
    scenario,
    strategy,
    shouldStop,
    onSeed: (seed) => progress.at(id, `seed ${seed}`),
  })
  if (window === null) return progress.left(id)
  const result = resultOf(id)
  // Only the first is made small, and a plan is long.
  const isKept = options.shrink && result.windows.length === 0
  keep({ ...result, windows: [...result.windows, isKept ? window : withoutPlan(window)] })
  progress.found(id, window)
}

function withoutPlan(window: Window): Window {
  if (window.found === null) return window
  const { oracle, seed, message } = window.found
  return { ...window, found: { oracle, seed, message } }
}

async function shrinkOnce(mutant: Mutant, { options, progress, resultOf, keep }: Work): Promise<void> {
  const result = resultOf(mutant.id)
  const found = result.windows[0]?.found ?? null
  if (found === null || (found.plan === undefined && options.strategy !== "swarm")) return
  const onRuns = (runs: number): void => progress.at(mutant.id, `shrinking, ${runs} plans`)
  const shrunk = await shrinkFound(mutant, found, options.scenario, onRuns)
  progress.left(mutant.id)
  if (shrunk === null) return
  const { windows } = resultOf(mutant.id)
  keep({ ...resultOf(mutant.id), windows: windows.map(withoutPlan), shrunk })
}

/** Says what came of it, and whether that is what was promised. */
function tell(
  results: ZooResults,
  mutants: readonly Mutant[],
  baseline: ZooResults | null,
  options: ZooOptions,
  host: Host,
): number {
  const hunted = results.mutants.filter(({ id }) => mutants.some((mutant) => mutant.id === id))
  const compared = baseline === null ? null : compare(baseline, results, hunted)
  const told = { ...results, mutants: hunted, windows: options.windows, drops: compared, json: options.json }
  if (options.report !== null) writeTextFile(options.report, zooHtml(told))
  host.stdout.write(zooText(told, paintFor(host.stdout, host.env)))
  const missed = hunted.filter(
    (result) => result.tier === "A" && result.windows.length > 0 && !isCaught(result),
  )
  const isWorse = compared?.some(({ isDrop }) => isDrop) === true
  return missed.length > 0 || isWorse ? EXIT.failed : EXIT.pass
}

function compare(
  baseline: ZooResults,
  results: ZooResults,
  hunted: readonly MutantResult[],
): readonly Drop[] {
  if (baseline.scenario !== results.scenario) {
    throw new UsageError(
      `--against: those are of scenario "${baseline.scenario}", these of "${results.scenario}"`,
    )
  }
  if ((baseline.strategy ?? "swarm") !== (results.strategy ?? "swarm")) {
    throw new UsageError(
      `--against: those are of the strategy ${baseline.strategy ?? "swarm"}, these of ${results.strategy ?? "swarm"}`,
    )
  }
  const known = new Map(baseline.mutants.map((result) => [result.id, result]))
  return drops(
    hunted.flatMap((result) => {
      const before = known.get(result.id)
      if (before === undefined) return []
      return [{ id: result.id, before: sightingOf(before.windows), now: sightingOf(result.windows) }]
    }),
  )
}
