import { below, draw, PURPOSE } from "../draws.ts"
import type { Disk } from "../env/disk.ts"
import type { Aim, DamageKey, Misread } from "../env/disk-damage.ts"
import { removeById } from "./process.ts"
import { argument, storesOf, type FaultKindActions, type FaultRun, type Stage } from "./stage.ts"

export const RESTART_US = 1_000_000

/**
 * While it lasts a sync says ok and nothing is durable: of everything, until the next honest sync, or of
 * directories alone, until it is lifted.
 */
export const lie: FaultKindActions = {
  begin(stage, run) {
    const directoriesOnly = run.fault.kind === "renameNotDurable"
    eachDisk(stage, run, (disk) => disk.lies.push({ id: run.fault.id, directoriesOnly, tally: run.tally }))
  },
  lift(stage, run) {
    eachDisk(stage, run, (disk) => disk.liftLie(run.fault.id))
  },
}

/** A start is told something else than what is on the disk, or nothing. */
export const misread: FaultKindActions = {
  begin(stage, run) {
    eachDisk(stage, run, (disk, store) => {
      const aim = aimOf(stage, run, store)
      disk.misreads.push({ id: run.fault.id, type: misreadOf(run), aim, tally: run.tally })
    })
  },
  lift(stage, run) {
    eachDisk(stage, run, (disk) => removeById(disk.misreads, run.fault.id))
  },
}

/** Some of what a running process reads gives an error. What it has found by then stays found when it is lifted. */
export const liveReadError: FaultKindActions = {
  begin(stage, run) {
    const rows = argument(run, "rows", 8)
    eachDisk(stage, run, (disk, store) => {
      disk.beginBrittle(run.fault.id, keyOf(stage, run, store), rows, run.tally)
    })
  },
  lift(stage, run) {
    eachDisk(stage, run, (disk) => disk.liftBrittle(run.fault.id))
  },
}

/** The next append goes to the wrong place, once. */
export const misdirectedWrite: FaultKindActions = {
  begin(stage, run) {
    const reach = argument(run, "reach", 0)
    eachDisk(stage, run, (disk, store) => {
      disk.misdirections.push({ id: run.fault.id, key: keyOf(stage, run, store), reach, tally: run.tally })
    })
  },
  lift(stage, run) {
    eachDisk(stage, run, (disk) => removeById(disk.misdirections, run.fault.id))
  },
}

/** Damage to what is at rest: it stays when the fault is lifted. */
export const atRest: FaultKindActions = {
  begin(stage, run) {
    eachDisk(stage, run, (disk, store) => {
      const aim = aimOf(stage, run, store)
      if (run.fault.kind === "bitRot" ? disk.rot(aim) : disk.spoil(aim)) run.tally.changes++
    })
  },
  lift() {},
}

/** The disk, or one tenant's volume, is gone: the process dies of it and starts again on what is left. */
export const loss: FaultKindActions = {
  begin(stage, run) {
    for (const store of born(stage, run)) {
      run.applied = true
      const { disk } = stage.host(store)
      stage.crash(store, false, stage.now + argument(run, "restartUs", RESTART_US))
      const drawn = draw(stage.seed, PURPOSE.damage, run.fault.id, store, 0)
      const lost =
        run.fault.kind === "diskLoss" ? null : disk.tenantVolumes[below(drawn, disk.tenantVolumes.length)]!
      if (disk.wipe(lost)) run.tally.changes++
    }
  },
  lift() {},
}

/** Someone puts back a backup: taken when the fault begins, restored when it is as old as it should be. */
export const oldImage: FaultKindActions = {
  begin(stage, run) {
    run.stores = born(stage, run)
    for (const store of run.stores) {
      run.applied = true
      stage.host(store).disk.takeBackup(run.fault.id)
    }
    if (run.applied) run.next = stage.actAt(run, 0, stage.now + argument(run, "ageUs", 1_000_000))
  },
  act(stage, run) {
    for (const store of run.stores) {
      stage.crash(store, false, stage.now + argument(run, "restartUs", RESTART_US))
      if (stage.host(store).disk.restoreBackup(run.fault.id)) run.tally.changes++
    }
  },
  lift(stage, run) {
    for (const store of storesOf(stage, run)) stage.host(store).disk.dropBackup(run.fault.id)
  },
}

/** Two machines start with each other's disks, until someone notices and puts them back. */
export const swapDisks: FaultKindActions = {
  begin(stage, run) {
    const stores = pairOf(stage, run)
    if (stores === null) return
    run.applied = true
    run.stores = stores
    run.progress = 1
    run.tally.changes++
    exchange(stage, stores)
  },
  lift(stage, run) {
    if (run.progress === 0) return
    run.progress = 0
    exchange(stage, run.stores)
  },
}

function exchange(stage: Stage, stores: readonly number[]): void {
  for (const store of stores) stage.crash(store, false, stage.now + RESTART_US)
  stage.host(stores[0]!).disk.swap(stage.host(stores[1]!).disk)
}

/** The two it names, or the one and the next. Null when there is no such pair: a disk is exchanged once at a time. */
function pairOf(stage: Stage, run: FaultRun): readonly [number, number] | null {
  const [first] = born(stage, run)
  if (first === undefined) return null
  const next = 1 + (first % stage.storeCount)
  const second =
    run.stores.find((store) => store !== first) ?? run.peers.find((store) => store !== first) ?? next
  if (second === first || stage.host(second).boots === 0) return null
  if (stage.host(first).disk.isSwapped || stage.host(second).disk.isSwapped) return null
  return [first, second]
}

function misreadOf(run: FaultRun): Misread["type"] {
  switch (run.fault.kind) {
    case "misdirectedRead":
      return "misdirected"
    case "staleRead":
      return "stale"
    default:
      return "error"
  }
}

function aimOf(stage: Stage, run: FaultRun, store: number): Aim {
  return {
    key: keyOf(stage, run, store),
    zone: argument(run, "zone", 1),
    isSystem: argument(run, "system", 0) === 1,
    sectors: Math.max(1, argument(run, "sectors", 1)),
  }
}

export function keyOf(stage: Stage, run: FaultRun, store: number): DamageKey {
  return { seed: stage.seed, fault: run.fault.id, store }
}

/** Those it strikes that were ever started. */
export function born(stage: Stage, run: FaultRun): readonly number[] {
  return storesOf(stage, run).filter((store) => stage.host(store).boots > 0)
}

function eachDisk(stage: Stage, run: FaultRun, act: (disk: Disk, store: number) => void): void {
  for (const store of storesOf(stage, run)) {
    run.applied = true
    act(stage.host(store).disk, store)
  }
}
