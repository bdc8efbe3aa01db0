import { CLIENT_IDS_FROM } from "./catalogue.ts"
import type { Chance } from "./chance.ts"
import type { FaultTarget, NetworkKind } from "./plan.ts"
import {
  byNumber,
  coin,
  drawSpan,
  during,
  event,
  one,
  storeIds,
  targetLeader,
  targetStores,
  type Drawers,
  type FaultSketch,
  type Ground,
  type Span,
} from "./swarm-ground.ts"

const MS = 1_000
const SECOND = 1_000_000

export const NETWORK_DRAWERS: Drawers<NetworkKind> = {
  // Most of them outlast every promise to a leader that was cut off and the election that follows, so that both sides act.
  partition({ chance, target, ground }) {
    const { supportUs, electionUsMax } = ground.cluster.config.timing
    const longUs = Math.min(supportUs + electionUsMax, Math.floor((ground.untilUs - ground.fromUs) / 2))
    const leastUs = chance.percent(65) ? Math.max(longUs, 500 * MS) : 500 * MS
    return drawPartition(target, ground, drawSpan(chance.of("span"), ground, leastUs, 12 * SECOND))
  },
  drop: ({ span, target, ground, draw }, kind) => [
    event(kind, span, somewhere(target, ground), {
      ratioPpm: draw.between(1, 300_000),
      oneWay: coin(draw),
    }),
  ],
  duplicate: ({ span, target, ground, draw }, kind) => [
    event(kind, span, somewhere(target, ground, ground.repeatable), {
      ratioPpm: draw.between(1, 500_000),
      oneWay: coin(draw),
    }),
  ],
  delay: ({ span, target, ground, draw }, kind) => [
    event(kind, span, somewhere(target, ground), { ...drawDelay(draw), oneWay: coin(draw) }),
  ],
  corrupt: ({ span, target, ground, draw }, kind) => [
    event(kind, span, somewhere(target, ground), {
      ratioPpm: draw.between(100, 50_000),
      oneWay: coin(draw),
    }),
  ],
  capacity({ span, target, ground, draw }, kind) {
    const whom = somewhere(target, ground)
    const oneWay = coin(draw)
    // Links are empty most of the time: only a slow one shows that it holds little.
    const delay = { ...drawDelay(draw), meanUs: draw.between(50 * MS, 400 * MS), oneWay }
    return [
      event("delay", span, whom, delay),
      event(kind, span, whom, { messages: draw.spread(1, 20), oneWay }),
    ]
  },
  clog: ({ span, target, ground, draw }, kind) => [
    event(kind, span, somewhere(target, ground), { oneWay: coin(draw) }),
  ],
  flap({ span, target, ground, draw }, kind) {
    const args = {
      upUs: draw.spread(20 * MS, 2 * SECOND),
      downUs: draw.spread(20 * MS, 2 * SECOND),
      oneWay: coin(draw),
    }
    return [event(kind, span, somewhere(target, ground), args)]
  },
  misroute: ({ span, target, ground, draw }, kind) => [
    event(kind, span, somewhere(target, ground), { ratioPpm: draw.between(1_000, 100_000), oneWay: 0 }),
  ],
  swizzle({ chance, target, ground }, kind) {
    const span = drawSpan(chance.of("span"), ground, 2 * SECOND, 16 * SECOND)
    const stores = storeIds(ground)
    return [event(kind, span, targetStores(target.sample(stores, target.between(1, stores.length)), []), {})]
  },
  hold: ({ span, target, ground, draw }, kind) => [
    event(kind, span, somewhere(target, ground), {
      periodUs: draw.spread(20 * MS, 2 * SECOND),
      order: draw.below(3),
      oneWay: coin(draw),
    }),
  ],
  prioritize: ({ span, target, ground, draw }, kind) => [
    event(kind, span, targetStores(storeIds(ground), storeIds(ground)), drawPriorities(draw, target)),
  ],
  replayOld({ chance, target, ground, draw }, kind) {
    const span = drawSpan(chance.of("span"), ground, 4 * SECOND, 16 * SECOND)
    const whom = target.percent(50) ? one(target, ground) : targetStores(storeIds(ground), [])
    // Nobody has an earlier life unless somebody dies while the tape runs.
    const at = Math.min(ground.untilUs, span.at + draw.between(SECOND, 3 * SECOND))
    const restartUs = draw.spread(50 * MS, SECOND)
    const victim = targetStores([draw.pick(whom.stores)], [])
    return [
      event(kind, span, whom, { messages: draw.spread(10, 400), afterUs: draw.spread(MS, 2 * SECOND) }),
      event("crash", during(ground, at, restartUs), victim, { restartUs, powerLoss: coin(draw) }),
    ]
  },
}

