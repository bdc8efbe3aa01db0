import type { Chance } from "./chance.ts"
import type { ClockKind, FaultKind } from "./plan.ts"
import {
  coin,
  drawSpan,
  event,
  one,
  storeIds,
  targetLeader,
  targetStores,
  type Draft,
  type Drawers,
  type FaultSketch,
  type Ground,
} from "./swarm-ground.ts"

const MS = 1_000
const SECOND = 1_000_000

export const CLOCK_DRAWERS: Drawers<ClockKind> = {
  clockOffset: drawClock,
  clockDrift: drawClock,
  clockStep: drawClock,
  clockFreeze: drawClock,
}

function drawClock({ target, ground, draw, span }: Draft, kind: FaultKind): readonly FaultSketch[] {
  const free = storeIds(ground).filter((store) => !ground.clocksMoved.has(store))
  if (free.length === 0) return []
  const store = target.pick(free)
  ground.clocksMoved.add(store)
  const room = ground.clockRoomUs
  const victim = targetStores([store], [])
  const signed = draw.percent(50) ? 1 : -1
  if (kind === "clockDrift") return [event(kind, span, victim, { ppm: signed * draw.between(1, 500) })]
  if (kind === "clockFreeze") {
    // A clock that stands still falls behind by as long as it stands.
    const until = Math.min(span.until, span.at + draw.between(MS, room))
    return [event(kind, { at: span.at, until }, victim, { mono: coin(draw) })]
  }
  const offsetUs = signed * draw.spread(MS, room)
  return [event(kind, kind === "clockStep" ? { at: span.at, until: span.at } : span, victim, { offsetUs })]
}

/** How far a clock may be from the true time so that any two stay within the bound, with some for what drifts. */
export function clockRoomUs(clockBoundUs: number): number {
  return Math.floor((clockBoundUs * 9) / 20)
}

/** A clock far beyond the bound: the store must fence itself, and nothing may lie meanwhile. */
export function drawClockBeyond(chance: Chance, ground: Ground): FaultSketch {
  const signed = chance.percent(50) ? 1 : -1
  const span = drawSpan(chance.of("span"), ground, SECOND, 8 * SECOND)
  const target = chance.percent(40) ? targetLeader(chance, ground) : one(chance, ground)
  if (chance.percent(50)) {
    const offsetUs = signed * chance.spread(4 * ground.clockRoomUs, 3_600 * SECOND)
    return event("clockStep", { at: span.at, until: span.at }, target, { offsetUs })
  }
  const offsetUs = signed * chance.spread(3 * ground.clockRoomUs, 60 * SECOND)
  return event("clockOffset", span, target, { offsetUs })
}
