import type { SwitchName } from "#kernel"
import { storesOf, type FaultKindActions } from "./stage.ts"

/** A switch in the code of the kernels it strikes, on for a while. */
export function switchFault(name: SwitchName): FaultKindActions {
  return {
    begin(stage, run) {
      for (const store of storesOf(stage, run)) {
        run.applied = true
        stage.host(store).switches.turnOn(run.fault.id, name, run.tally)
      }
    },
    lift(stage, run) {
      for (const store of storesOf(stage, run)) stage.host(store).switches.turnOff(run.fault.id)
    },
  }
}
