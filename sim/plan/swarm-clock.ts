import type { Chance } from "./chance.ts"
import type { ClockKind, FaultKind } from "./plan.ts"
import {
  coin,
  draftOf,
  drawSpan,
  during,
  event,
  one,
  storeIds,
  targetLeader,
  targetStores,
  victims,
  type Draft,
  type Drawers,
  type FaultSketch,
  type Ground,
} from "./swarm-ground.ts"

const MS = 1_000
const SECOND = 1_000_000
const HOUR = 3_600 * SECOND
const DAY = 24 * HOUR

export const CLOCK_DRAWERS: Drawers<ClockKind> = {
  clockOffset: drawClock,
  clockDrift: drawClock,
  clockStep: drawClock,
  clockFreeze: drawClock,
  clockSmear: drawClock,
  clockSine: drawClock,
  clockBackAtBoot: drawClock,
  clockFarFuture: drawFarFuture,
  monoDrift: drawClock,
  timerSkew: ({ span, target, ground, draw }, kind) => [
    event(kind, span, victims(target, ground), {
      earlyUs: coin(draw) * draw.spread(MS, 500 * MS),
      lateUs: draw.spread(MS, 2 * SECOND),
    }),
  ],
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
  if (kind === "clockSine") {
    return [
      event(kind, span, victim, {
        amplitudeUs: draw.spread(MS, room),
        periodUs: draw.spread(200 * MS, 8 * SECOND),
      }),
    ]
  }
  if (kind === "monoDrift") {
    // What the two clocks of a store differ by when it is lifted, they differ by until it starts anew.
    const most = Math.floor((Math.floor(room / 2) * 1_000_000) / (span.until - span.at))
    return [
      event(kind, span, victim, { ppm: signed * draw.between(1, Math.max(1, Math.min(100_000, most))) }),
    ]
  }
  const offsetUs = signed * draw.spread(MS, room)
  if (kind === "clockSmear") {
    return [event(kind, span, victim, { offsetUs, overUs: draw.spread(100 * MS, span.until - span.at) })]
  }
  if (kind === "clockBackAtBoot") {
    const at = draw.between(span.at, Math.max(span.at, span.until - 100 * MS))
    const restartUs = draw.spread(20 * MS, 500 * MS)
    return [
      event(kind, span, victim, { offsetUs: -Math.abs(offsetUs) }),
      event("crash", during(ground, at, restartUs), victim, { restartUs, powerLoss: coin(draw) }),
    ]
  }
  return [event(kind, kind === "clockStep" ? { at: span.at, until: span.at } : span, victim, { offsetUs })]
}

/** A claim that no peer can believe. It is rare: it leaves the model, and its run is judged by that. */
function drawFarFuture({ span, target, ground, draw }: Draft, kind: FaultKind): readonly FaultSketch[] {
  const aheadUs = draw.percent(50) ? draw.spread(HOUR, DAY) : draw.spread(DAY, 30_000 * DAY)
  return [
    event(kind, span, target.percent(50) ? targetLeader(target, ground) : one(target, ground), { aheadUs }),
  ]
}

/** How far a clock may be from the true time so that any two stay within the bound, with some for what drifts. */
export function clockRoomUs(clockBoundUs: number): number {
  return Math.floor((clockBoundUs * 9) / 20)
}

/** A clock far beyond the bound: the store must fence itself, and nothing may lie meanwhile. */
export function drawClockBeyond(chance: Chance, ground: Ground): readonly FaultSketch[] {
  if (chance.of("claim").percent(40))
    return drawFarFuture(draftOf(chance.of("far"), ground), "clockFarFuture")
  const signed = chance.percent(50) ? 1 : -1
  const span = drawSpan(chance.of("span"), ground, SECOND, 8 * SECOND)
  const target = chance.percent(40) ? targetLeader(chance, ground) : one(chance, ground)
  if (chance.percent(50)) {
    const offsetUs = signed * chance.spread(4 * ground.clockRoomUs, 3_600 * SECOND)
    return [event("clockStep", { at: span.at, until: span.at }, target, { offsetUs })]
  }
  const offsetUs = signed * chance.spread(3 * ground.clockRoomUs, 60 * SECOND)
  return [event("clockOffset", span, target, { offsetUs })]
}
