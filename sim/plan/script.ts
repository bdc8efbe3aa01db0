import { FAULTS } from "./catalogue.ts"
import type { Chance } from "./chance.ts"
import type { FaultTarget } from "./plan.ts"
import type { ScriptedFault } from "./scenario.ts"
import { pickGroup, storeIds, targetStores, type FaultSketch, type Ground } from "./swarm-ground.ts"
import { isTopology, TOPOLOGY_DRAWERS } from "./swarm-topology.ts"

/** The scripted events of one faults part that starts at `fromUs`. */
export function drawScript(
  chance: Chance,
  ground: Ground,
  script: readonly ScriptedFault[],
  fromUs: number,
): readonly FaultSketch[] {
  const sketches: FaultSketch[] = []
  for (let line = 0; line < script.length; line++) {
    const scripted = script[line]!
    const times = chance.of(`${line}/times`).draw(scripted.times ?? 1)
    for (let time = 0; time < times; time++)
      sketches.push(...drawLine(chance.of(`${line}/${time}`), ground, scripted, fromUs))
  }
  return sketches
}

function drawLine(
  chance: Chance,
  ground: Ground,
  scripted: ScriptedFault,
  fromUs: number,
): readonly FaultSketch[] {
  const { kind } = scripted
  const at = Math.min(ground.untilUs, fromUs + chance.of("at").draw(scripted.atUs))
  const forUs = FAULTS[kind].lasting ? chance.of("for").draw(scripted.forUs) : 0
  const span = { at, until: Math.min(ground.untilUs, at + forUs) }
  const named = Array.isArray(scripted.stores)
  if (isTopology(kind) && !named) {
    const draft = { ground, chance, span, draw: chance.of("args"), target: chance.of("target") }
    return TOPOLOGY_DRAWERS[kind](draft, kind)
  }
  const args: Record<string, number> = {}
  for (const [name, draw] of Object.entries(scripted.args ?? {}))
    args[name] = chance.of(`args/${name}`).draw(draw)
  return [{ ...span, kind, target: drawTarget(chance.of("target"), ground, scripted), args }]
}

function drawTarget(chance: Chance, ground: Ground, { stores, peers }: ScriptedFault): FaultTarget {
  const ids = storeIds(ground)
  const group = pickGroup(chance, ground)
  const members = ground.members.get(group) ?? ids
  if (stores === "leader") return { role: "leader", stores: [], peers: drawPeers(chance, ids, peers), group }
  const struck = ((): readonly number[] => {
    switch (stores) {
      case "all":
        return ids
      case "any":
        return [chance.pick(members)]
      case "majority":
        return chance.sample(members, Math.floor(members.length / 2) + 1)
      case "minority":
        return chance.sample(members, Math.floor((members.length - 1) / 2))
      case "follower":
        return []
      default:
        return stores
    }
  })()
  if (stores === "follower")
    return { role: "followers", stores: [], peers: drawPeers(chance, ids, peers), group }
  const others = drawPeers(
    chance,
    ids.filter((id) => !struck.includes(id)),
    peers,
  )
  return {
    ...targetStores(struck, others),
    group: Array.isArray(stores) ? ground.cluster.ranges[0]!.descriptor.groupId : group,
  }
}

function drawPeers(chance: Chance, ids: readonly number[], peers: ScriptedFault["peers"]): readonly number[] {
  if (peers === undefined || peers === "others" || ids.length === 0) return []
  return peers === "any" ? [chance.pick(ids)] : peers
}
