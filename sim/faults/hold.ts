import { PURPOSE, shuffled } from "../draws.ts"
import { LinkOverlay, type HeldBack } from "../env/link-overlay.ts"
import { linkFault, sidesOf } from "./link.ts"
import { argument, storesOf, type CommonStage, type FaultKindActions, type FaultRun } from "./stage.ts"

/** Messages are kept back and let go together, again and again: bursts, in whatever order the fault likes. */
export const hold: FaultKindActions<CommonStage> = {
  begin(stage, run) {
    linkFault.begin(stage, run)
    if (run.applied) run.next = stage.actAt(run, 1, stage.now + periodOf(run))
  },
  act(stage, run, act) {
    burst(stage, run, act)
    run.next = stage.actAt(run, act + 1, stage.now + periodOf(run))
  },
  lift(stage, run) {
    burst(stage, run, 0)
    stage.network.lift(run.fault.id)
  },
}

function periodOf(run: FaultRun): number {
  return Math.max(1_000, argument(run, "periodUs", 200_000))
}

function burst(stage: CommonStage, run: FaultRun, count: number): void {
  const order = argument(run, "order", 0)
  stage.network.burst(run.fault.id, (held: readonly HeldBack[]) => {
    if (order === 1) return held.toReversed()
    return order === 2 ? shuffled(stage.seed, PURPOSE.burstOrder, run.fault.id, count, held) : held
  })
}

/**
 * The links of one store after the other are clogged, in a random order, and freed in another one, so that
 * who hears whom changes step by step and never comes back the way it went (FoundationDB's swizzle-clogging).
 */
export const swizzle: FaultKindActions<CommonStage> = {
  begin(stage, run) {
    this.act!(stage, run, 0)
  },
  act(stage, run, act) {
    const stores = storesOf(stage, run)
    const step = Math.max(1, Math.floor((run.fault.until - run.fault.at) / (2 * stores.length)))
    if (act < stores.length) clogNext(stage, run, stores, act)
    else {
      const freed = shuffled(stage.seed, PURPOSE.swizzleFree, run.fault.id, 0, stores)[act - stores.length]
      if (freed !== undefined) stage.network.lift(overlayId(run, freed))
    }
    if (act + 1 < 2 * stores.length) run.next = stage.actAt(run, act + 1, stage.now + step)
  },
  lift(stage, run) {
    for (const store of storesOf(stage, run)) stage.network.lift(overlayId(run, store))
  },
}

function clogNext(stage: CommonStage, run: FaultRun, stores: readonly number[], act: number): void {
  const store = shuffled(stage.seed, PURPOSE.swizzleClog, run.fault.id, 0, stores)[act]
  if (store === undefined) return
  const { network } = stage
  const sides = sidesOf(stage, { ...run, stores: [store] })
  if (sides === null) return
  run.applied = true
  const clog = { type: "clog" } as const
  network.overlay(
    new LinkOverlay(overlayId(run, store), clog, stage.now, run.tally, sides, network.endpointCount),
  )
}

/** Below zero, where no fault's own id is: it draws nothing, so the number need only be its own. */
function overlayId(run: FaultRun, store: number): number {
  return -(run.index * 1_000 + store)
}
