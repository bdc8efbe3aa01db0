import {
  DEFAULT_LIMITS,
  DEFAULT_TIMING,
  type Bootstrap,
  type KvOp,
  type Limits,
  type Member,
  type Timing,
} from "#kernel"
import { WORKLOADS } from "../workload/kinds.ts"
import { FAULT_KINDS, FAULTS } from "./catalogue.ts"
import type { FaultTarget, Plan, PlanFault, PlanHost, PlanOp, PlanPhases, PlanRequest } from "./plan.ts"
import {
  bool,
  isPlanError,
  latin1,
  list,
  nullable,
  objectAt,
  oneOf,
  only,
  readShape,
  record,
  refuseUnknown,
  tagged,
  text,
  whole,
  type PlanError,
  type Shape,
} from "./shape.ts"
import { firstFlaw } from "./well-formed.ts"

/** A plan from JSON, or what is wrong with it. Nothing unknown or missing passes, and nothing that cannot run. */
export function parsePlan(json: unknown): Plan | PlanError {
  const plan = readShape(planShape(), json)
  return isPlanError(plan) ? plan : (firstFlaw(plan) ?? plan)
}

export function planShape(): Shape<Plan> {
  return record<Plan>({
    format: only(1),
    scenario: text,
    builds: list(text),
    cluster: record<Plan["cluster"]>({
      stores: whole(1, 100),
      spares: whole(0, 100),
      tenants: list(whole(0)),
      ranges: list(rangeShape()),
      config: record<Plan["cluster"]["config"]>({
        timing: numbersLike<Timing>(DEFAULT_TIMING),
        limits: numbersLike<Limits>(DEFAULT_LIMITS),
      }),
    }),
    workload: record<Plan["workload"]>({
      kind: oneOf(WORKLOADS.map((workload) => workload.kind)),
      clients: whole(0, 10_000),
      ops: list(opShape()),
    }),
    faults: list(faultShape()),
    phases: phasesShape(),
    host: hostShape(),
    seed: whole(0),
  })
}

export function phasesShape(): Shape<PlanPhases> {
  return record<PlanPhases>({ rounds: whole(1, 1_000), faultsUs: whole(0), quietUs: whole(0) })
}

export function hostShape(): Shape<PlanHost> {
  return record<PlanHost>({
    transport: oneOf(["objects", "bytes"]),
    latencyUsMin: whole(0),
    latencyUsMean: whole(0),
    syncUsMin: whole(0),
    syncUsMean: whole(0),
    turnUsMax: whole(0),
  })
}

function rangeShape(): Shape<Bootstrap> {
  const members = list(record<Member>({ replica: whole(1), store: whole(1), incarnation: whole(1) }))
  return record<Bootstrap>({
    descriptor: record<Bootstrap["descriptor"]>({
      rangeId: whole(1),
      groupId: whole(1),
      tenant: whole(0),
      start: latin1,
      end: latin1,
      generation: whole(0),
    }),
    configuration: record<Bootstrap["configuration"]>({
      voters: members,
      outgoing: members,
      learners: members,
      promoting: list(whole(1)),
      nextReplica: whole(1),
    }),
  })
}

/** The kernel's own table says which settings there are. One that came after a plan was written has its shipped value. */
function numbersLike<T extends object>(known: T): Shape<T> {
  const fields: Record<string, Shape<number>> = {}
  for (const name of Object.keys(known)) fields[name] = whole(0)
  const shape = record<T>(fields as { readonly [K in keyof T]: Shape<T[K]> })
  return (json, path) => shape(typeof json === "object" ? { ...known, ...json } : json, path)
}

function opShape(): Shape<PlanOp> {
  return record<PlanOp>({
    id: whole(1),
    at: whole(0),
    client: whole(0),
    op: record<PlanRequest>({
      ops: list(kvShape()),
      range: whole(1),
      token: bool,
      timeoutUs: whole(1),
      copies: whole(1, 100),
      abandoned: bool,
      read: oneOf(["strong", "timeline"]),
    }),
  })
}

function kvShape(): Shape<KvOp> {
  return tagged<KvOp>({
    get: record({ type: only("get"), key: latin1 }),
    put: record({ type: only("put"), key: latin1, value: latin1 }),
    delete: record({ type: only("delete"), key: latin1 }),
    cas: record({ type: only("cas"), key: latin1, expected: nullable(latin1), value: latin1 }),
    increment: record({ type: only("increment"), key: latin1, by: whole(Number.MIN_SAFE_INTEGER) }),
    append: record({ type: only("append"), key: latin1, value: latin1 }),
    scan: record({ type: only("scan"), start: latin1, end: latin1, limit: whole(0), reverse: bool }),
  })
}

export function faultShape(): Shape<PlanFault> {
  const target = record<FaultTarget>({
    role: oneOf(["stores", "leader", "followers"]),
    stores: list(whole(1)),
    peers: list(whole(1)),
    group: whole(0),
  })
  const kind = oneOf(FAULT_KINDS)
  return (json, path) => {
    // The kind comes first: it says which arguments there are.
    const args = argsShape(kind(objectAt(json, path)["kind"], `${path}.kind`))
    return record<PlanFault>({ id: whole(1), at: whole(0), until: whole(0), kind, target, args })(json, path)
  }
}

/** Arguments that are left out are 0, as a plan written by hand may leave them. */
function argsShape(kind: PlanFault["kind"]): Shape<PlanFault["args"]> {
  const known = FAULTS[kind].args
  return (json, path) => {
    const given = objectAt(json, path)
    refuseUnknown(given, Object.keys(known), path)
    const read: Record<string, number> = {}
    for (const [name, [min, max]] of Object.entries(known)) {
      if (Object.hasOwn(given, name)) read[name] = whole(min, max)(given[name], `${path}.${name}`)
    }
    return read
  }
}
