import { argument, storesOf, type FaultKindActions, type FaultRun, type Stage } from "./stage.ts"

const RESTART_US = 1_000_000
/** Between two looks at whether a store is ready. */
const LOOK_US = 10_000

/** Stores that are still to be stopped, with the start they were told in. */
type Pending = Map<number, number>

/** An operator's restart: the process is told, stopped when it is ready, and started again. */
export const drain: FaultKindActions = {
  begin(stage, run) {
    const pending: Pending = new Map()
    run.own = pending
    for (const store of storesOf(stage, run)) {
      const host = stage.host(store)
      if (!host.alive) continue
      run.applied = true
      host.drain()
      pending.set(store, host.boots)
    }
    lookAgain(stage, run)
  },
  act(stage, run) {
    stopReady(stage, run, false)
    lookAgain(stage, run)
  },
  /** It has had its time: a store that was told is stopped, ready or not. */
  lift(stage, run) {
    stopReady(stage, run, true)
  },
}

function lookAgain(stage: Stage, run: FaultRun): void {
  if ((run.own as Pending).size > 0) run.next = stage.actAt(run, 1, stage.now + LOOK_US)
}

function stopReady(stage: Stage, run: FaultRun, isLate: boolean): void {
  const pending = run.own as Pending | null
  for (const [store, boots] of pending ?? []) {
    const host = stage.host(store)
    const { kernel } = host
    // Something else has ended it: whoever runs there now was told nothing.
    const isGone = kernel === null || host.boots !== boots
    if (!isGone && !isLate && !kernel.isDrained()) continue
    pending!.delete(store)
    if (!isGone && stage.crash(store, false, stage.now + argument(run, "restartUs", RESTART_US)))
      run.tally.changes++
  }
}
