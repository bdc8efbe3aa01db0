import { FAULTS, FAULT_KINDS, SWARM_KINDS, type FaultForm } from "../plan/catalogue.ts"
import type { FaultKind } from "../plan/plan.ts"

/**
 * What a store was when a fault struck it: the most telling role over its groups. `spare` is up and holds
 * no replica, `down` is not up, `client` is no store.
 */
export const ROLES = [
  "leader",
  "candidate",
  "recovering",
  "learner",
  "follower",
  "spare",
  "down",
  "client",
] as const
export type Role = (typeof ROLES)[number]

/**
 * What was going on there, the first that fits: it had just started; a group of it knew no leader; a snapshot
 * was sent or taken in within the last second; members were changing; requests were waiting; nothing at all.
 */
export const MOMENTS = ["starting", "electing", "snapshot", "changing", "serving", "idle"] as const
export type Moment = (typeof MOMENTS)[number]

export type Family = FaultForm["family"]
export const FAMILIES: readonly Family[] = [...new Set(FAULT_KINDS.map((kind) => FAULTS[kind].family))]

/** A kind of fault, a role and a moment: how often that came together. */
export type Cell = `${FaultKind}/${Role}/${Moment}`
export type Cells = Readonly<Record<string, number>>

export function cellOf(kind: FaultKind, role: Role, moment: Moment): Cell {
  return `${kind}/${role}/${moment}`
}

/** Null for a text that names no kind, role or moment of today. */
export function readCell(
  cell: string,
): { readonly kind: FaultKind; readonly role: Role; readonly moment: Moment } | null {
  const [kind, role, moment] = cell.split("/")
  const knownKind = FAULT_KINDS.find((known) => known === kind)
  const knownRole = ROLES.find((known) => known === role)
  const knownMoment = MOMENTS.find((known) => known === moment)
  if (knownKind === undefined || knownRole === undefined || knownMoment === undefined) return null
  return { kind: knownKind, role: knownRole, moment: knownMoment }
}

/**
 * Sites that a whole default campaign has to hit: every kind it draws that strikes stores has struck a leader and a
 * follower, and every family of faults has struck in every moment. Changes of topology are asked of a group,
 * not of a store, and a reload has no moment that is its own.
 */
export const DECLARED_SITES: readonly string[] = [
  ...SWARM_KINDS.filter((kind) => FAULTS[kind].family !== "topology").flatMap((kind) => [
    `${kind}@leader`,
    `${kind}@follower`,
  ]),
  ...FAMILIES.filter((family) => family !== "host").flatMap((family) =>
    MOMENTS.map((moment) => `${family}@${moment}`),
  ),
]

/** Hits of every site, declared or not: `crash@leader`, `disk@electing`. */
export function sitesOf(cells: Cells): ReadonlyMap<string, number> {
  const sites = new Map<string, number>()
  const add = (site: string, hits: number): void => void sites.set(site, (sites.get(site) ?? 0) + hits)
  for (const [cell, hits] of Object.entries(cells)) {
    const read = readCell(cell)
    if (read === null) continue
    add(`${read.kind}@${read.role}`, hits)
    add(`${FAULTS[read.kind].family}@${read.moment}`, hits)
  }
  return sites
}

export function missedSites(cells: Cells): readonly string[] {
  const sites = sitesOf(cells)
  return DECLARED_SITES.filter((site) => !sites.has(site))
}

/** Every cell that a default campaign can hit: clients are struck on their links alone, and do nothing but ask. */
export function possibleCells(): readonly Cell[] {
  const cells: Cell[] = []
  for (const kind of SWARM_KINDS) {
    for (const role of ROLES) {
      if (role === "client" && FAULTS[kind].family !== "network") continue
      for (const moment of momentsOf(role)) cells.push(cellOf(kind, role, moment))
    }
  }
  return cells
}

/** Who is down, or no store, is in no moment of a store's life; who has no group has no leader to miss. */
function momentsOf(role: Role): readonly Moment[] {
  if (role === "down" || role === "client") return ["idle"]
  if (role === "spare") return ["starting", "idle"]
  return role === "candidate" ? ["starting", "electing"] : MOMENTS
}
