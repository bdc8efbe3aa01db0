import { randomBytes } from "node:crypto"
import type { Bootstrap, ClusterBootstrap } from "#kernel"

/** Replicas of each range, where there are as many stores. */
export const REPLICAS = 3
export const STORES_MAX = 100
export const RANGES_MAX = 1_024

/** Text keys begin with these more often than with anything else, so ranges are cut along them. */
const DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

/**
 * The birth document of a cluster of stores 1 to `stores`: tenant 0, cut into `ranges` of about as many two-letter
 * prefixes each, every one with a group of its own, dealt to the stores in turn. First incarnations are drawn.
 */
export function makeBootstrap(cluster: string, stores: number, ranges: number): ClusterBootstrap {
  const incarnations = Array.from({ length: stores }, drawIncarnation)
  const replicas = Math.min(REPLICAS, stores)
  const groups: Bootstrap[] = []
  for (let index = 0; index < ranges; index++) {
    const voters = Array.from({ length: replicas }, (_, at) => {
      const place = (index + at) % stores
      return { replica: at + 1, store: place + 1, incarnation: incarnations[place]! }
    })
    groups.push({
      descriptor: {
        rangeId: index + 1,
        groupId: index + 1,
        tenant: 0,
        start: index === 0 ? "" : cut(index, ranges),
        end: index === ranges - 1 ? "" : cut(index + 1, ranges),
        generation: 1,
      },
      configuration: { voters, outgoing: [], learners: [], promoting: [], nextReplica: replicas + 1 },
    })
  }
  return {
    cluster,
    stores: incarnations.map((incarnation, index) => ({
      store: index + 1,
      incarnation,
      region: "local",
      zone: `zone-${index + 1}`,
    })),
    groups,
  }
}

/** The prefix below which lies `index` of `ranges` parts of all prefixes. */
function cut(index: number, ranges: number): string {
  const place = Math.floor((index * DIGITS.length * DIGITS.length) / ranges)
  const second = place % DIGITS.length
  const first = DIGITS[Math.floor(place / DIGITS.length)]!
  return second === 0 ? first : first + DIGITS[second]!
}

/** 53 random bits, never 0. */
function drawIncarnation(): number {
  for (;;) {
    const drawn = Number(randomBytes(8).readBigUInt64LE() & BigInt(Number.MAX_SAFE_INTEGER))
    if (drawn > 0) return drawn
  }
}
