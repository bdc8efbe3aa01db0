import type { Chance } from "./chance.ts"
import type { DiskKind, FaultKind } from "./plan.ts"
import {
  all,
  coin,
  drawSpan,
  during,
  event,
  one,
  storeIds,
  targetStores,
  victims,
  type Draft,
  type Drawers,
  type FaultSketch,
} from "./swarm-ground.ts"

const MS = 1_000
const SECOND = 1_000_000

/** Zones: what vouches for a log's end, and its last write. */
const SIDE_SLOT = 2
const LAST_WRITE = 4
/** Of the damage that a start finds, so much is done while the power of everybody is off. */
const POWER_CUT_PERCENT = 40
/** So often somebody was cut off and is behind when the power of everybody fails: network goes before machines. */
const BROWNOUT_PERCENT = 50
/** Of the syncs that fail, so many are those of checkpoints. */
const CHECKPOINT_PERCENT = 30

export const DISK_DRAWERS: Drawers<DiskKind> = {
  syncError({ span, target, ground, draw }, kind) {
    const restartUs = draw.spread(50 * MS, 3 * SECOND)
    const checkpoint = draw.percent(CHECKPOINT_PERCENT) ? 1 : 0
    // There are hundreds of other syncs for one of a checkpoint: it waits for one as long as it may.
    const until = checkpoint === 1 ? ground.untilUs : span.until
    return [event(kind, { at: span.at, until }, one(target, ground), { restartUs, checkpoint })]
  },
  diskFull: ({ span, target, ground }, kind) => [event(kind, span, victims(target, ground), {})],
  diskQuota: ({ span, target, ground, draw }, kind) => [
    event(kind, span, victims(target, ground), { bytes: draw.spread(16 << 10, 1 << 20) }),
  ],
  slowDisk: ({ span, target, ground, draw }, kind) => [
    event(kind, span, victims(target, ground), { factor: draw.spread(10, 500) }),
  ],
  stalledDisk: ({ span, target, ground }, kind) => [event(kind, span, victims(target, ground), {})],
  lyingSync: drawLie,
  renameNotDurable: drawLie,
  readError: drawMisread,
  misdirectedRead: drawMisread,
  staleRead: drawMisread,
  latentSector: drawAtRest,
  bitRot: drawAtRest,
  misdirectedWrite: drawMisdirectedWrite,
  diskLoss: drawLoss,
  volumeLoss: drawLoss,
  oldImage: drawOldImage,
  fileLoss: drawLoss,
  shortFile: drawLoss,
  earlierVolume: drawOldImage,
  laterFormat: ({ span, target, ground, draw }, kind) => [
    event(kind, span, one(target, ground), { system: draw.percent(12) ? 1 : 0 }),
  ],
  liveReadError(draft, kind) {
    const store = victim(draft)
    if (store === null) return []
    return [event(kind, draft.span, targetStores([store], []), { rows: draft.draw.spread(1, 200) })]
  },
  swapDisks({ span, target, ground }, kind) {
    const pair = target.sample(storeIds(ground), 2)
    return pair.length < 2 ? [] : [event(kind, span, targetStores(pair, []), {})]
  },
}

/** Nobody notices a lie unless the power fails while it is believed. */
function drawLie(draft: Draft, kind: FaultKind): readonly FaultSketch[] {
  const store = victim(draft)
  if (store === null) return []
  // Directories change seldom: it takes a while until there is something to lose.
  const leastUs = kind === "renameNotDurable" ? 3 * SECOND : 200 * MS
  const span = drawSpan(draft.chance.of("span"), draft.ground, leastUs, 2 * leastUs + 4 * SECOND)
  const late = { at: Math.floor((span.at + span.until) / 2), until: span.until }
  return [event(kind, span, targetStores([store], []), {}), crashIn({ ...draft, span: late }, store, 1)]
}

/** What a start is told matters only if there is one. */
function drawMisread(draft: Draft, kind: FaultKind): readonly FaultSketch[] {
  const store = victim(draft)
  if (store === null) return []
  const args = { ...drawAim(draft.draw), sectors: draft.draw.spread(1, 16) }
  return [event(kind, draft.span, targetStores([store], []), args), crashIn(draft, store, coin(draft.draw))]
}

