import type { ClockFault } from "../env/clock.ts"
import { removeById } from "./process.ts"
import { argument, storesOf, type CommonStage, type FaultKindActions, type FaultRun } from "./stage.ts"

/** Faults of clocks: an overlay on both clocks of a store. A step is an offset that comes by surprise. */
export const clockFault: FaultKindActions<CommonStage> = {
  begin(stage, run) {
    const fault = clockFaultOf(run)
    for (const store of storesOf(stage, run)) {
      const host = stage.host(store)
      run.applied = true
      host.clock.overlay(stage.now, run.fault.id, fault)
      host.clockTallies.push({ id: run.fault.id, tally: run.tally })
      host.clockChanged()
    }
  },
  lift(stage, run) {
    for (const store of storesOf(stage, run)) {
      const host = stage.host(store)
      if (!host.clock.lift(stage.now, run.fault.id)) continue
      removeById(host.clockTallies, run.fault.id)
      host.clockChanged()
    }
  },
}

/** What a store claims of its clock, and not what it is: its peers have to see through it. */
export const clockFarFuture: FaultKindActions = {
  begin(stage, run) {
    const aheadUs = argument(run, "aheadUs", 0)
    for (const store of storesOf(stage, run)) {
      run.applied = true
      stage.host(store).claims.push({ id: run.fault.id, aheadUs, tally: run.tally })
    }
  },
  lift(stage, run) {
    for (const store of storesOf(stage, run)) removeById(stage.host(store).claims, run.fault.id)
  },
}

/** Wake-ups that come too early or too late. */
export const timerSkew: FaultKindActions<CommonStage> = {
  begin(stage, run) {
    const skew = { earlyUs: argument(run, "earlyUs", 0), lateUs: argument(run, "lateUs", 0) }
    for (const store of storesOf(stage, run)) {
      run.applied = true
      stage.host(store).timerSkews.push({ id: run.fault.id, ...skew, tally: run.tally })
    }
  },
  lift(stage, run) {
    for (const store of storesOf(stage, run)) {
      const host = stage.host(store)
      // A timer set too late is set anew.
      if (removeById(host.timerSkews, run.fault.id)) host.clockChanged()
    }
  },
}

function clockFaultOf(run: FaultRun): ClockFault {
  switch (run.fault.kind) {
    case "clockDrift":
      return { type: "drift", ppm: argument(run, "ppm", 0) }
    case "clockFreeze":
      return { type: "freeze", mono: argument(run, "mono", 0) === 1 }
    case "clockSmear":
      return { type: "smear", offsetUs: argument(run, "offsetUs", 0), overUs: argument(run, "overUs", 0) }
    case "clockSine":
      return {
        type: "sine",
        amplitudeUs: argument(run, "amplitudeUs", 0),
        periodUs: argument(run, "periodUs", 1_000_000),
      }
    case "clockBackAtBoot":
      return { type: "bootOffset", offsetUs: argument(run, "offsetUs", 0) }
    case "monoDrift":
      return { type: "monoDrift", ppm: argument(run, "ppm", 0) }
    default:
      return { type: "offset", offsetUs: argument(run, "offsetUs", 0) }
  }
}
