import type { HostKind, ProcessKind } from "./plan.ts"
import {
  all,
  coin,
  drawSpan,
  during,
  event,
  one,
  targetLeader,
  victims,
  type Drawers,
} from "./swarm-ground.ts"

const MS = 1_000
const SECOND = 1_000_000

/** What a zombie of the swarm hears: nothing. One that hears is a second process under one name (ADR 0020). */
const ZOMBIE_HEARS_PPM = 0

export const PROCESS_DRAWERS: Drawers<ProcessKind | HostKind> = {
  crash({ chance, target, ground, draw }, kind) {
    const down = drawSpan(chance.of("down"), ground, 50 * MS, 10 * SECOND)
    const args = { restartUs: down.until - down.at, powerLoss: coin(draw) }
    // A cluster whose lights go out together is the hardest test of what was really durable.
    const everyone = target.percent(15)
    const whom = everyone ? all(ground) : victims(target, ground)
    const crash = event(kind, down, whom, args)
    // A disk that has fallen behind has the most to lose, and a torn write to show.
    if (args.powerLoss === 0 || draw.percent(50)) return [crash]
    const slow = {
      at: Math.max(ground.fromUs, down.at - draw.spread(20 * MS, SECOND)),
      until: down.at + MS,
    }
    return [event("slowDisk", slow, whom, { factor: draw.spread(20, 500) }), crash]
  },
  crashLoop({ span, target, ground, draw }, kind) {
    const args = {
      times: draw.between(2, 6),
      upUs: draw.spread(20 * MS, 2 * SECOND),
      restartUs: draw.spread(20 * MS, SECOND),
      powerLoss: coin(draw),
    }
    // All of it before the part ends.
    const fits = Math.floor((ground.untilUs - span.at) / (args.upUs + args.restartUs))
    args.times = Math.max(1, Math.min(args.times, fits))
    const lasts = during(ground, span.at, args.times * (args.upUs + args.restartUs))
    return [event(kind, lasts, one(target, ground), args)]
  },
  drain: ({ span, target, ground, draw }, kind) => [
    event(kind, span, one(target, ground), { restartUs: draw.spread(20 * MS, SECOND) }),
  ],
  pause: ({ span, target, ground }, kind) => [event(kind, span, victims(target, ground), {})],
  slowProcess: ({ span, target, ground, draw }, kind) => [
    event(kind, span, victims(target, ground), { factor: draw.spread(2, 50) }),
  ],
  zombie({ span, target, ground, draw }, kind) {
    const whom = target.percent(50) ? targetLeader(target, ground) : one(target, ground)
    return [event(kind, span, whom, { restartUs: draw.spread(20 * MS, SECOND), hearsPpm: ZOMBIE_HEARS_PPM })]
  },
  recoverGroup: ({ span, target, ground, draw }, kind) => [
    event(kind, span, one(target, ground), { generation: 1, restartUs: draw.spread(50 * MS, SECOND) }),
  ],
  reload({ span, target, ground }, kind) {
    const at = { at: span.at, until: span.at }
    return [event(kind, at, target.percent(50) ? all(ground) : victims(target, ground), {})]
  },
}