/** Found at the next start, if there is one: mostly there is. */
function drawAtRest(draft: Draft, kind: FaultKind): readonly FaultSketch[] {
  const store = victim(draft)
  if (store === null) return []
  const { span, draw } = draft
  const aim = drawAim(draw)
  const args = kind === "bitRot" ? aim : { ...aim, sectors: draw.spread(1, 4) }
  if (draw.percent(POWER_CUT_PERCENT)) return drawPowerCut(draft, kind, store, args)
  const damage = event(kind, { at: span.at, until: span.at }, targetStores([store], []), args)
  return draw.percent(20) ? [damage] : [damage, crashIn(draft, store, coin(draw))]
}

/**
 * The power of the whole cluster fails, and one disk does not come through it whole: mostly what was written last is
 * bad, often what vouches for it too. Often the network had failed first, so that another store is behind by then.
 * All come back together, so an election comes before any repair.
 */
function drawPowerCut(
  { span, ground, chance }: Draft,
  kind: FaultKind,
  store: number,
  args: Readonly<Record<string, number>>,
): readonly FaultSketch[] {
  const own = chance.of("powerCut")
  const restartUs = own.spread(20 * MS, SECOND)
  const down = during(ground, span.at, restartUs)
  const at = Math.floor((down.at + down.until) / 2)
  const struck = own.percent(70) ? [LAST_WRITE] : [args["zone"]!]
  if (own.percent(60)) struck.push(SIDE_SLOT)
  const others = storeIds(ground).filter((other) => other !== store)
  const isBrownout = own.percent(BROWNOUT_PERCENT) && others.length > 0
  const behind = own.pick(others.length > 0 ? others : [store])
  const forUs = own.spread(200 * MS, 5 * SECOND)
  const cutOff = { at: Math.max(ground.fromUs, down.at - forUs), until: down.at }
  const rest = targetStores(
    [behind],
    storeIds(ground).filter((other) => other !== behind),
  )
  return [
    ...(isBrownout ? [event("partition", cutOff, rest, { oneWay: 0 })] : []),
    event("crash", down, all(ground), { restartUs, powerLoss: 1 }),
    ...struck.map((zone) =>
      event(kind, { at, until: at }, targetStores([store], []), { ...args, zone, system: 0 }),
    ),
  ]
}

function drawMisdirectedWrite(draft: Draft, kind: FaultKind): readonly FaultSketch[] {
  const store = victim(draft)
  if (store === null) return []
  const { span, draw } = draft
  const write = event(kind, span, targetStores([store], []), { reach: draw.below(3) })
  return draw.percent(20) ? [write] : [write, crashIn(draft, store, coin(draw))]
}

function drawLoss(draft: Draft, kind: FaultKind): readonly FaultSketch[] {
  const store = victim(draft)
  if (store === null) return []
  const restartUs = draft.draw.spread(50 * MS, 5 * SECOND)
  return [
    event(kind, during(draft.ground, draft.span.at, restartUs), targetStores([store], []), { restartUs }),
  ]
}

function drawOldImage(draft: Draft, kind: FaultKind): readonly FaultSketch[] {
  const store = victim(draft)
  if (store === null) return []
  const { ground, span, draw } = draft
  const ageUs = draw.spread(100 * MS, Math.max(200 * MS, span.until - span.at))
  const restartUs = draw.spread(50 * MS, 2 * SECOND)
  const whole = during(ground, span.at, ageUs + restartUs)
  return [event(kind, whole, targetStores([store], []), { ageUs, restartUs })]
}

/** A store whose damage leaves every group within what it can bear: one that is damaged already, or one more. */
function victim({ ground, target }: Draft): number | null {
  const stores = storeIds(ground)
  const isRoom = ground.damaged.size < ground.damagedMax
  const room = isRoom ? stores : stores.filter((store) => ground.damaged.has(store))
  if (room.length === 0) return null
  const store = target.pick(room)
  ground.damaged.add(store)
  return store
}

/** Mostly frames of a tenant's log: what else there is has a second copy, or is soon written anew. */
function drawAim(draw: Chance): { readonly zone: number; readonly system: number } {
  return { zone: draw.pick([0, 1, 1, 1, 1, 2, 3, 3]), system: draw.percent(12) ? 1 : 0 }
}

/** The store starts anew while it matters. */
function crashIn({ ground, span, chance }: Draft, store: number, powerLoss: number): FaultSketch {
  const own = chance.of("exposure")
  const at = own.between(span.at + Math.min(MS, span.until - span.at), span.until)
  const restartUs = own.spread(20 * MS, SECOND)
  return event("crash", during(ground, at, restartUs), targetStores([store], []), { restartUs, powerLoss })
}
