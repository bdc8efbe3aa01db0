import { readFileSync } from "node:fs"
import { join } from "node:path"
import {
  DEFAULT_LIMITS,
  DEFAULT_TIMING,
  KEY_BYTES_MAX,
  TENANT_MAX,
  VERSION_TTL_US,
  type Bootstrap,
  type ClusterBootstrap,
  type Limits,
  type Member,
  type Timing,
} from "#kernel"
import { messageOf } from "../thrown.ts"
import { RANGES_MAX, STORES_MAX } from "./birth.ts"
import { ClusterError } from "./errors.ts"
import { CLUSTER_PATTERN } from "./identity.ts"
import { JsonNode } from "./json-shape.ts"
import type { ClientConfig, NodeConfig, StoreAddress } from "./node-config.ts"

const SAFE_MAX = Number.MAX_SAFE_INTEGER
const HOST_MAX = 253
const PLACE_MAX = 64
const TENANTS_MAX = 4_096

/** `node.json` of a node's directory. Throws `ClusterError` for what is not exactly one. */
export function readNodeConfig(directory: string): NodeConfig {
  const file = join(directory, "node.json")
  return parseNodeConfig(file, readText(file))
}

/** `client.json` of a client's directory. Throws `ClusterError` for what is not exactly one. */
export function readClientConfig(directory: string): ClientConfig {
  const file = join(directory, "client.json")
  return parseClientConfig(file, readText(file))
}

/** `file` is for messages. */
export function parseNodeConfig(file: string, text: string): NodeConfig {
  const root = rootOf(file, text)
  const names = ["format", "cluster", "store", "stores", "tenants", "bootstrap", "timing", "limits"] as const
  const node = root.fields(names)
  const cluster = readCluster(node.cluster)
  const stores = readStores(node.stores)
  const store = node.store.integer(1, SAFE_MAX)
  if (!stores.some((address) => address.store === store))
    node.store.fail(`store ${store} is not among "stores"`)
  const tenants = ascending(
    node.tenants,
    node.tenants.items(TENANTS_MAX).map((tenant) => tenant.integer(0, TENANT_MAX - 1)),
  )
  const bootstrap = readBootstrap(node.bootstrap, cluster, stores, tenants)
  const timing = readOverrides<Required<Timing>>(node.timing, {
    ...DEFAULT_TIMING,
    versionTtlUs: VERSION_TTL_US,
  })
  const limits = readOverrides<Limits>(node.limits, DEFAULT_LIMITS)
  const { electionUsMin, electionUsMax } = { ...DEFAULT_TIMING, ...timing }
  if (electionUsMin >= electionUsMax) node.timing.fail("electionUsMin must lie below electionUsMax")
  return { format: 1, cluster, store, stores, tenants, bootstrap, timing, limits }
}

/** `file` is for messages. */
export function parseClientConfig(file: string, text: string): ClientConfig {
  const root = rootOf(file, text).fields(["format", "cluster", "stores"])
  return { format: 1, cluster: readCluster(root.cluster), stores: readStores(root.stores) }
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8")
  } catch (thrown) {
    throw new ClusterError("configUnreadable", `Cannot read ${file}: ${messageOf(thrown)}`)
  }
}

/** The format is looked at before anything else: what a later build wrote has keys that are not known here. */
function rootOf(file: string, text: string): JsonNode {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (thrown) {
    throw new ClusterError("configNotJson", `${file} is not JSON: ${messageOf(thrown)}`)
  }
  const root = new JsonNode(file, value)
  const format = typeof value === "object" && value !== null && "format" in value ? value.format : undefined
  if (format === undefined) root.fail(`"format" is missing`)
  if (format !== 1) {
    root.fail(
      `format ${JSON.stringify(format)} is not known to this build, which reads format 1`,
      "configFormat",
    )
  }
  return root
}

function readCluster(node: JsonNode): string {
  const cluster = node.text(36)
  if (!CLUSTER_PATTERN.test(cluster)) node.fail("must be a UUID in lower case")
  return cluster
}

function readStores(node: JsonNode): readonly StoreAddress[] {
  const items = node.items(STORES_MAX)
  if (items.length === 0) node.fail("names no store")
  const stores = items.map((item): StoreAddress => {
    const { store, host, peerPort, clientPort } = item.fields(["store", "host", "peerPort", "clientPort"])
    const name = host.text(HOST_MAX)
    if (!/^[0-9A-Za-z.:_-]+$/.test(name)) host.fail("must be a host name or an address")
    return {
      store: store.integer(1, SAFE_MAX),
      host: name,
      peerPort: peerPort.integer(1, 65_535),
      clientPort: clientPort.integer(1, 65_535),
    }
  })
  ascending(
    node,
    stores.map(({ store }) => store),
  )
  const taken = new Set<string>()
  for (const { host, peerPort, clientPort } of stores) {
    for (const address of [`${host} ${peerPort}`, `${host} ${clientPort}`]) {
      if (taken.has(address)) node.fail(`port ${address.split(" ")[1]} of ${host} is given twice`)
      taken.add(address)
    }
  }
  return stores
}

