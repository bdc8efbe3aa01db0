import type { KvOp } from "#kernel"
import type { Chance } from "../plan/chance.ts"
import { firstUnwritten } from "./written.ts"
import type { OpGround, Workload } from "./workload.ts"

/** A set of keys that come and go, looked at key by key and as a whole. */
export const set: Workload = {
  kind: "set",
  about: "put and delete of keys, reads of one and scans of all",
  tokens: "mostly",
  draw(chance: Chance, ground: OpGround): readonly KvOp[] {
    const key = chance.pick(ground.keys)
    const dice = chance.below(100)
    if (dice < 40) return [{ type: "put", key, value: ground.unique() }]
    if (dice < 60) return [{ type: "delete", key }]
    if (dice < 75) return [{ type: "get", key }]
    return [wholeRange(ground.keys)]
  },
  check: firstUnwritten,
}

/** Every key of the working set of one range, and no key of another. */
function wholeRange(keys: readonly string[]): KvOp {
  const first = [...keys].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  return { type: "scan", start: first[0]!, end: `${first.at(-1)!}\0`, limit: keys.length + 1, reverse: false }
}
