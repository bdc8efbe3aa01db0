import type { Chance } from "./chance.ts"
import type { FaultKind, TopologyKind } from "./plan.ts"
import { FAULTS } from "./catalogue.ts"
import { event, pickGroup, type Drawers, type FaultSketch, type Ground, type Span } from "./swarm-ground.ts"

const SECOND = 1_000_000

export const TOPOLOGY_DRAWERS: Drawers<TopologyKind> = {
  addVoter: ({ target, ground, span }, kind) => drawTopology(target, ground, kind, span),
  addLearner: ({ target, ground, span }, kind) => drawTopology(target, ground, kind, span),
  removeReplica: ({ target, ground, span }, kind) => drawTopology(target, ground, kind, span),
  transferLeader: ({ target, ground, span }, kind) => drawTopology(target, ground, kind, span),
}

export function isTopology(kind: FaultKind): kind is TopologyKind {
  return FAULTS[kind].family === "topology"
}

function drawTopology(chance: Chance, ground: Ground, kind: FaultKind, span: Span): readonly FaultSketch[] {
  const group = pickGroup(chance, ground)
  const members = ground.members.get(group) ?? []
  const known = Array.from({ length: ground.cluster.stores + ground.cluster.spares }, (_, index) => index + 1)
  const outside = known.filter((store) => !members.includes(store))
  const asked = (store: number): readonly FaultSketch[] => {
    // A change waits for its leader and for the log to be caught up: give it some seconds.
    const until = Math.min(ground.untilUs, Math.max(span.until, span.at + 5 * SECOND))
    return [event(kind, { at: span.at, until }, { role: "stores", stores: [store], peers: [], group }, {})]
  }
  if (kind === "addVoter" || kind === "addLearner") {
    if (outside.length === 0) return []
    const store = chance.pick(outside)
    if (kind === "addVoter") ground.members.set(group, [...members, store])
    return asked(store)
  }
  if (kind === "transferLeader") return members.length === 0 ? [] : asked(chance.pick(members))
  // Below three voters a run would show little but waiting.
  if (members.length <= 3) return []
  const store = chance.pick(members)
  ground.members.set(
    group,
    members.filter((member) => member !== store),
  )
  return asked(store)
}
