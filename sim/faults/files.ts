import { below, draw, PURPOSE } from "../draws.ts"
import type { Relabelled } from "../env/file-damage.ts"
import { born, keyOf, RESTART_US } from "./damage.ts"
import { argument, storesOf, type FaultKindActions, type FaultRun, type Stage } from "./stage.ts"

// What people and file systems do to single files and directories of a store that is down.

/** A check of the file system moved a file of a log away. */
export const fileLoss: FaultKindActions = {
  begin(stage, run) {
    strike(stage, run, false, (store) => stage.host(store).disk.loseFile(keyOf(stage, run, store)))
  },
  lift() {},
}

/** Power is lost, and with it how long a file had become: it ends somewhere within the last write. */
export const shortFile: FaultKindActions = {
  begin(stage, run) {
    strike(stage, run, true, (store) => stage.host(store).disk.shorten(keyOf(stage, run, store)))
  },
  lift() {},
}

/** A tenant's directory is gone, another is begun in its place, and then somebody finds the first and puts it back. */
export const earlierVolume: FaultKindActions = {
  begin(stage, run) {
    run.stores = born(stage, run)
    strike(stage, run, false, (store) => {
      const { disk } = stage.host(store)
      const drawn = draw(stage.seed, PURPOSE.damage, run.fault.id, store, 0)
      const lost = disk.tenantVolumes[below(drawn, disk.tenantVolumes.length)]!
      disk.takeBackup(run.fault.id, lost)
      return disk.wipe(lost)
    })
    if (run.applied) run.next = stage.actAt(run, 0, stage.now + argument(run, "ageUs", 2 * RESTART_US))
  },
  act(stage, run) {
    strike(stage, run, false, (store) => stage.host(store).disk.restoreBackup(run.fault.id))
  },
  lift(stage, run) {
    for (const store of storesOf(stage, run)) stage.host(store).disk.dropBackup(run.fault.id)
  },
}

/** A newer build was tried, and began with a header of its own; when it is lifted what it wrote is undone. */
export const laterFormat: FaultKindActions = {
  begin(stage, run) {
    const isSystem = argument(run, "system", 0) === 1
    const changed = new Map<number, Relabelled>()
    strike(stage, run, false, (store) => {
      const relabelled = stage.host(store).disk.relabel(keyOf(stage, run, store), isSystem)
      if (relabelled !== null) changed.set(store, relabelled)
      return relabelled !== null
    })
    run.own = changed
  },
  lift(stage, run) {
    for (const [store, { file, before }] of (run.own ?? new Map()) as ReadonlyMap<number, Relabelled>) {
      stage.crash(store, false, stage.now + RESTART_US)
      file.patch(0, before)
    }
    run.own = null
  },
}

/** The process is stopped for it, and starts again on what is left. */
function strike(stage: Stage, run: FaultRun, powerLoss: boolean, act: (store: number) => boolean): void {
  for (const store of born(stage, run)) {
    run.applied = true
    stage.crash(store, powerLoss, stage.now + argument(run, "restartUs", RESTART_US))
    if (act(store)) run.tally.changes++
  }
}
