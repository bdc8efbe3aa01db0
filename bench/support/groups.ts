/** Clusters of many groups, dealt out evenly: scenarios draw a handful. */
import type { Plan } from "#sim"

/** Five letters, so that tens of thousands of ranges keep their order. */
function bound(index: number): string {
  return `g${String(index).padStart(5, "0")}`
}

/** The plan with this many ranges of its first tenant instead of its own, three replicas each, and these puts. */
export function withGroups(
  plan: Plan,
  groups: number,
  load: {
    readonly operations: number
    readonly overUs: number
    readonly fromUs: number
    readonly clients: number
  },
): Plan {
  const { stores, ranges } = plan.cluster
  const tenant = plan.cluster.tenants[0]!
  const incarnations = new Map(
    ranges.flatMap(({ configuration }) =>
      configuration.voters.map(({ store, incarnation }) => [store, incarnation] as const),
    ),
  )
  const members = Math.min(3, stores)
  return {
    ...plan,
    cluster: {
      ...plan.cluster,
      tenants: [tenant],
      ranges: Array.from({ length: groups }, (_, index) => ({
        descriptor: {
          rangeId: index + 1,
          groupId: index + 1,
          tenant,
          start: index === 0 ? "" : bound(index),
          end: index === groups - 1 ? "" : bound(index + 1),
          generation: 1,
        },
        configuration: {
          voters: Array.from({ length: members }, (_, at) => {
            const store = ((index + at) % stores) + 1
            return { replica: at + 1, store, incarnation: incarnations.get(store) ?? store }
          }),
          outgoing: [],
          learners: [],
          promoting: [],
          nextReplica: members + 1,
        },
      })),
    },
    workload: {
      kind: "register",
      clients: load.clients,
      ops: Array.from({ length: load.operations }, (_, id) => ({
        id,
        at: load.fromUs + Math.floor((id * load.overUs) / load.operations),
        client: id % load.clients,
        op: {
          ops: [{ type: "put", key: `${bound(id % groups)}/${id % 7}`, value: `v${id}` } as const],
          range: (id % groups) + 1,
          token: true,
          read: "strong" as const,
          timeoutUs: 5_000_000,
          copies: 1,
          abandoned: false,
        },
      })),
    },
  }
}
