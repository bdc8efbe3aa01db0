import {
  FAMILIES,
  FAULT_KINDS,
  FAULTS,
  missedSites,
  MOMENTS,
  possibleCells,
  readCell,
  ROLES,
  sitesOf,
  SWARM_KINDS,
  type Cells,
} from "#sim"
import { count } from "./format.ts"
import type { Coverage } from "./model.ts"

/** What of the places where a fault may strike was struck. */
export function coverageOf(cells: Cells): Coverage {
  const possible = possibleCells()
  return {
    cells,
    possible: possible.length,
    never: possible.filter((cell) => (cells[cell] ?? 0) === 0),
    missedSites: missedSites(cells),
  }
}

export const COVERAGE_HEAD: readonly string[] = ["struck", ...ROLES, ...MOMENTS]

/** A row for each family of faults: the roles of whom it struck, then the moments it struck in. */
export function coverageRows({ cells }: Coverage): readonly (readonly string[])[] {
  const sums = new Map<string, number>()
  const add = (key: string, hits: number): void => void sums.set(key, (sums.get(key) ?? 0) + hits)
  for (const [cell, hits] of Object.entries(cells)) {
    const read = readCell(cell)
    if (read === null) continue
    const { family } = FAULTS[read.kind]
    add(`${family} ${read.role}`, hits)
    // Who is down, or no store, is in no moment of a store's life.
    if (read.role !== "down" && read.role !== "client") add(`${family} ${read.moment}`, hits)
  }
  return FAMILIES.map((family) => [
    family,
    ...[...ROLES, ...MOMENTS].map((column) => count(sums.get(`${family} ${column}`) ?? 0)),
  ])
}

export const KIND_HEAD: readonly string[] = ["kind", ...ROLES]

/** A row for each kind of fault, by the roles of whom it struck; those drawn only by name if they came. */
export function kindRows({ cells }: Coverage): readonly (readonly string[])[] {
  const sites = sitesOf(cells)
  const hits = (kind: string, role: string): number => sites.get(`${kind}@${role}`) ?? 0
  const told = FAULT_KINDS.filter(
    (kind) => SWARM_KINDS.includes(kind) || ROLES.some((role) => hits(kind, role) > 0),
  )
  return told.map((kind) => [kind, ...ROLES.map((role) => count(hits(kind, role)))])
}

/** `1,204 of 2,300 cells of kind, role and moment`. */
export function coverageText({ possible, never }: Coverage): string {
  return `${count(possible - never.length)} of ${count(possible)} cells of kind, role and moment were hit`
}
