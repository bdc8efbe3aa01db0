import { DEFAULT_LIMITS, DEFAULT_TIMING, type KvRequest } from "#kernel"
import type { FaultKind, FaultTarget, Plan, PlanFault } from "#sim/plan/plan.ts"
import { requestOf } from "../../support/requests.ts"

const SECOND = 1_000_000

/** Three stores, two clients, ten seconds in which faults may strike and five of quiet. */
export function plan(changes: Partial<Plan> = {}): Plan {
  return {
    format: 1,
    scenario: "toy",
    builds: ["toy"],
    cluster: {
      stores: 3,
      spares: 1,
      tenants: [0],
      ranges: [],
      config: { timing: DEFAULT_TIMING, limits: DEFAULT_LIMITS },
    },
    workload: { kind: "none", clients: 2, ops: [] },
    faults: [],
    phases: { rounds: 1, faultsUs: 10 * SECOND, quietUs: 5 * SECOND },
    host: {
      transport: "objects",
      latencyUsMin: 200,
      latencyUsMean: 800,
      syncUsMin: 100,
      syncUsMean: 1_000,
      turnUsMax: 50,
    },
    seed: 7,
    ...changes,
  }
}

export function fault(
  id: number,
  kind: FaultKind,
  at: number,
  until: number,
  target: Partial<FaultTarget>,
  args: Readonly<Record<string, number>> = {},
): PlanFault {
  return { id, at, until, kind, target: { role: "stores", stores: [], peers: [], group: 1, ...target }, args }
}

export function request(id: number): KvRequest {
  return requestOf([{ type: "get", key: "k" }], { id })
}
