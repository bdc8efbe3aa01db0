import type { KvOp } from "#kernel"
import type { Operation } from "../check/history.ts"
import type { Chance } from "../plan/chance.ts"
import type { OpGround, Workload } from "./workload.ts"

/** Counters that only grow, by requests with tokens: a repeat that counts twice shows in the sum. */
export const counter: Workload = {
  kind: "counter",
  about: "increments with tokens, and reads of the sum",
  tokens: "always",
  draw(chance: Chance, ground: OpGround): readonly KvOp[] {
    const key = chance.pick(ground.keys)
    if (chance.percent(30)) return [{ type: "get", key }]
    return [{ type: "increment", key, by: chance.between(1, 9) }]
  },
  check: firstImpossibleSum,
}

/** No answer is less than what was acknowledged before it was asked for, or more than all that may have been added. */
function firstImpossibleSum(history: readonly Operation[]): string | null {
  const keys = new Map<string, Operation[]>()
  for (const operation of history) {
    const op = operation.request[0]!
    if (operation.request.length !== 1 || (op.type !== "increment" && op.type !== "get")) return null
    const list = keys.get(op.key)
    if (list === undefined) keys.set(op.key, [operation])
    else list.push(operation)
  }
  for (const [key, operations] of keys) {
    for (const { id, results, invokedAt, endedAt } of operations) {
      const sum = sumOf(results?.[0])
      if (sum === null) continue
      let least = 0
      let most = 0
      for (const other of operations) {
        const op = other.request[0]!
        if (op.type !== "increment" || other.outcome === "fail") continue
        if (other.outcome === "ok" && other.endedAt < invokedAt) least += op.by
        if (other.invokedAt <= endedAt) most += op.by
      }
      if (sum < least) return `Operation ${id} reads ${key} as ${sum}; ${least} was acknowledged before`
      if (sum > most) return `Operation ${id} reads ${key} as ${sum}; no more than ${most} was ever added`
    }
  }
  return null
}

function sumOf(result: NonNullable<Operation["results"]>[number] | undefined): number | null {
  if (result?.type === "count") return result.value
  return result?.type === "value" ? Number(result.value ?? "0") : null
}
