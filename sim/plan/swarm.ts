import { unreachable } from "#kernel"
import { CLIENT_IDS_FROM } from "./catalogue.ts"
import type { Chance } from "./chance.ts"
import { weighted } from "./chance.ts"
import type { FaultKind, FaultTarget, PlanCluster, PlanFault } from "./plan.ts"

/** A fault that has no id yet. */
export type FaultSketch = Omit<PlanFault, "id">

/** What faults are drawn for: one faults part of one run. */
export type Ground = {
  readonly cluster: PlanCluster
  readonly fromUs: number
  readonly untilUs: number
  readonly clients: number
  /** Every write has a token, so a network that repeats requests does no harm. */
  readonly repeatable: boolean
  /** Largest deviation of a clock from the true time that keeps any two within the bound. */
  readonly clockRoomUs: number
  /** Stores whose clock already has a fault in this part: a second one could add up beyond the bound. */
  readonly clocksMoved: Set<number>
  /** Voters of each group as they would be if every change so far had been accepted. */
  readonly members: Map<number, number[]>
}

const MS = 1_000
const SECOND = 1_000_000

/** What most often brings out a broken consensus is on in three runs of four, and then drawn more often. */
const OFTEN: ReadonlySet<FaultKind> = new Set<FaultKind>(["partition", "crash"])

/** On or off by a coin, then a weight of 1 to 100: what one run tries hard another never does. */
export function drawWeights(chance: Chance, kinds: readonly FaultKind[]): readonly number[] {
  const weights = kinds.map((kind): number => {
    const own = chance.of(kind)
    if (OFTEN.has(kind)) return own.percent(75) ? 3 * own.between(1, 100) : 0
    return own.percent(50) ? own.between(1, 100) : 0
  })
  if (!weights.some((weight) => weight > 0)) weights[chance.below(kinds.length)] = 1
  return weights
}

/**
 * Draws activations one after the other. One of them may be several events, as a ring of majorities is,
 * or none, where the kind has no target left.
 */
export function drawSwarm(
  chance: Chance,
  ground: Ground,
  kinds: readonly FaultKind[],
  weights: readonly number[],
  activations: number,
): readonly FaultSketch[] {
  const sketches: FaultSketch[] = []
  for (let drawn = 0; drawn < activations; drawn++) {
    const own = chance.of(String(drawn))
    const kind = kinds[weighted(own, weights)]!
    const events = drawFault(own.of(kind), ground, kind)
    // A kind without a target gives its turn to one that always has some.
    sketches.push(...(events.length > 0 ? events : drawFault(own.of("instead"), ground, "crash")))
  }
  return sketches
}

/** One activation of this kind, as the swarm draws it. */
export function drawFault(chance: Chance, ground: Ground, kind: FaultKind): readonly FaultSketch[] {
  const span = drawSpan(chance.of("span"), ground, 100 * MS, 8 * SECOND)
  const draw = chance.of("args")
  const target = chance.of("target")
  switch (kind) {
    case "partition":
      // Most of them longer than an election, so that both sides act.
      return drawPartition(target, ground, drawSpan(chance.of("span"), ground, 500 * MS, 12 * SECOND))
    case "drop":
      return [
        event(kind, span, somewhere(target, ground), {
          ratioPpm: draw.between(1, 300_000),
          oneWay: coin(draw),
        }),
      ]
    case "duplicate":
      return [
        event(kind, span, somewhere(target, ground, ground.repeatable), {
          ratioPpm: draw.between(1, 500_000),
          oneWay: coin(draw),
        }),
      ]
    case "delay":
      return [event(kind, span, somewhere(target, ground), { ...drawDelay(draw), oneWay: coin(draw) })]
    case "corrupt":
      return [
        event(kind, span, somewhere(target, ground), {
          ratioPpm: draw.between(100, 50_000),
          oneWay: coin(draw),
        }),
      ]
    case "capacity": {
      const whom = somewhere(target, ground)
      const oneWay = coin(draw)
      // Links are empty most of the time: only a slow one shows that it holds little.
      const delay = { ...drawDelay(draw), meanUs: draw.between(50 * MS, 400 * MS), oneWay }
      return [
        event("delay", span, whom, delay),
        event(kind, span, whom, { messages: draw.spread(1, 20), oneWay }),
      ]
    }
    case "clog":
      return draw.percent(30)
        ? drawSwizzle(target, ground)
        : [event(kind, span, somewhere(target, ground), { oneWay: coin(draw) })]
    case "flap": {
      const args = {
        upUs: draw.spread(20 * MS, 2 * SECOND),
        downUs: draw.spread(20 * MS, 2 * SECOND),
        oneWay: coin(draw),
      }
      return [event(kind, span, somewhere(target, ground), args)]
    }
    case "misroute":
      return [
        event(kind, span, somewhere(target, ground), { ratioPpm: draw.between(1_000, 100_000), oneWay: 0 }),
      ]
    case "crash": {
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
    }
    case "crashLoop": {
      const args = {
        times: draw.between(2, 6),
        upUs: draw.spread(20 * MS, 2 * SECOND),
        restartUs: draw.spread(20 * MS, SECOND),
        powerLoss: coin(draw),
      }
      // All of it before the part ends.
      const fits = Math.floor((ground.untilUs - span.at) / (args.upUs + args.restartUs))
      args.times = Math.max(1, Math.min(args.times, fits))
      return [
        event(
          kind,
          during(ground, span.at, args.times * (args.upUs + args.restartUs)),
          one(target, ground),
          args,
        ),
      ]
    }
    case "pause":
    case "stalledDisk":
    case "diskFull":
      return [event(kind, span, victims(target, ground), {})]
    case "slowProcess":
      return [event(kind, span, victims(target, ground), { factor: draw.spread(2, 50) })]
    case "slowDisk":
      return [event(kind, span, victims(target, ground), { factor: draw.spread(10, 500) })]
    case "syncError":
      return [event(kind, span, one(target, ground), { restartUs: draw.spread(50 * MS, 3 * SECOND) })]
    case "clockOffset":
    case "clockDrift":
    case "clockStep":
    case "clockFreeze":
      return drawClock(chance, ground, kind, span)
    case "addVoter":
    case "addLearner":
    case "removeReplica":
    case "transferLeader":
      return drawTopology(target, ground, kind, span)
    case "reload": {
      const at = { at: span.at, until: span.at }
      return [event(kind, at, target.percent(50) ? all(ground) : victims(target, ground), {})]
    }
    default:
      return unreachable(kind)
  }
}

