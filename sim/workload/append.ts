import type { KvOp } from "#kernel"
import type { Operation } from "../check/history.ts"
import type { Chance } from "../plan/chance.ts"
import type { OpGround, Workload } from "./workload.ts"

const END = ";"

/** Lists of unique elements: a read shows the whole order of the appends before it. */
export const append: Workload = {
  kind: "append",
  about: "append of unique elements, and reads of the whole list",
  tokens: "sometimes",
  draw(chance: Chance, ground: OpGround): readonly KvOp[] {
    const key = chance.pick(ground.keys)
    if (chance.percent(35)) return [{ type: "get", key }]
    return [{ type: "append", key, value: ground.unique() + END }]
  },
  check: firstBrokenList,
}

/** Any two reads of a list agree as far as the shorter goes; no element twice; none that nobody appended. */
function firstBrokenList(history: readonly Operation[]): string | null {
  const appended = new Set<string>()
  const longest = new Map<string, string>()
  for (const { request } of history) {
    for (const op of request) if (op.type === "append") appended.add(`${op.key}/${op.value}`)
  }
  for (const { id, request, results } of history) {
    if (results === null) continue
    for (let index = 0; index < request.length; index++) {
      const op = request[index]!
      const result = results[index]!
      if (op.type !== "get" || result.type !== "value" || result.value === null) continue
      const known = longest.get(op.key) ?? ""
      const [shorter, longer] =
        known.length < result.value.length ? [known, result.value] : [result.value, known]
      if (!longer.startsWith(shorter))
        return `Operation ${id} reads ${op.key} as "${result.value}", another as "${known}"`
      longest.set(op.key, longer)
    }
  }
  for (const [key, list] of longest) {
    const seen = new Set<string>()
    for (const element of list.split(END).slice(0, -1)) {
      if (!appended.has(`${key}/${element}${END}`)) return `${key} holds "${element}", which nobody appended`
      if (seen.has(element)) return `${key} holds "${element}" twice`
      seen.add(element)
    }
  }
  return null
}
