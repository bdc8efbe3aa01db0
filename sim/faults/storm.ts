import type { AdminRequest, GroupStatus } from "#kernel"
import { below, draw, PURPOSE, shuffled } from "../draws.ts"
import { addition } from "./topology.ts"
import { argument, storesOf, type FaultKindActions, type FaultRun, type Stage } from "./stage.ts"

/** Below so many voters a run would show little but waiting. */
const VOTERS_MIN = 3

type Action = AdminRequest["action"]

/**
 * Changes asked one after the other without waiting for any: of one group, or each of another group, so
 * that replicas wander over the cluster. What a busy group refuses is forgotten.
 */
export const topologyStorm: FaultKindActions = {
  begin(stage, run) {
    this.act!(stage, run, 0)
  },
  act(stage, run, act) {
    const group = groupOf(stage, run, act)
    const leader = stage.leaderOf(group)
    const status = leader === 0 ? null : stage.statusOf(leader).find((candidate) => candidate.group === group)
    const action = status === null || status === undefined ? null : actionOf(stage, run, act, status)
    if (action !== null) {
      run.applied = true
      stage.ask(run, leader, { id: run.fault.id, group, action })
    }
    if (act + 1 >= argument(run, "changes", 20)) return
    run.next = stage.actAt(run, act + 1, stage.now + Math.max(1_000, argument(run, "periodUs", 300_000)))
  },
  answered(_stage, run, accepted) {
    if (accepted) run.tally.changes++
  },
  lift() {},
}

function groupOf(stage: Stage, run: FaultRun, act: number): number {
  if (run.fault.kind !== "rebalanceStorm") return run.fault.target.group
  const { groups } = stage
  return (
    groups[below(draw(stage.seed, PURPOSE.storm, run.fault.id, 1, act), Math.max(1, groups.length))] ??
    run.fault.target.group
  )
}

/** What is asked this time; null when the store that is meant cannot say who it is. */
function actionOf(stage: Stage, run: FaultRun, act: number, status: GroupStatus): Action | null {
  const { voters, learners } = status.configuration
  const members = [...voters, ...learners].map((member) => member.store)
  const stores = storesOf(stage, run)
  const pick = (among: readonly number[]): number | undefined =>
    among[below(draw(stage.seed, PURPOSE.stormStore, run.fault.id, 0, act), Math.max(1, among.length))]
  const inside = pick(voters.map((voter) => voter.store).filter((store) => stores.includes(store)))
  const outside = pick(stores.filter((store) => !members.includes(store)))
  const dice = below(draw(stage.seed, PURPOSE.storm, run.fault.id, 0, act), 100)
  if (run.fault.kind === "rebalanceStorm") {
    // One too many goes, then another one comes: load moves, groups keep their size.
    if (voters.length > VOTERS_MIN && inside !== undefined && dice < 80)
      return { type: "removeReplica", store: inside }
    if (outside !== undefined && dice < 80) return addition(stage, "addVoter", outside)
  } else {
    if (dice < 30 && outside !== undefined) return addition(stage, "addVoter", outside)
    if (dice < 45 && outside !== undefined) return addition(stage, "addLearner", outside)
    if (dice < 75 && inside !== undefined && voters.length > VOTERS_MIN)
      return { type: "removeReplica", store: inside }
  }
  return inside === undefined ? null : { type: "transferLeader", store: inside }
}

/** A majority of a group dies at one moment: nothing may be served, and nothing lost, until it is back. */
export const quorumLoss: FaultKindActions = {
  begin(stage, run) {
    const members = stage.membersOf(run.fault.target.group).filter((store) => run.stores.includes(store))
    const order = shuffled(stage.seed, PURPOSE.quorumLoss, run.fault.id, 0, members)
    const restartAt = stage.now + argument(run, "restartUs", 2_000_000)
    const powerLoss = argument(run, "powerLoss", 0) === 1
    run.stores = order.slice(0, Math.floor(members.length / 2) + 1)
    for (const store of run.stores) {
      run.applied = true
      if (stage.crash(store, powerLoss, restartAt)) run.tally.changes++
    }
  },
  lift() {},
}
