/**
 * Chance while a run goes on: keyed hashes, never a stream. A draw depends on the seed, what it is for,
 * two ids (a link, a store, a fault) and a counter kept under those ids, and on nothing else. So an event
 * dropped from a plan shifts no draw of another.
 */

/** What a draw is for. Numbers are never reused: a plan keeps its meaning. */
export const PURPOSE = {
  latency: 1,
  bootSeedHigh: 2,
  bootSeedLow: 3,
  monoBase: 4,
  turnDelay: 5,
  syncLatency: 6,
  segmentLatency: 7,
  checkpointLatency: 8,
  witnessDelay: 9,
  settleMode: 10,
  settleSector: 11,
  settlePrefix: 12,
  segmentFate: 13,
  restartDelay: 14,
  drop: 15,
  duplicate: 16,
  duplicateLatency: 17,
  delay: 18,
  delayTail: 19,
  delayTailLength: 20,
  corrupt: 21,
  corruptBit: 22,
  misroute: 23,
  misrouteTo: 24,
  releaseLatency: 25,
  pick: 26,
  incarnation: 27,
  damage: 60,
  directoryFate: 61,
  burstOrder: 40,
  swizzleClog: 41,
  swizzleFree: 42,
  zombieHears: 43,
  priority: 48,
  priorityChange: 49,
  timerSkew: 44,
  storm: 45,
  stormStore: 46,
  quorumLoss: 47,
  // Of machines other than the kernel: sim/library.
  machineStep: 64,
  machineThrow: 65,
} as const

export type Purpose = (typeof PURPOSE)[keyof typeof PURPOSE]

/** One draw in [0, 2^32). The ids and the counter are integers; of each the low 32 bits count. */
export function draw(seed: number, purpose: Purpose, a: number, b: number, counter: number): number {
  let hash = stir(0x2545_f491, seed | 0)
  hash = stir(hash, Math.floor(seed / 0x1_0000_0000))
  hash = stir(hash, purpose)
  hash = stir(hash, a)
  hash = stir(hash, b)
  hash = stir(hash, counter)
  hash ^= hash >>> 16
  hash = Math.imul(hash, 0x85eb_ca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2_ae35)
  hash ^= hash >>> 16
  return hash >>> 0
}

/** One word into the state, as MurmurHash3 (x86, 32 bits) does it. */
function stir(hash: number, word: number): number {
  let mixed = Math.imul(word, 0xcc9e_2d51)
  mixed = (mixed << 15) | (mixed >>> 17)
  const state = hash ^ Math.imul(mixed, 0x1b87_3593)
  return (Math.imul((state << 13) | (state >>> 19), 5) + 0xe654_6b64) | 0
}

/** A whole number in [0, n), n in [1, 2^32). The product is rounded by 2^10 at most, never up to n. */
export function below(drawn: number, n: number): number {
  return Math.floor((drawn * n) / 0x1_0000_0000)
}

/** A whole number in [min, max]. */
export function between(drawn: number, min: number, max: number): number {
  return min + below(drawn, max - min + 1)
}

/** True in `ppm` of a million cases. */
export function chancePpm(drawn: number, ppm: number): boolean {
  return below(drawn, 1_000_000) < ppm
}

/** The values in an order that these draws decide, each order as likely as any other. */
export function shuffled<T>(seed: number, purpose: Purpose, a: number, b: number, values: readonly T[]): T[] {
  const order = [...values]
  for (let last = order.length - 1; last > 0; last--) {
    const other = below(draw(seed, purpose, a, b, last), last + 1)
    const moved = order[last]!
    order[last] = order[other]!
    order[other] = moved
  }
  return order
}

/** 2^16 times ln 2. */
const LN_2 = 45_426

/** 2^16 times ln(1 + i/64): a table, since the last digit of `Math.log` may differ between engines. */
const LN_1_TO_2: readonly number[] = [
  0, 1016, 2017, 3002, 3973, 4930, 5873, 6802, 7719, 8623, 9515, 10394, 11262, 12119, 12965, 13800, 14624,
  15438, 16242, 17037, 17821, 18597, 19364, 20121, 20870, 21611, 22343, 23067, 23783, 24492, 25193, 25886,
  26573, 27252, 27924, 28589, 29248, 29900, 30546, 31185, 31818, 32445, 33067, 33682, 34292, 34896, 35494,
  36087, 36675, 37258, 37835, 38407, 38975, 39537, 40095, 40648, 41196, 41740, 42280, 42815, 43345, 43872,
  44394, 44912, 45426,
]

/** Exponentially distributed with this mean (below 2^32), at most 22 times it: -ln of the draw in integers. */
export function exponential(drawn: number, mean: number): number {
  // drawn = 2^(31 - zeros) * (1 + fraction / 2^31), so -ln(drawn / 2^32) = (zeros + 1) ln 2 - ln(1 + fraction).
  const value = drawn === 0 ? 1 : drawn
  const zeros = Math.clz32(value)
  const fraction = (value << zeros) & 0x7fff_ffff
  const cell = fraction >>> 25
  const low = LN_1_TO_2[cell]!
  const step = ((LN_1_TO_2[cell + 1]! - low) * ((fraction >>> 9) & 0xffff)) >>> 16
  return Math.floor((mean * ((zeros + 1) * LN_2 - low - step)) / 0x1_0000)
}
