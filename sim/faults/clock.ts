import type { ClockFault } from "../env/clock.ts"
import { removeById } from "./process.ts"
import { argument, storesOf, type FaultKindActions, type FaultRun } from "./stage.ts"

/** Faults of clocks: an overlay on both clocks of a store. A step is an offset that comes by surprise. */
export const clockFault: FaultKindActions = {
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

function clockFaultOf(run: FaultRun): ClockFault {
  switch (run.fault.kind) {
    case "clockDrift":
      return { type: "drift", ppm: argument(run, "ppm", 0) }
    case "clockFreeze":
      return { type: "freeze", mono: argument(run, "mono", 0) === 1 }
    default:
      return { type: "offset", offsetUs: argument(run, "offsetUs", 0) }
  }
}
