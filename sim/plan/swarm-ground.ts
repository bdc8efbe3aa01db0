import type { Chance } from "./chance.ts"
import type { FaultKind, FaultTarget, PlanCluster, PlanFault } from "./plan.ts"

/** A fault that has no id yet. */
export type FaultSketch = Omit<PlanFault, "id">

/** What faults are drawn for: one faults part of one run. */
export type Ground = {
  readonly cluster: PlanCluster
  readonly fromUs: number
  readonly untilUs: number
  readonly clients: number
  /** Every write has a token, so a network that repeats requests does no harm. */
  readonly repeatable: boolean
  /** Largest deviation of a clock from the true time that keeps any two within the bound. */
  readonly clockRoomUs: number
  /** Stores whose clock already has a fault in this part: a second one could add up beyond the bound. */
  readonly clocksMoved: Set<number>
  /** Stores whose disk is damaged in this part, and how many may be. */
  readonly damaged: Set<number>
  readonly damagedMax: number
  /** Voters of each group as they would be if every change so far had been accepted. */
  readonly members: Map<number, number[]>
}

const MS = 1_000
const SECOND = 1_000_000

export type Span = { readonly at: number; readonly until: number }

/** One activation that is being drawn: a stream of chance for each of its questions. */
export type Draft = {
  readonly ground: Ground
  /** For further questions of a kind. */
  readonly chance: Chance
  /** The usual one: when it begins and ends. */
  readonly span: Span
  readonly draw: Chance
  readonly target: Chance
}

/** One activation as the swarm draws it: one event or several, or none where there is no target left. */
export type DrawFault = (draft: Draft, kind: FaultKind) => readonly FaultSketch[]

/** How a family of faults draws its kinds. */
export type Drawers<K extends FaultKind> = Readonly<Record<K, DrawFault>>

export function draftOf(chance: Chance, ground: Ground): Draft {
  return {
    ground,
    chance,
    span: drawSpan(chance.of("span"), ground, 100 * MS, 8 * SECOND),
    draw: chance.of("args"),
    target: chance.of("target"),
  }
}

export function drawSpan(chance: Chance, ground: Ground, minUs: number, maxUs: number): Span {
  const at = chance.between(ground.fromUs, ground.untilUs - minUs)
  return during(ground, at, chance.spread(minUs, maxUs))
}

/** Every fault ends with its part. */
export function during(ground: Ground, at: number, forUs: number): Span {
  return { at, until: Math.min(at + forUs, ground.untilUs) }
}

export function event(
  kind: FaultKind,
  span: Span,
  target: FaultTarget,
  args: Readonly<Record<string, number>>,
): FaultSketch {
  return { at: span.at, until: span.until, kind, target, args }
}

export function coin(chance: Chance): number {
  return chance.below(2)
}

export function targetStores(stores: readonly number[], peers: readonly number[]): FaultTarget {
  return { role: "stores", stores, peers, group: 0 }
}

export function targetLeader(chance: Chance, ground: Ground): FaultTarget {
  return { role: "leader", stores: [], peers: [], group: pickGroup(chance, ground) }
}

export function pickGroup(chance: Chance, ground: Ground): number {
  return chance.pick(ground.cluster.ranges).descriptor.groupId
}

export function storeIds(ground: Ground): readonly number[] {
  return Array.from({ length: ground.cluster.stores }, (_, index) => index + 1)
}

export function all(ground: Ground): FaultTarget {
  return targetStores(storeIds(ground), [])
}

/** Mostly one store or a leader, sometimes a minority, rarely more than that. */
export function victims(chance: Chance, ground: Ground): FaultTarget {
  const dice = chance.below(100)
  if (dice < 40) return one(chance, ground)
  if (dice < 75) return targetLeader(chance, ground)
  const stores = storeIds(ground)
  const most = dice < 95 ? Math.max(1, Math.floor((stores.length - 1) / 2)) : stores.length
  return targetStores(chance.sample(stores, chance.between(1, most)), [])
}

export function one(chance: Chance, ground: Ground): FaultTarget {
  return targetStores([chance.pick(storeIds(ground))], [])
}

export function byNumber(a: number, b: number): number {
  return a - b
}
