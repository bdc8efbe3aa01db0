import { createHash } from "node:crypto"
import { UsageError } from "#cli/errors.ts"
import type { Shrinking, Window } from "./hunt.ts"
import type { Strategy } from "#sim"
import type { Mutant } from "./mutant.ts"

/** All that is known of one mutant. */
export type MutantResult = Pick<Mutant, "id" | "tier" | "title" | "oracles"> & {
  /** Of its edits: with another one these results are another mutant's. */
  readonly patch: string
  /** One behind the other: each begins where the one before ended. */
  readonly windows: readonly Window[]
  readonly shrunk: Shrinking | null
}

/** The file of `--json`: a report, what a hunt goes on from, and what a later one is held against. */
export type ZooResults = {
  readonly version: 2
  /** Kernel, simulator and scenarios: with another one nothing in here may go on. */
  readonly build: string
  readonly scenario: string
  /** A swarm unless it says. */
  readonly strategy?: Strategy
  readonly from: number
  /** Seeds of one window. */
  readonly seedsMax: number
  readonly mutants: readonly MutantResult[]
}

export function patchHash(mutant: Mutant): string {
  return createHash("sha256")
    .update(JSON.stringify([mutant.edits, mutant.oracles]))
    .digest("hex")
    .slice(0, 16)
}

export function newResult(mutant: Mutant): MutantResult {
  const { id, tier, title, oracles } = mutant
  return { id, tier, title, oracles, patch: patchHash(mutant), windows: [], shrunk: null }
}

/** What is still to be hunted for: nothing once it was sought in vain, since the next window would be as dear. */
export function windowsLeft(result: MutantResult, windows: number): number {
  if (result.windows.some(({ found }) => found === null)) return 0
  return Math.max(0, windows - result.windows.length)
}

/** Where the next window begins. */
export function nextSeed(result: MutantResult, from: number): number {
  const last = result.windows.at(-1)
  return last === undefined ? from : last.from + last.seeds
}

export function parseResults(json: unknown, path: string): ZooResults {
  const refuse = (why: string): never => {
    throw new UsageError(`${path} holds no results of the zoo: ${why}`)
  }
  const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0
  if (!isRecord(json)) return refuse("it is no object")
  if (json["version"] !== 2) return refuse(`version ${JSON.stringify(json["version"])}, not 2`)
  for (const field of ["build", "scenario"]) {
    if (typeof json[field] !== "string") return refuse(`"${field}" is no string`)
  }
  for (const field of ["from", "seedsMax"]) {
    if (!isCount(json[field])) return refuse(`"${field}" is no whole number`)
  }
  const mutants = json["mutants"]
  if (!Array.isArray(mutants)) return refuse(`"mutants" is no list`)
  for (const mutant of mutants as unknown[]) {
    if (!isRecord(mutant) || typeof mutant["id"] !== "string" || !Array.isArray(mutant["windows"])) {
      return refuse("a mutant without an id or windows")
    }
    for (const window of mutant["windows"] as unknown[]) {
      if (!isRecord(window) || !isWindow(window)) return refuse(`a window of ${mutant["id"]} that is none`)
    }
  }
  return json as ZooResults
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

const COUNTS = ["from", "seeds", "firstSeed", "wallSeconds", "cpuSeconds"] as const

function isWindow(window: Record<string, unknown>): boolean {
  const isCounted = COUNTS.every((field) => typeof window[field] === "number" && window[field] >= 0)
  const { found, others } = window
  const isNamed = found === null || (isRecord(found) && typeof found["oracle"] === "string")
  return isCounted && isNamed && isRecord(others) && Array.isArray(window["void"])
}

/** Only what is true of these mutants in this build. */
export function goingOn(
  before: ZooResults | null,
  start: Omit<ZooResults, "mutants">,
  mutants: readonly Mutant[],
): ZooResults {
  const isSame =
    before !== null &&
    before.build === start.build &&
    before.scenario === start.scenario &&
    (before.strategy ?? "swarm") === (start.strategy ?? "swarm") &&
    before.from === start.from &&
    before.seedsMax === start.seedsMax
  const known = new Map(isSame ? before.mutants.map((result) => [result.id, result]) : [])
  return {
    ...start,
    mutants: mutants.map((mutant) => {
      const result = known.get(mutant.id)
      return result !== undefined && result.patch === patchHash(mutant) ? result : newResult(mutant)
    }),
  }
}
