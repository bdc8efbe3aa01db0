import type { SwitchKind } from "./plan.ts"
import { all, drawSpan, event, victims, type DrawFault, type Drawers } from "./swarm-ground.ts"

const MS = 1_000
const SECOND = 1_000_000

/** Mostly long: what a switch brings about needs its time, and other faults meanwhile. */
const drawSwitch: DrawFault = ({ chance, target, ground }, kind) => {
  const span = drawSpan(chance.of("span"), ground, 500 * MS, 20 * SECOND)
  return [event(kind, span, target.percent(40) ? all(ground) : victims(target, ground), {})]
}

export const SWITCH_DRAWERS: Drawers<SwitchKind> = {
  windowOfOne: drawSwitch,
  appendOfOne: drawSwitch,
  electionSoonest: drawSwitch,
  electionLatest: drawSwitch,
  queueOfOne: drawSwitch,
  checkpointAlways: drawSwitch,
  segmentsSmallest: drawSwitch,
  keepNoEntries: drawSwitch,
}
