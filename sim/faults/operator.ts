import { RESTART_US } from "./damage.ts"
import { argument, storesOf, type FaultKindActions, type Stage } from "./stage.ts"

/** Looks at a store that was given an order, until it is up. */
const LOOK_US = 250_000
const LOOKS_MAX = 20

/**
 * The operator's act for a group that lost its only replica: the store is stopped and started with an order that names what
 * the plan says was seen. Effective when the group goes on by it.
 */
export const recoverGroup: FaultKindActions = {
  begin(stage, run) {
    const { group } = run.fault.target
    const generation = argument(run, "generation", 1)
    for (const store of storesOf(stage, run)) {
      const restartAt = stage.now + argument(run, "restartUs", RESTART_US)
      run.progress = recoveredAt(stage, store, group)
      run.applied = stage.recover(store, group, generation, restartAt)
      if (run.applied) run.next = stage.actAt(run, LOOKS_MAX, restartAt + LOOK_US)
    }
  },
  act(stage, run, looksLeft) {
    const { group } = run.fault.target
    for (const store of storesOf(stage, run)) {
      if (recoveredAt(stage, store, group) > run.progress) run.tally.changes++
      else if (looksLeft > 1) run.next = stage.actAt(run, looksLeft - 1, stage.now + LOOK_US)
    }
  },
  lift() {},
}

function recoveredAt(stage: Stage, store: number, group: number): number {
  return stage.statusOf(store).find((status) => status.group === group)?.recoveredAt ?? 0
}
