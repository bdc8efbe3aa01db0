import type { MutantResult } from "./results.ts"

/** What the zoo is promised to show: issue 5 §5, reference/simulation.md §10 G4 and G7. */
export const PROMISED = {
  tierASeedsMax: 1_000,
  tierACpuSecondsMax: 60,
  allSeedsMax: 20_000,
  allShareMin: 0.95,
  medianSeedsMax: 25,
  intendedShareMin: 0.9,
  shrunkWallSecondsMax: 60,
  shrunkShareMin: 0.95,
  shrunkFaultsMax: 5,
  shrunkOperationsMax: 10,
  shrunkStoresMax: 3,
} as const

export type Line = { readonly text: string; readonly isKept: boolean }

/** Seeds to detection: the median over the windows in which it was found; null when it was not. */
export function seedsOf({ windows }: MutantResult): number | null {
  if (windows.length === 0 || windows.some(({ found }) => found === null)) return null
  return median(windows.map(({ seeds }) => seeds))
}

/** Of one core, for one window. */
export function cpuSecondsOf({ windows }: MutantResult): number {
  return windows.length === 0 ? 0 : median(windows.map(({ cpuSeconds }) => cpuSeconds))
}

/** Of the wall, for one window. */
export function wallSecondsOf({ windows }: MutantResult): number {
  return windows.length === 0 ? 0 : median(windows.map(({ wallSeconds }) => wallSeconds))
}

/** Whether it is all that was promised of a mutant of its tier. */
export function isCaught(result: MutantResult): boolean {
  const seeds = seedsOf(result)
  if (seeds === null) return false
  return result.tier === "B" || result.windows.every((window) => window.seeds <= PROMISED.tierASeedsMax)
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}

/** The promises one by one, over what was hunted. */
export function promises(results: readonly MutantResult[]): readonly Line[] {
  const hunted = results.filter(({ windows }) => windows.length > 0)
  if (hunted.length === 0) return []
  const lines: Line[] = []
  const tierA = hunted.filter(({ tier }) => tier === "A")
  if (tierA.length > 0) lines.push(...tierAPromises(tierA))
  const missed = hunted.filter((result) => seedsOf(result) === null)
  const share = (hunted.length - missed.length) / hunted.length
  lines.push({
    ...told(`all that were found: ${hunted.length - missed.length} of ${hunted.length}`, missed),
    isKept: share >= PROMISED.allShareMin,
  })
  const found = hunted.flatMap((result) => seedsOf(result) ?? [])
  if (found.length > 0) {
    const middle = median(found)
    lines.push({
      text: `median seeds: ${middle} (promised ${PROMISED.medianSeedsMax})`,
      isKept: middle <= PROMISED.medianSeedsMax,
    })
  }
  const windows = hunted.flatMap((result) => result.windows).filter(({ firstSeed }) => firstSeed > 0)
  if (windows.length > 0) {
    const intended = windows.filter(({ found, firstSeed }) => found?.seed === firstSeed).length
    lines.push({
      text: `intended oracle first: ${intended} of ${windows.length} finds`,
      isKept: intended / windows.length >= PROMISED.intendedShareMin,
    })
  }
  return [...lines, ...shrinkPromises(hunted)]
}

function tierAPromises(tierA: readonly MutantResult[]): readonly Line[] {
  const missed = tierA.filter((result) => !isCaught(result))
  const caught = tierA.length - missed.length
  const slow = tierA.filter(
    (result) => isCaught(result) && cpuSecondsOf(result) > PROMISED.tierACpuSecondsMax,
  )
  return [
    told(`tier A within ${PROMISED.tierASeedsMax} seeds: ${caught} of ${tierA.length}`, missed),
    told(
      `tier A within ${PROMISED.tierACpuSecondsMax} s of one core, of those: ${caught - slow.length} of ${caught}`,
      slow,
    ),
  ]
}

function shrinkPromises(hunted: readonly MutantResult[]): readonly Line[] {
  const shrunk = hunted.flatMap((result) => result.shrunk ?? [])
  if (shrunk.length === 0) return []
  const quick = shrunk.filter(
    ({ minimal, wallSeconds }) => minimal && wallSeconds <= PROMISED.shrunkWallSecondsMax,
  )
  const faults = median(shrunk.map(({ after }) => after.faults))
  const operations = median(shrunk.map(({ after }) => after.operations))
  const stores = median(shrunk.map(({ after }) => after.stores))
  return [
    {
      text: `shrunk to the end within ${PROMISED.shrunkWallSecondsMax} s: ${quick.length} of ${shrunk.length}`,
      isKept: quick.length / shrunk.length >= PROMISED.shrunkShareMin,
    },
    {
      text: `median after shrinking: ${faults} faults, ${operations} operations, ${stores} stores`,
      isKept:
        faults <= PROMISED.shrunkFaultsMax &&
        operations <= PROMISED.shrunkOperationsMax &&
        stores <= PROMISED.shrunkStoresMax,
    },
  ]
}

function told(text: string, missed: readonly MutantResult[]): Line {
  const names = missed.length === 0 ? "" : ` (not ${missed.map(({ id }) => id).join(", ")})`
  return { text: text + names, isKept: missed.length === 0 }
}

/** Of the mutants that were hunted, the share found within so many seeds (median of their windows). */
export function curve(
  results: readonly MutantResult[],
): readonly { readonly seeds: number; readonly share: number }[] {
  const hunted = results.filter(({ windows }) => windows.length > 0)
  const found = hunted.flatMap((result) => seedsOf(result) ?? []).toSorted((a, b) => a - b)
  return found.map((seeds, i) => ({ seeds, share: (i + 1) / hunted.length }))
}
