import { clockFault, timerSkew } from "../faults/clock.ts"
import { hold, swizzle } from "../faults/hold.ts"
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
import { SWARM_KINDS } from "../plan/catalogue.ts"
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

/** While it lasts a sync says ok and nothing is durable: a power loss shows it. */
const lyingSync: FaultKindActions<MachineStage> = {
  begin(stage, run) {
    each(stage, run, (storage) => storage.lies.push({ id: run.fault.id, tally: run.tally }))
  },
  lift(stage, run) {
    each(stage, run, (storage) => removeById(storage.lies, run.fault.id))
  },
}

/** The disk is gone: the process dies of it, and starts again with an empty one. */
const diskLoss: FaultKindActions<MachineStage> = {
  begin(stage, run) {
    for (const node of storesOf(stage, run)) {
      stage.crash(node, false, stage.now + argument(run, "restartUs", 1_000_000))
      run.applied = true
      if (stage.host(node).storage.wipe()) run.tally.changes++
    }
  },
  lift() {},
}

/** Someone puts back a backup: taken when the fault begins, restored when it is as old as it should be. */
const oldImage: FaultKindActions<MachineStage> = {
  begin(stage, run) {
    each(stage, run, (storage) => storage.takeBackup(run.fault.id))
    if (run.applied) run.next = stage.actAt(run, 0, stage.now + argument(run, "ageUs", 1_000_000))
  },
  act(stage, run) {
    for (const node of storesOf(stage, run)) {
      stage.crash(node, false, stage.now + argument(run, "restartUs", 1_000_000))
      if (stage.host(node).storage.restoreBackup(run.fault.id)) run.tally.changes++
    }
  },
  lift(stage, run) {
    for (const node of storesOf(stage, run)) stage.host(node).storage.dropBackup(run.fault.id)
  },
}

function each(stage: MachineStage, run: FaultRun, act: (storage: NodeStorage) => void): void {
  for (const node of storesOf(stage, run)) {
    run.applied = true
    act(stage.host(node).storage)
  }
}

/**
 * The faults that a machine of yours meets: all of the kernel's catalogue, but for what only the kernel's
 * groups, frames and files can suffer (docs/adr/0021).
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
  swizzle,
  hold,
  prioritize: linkFault,
  crash,
  crashLoop,
  pause,
  slowProcess,
  syncError,
  diskFull,
  slowDisk,
  stalledDisk,
  lyingSync,
  diskLoss,
  oldImage,
  clockOffset: clockFault,
  clockDrift: clockFault,
  clockStep: clockFault,
  clockFreeze: clockFault,
  clockSmear: clockFault,
  clockSine: clockFault,
  clockBackAtBoot: clockFault,
  monoDrift: clockFault,
  timerSkew,
  reload,
}

export const MACHINE_FAULTS: readonly FaultKind[] = Object.keys(MACHINE_CATALOGUE) as FaultKind[]

/** Damage that no machine alone can notice. */
const UNNOTICED: ReadonlySet<FaultKind> = new Set<FaultKind>(["lyingSync", "diskLoss", "oldImage"])

/** What a swarm of "all" draws from. */
export const MACHINE_SWARM: readonly FaultKind[] = MACHINE_FAULTS.filter(
  (kind) => SWARM_KINDS.includes(kind) && !UNNOTICED.has(kind),
)
