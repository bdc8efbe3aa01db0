import { numberOf } from "../coverage/step-meter.ts"
import { CLIENT_IDS_FROM } from "../plan/catalogue.ts"
import type { PlanFault } from "../plan/plan.ts"
import type { PlanLike } from "./passes.ts"
import { alternatives, type Pass } from "./search.ts"

/** The same plan as anybody would write it down: in the order of time, numbered from 1, lists in order. */
export function canonicalPass<P extends PlanLike>(): Pass<P> {
  const pass = alternatives<P>("canonical", (plan) => {
    const sorted = inOrder(plan)
    const numbered = renumbered(sorted)
    return [same(numbered, plan) ? null : numbered, same(sorted, plan) ? null : sorted]
  })
  return { ...pass, isFinish: true }
}

/** Where two begin at once, the one that was numbered first. */
function inOrder<P extends PlanLike>(plan: P): P {
  const first = (a: { at: number; id: number }, b: { at: number; id: number }): number =>
    a.at - b.at || a.id - b.id
  const ops = [...plan.workload.ops].sort(first)
  const faults = [...plan.faults].sort(first).map((fault) => ({
    ...fault,
    target: { ...fault.target, stores: rising(fault.target.stores), peers: rising(fault.target.peers) },
  }))
  return { ...plan, workload: { ...plan.workload, ops }, faults }
}

/** Draws are keyed by ids, so this is another run of the same story: it may fail or not. */
function renumbered<P extends PlanLike>(plan: P): P {
  const ops = plan.workload.ops.map((op, index) => ({ ...op, id: index + 1 }))
  const faults = plan.faults.map((fault, index) => ({ ...fault, id: index + 1 }))
  return { ...plan, workload: { ...plan.workload, ops }, faults }
}

function rising(ids: readonly number[]): readonly number[] {
  return [...ids].sort((a, b) => a - b)
}

function same(a: PlanLike, b: PlanLike): boolean {
  return JSON.stringify([a.workload.ops, a.faults]) === JSON.stringify([b.workload.ops, b.faults])
}

/**
 * A short name for what a failure is, the same for every seed that finds it: the oracle, the kinds of fault that are
 * left and whom they strike, and what the oracle said without its numbers. Only of a shrunk plan does it mean
 * much: before, every plan has nearly every fault.
 */
export function signatureOf(
  plan: Pick<PlanLike, "faults">,
  violation: { readonly oracle: string; readonly message: string },
): string {
  const faults = [...new Set(plan.faults.map(faultWord))].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  return [violation.oracle, ...faults, saying(violation.message)].join("+")
}

function faultWord({ kind, target }: PlanFault): string {
  const reachesClients = [...target.stores, ...target.peers].some((id) => id >= CLIENT_IDS_FROM)
  return reachesClients ? `${kind}@client` : kind
}

/** Four hexadecimal digits for a sentence: what is in quotes, and words with digits in them, may be anything. */
function saying(message: string): string {
  const plain = message.replaceAll(/"[^"]*"/g, "#").replaceAll(/[\w.:/-]*\d[\w.:/-]*/g, "#")
  return (numberOf(plain) % 0x1_0000).toString(16).padStart(4, "0")
}