/** Every link between stores. */
function everywhere(ground: Ground): FaultTarget {
  return targetStores(storeIds(ground), storeIds(ground))
}

/** Every link between stores, those of some stores or of a leader, one alone, or those of clients. */
function somewhere(chance: Chance, ground: Ground, withClients = true): FaultTarget {
  const dice = chance.below(100)
  const stores = storeIds(ground)
  if (dice < 15 && withClients && ground.clients > 0) {
    const clients = Array.from({ length: ground.clients }, (_, index) => CLIENT_IDS_FROM + index)
    return targetStores(chance.percent(50) ? stores : [chance.pick(stores)], clients)
  }
  if (dice < 45) return everywhere(ground)
  if (dice < 65) return targetLeader(chance, ground)
  if (dice < 85) {
    return targetStores(chance.sample(stores, chance.between(1, Math.max(1, stores.length - 1))), [])
  }
  const pair = chance.sample(stores, 2)
  return targetStores(pair.slice(0, 1), pair.slice(1))
}

function drawDelay(chance: Chance): Readonly<Record<string, number>> {
  const minUs = chance.between(0, 30 * MS)
  return {
    minUs,
    meanUs: chance.spread(MS, 100 * MS),
    tailPpm: chance.pick([0, 1_000, 20_000]),
    tailUs: chance.spread(100 * MS, 5 * SECOND),
  }
}

/** Priority changes of one span: a bug of depth d needs d - 1 of them (Burckhardt et al., ASPLOS 2010). */
const CHANGES_MAX = 5

/** What is a stream, how late the last of them is, and how often the order changes. */
export function drawPriorities(draw: Chance, whom: Chance): Readonly<Record<string, number>> {
  return {
    by: whom.below(3),
    slowestUs: draw.spread(2 * MS, SECOND),
    changes: draw.between(0, CHANGES_MAX),
    oneWay: 0,
  }
}

function drawPartition(chance: Chance, ground: Ground, span: Span): readonly FaultSketch[] {
  const stores = storeIds(ground)
  const shuffled: number[] = []
  for (const left = [...stores]; left.length > 0;) shuffled.push(...left.splice(chance.below(left.length), 1))
  const oneWay = chance.percent(35) ? 1 : 0
  const cut = (side: readonly number[], other: readonly number[]): FaultSketch => {
    return event("partition", span, targetStores([...side].sort(byNumber), [...other].sort(byNumber)), {
      oneWay,
    })
  }
  const dice = chance.below(100)
  // The leader alone, or one store alone.
  if (dice < 45) return [event("partition", span, targetLeader(chance, ground), { oneWay })]
  if (dice < 50 || stores.length < 3) return [cut(shuffled.slice(0, 1), shuffled.slice(1))]
  // Two sides of a uniform size, or every store by a coin.
  if (dice < 60) {
    const size = chance.between(1, stores.length - 1)
    return [cut(shuffled.slice(0, size), shuffled.slice(size))]
  }
  if (dice < 70) {
    const side = shuffled.filter((_, index) => index === 0 || chance.percent(50))
    const other = shuffled.filter((store) => !side.includes(store))
    return other.length === 0 ? [cut(shuffled.slice(0, 1), shuffled.slice(1))] : [cut(side, other)]
  }
  // A bridge: two sides that only one store in the middle hears both.
  if (dice < 80) {
    const half = Math.floor((stores.length - 1) / 2)
    return [cut(shuffled.slice(1, 1 + half), shuffled.slice(1 + half))]
  }
  // A star: all hear the middle, nobody else.
  if (dice < 90 || stores.length < 4) {
    return shuffled.slice(1, -1).map((store, index) => cut([store], shuffled.slice(index + 2)))
  }
  // A ring of majorities: each hears the nearest ones of the circle, no two of them the same majority.
  const reach = Math.ceil((stores.length - 1) / 4)
  const cuts: FaultSketch[] = []
  for (let index = 0; index < shuffled.length; index++) {
    const far = shuffled.filter((_, other) => {
      const apart = Math.abs(other - index)
      return other > index && Math.min(apart, shuffled.length - apart) > reach
    })
    if (far.length > 0) cuts.push(cut([shuffled[index]!], far))
  }
  return cuts
}
