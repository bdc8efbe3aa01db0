import type { AdminRequest } from "#kernel"
import { below, draw, PURPOSE } from "../draws.ts"
import { storesOf, type FaultKindActions, type FaultRun, type Stage } from "./stage.ts"

/** How long an administrator waits before he asks again. */
const RETRY_US = 500_000

/**
 * Changes of membership and leadership: asked of whoever leads the group, again and again until accepted
 * or lifted. Several stores are asked for one after the other; a transfer picks one of them.
 */
export const topologyFault: FaultKindActions = {
  begin(stage, run) {
    if (run.fault.kind === "transferLeader" && run.stores.length > 1) {
      const drawn = draw(stage.seed, PURPOSE.pick, run.fault.id, 0, 0)
      run.stores = [run.stores[below(drawn, run.stores.length)]!]
    }
    this.act!(stage, run, 0)
  },
  act(stage, run) {
    const store = stepsOf(stage, run)[run.progress]
    if (store === undefined) return
    run.applied = true
    run.next = stage.actAt(run, 0, stage.now + RETRY_US)
    const action = actionOf(stage, run, store)
    const leader = stage.leaderOf(run.fault.target.group)
    if (action === null || leader === 0) return
    stage.ask(run, leader, { id: run.fault.id, group: run.fault.target.group, action })
  },
  answered(_stage, run, accepted) {
    if (!accepted) return
    run.tally.changes++
    run.progress++
    // The next store, if any, is asked for when the timer of the last comes.
  },
  lift() {},
}

/** The stores that are asked for one after the other: of a replacement, who comes, then who goes. */
function stepsOf(stage: Stage, run: FaultRun): readonly number[] {
  const stores = storesOf(stage, run)
  return run.fault.kind === "replaceReplica" ? [...stores.slice(0, 1), ...run.peers.slice(0, 1)] : stores
}

/** Null while the store that is meant cannot say who it is. */
function actionOf(stage: Stage, run: FaultRun, store: number): AdminRequest["action"] | null {
  switch (run.fault.kind) {
    case "replaceReplica":
      return run.progress === 0 ? addition(stage, "addVoter", store) : { type: "removeReplica", store }
    case "removeReplica":
      return { type: "removeReplica", store }
    case "transferLeader":
      return { type: "transferLeader", store }
    case "addLearner":
      return addition(stage, "addLearner", store)
    default:
      return addition(stage, "addVoter", store)
  }
}

/** A store to be added says by which incarnation; one that was never started is. Null while it is down. */
export function addition(
  stage: Stage,
  type: "addVoter" | "addLearner",
  store: number,
): AdminRequest["action"] | null {
  const host = stage.host(store)
  if (host.boots === 0) stage.bear(store)
  const { kernel } = host
  return kernel === null ? null : { type, store, incarnation: kernel.identity().incarnation }
}
