import { DEFAULT_LIMITS, DEFAULT_TIMING, NO_SWITCHES, type KernelConfig, type RecoverOrder } from "#kernel"

/** The configuration of a kernel as text. Its switches are those of every shell: none. */
export function configText(config: KernelConfig): string {
  const { cluster, store, tenants, bootstrap, places, timing, limits, recover } = config
  return JSON.stringify({ cluster, store, tenants, bootstrap, places, timing, limits, recover })
}

/** Null for a text that is no configuration. */
export function readConfig(json: unknown): KernelConfig | null {
  if (!isRecord(json)) return null
  const { cluster, store, tenants, bootstrap, places, timing, limits, recover } = json
  if (typeof cluster !== "string" || !isCount(store)) return null
  if (!Array.isArray(tenants) || !tenants.every(isCount)) return null
  if (bootstrap !== null && !isBootstrap(bootstrap)) return null
  if (places !== undefined && !(Array.isArray(places) && places.every(isPlace))) return null
  if (recover !== undefined && !(Array.isArray(recover) && recover.every(isOrder))) return null
  if (!hasCounts(timing, DEFAULT_TIMING) || !hasCounts(limits, DEFAULT_LIMITS)) return null
  return {
    cluster,
    store,
    tenants,
    bootstrap: bootstrap as KernelConfig["bootstrap"],
    timing,
    limits,
    switches: NO_SWITCHES,
    ...(places === undefined ? {} : { places: places as NonNullable<KernelConfig["places"]> }),
    ...(recover === undefined ? {} : { recover }),
  }
}

function isOrder(json: unknown): json is RecoverOrder {
  return (
    isRecord(json) && ["group", "replica", "incarnation", "generation"].every((name) => isCount(json[name]))
  )
}

function hasCounts<Shape extends object>(json: unknown, shape: Shape): json is Shape {
  return isRecord(json) && Object.keys(shape).every((name) => isCount(json[name]))
}

function isBootstrap(json: unknown): boolean {
  if (!isRecord(json) || typeof json["cluster"] !== "string") return false
  const { stores, groups } = json
  if (!Array.isArray(stores) || !Array.isArray(groups)) return false
  return (
    stores.every((each) => isRecord(each) && isCount(each["store"]) && isCount(each["incarnation"])) &&
    groups.every(isPlace)
  )
}

function isPlace(json: unknown): boolean {
  return isRecord(json) && isDescriptor(json["descriptor"]) && isMembers(json["configuration"])
}

function isDescriptor(json: unknown): boolean {
  if (!isRecord(json) || typeof json["start"] !== "string" || typeof json["end"] !== "string") return false
  return ["rangeId", "groupId", "tenant", "generation"].every((name) => isCount(json[name]))
}

function isMembers(json: unknown): boolean {
  if (!isRecord(json) || !isCount(json["nextReplica"])) return false
  const { promoting } = json
  if (!Array.isArray(promoting) || !promoting.every(isCount)) return false
  return ["voters", "outgoing", "learners"].every((name) => {
    const members = json[name]
    return (
      Array.isArray(members) &&
      members.every(
        (member) =>
          isRecord(member) && ["replica", "store", "incarnation"].every((field) => isCount(member[field])),
      )
    )
  })
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isRecord(json: unknown): json is Record<string, unknown> {
  return typeof json === "object" && json !== null && !Array.isArray(json)
}
