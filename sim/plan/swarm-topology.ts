import type { Chance } from "./chance.ts"
import type { FaultKind, TopologyKind } from "./plan.ts"
import { FAULTS } from "./catalogue.ts"
import {
  coin,
  drawSpan,
  during,
  event,
  pickGroup,
  type Draft,
  type Drawers,
  type FaultSketch,
  type Ground,
  type Span,
} from "./swarm-ground.ts"

const MS = 1_000
const SECOND = 1_000_000

export const TOPOLOGY_DRAWERS: Drawers<TopologyKind> = {
  addVoter: ({ target, ground, span }, kind) => drawTopology(target, ground, kind, span),
  addLearner: ({ target, ground, span }, kind) => drawTopology(target, ground, kind, span),
  removeReplica: ({ target, ground, span }, kind) => drawTopology(target, ground, kind, span),
  transferLeader: ({ target, ground, span }, kind) => drawTopology(target, ground, kind, span),
  replaceReplica({ target, ground, span }, kind) {
    const group = pickGroup(target, ground)
    const members = ground.members.get(group) ?? []
    const outside = known(ground).filter((store) => !members.includes(store))
    if (outside.length === 0 || members.length === 0) return []
    const comes = target.pick(outside)
    const goes = target.pick(members)
    ground.members.set(group, [...members.filter((member) => member !== goes), comes])
    const until = Math.min(ground.untilUs, Math.max(span.until, span.at + 8 * SECOND))
    return [
      event(kind, { at: span.at, until }, { role: "stores", stores: [comes], peers: [goes], group }, {}),
    ]
  },
  topologyStorm: drawStorm,
  rebalanceStorm: drawStorm,
  quorumLoss({ chance, target, ground, draw }, kind) {
    const group = pickGroup(target, ground)
    const restartUs = draw.spread(100 * MS, 8 * SECOND)
    const at = drawSpan(chance.of("span"), ground, 100 * MS, SECOND).at
    const whom = { role: "stores", stores: known(ground), peers: [], group } as const
    return [event(kind, during(ground, at, restartUs), whom, { restartUs, powerLoss: coin(draw) })]
  },
}

/** Spares as well: they are born when they are asked for. */
function known({ cluster }: Ground): readonly number[] {
  return Array.from({ length: cluster.stores + cluster.spares }, (_, index) => index + 1)
}

function drawStorm({ chance, target, ground, draw }: Draft, kind: FaultKind): readonly FaultSketch[] {
  const span = drawSpan(chance.of("span"), ground, 2 * SECOND, 12 * SECOND)
  const periodUs = draw.spread(50 * MS, 2 * SECOND)
  const changes = Math.min(100, Math.max(1, Math.floor((span.until - span.at) / periodUs)))
  const whom = { role: "stores", stores: known(ground), peers: [], group: pickGroup(target, ground) } as const
  return [event(kind, span, whom, { changes, periodUs })]
}

export function isTopology(kind: FaultKind): kind is TopologyKind {
  return FAULTS[kind].family === "topology"
}

function drawTopology(chance: Chance, ground: Ground, kind: FaultKind, span: Span): readonly FaultSketch[] {
  const group = pickGroup(chance, ground)
  const members = ground.members.get(group) ?? []
  const outside = known(ground).filter((store) => !members.includes(store))
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