function ascending(node: JsonNode, values: readonly number[]): readonly number[] {
  for (let at = 1; at < values.length; at++) {
    if (values[at]! <= values[at - 1]!) node.fail("must be ascending, each once")
  }
  return values
}

/** Some of the numbers of `defaults`, none of them 0. */
function readOverrides<T extends Readonly<Record<keyof T, number>>>(node: JsonNode, defaults: T): Partial<T> {
  const found: Partial<Record<string, number>> = {}
  const fields = node.fields([], Object.keys(defaults))
  for (const [name, value] of Object.entries(fields)) found[name] = value?.integer(1, SAFE_MAX)
  return found as Partial<T>
}

function readBootstrap(
  node: JsonNode,
  cluster: string,
  stores: readonly StoreAddress[],
  tenants: readonly number[],
): ClusterBootstrap {
  const fields = node.fields(["cluster", "stores", "groups"])
  if (readCluster(fields.cluster) !== cluster) fields.cluster.fail(`is not that of this node, ${cluster}`)
  const born = fields.stores.items(STORES_MAX).map((item) => {
    const { store, incarnation, region, zone } = item.fields(["store", "incarnation", "region", "zone"])
    return {
      store: store.integer(1, SAFE_MAX),
      incarnation: incarnation.integer(1, SAFE_MAX),
      region: region.text(PLACE_MAX),
      zone: zone.text(PLACE_MAX),
    }
  })
  ascending(
    fields.stores,
    born.map(({ store }) => store),
  )
  const unknown = born.find(({ store }) => stores.every((address) => address.store !== store))
  if (unknown !== undefined) fields.stores.fail(`store ${unknown.store} has no address in "stores"`)
  const incarnations = new Map(born.map(({ store, incarnation }) => [store, incarnation]))
  const groups = fields.groups.items(RANGES_MAX).map((item) => readGroup(item, incarnations, tenants))
  ascending(
    fields.groups,
    groups.map(({ descriptor }) => descriptor.groupId),
  )
  readSpans(fields.groups, groups)
  return { cluster, stores: born, groups }
}

function readGroup(
  node: JsonNode,
  incarnations: ReadonlyMap<number, number>,
  tenants: readonly number[],
): Bootstrap {
  const { descriptor, configuration } = node.fields(["descriptor", "configuration"])
  const range = descriptor.fields(["rangeId", "groupId", "tenant", "start", "end", "generation"])
  const members = configuration.fields(["voters", "outgoing", "learners", "promoting", "nextReplica"])
  // A birth is no change of members: nobody leaves, nobody learns.
  for (const list of [members.outgoing, members.learners, members.promoting]) {
    if (list.items(0).length > 0) list.fail("must be empty at birth")
  }
  const nextReplica = members.nextReplica.integer(2, SAFE_MAX)
  const voters = members.voters.items(STORES_MAX).map((item): Member => {
    const { replica, store, incarnation } = item.fields(["replica", "store", "incarnation"])
    const member = {
      replica: replica.integer(1, nextReplica - 1),
      store: store.integer(1, SAFE_MAX),
      incarnation: incarnation.integer(1, SAFE_MAX),
    }
    if (incarnations.get(member.store) !== member.incarnation) {
      item.fail(`store ${member.store} of that incarnation is not born in this document`)
    }
    return member
  })
  if (voters.length === 0) members.voters.fail("names no replica")
  if (new Set(voters.map(({ store }) => store)).size < voters.length)
    members.voters.fail("names a store twice")
  ascending(
    members.voters,
    voters.map(({ replica }) => replica),
  )
  const tenant = range.tenant.integer(0, TENANT_MAX - 1)
  if (!tenants.includes(tenant)) range.tenant.fail(`tenant ${tenant} is not among "tenants"`)
  return {
    descriptor: {
      rangeId: range.rangeId.integer(1, SAFE_MAX),
      groupId: range.groupId.integer(1, SAFE_MAX),
      tenant,
      start: range.start.text(KEY_BYTES_MAX),
      end: range.end.text(KEY_BYTES_MAX),
      generation: range.generation.integer(1, SAFE_MAX),
    },
    configuration: { voters, outgoing: [], learners: [], promoting: [], nextReplica },
  }
}

/** The ranges of a tenant follow each other without a gap, from the first key to the last. */
function readSpans(node: JsonNode, groups: readonly Bootstrap[]): void {
  const ends = new Map<number, string | null>()
  const rangeIds = new Set<number>()
  for (const { descriptor } of groups) {
    const { rangeId, tenant, start, end } = descriptor
    if (rangeIds.has(rangeId)) node.fail(`range ${rangeId} is named twice`)
    rangeIds.add(rangeId)
    const before = ends.get(tenant)
    if (before === null || (before ?? "") !== start) {
      node.fail(`range ${rangeId} does not begin where the one before it ends`)
    }
    if (end !== "" && end <= start) node.fail(`range ${rangeId} is empty`)
    ends.set(tenant, end === "" ? null : end)
  }
  for (const [tenant, end] of ends)
    if (end !== null) node.fail(`keys of tenant ${tenant} from "${end}" on have no range`)
}
