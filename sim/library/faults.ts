import { clockFault } from "../faults/clock.ts"
import { linkFault } from "../faults/link.ts"
import { crash, crashLoop, pause, reload, removeById, slowProcess } from "../faults/process.ts"
import type { Catalogue } from "../faults/injector.ts"
import {
  argument,
  storesOf,
  type CommonStage,
  type FaultKindActions,
  type FaultRun,
} from "../faults/stage.ts"
import type { FaultKind } from "../plan/plan.ts"
import type { MachineHost } from "./host.ts"
import type { NodeStorage } from "./storage.ts"

/** What a fault may touch of a world of machines. */
export type MachineStage = CommonStage<MachineHost>

/** The next sync fails, once. It waits for one until it is lifted. */
const syncError: FaultKindActions<MachineStage> = {
  begin(stage, run) {
    const restartUs = argument(run, "restartUs", 1_000_000)
    each(stage, run, (storage) => storage.syncErrors.push({ id: run.fault.id, restartUs, tally: run.tally }))
  },
  lift(stage, run) {
    each(stage, run, (storage) => removeById(storage.syncErrors, run.fault.id))
  },
}

/** No room for anything new: writes are refused whole. */
const diskFull: FaultKindActions<MachineStage> = {
  begin(stage, run) {
    each(stage, run, (storage) => storage.full.push({ id: run.fault.id, tally: run.tally }))
  },
  lift(stage, run) {
    each(stage, run, (storage) => removeById(storage.full, run.fault.id))
  },
}

/** Syncs that begin while it lasts take longer, as long as it lasts. */
const slowDisk: FaultKindActions<MachineStage> = {
  begin(stage, run) {
    const factor = Math.max(1, argument(run, "factor", 10))
    each(stage, run, (storage) => storage.slow.push({ id: run.fault.id, factor, tally: run.tally }))
  },
  lift(stage, run) {
    each(stage, run, (storage) => {
      if (removeById(storage.slow, run.fault.id)) storage.hurry()
    })
  },
}

/** No sync completes until it is lifted. */
const stalledDisk: FaultKindActions<MachineStage> = {
  begin(stage, run) {
    each(stage, run, (storage) => storage.stalled.push({ id: run.fault.id, tally: run.tally }))
  },
  lift(stage, run) {
    each(stage, run, (storage) => {
      if (removeById(storage.stalled, run.fault.id)) storage.resume()
    })
  },
}

function each(stage: MachineStage, run: FaultRun, act: (storage: NodeStorage) => void): void {
  for (const node of storesOf(stage, run)) {
    run.applied = true
    act(stage.host(node).storage)
  }
}

/**
 * The faults that a machine of yours meets: all of the kernel's catalogue, but for what only a group of
 * replicas or a file of sectors can suffer (docs/adr/0021).
 */
export const MACHINE_CATALOGUE: Catalogue<MachineStage> = {
  partition: linkFault,
  drop: linkFault,
  duplicate: linkFault,
  delay: linkFault,
  corrupt: linkFault,
  capacity: linkFault,
  clog: linkFault,
  flap: linkFault,
  misroute: linkFault,
  crash,
  crashLoop,
  pause,
  slowProcess,
  syncError,
  diskFull,
  slowDisk,
  stalledDisk,
  clockOffset: clockFault,
  clockDrift: clockFault,
  clockStep: clockFault,
  clockFreeze: clockFault,
  reload,
}

export const MACHINE_FAULTS: readonly FaultKind[] = Object.keys(MACHINE_CATALOGUE) as FaultKind[]
