import { INSTANT_NEVER, mayWrite, type Operation } from "../check/history.ts"
import { runUs } from "../phases.ts"
import { FINAL_US } from "../plan/draw.ts"
import type { Plan, PlanOp } from "../plan/plan.ts"

const TIMEOUT_US = 1_000_000

/**
 * A strong read of every key the plan writes, by its own clients, at the end of the last quiet part: what
 * was acknowledged must be there for everyone to see, not only in the state of the replicas.
 */
export function finalReads(plan: Plan): readonly PlanOp[] {
  const { workload, phases } = plan
  if (workload.ops.length === 0 || workload.clients === 0) return []
  const keys = new Map<number, Set<string>>()
  let id = 0
  for (const { id: used, op } of workload.ops) {
    id = Math.max(id, used)
    for (const step of op.ops) {
      if (step.type === "get" || step.type === "scan") continue
      const known = keys.get(op.range)
      if (known === undefined) keys.set(op.range, new Set([step.key]))
      else known.add(step.key)
    }
  }
  // Short plans, as shrinking leaves them, have no time to spare: half of the quiet part will do.
  const at = runUs(phases) - Math.min(FINAL_US - TIMEOUT_US, Math.floor(phases.quietUs / 2))
  const reads: PlanOp[] = []
  for (const range of [...keys.keys()].sort((a, b) => a - b)) {
    for (const key of [...keys.get(range)!].sort((a, b) => (a < b ? -1 : 1))) {
      id++
      const op = {
        ops: [{ type: "get", key }] as const,
        range,
        token: false,
        timeoutUs: TIMEOUT_US,
        copies: 1,
        abandoned: false,
        read: "strong" as const,
      }
      reads.push({ id, at, client: reads.length % workload.clients, op })
    }
  }
  return reads
}

/**
 * What the final reads found, and the part of the history it can be held against: keys that were read
 * after every acknowledged write of theirs had ended.
 */
export function finalStateOf(
  history: readonly Operation[],
  reads: readonly PlanOp[],
): { readonly settled: readonly Operation[]; readonly state: ReadonlyMap<string, string> } {
  const ids = new Set(reads.map((read) => read.id))
  const lastEnds = new Map<string, number>()
  for (const { id, request, outcome, endedAt } of history) {
    if (ids.has(id) || outcome !== "ok" || endedAt === INSTANT_NEVER) continue
    for (const op of request) {
      if (op.type === "scan" || !mayWrite(op)) continue
      lastEnds.set(op.key, Math.max(lastEnds.get(op.key) ?? 0, endedAt))
    }
  }
  const known = new Set<string>()
  const state = new Map<string, string>()
  for (const { id, request, results, outcome, invokedAt } of history) {
    const op = request[0]!
    const result = results?.[0]
    if (!ids.has(id) || outcome !== "ok" || op.type !== "get" || result?.type !== "value") continue
    if (invokedAt < (lastEnds.get(op.key) ?? 0)) continue
    known.add(op.key)
    if (result.value !== null) state.set(op.key, result.value)
  }
  const settled = history.filter(({ request }) =>
    request.every((op) => op.type === "scan" || known.has(op.key)),
  )
  return { settled, state }
}
