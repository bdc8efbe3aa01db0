/**
 * What was found wrong, by its name in the field. Names of cycles are those of Adya (1999) and of Elle; the others are
 * Elle's, in our spelling.
 */

/** How transactions follow one another beside what they read and wrote: not at all, in their process, or in real time. */
export type CycleVariant = "" | "-process" | "-realtime"
export type CycleName = "G0" | "G1c" | "G-single" | "G-nonadjacent" | "G2-item" | "G2"

export type Anomaly =
  /** A read shows what nobody wrote. */
  | "garbageRead"
  /** A list holds an element twice that was appended once. */
  | "duplicateElements"
  /** Two reads of a list are not one the beginning of the other. */
  | "incompatibleOrder"
  /** A transaction does not see what it wrote or read itself. */
  | "internal"
  /** Aborted read. */
  | "G1a"
  /** What was written on top of an aborted write was committed. */
  | "dirtyUpdate"
  /** Intermediate read. */
  | "G1b"
  /** Two transactions changed a key, both on the strength of the same version; in which order is not known. */
  | "lostUpdate"
  /** By timestamps: what was read or replaced was committed after the snapshot (interference). */
  | "G-SIa"
  /** By timestamps: what was committed before the snapshot was not seen (missed effects). */
  | "G-SIb"
  | `${CycleName}${CycleVariant}`

const CYCLE_NAMES: readonly CycleName[] = ["G0", "G1c", "G-single", "G-nonadjacent", "G2-item", "G2"]

/** The worst first: what forbids more levels, and needs fewer assumptions, comes before. */
const ORDER: readonly Anomaly[] = [
  "garbageRead",
  "duplicateElements",
  "incompatibleOrder",
  "internal",
  "G1a",
  "dirtyUpdate",
  "G1b",
  "G0",
  "G1c",
  "lostUpdate",
  "G-SIa",
  "G-SIb",
  "G-single",
  "G-nonadjacent",
  "G2-item",
  "G2",
  ...CYCLE_NAMES.map((name) => `${name}-process` as const),
  ...CYCLE_NAMES.map((name) => `${name}-realtime` as const),
]

export type Finding = {
  readonly anomaly: Anomaly
  /** What this shape of it is called in everyday words, such as `lost update`; null if it has no such name. */
  readonly pattern: string | null
  /** Ids; of a cycle in its order. */
  readonly transactions: readonly number[]
  /** What happened, at most twelve lines. */
  readonly lines: readonly string[]
}

/** The first of each anomaly. */
export class Findings {
  readonly #found = new Map<Anomaly, Finding>()

  has(anomaly: Anomaly): boolean {
    return this.#found.has(anomaly)
  }

  /** `tell` is only asked for the first of its kind. */
  note(anomaly: Anomaly, tell: () => Omit<Finding, "anomaly">): void {
    if (!this.#found.has(anomaly)) this.#found.set(anomaly, { anomaly, ...tell() })
  }

  /** The worst first. */
  list(): readonly Finding[] {
    return [...this.#found.values()].sort((a, b) => ORDER.indexOf(a.anomaly) - ORDER.indexOf(b.anomaly))
  }
}
