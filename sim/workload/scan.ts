import type { KvOp } from "#kernel"
import type { Chance } from "../plan/chance.ts"
import { firstUnwritten } from "./written.ts"
import type { OpGround, Workload } from "./workload.ts"

/** Requests of several operations, which must take effect together, and scans that must see them so. */
export const scan: Workload = {
  kind: "scan",
  about: "atomic requests over several keys, and range scans both ways",
  tokens: "mostly",
  draw(chance: Chance, ground: OpGround): readonly KvOp[] {
    const dice = chance.below(100)
    if (dice < 30) return [drawScan(chance, ground.keys)]
    if (dice < 40) return chance.sample(ground.keys, 2).map((key) => ({ type: "get", key }))
    return chance.sample(ground.keys, chance.between(1, 3)).map((key): KvOp => {
      const dice = chance.below(100)
      if (dice < 60) return { type: "put", key, value: ground.unique() }
      if (dice < 75) return { type: "delete", key }
      return { type: "get", key }
    })
  },
  check: firstUnwritten,
}

function drawScan(chance: Chance, keys: readonly string[]): KvOp {
  const bounds = [chance.pick(keys), chance.pick(keys)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  return {
    type: "scan",
    start: bounds[0]!,
    // The byte after the last key, so that it is within.
    end: `${bounds[1]!}\0`,
    limit: chance.between(1, keys.length + 1),
    reverse: chance.percent(30),
  }
}
