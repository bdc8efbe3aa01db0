import type { Disk } from "../env/disk.ts"
import { removeById } from "./process.ts"
import { argument, storesOf, type FaultKindActions, type FaultRun, type Stage } from "./stage.ts"

/** The next sync, or the next one of a checkpoint, fails, once. It waits for one until it is lifted. */
export const syncError: FaultKindActions = {
  begin(stage, run) {
    const restartUs = argument(run, "restartUs", 1_000_000)
    const checkpoint = argument(run, "checkpoint", 0) === 1
    each(stage, run, (disk) =>
      disk.syncErrors.push({ id: run.fault.id, restartUs, checkpoint, tally: run.tally }),
    )
  },
  lift(stage, run) {
    each(stage, run, (disk) => removeById(disk.syncErrors, run.fault.id))
  },
}

/** No room for a new segment or checkpoint; what has its place already can be written. */
export const diskFull: FaultKindActions = {
  begin(stage, run) {
    each(stage, run, (disk) => disk.full.push({ id: run.fault.id, tally: run.tally }))
  },
  lift(stage, run) {
    each(stage, run, (disk) => removeById(disk.full, run.fault.id))
  },
}

/**
 * So many bytes more, and it is full. Who makes room for itself has it: nobody needs to lift this for writes to go on.
 */
export const diskQuota: FaultKindActions = {
  begin(stage, run) {
    const free = argument(run, "bytes", 1 << 20)
    each(stage, run, (disk) =>
      disk.quotas.push({ id: run.fault.id, bytes: disk.usedBytes + free, tally: run.tally }),
    )
  },
  lift(stage, run) {
    each(stage, run, (disk) => removeById(disk.quotas, run.fault.id))
  },
}

/** What begins while it lasts takes longer, as long as it lasts. */
export const slowDisk: FaultKindActions = {
  begin(stage, run) {
    const factor = Math.max(1, argument(run, "factor", 10))
    each(stage, run, (disk) => disk.slow.push({ id: run.fault.id, factor, tally: run.tally }))
  },
  lift(stage, run) {
    each(stage, run, (disk) => {
      if (removeById(disk.slow, run.fault.id)) disk.hurry()
    })
  },
}

/** Nothing completes until it is lifted. */
export const stalledDisk: FaultKindActions = {
  begin(stage, run) {
    each(stage, run, (disk) => disk.stalled.push({ id: run.fault.id, tally: run.tally }))
  },
  lift(stage, run) {
    each(stage, run, (disk) => {
      if (removeById(disk.stalled, run.fault.id)) disk.resume()
    })
  },
}

function each(stage: Stage, run: FaultRun, act: (disk: Disk) => void): void {
  for (const store of storesOf(stage, run)) {
    run.applied = true
    act(stage.host(store).disk)
  }
}
