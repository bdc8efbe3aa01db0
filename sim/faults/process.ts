import { argument, storesOf, type CommonStage, type FaultKindActions, type FaultRun } from "./stage.ts"

const RESTART_US = 1_000_000

/** The processes die; their machines start them again. Its own time lifts it, not the end of the fault. */
export const crash: FaultKindActions<CommonStage> = {
  begin(stage, run) {
    strike(stage, run)
  },
  lift() {},
}

/** Dies, comes back, stays up for a while, dies again. */
export const crashLoop: FaultKindActions<CommonStage> = {
  begin(stage, run) {
    this.act!(stage, run, 0)
  },
  act(stage, run, act) {
    strike(stage, run)
    if (act + 1 >= argument(run, "times", 3)) return
    const pause = argument(run, "restartUs", RESTART_US) + argument(run, "upUs", 1_000_000)
    run.next = stage.actAt(run, act + 1, stage.now + Math.max(1, pause))
  },
  lift() {},
}

function strike(stage: CommonStage, run: FaultRun): void {
  const restartAt = stage.now + argument(run, "restartUs", RESTART_US)
  const powerLoss = argument(run, "powerLoss", 0) === 1
  for (const store of storesOf(stage, run)) {
    run.applied = true
    if (stage.crash(store, powerLoss, restartAt)) run.tally.changes++
  }
}

/** Stands still: its inbox fills, its timers are late, what it holds stays held. */
export const pause: FaultKindActions<CommonStage> = {
  begin(stage, run) {
    for (const store of storesOf(stage, run)) {
      const host = stage.host(store)
      if (!host.alive) continue
      run.applied = true
      host.process.pause(run.fault.id, run.tally)
    }
  },
  lift(stage, run) {
    for (const store of storesOf(stage, run)) {
      const host = stage.host(store)
      if (removeById(host.process.pauses, run.fault.id)) host.resumed()
    }
  },
}

export const slowProcess: FaultKindActions<CommonStage> = {
  begin(stage, run) {
    const factor = Math.max(1, argument(run, "factor", 10))
    for (const store of storesOf(stage, run)) {
      run.applied = true
      stage.host(store).process.slowdowns.push({ id: run.fault.id, factor, tally: run.tally })
    }
  },
  lift(stage, run) {
    for (const store of storesOf(stage, run)) removeById(stage.host(store).process.slowdowns, run.fault.id)
  },
}

/** The kernel is replaced by what its saved bytes give: nothing may change, and nothing is lifted. */
export const reload: FaultKindActions<CommonStage> = {
  begin(stage, run) {
    for (const store of storesOf(stage, run)) {
      const host = stage.host(store)
      if (!host.alive) continue
      run.applied = true
      run.tally.changes++
      if (!host.reload())
        stage.violated("DET-reload", `The kernel of store ${store} saves other bytes once loaded`)
    }
  },
  lift() {},
}

/** False when the list has nothing of this fault. */
export function removeById(list: { readonly id: number }[], id: number): boolean {
  const index = list.findIndex((item) => item.id === id)
  if (index < 0) return false
  list.splice(index, 1)
  return true
}
