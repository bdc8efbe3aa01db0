import type { KvOp } from "#kernel"
import type { Chance } from "../plan/chance.ts"
import { firstUnwritten } from "./written.ts"
import type { OpGround, Workload } from "./workload.ts"

/** Registers of unique values: whoever reads one knows which write it saw. */
export const register: Workload = {
  kind: "register",
  about: "get, put and cas of unique values",
  tokens: "sometimes",
  hasTimeline: true,
  draw(chance: Chance, ground: OpGround): readonly KvOp[] {
    const key = chance.pick(ground.keys)
    const dice = chance.below(100)
    if (dice < 45) return [{ type: "get", key }]
    if (dice < 80) return [{ type: "put", key, value: ground.unique() }]
    const planned = ground.planned(key)
    const expected =
      planned.length === 0 || chance.percent(10)
        ? null
        : planned.at(-1 - chance.below(Math.min(2, planned.length)))!
    return [{ type: "cas", key, expected, value: ground.unique() }]
  },
  check: firstUnwritten,
}
