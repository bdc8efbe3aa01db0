import { FAULTS } from "../plan/catalogue.ts"
import type { PlanFault, PlanOp } from "../plan/plan.ts"
import type { PlanLike } from "./passes.ts"

/** Arguments that say which, not how much; and room, of which less is worse. */
const PLACES: ReadonlySet<string> = new Set(["zone", "reach", "order", "bytes"])
/** Shorter than this tells nobody more. */
const SHORTEST_US = 20_000

/** Milder forms of one fault, the mildest first. */
export function weakerFaults(fault: PlanFault): readonly PlanFault[] {
  const { at, until, kind, args } = fault
  const weaker: PlanFault[] = []
  // A process that stands still for a while loses less than one that starts again.
  if (kind === "crashLoop")
    weaker.push({ ...fault, kind: "crash", args: pick(args, ["restartUs", "powerLoss"]) })
  if (kind === "drain")
    weaker.push({ ...fault, kind: "crash", args: { ...pick(args, ["restartUs"]), powerLoss: 0 } })
  if (kind === "crash" && args["powerLoss"] !== 1) weaker.push({ ...fault, kind: "pause", args: {} })
  if (kind === "zombie") weaker.push({ ...fault, kind: "crash", args: pick(args, ["restartUs"]) })
  if (kind === "hold") weaker.push({ ...fault, kind: "clog", args: pick(args, ["oneWay"]) })
  if (kind === "corrupt" || kind === "misroute") {
    weaker.push({ ...fault, kind: "drop", args: pick(args, ["ratioPpm", "oneWay"]) })
  }
  // What was lost matters, or only that the store was away.
  if (kind === "diskLoss") weaker.push({ ...fault, kind: "volumeLoss" })
  if (kind === "earlierVolume") weaker.push({ ...fault, kind: "volumeLoss", args: pick(args, ["restartUs"]) })
  if (kind === "shortFile")
    weaker.push({ ...fault, kind: "crash", args: { ...pick(args, ["restartUs"]), powerLoss: 1 } })
  if (kind === "diskLoss" || kind === "volumeLoss" || kind === "fileLoss")
    weaker.push({ ...fault, kind: "crash", args: { ...pick(args, ["restartUs"]), powerLoss: 0 } })
  if (args["powerLoss"] === 1) weaker.push({ ...fault, args: { ...args, powerLoss: 0 } })
  if (fault.target.stores.length > 1 && FAULTS[kind].family !== "topology") {
    for (const store of fault.target.stores) {
      weaker.push({
        ...fault,
        target: { ...fault.target, stores: fault.target.stores.filter((other) => other !== store) },
      })
    }
  }
  if (FAULTS[kind].lasting && until - at > SHORTEST_US) {
    weaker.push({ ...fault, until: at + Math.floor((until - at) / 2) })
    weaker.push({ ...fault, at: at + Math.floor((until - at) / 2) })
  }
  for (const [name, [min]] of Object.entries(FAULTS[kind].args)) {
    const value = args[name] ?? 0
    const half = Math.trunc(value / 2)
    // Flags and names of places are no quantities, and how often or how mild a thing is may start above 0.
    if (Math.abs(value) < 2 || half < min || PLACES.has(name)) continue
    if (name.endsWith("Us") && Math.abs(value) <= SHORTEST_US) continue
    weaker.push({ ...fault, args: { ...args, [name]: half } })
  }
  return weaker
}

/** Plainer forms of one operation. */
export function weakerOps(op: PlanOp): readonly PlanOp[] {
  const weaker: PlanOp[] = []
  const { ops, copies, abandoned, read } = op.op
  if (copies > 1) weaker.push({ ...op, op: { ...op.op, copies: 1 } })
  if (abandoned) weaker.push({ ...op, op: { ...op.op, abandoned: false } })
  if (read === "timeline") weaker.push({ ...op, op: { ...op.op, read: "strong" } })
  if (ops.length > 1)
    for (const step of ops)
      weaker.push({ ...op, op: { ...op.op, ops: ops.filter((other) => other !== step) } })
  return weaker
}

/** The same run with less waiting in it: everything, or every part, in half the time. */
export function shorterPlans<P extends PlanLike>(plan: P): readonly P[] {
  const { phases } = plan
  const plans: P[] = []
  const round = phases.faultsUs + phases.quietUs
  if (phases.faultsUs > 2 * SHORTEST_US) {
    const saved = phases.faultsUs - Math.floor(phases.faultsUs / 2)
    // Times move with the start of their round; what lay in the second half comes in the first.
    const moved = (at: number): number => {
      const number = Math.min(phases.rounds - 1, Math.floor(at / round))
      const within = at - number * round
      const halved = within < phases.faultsUs ? Math.floor(within / 2) : within - saved
      return number * (round - saved) + halved
    }
    plans.push({
      ...plan,
      phases: { ...phases, faultsUs: phases.faultsUs - saved },
      workload: { ...plan.workload, ops: plan.workload.ops.map((op) => ({ ...op, at: moved(op.at) })) },
      faults: plan.faults.map((fault) => ({ ...fault, at: moved(fault.at), until: moved(fault.until) })),
    })
  }
  return plans
}

function pick(args: PlanFault["args"], names: readonly string[]): PlanFault["args"] {
  return Object.fromEntries(Object.entries(args).filter(([name]) => names.includes(name)))
}