type Span = { readonly at: number; readonly until: number }

function drawSpan(chance: Chance, ground: Ground, minUs: number, maxUs: number): Span {
  const at = chance.between(ground.fromUs, ground.untilUs - minUs)
  return during(ground, at, chance.spread(minUs, maxUs))
}

/** Every fault ends with its part. */
function during(ground: Ground, at: number, forUs: number): Span {
  return { at, until: Math.min(at + forUs, ground.untilUs) }
}

function event(
  kind: FaultKind,
  span: Span,
  target: FaultTarget,
  args: Readonly<Record<string, number>>,
): FaultSketch {
  return { at: span.at, until: span.until, kind, target, args }
}

function coin(chance: Chance): number {
  return chance.below(2)
}

export function targetStores(stores: readonly number[], peers: readonly number[]): FaultTarget {
  return { role: "stores", stores, peers, group: 0 }
}

function targetLeader(chance: Chance, ground: Ground): FaultTarget {
  return { role: "leader", stores: [], peers: [], group: pickGroup(chance, ground) }
}

export function pickGroup(chance: Chance, ground: Ground): number {
  return chance.pick(ground.cluster.ranges).descriptor.groupId
}

export function storeIds(ground: Ground): readonly number[] {
  return Array.from({ length: ground.cluster.stores }, (_, index) => index + 1)
}

function all(ground: Ground): FaultTarget {
  return targetStores(storeIds(ground), [])
}

/** Every link between stores. */
function everywhere(ground: Ground): FaultTarget {
  return targetStores(storeIds(ground), storeIds(ground))
}

/** Mostly one store or a leader, sometimes a minority, rarely more than that. */
function victims(chance: Chance, ground: Ground): FaultTarget {
  const dice = chance.below(100)
  if (dice < 40) return one(chance, ground)
  if (dice < 75) return targetLeader(chance, ground)
  const stores = storeIds(ground)
  const most = dice < 95 ? Math.max(1, Math.floor((stores.length - 1) / 2)) : stores.length
  return targetStores(chance.sample(stores, chance.between(1, most)), [])
}

function one(chance: Chance, ground: Ground): FaultTarget {
  return targetStores([chance.pick(storeIds(ground))], [])
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
  if (dice < 35) return [event("partition", span, targetLeader(chance, ground), { oneWay })]
  if (dice < 45 || stores.length < 3) return [cut(shuffled.slice(0, 1), shuffled.slice(1))]
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

/** Stores clogged in the first half of the part and freed in the second, in an order of their own. */
function drawSwizzle(chance: Chance, ground: Ground): readonly FaultSketch[] {
  const middle = Math.floor((ground.fromUs + ground.untilUs) / 2)
  const chosen = storeIds(ground).filter(() => chance.percent(50))
  return chosen.map((store) => {
    const span = { at: chance.between(ground.fromUs, middle), until: chance.between(middle, ground.untilUs) }
    return event("clog", span, targetStores([store], []), { oneWay: coin(chance) })
  })
}

function drawClock(chance: Chance, ground: Ground, kind: FaultKind, span: Span): readonly FaultSketch[] {
  const target = chance.of("target")
  const free = storeIds(ground).filter((store) => !ground.clocksMoved.has(store))
  if (free.length === 0) return []
  const store = target.pick(free)
  ground.clocksMoved.add(store)
  const room = ground.clockRoomUs
  const draw = chance.of("args")
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

export function drawTopology(
  chance: Chance,
  ground: Ground,
  kind: FaultKind,
  span: Span,
): readonly FaultSketch[] {
  const group = pickGroup(chance, ground)
  const members = ground.members.get(group) ?? []
  const known = Array.from({ length: ground.cluster.stores + ground.cluster.spares }, (_, index) => index + 1)
  const outside = known.filter((store) => !members.includes(store))
  const asked = (store: number): readonly FaultSketch[] => {
    // A change waits for its leader and for the log to be caught up: give it some seconds.
    const until = Math.min(ground.untilUs, Math.max(span.until, span.at + 5 * SECOND))
    return [event(kind, { at: span.at, until }, { role: "stores", stores: [store], peers: [], group }, {})]
  }
  if (kind === "addVoter" || kind === "addLearner") {
    if (outside.length === 0) return []
    const store = chance.pick(outside)
    if (kind === "addVoter") ground.members.set(group, [...members, store])
    return asked(store)
  }
  if (kind === "transferLeader") return members.length === 0 ? [] : asked(chance.pick(members))
  // Below three voters a run would show little but waiting.
  if (members.length <= 3) return []
  const store = chance.pick(members)
  ground.members.set(
    group,
    members.filter((member) => member !== store),
  )
  return asked(store)
}

function byNumber(a: number, b: number): number {
  return a - b
}
