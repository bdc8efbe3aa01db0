import type { KernelError } from "../errors.ts"
import type { Limits, Timing } from "../node/config.ts"
import { aheadUs, fromWall } from "../time/hlc.ts"
import type { RangeDescriptor } from "./descriptor.ts"
import type { KvRequest } from "./request.ts"
import { isReadOnly, onlyDeletes, readAt } from "./asked.ts"
import type { ReadPath, ServiceContext } from "./service-context.ts"
import { outsideOf, validateTxn } from "../txn/validate-txn.ts"
import { outside, validate } from "./validate.ts"

/**
 * Whether a request is taken in. Everything that is refused here has had no effect; what is taken in is
 * answered. Budgets are asked for here and nowhere else: a store that has too much to do stops admitting,
 * and never stops stepping.
 */
export function refusalOf(
  request: KvRequest,
  descriptor: RangeDescriptor,
  /** Requests held already. */
  held: number,
  timing: Timing,
  limits: Limits,
  context: ServiceContext,
  path: ReadPath,
): KernelError | null {
  const invalid = validate(request) ?? validateTxn(request)
  if (invalid !== null) return invalid
  if (request.generation !== descriptor.generation) return { code: "staleGeneration", descriptor }
  if (request.tenant !== descriptor.tenant)
    return { code: "badRequest", reason: "Cannot serve: the range is another tenant's" }
  const misplaced = outside(request.ops, descriptor) ?? outsideOf(request, descriptor)
  if (misplaced !== null) return misplaced
  if (context.refusal !== null) return context.refusal
  if (request.read === "eventual" && isReadOnly(request)) return null
  if (!context.isLeader && request.read === "timeline" && !context.isFenced) {
    const isHere = request.readTs === 0 ? path.timelineWall() !== null : request.readTs <= path.closedTs()
    return isHere ? null : notLeader(context)
  }
  if (!context.isLeader || context.isTransferring) return notLeader(context)
  if (context.isFenced) return { code: "clockOutOfBound" }
  const readTs = request.command?.type === "queryIntent" ? request.command.ts : readAt(request)
  const isAhead = readTs > fromWall(context.wall)
  if (isAhead && aheadUs(readTs, context.wall) > timing.clockBoundUs) return { code: "clockOutOfBound" }
  if (request.command === null) {
    // What ends a transaction is taken in however many wait for it.
    if (held >= limits.requestsMax) return { code: "overloaded" }
    if (held + context.requestsBeside >= limits.storeRequestsMax) return { code: "overloaded" }
    if (held >= 1 && context.switches.on("queueOfOne")) return { code: "overloaded" }
  }
  if (isReadOnly(request)) return null
  if (context.isDiskExhausted || (context.isDiskFull && !onlyDeletes(request))) return { code: "diskFull" }
  const isBehind =
    context.uncommittedBytes >= limits.uncommittedBytesMax ||
    context.pendingLogBytes >= limits.pendingLogBytesMax
  return isBehind ? { code: "overloaded" } : null
}

export function notLeader(context: ServiceContext): KernelError {
  return { code: "notLeader", hint: context.leaderStore, term: context.term }
}
