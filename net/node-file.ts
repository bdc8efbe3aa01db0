import { DEFAULT_LIMITS, DEFAULT_TIMING, type ClusterBootstrap, type Limits, type Timing } from "#kernel"
import type { NodeConfig, StoreAddress } from "./cluster/node-config.ts"

/** `node.json` says something that cannot be meant. */
export class NodeFileError extends Error {
  override readonly name = "NodeFileError"
  readonly code = "badNodeFile"
  /** A name that is not known, and those that are: for whoever wants to suggest one. */
  readonly unknown: { readonly word: string; readonly names: readonly string[] } | null

  constructor(message: string, unknown: NodeFileError["unknown"] = null) {
    super(message)
    this.unknown = unknown
  }
}

type Fields = Readonly<Record<string, unknown>>

/** Takes `node.json` apart; every field is looked at, and none that is not known is passed over. */
export function parseNodeFile(text: string): NodeConfig {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw new NodeFileError(`not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  const names = ["format", "cluster", "store", "stores", "tenants", "bootstrap", "timing", "limits"] as const
  const file = fieldsOf(parsed, "node.json", names)
  if (file["format"] !== 1) throw new NodeFileError(`format: ${told(file["format"])} is not 1`)
  const cluster = textOf(file["cluster"], "cluster")
  const stores = listOf(file["stores"], "stores", addressOf)
  ascending(
    stores.map(({ store }) => store),
    "stores",
  )
  const store = numberOf(file["store"], "store", 1)
  if (!stores.some((address) => address.store === store)) {
    throw new NodeFileError(`store: ${store} is not among stores`)
  }
  const tenants = listOf(file["tenants"], "tenants", (value, path) => numberOf(value, path, 0))
  if (tenants.length === 0) throw new NodeFileError("tenants: there is none")
  ascending(tenants, "tenants")
  const bootstrap = bootstrapOf(file["bootstrap"], "bootstrap")
  if (bootstrap.cluster !== cluster) {
    throw new NodeFileError(`bootstrap.cluster: "${bootstrap.cluster}" is not "${cluster}"`)
  }
  const timing = changesOf<Timing>(file["timing"], "timing", DEFAULT_TIMING)
  const { electionUsMin, electionUsMax } = { ...DEFAULT_TIMING, ...timing }
  if (electionUsMin >= electionUsMax) {
    throw new NodeFileError(
      `timing: electionUsMin ${electionUsMin} is not below electionUsMax ${electionUsMax}`,
    )
  }
  const limits = changesOf<Limits>(file["limits"], "limits", DEFAULT_LIMITS)
  return { format: 1, cluster, store, stores, tenants, bootstrap, timing, limits }
}

function addressOf(value: unknown, path: string): StoreAddress {
  const fields = fieldsOf(value, path, ["store", "host", "peerPort", "clientPort"])
  return {
    store: numberOf(fields["store"], `${path}.store`, 1),
    host: textOf(fields["host"], `${path}.host`),
    peerPort: numberOf(fields["peerPort"], `${path}.peerPort`, 1, 65_535),
    clientPort: numberOf(fields["clientPort"], `${path}.clientPort`, 1, 65_535),
  }
}

function bootstrapOf(value: unknown, path: string): ClusterBootstrap {
  const fields = fieldsOf(value, path, ["cluster", "stores", "groups"])
  return {
    cluster: textOf(fields["cluster"], `${path}.cluster`),
    stores: listOf(fields["stores"], `${path}.stores`, (each, at) => {
      const store = fieldsOf(each, at, ["store", "incarnation", "region", "zone"])
      return {
        store: numberOf(store["store"], `${at}.store`, 1),
        incarnation: numberOf(store["incarnation"], `${at}.incarnation`, 1),
        region: textOf(store["region"], `${at}.region`, true),
        zone: textOf(store["zone"], `${at}.zone`, true),
      }
    }),
    groups: listOf(fields["groups"], `${path}.groups`, groupOf),
  }
}

function groupOf(value: unknown, path: string): ClusterBootstrap["groups"][number] {
  const fields = fieldsOf(value, path, ["descriptor", "configuration"])
  const at = `${path}.descriptor`
  const range = fieldsOf(fields["descriptor"], at, [
    "rangeId",
    "groupId",
    "tenant",
    "start",
    "end",
    "generation",
  ])
  const of = `${path}.configuration`
  const members = ["voters", "outgoing", "learners", "promoting", "nextReplica"] as const
  const configuration = fieldsOf(fields["configuration"], of, members)
  return {
    descriptor: {
      rangeId: numberOf(range["rangeId"], `${at}.rangeId`, 1),
      groupId: numberOf(range["groupId"], `${at}.groupId`, 1),
      tenant: numberOf(range["tenant"], `${at}.tenant`, 0),
      start: textOf(range["start"], `${at}.start`, true),
      end: textOf(range["end"], `${at}.end`, true),
      generation: numberOf(range["generation"], `${at}.generation`, 1),
    },
    configuration: {
      voters: listOf(configuration["voters"], `${of}.voters`, memberOf),
      outgoing: listOf(configuration["outgoing"], `${of}.outgoing`, memberOf),
      learners: listOf(configuration["learners"], `${of}.learners`, memberOf),
      promoting: listOf(configuration["promoting"], `${of}.promoting`, (each, where) =>
        numberOf(each, where, 1),
      ),
      nextReplica: numberOf(configuration["nextReplica"], `${of}.nextReplica`, 1),
    },
  }
}

type Member = ClusterBootstrap["groups"][number]["configuration"]["voters"][number]

function memberOf(value: unknown, path: string): Member {
  const fields = fieldsOf(value, path, ["replica", "store", "incarnation"])
  return {
    replica: numberOf(fields["replica"], `${path}.replica`, 1),
    store: numberOf(fields["store"], `${path}.store`, 1),
    incarnation: numberOf(fields["incarnation"], `${path}.incarnation`, 1),
  }
}

/** What differs from the defaults: whole positive numbers, each under a name the defaults have. */
function changesOf<T extends Readonly<Record<keyof T, number>>>(
  value: unknown,
  path: string,
  defaults: T,
): Partial<T> {
  const names = Object.keys(defaults)
  const fields = objectOf(value, path)
  const changes: Record<string, number> = {}
  for (const [name, given] of Object.entries(fields)) {
    known(name, path, names)
    changes[name] = numberOf(given, `${path}.${name}`, 1)
  }
  return changes as Partial<T>
}

/** An object with exactly these fields. */
function fieldsOf(value: unknown, path: string, names: readonly string[]): Fields {
  const fields = objectOf(value, path)
  for (const name of Object.keys(fields)) known(name, path, names)
  for (const name of names) {
    if (!Object.hasOwn(fields, name)) throw new NodeFileError(`${path}: "${name}" is missing`)
  }
  return fields
}

function objectOf(value: unknown, path: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new NodeFileError(`${path}: ${told(value)} is not an object`)
  }
  return value as Fields
}

function known(name: string, path: string, names: readonly string[]): void {
  if (names.includes(name)) return
  throw new NodeFileError(`${path}: "${name}" is not known`, { word: name, names })
}

function listOf<T>(value: unknown, path: string, of: (value: unknown, path: string) => T): readonly T[] {
  if (!Array.isArray(value)) throw new NodeFileError(`${path}: ${told(value)} is not a list`)
  return value.map((each: unknown, i) => of(each, `${path}[${i}]`))
}

function textOf(value: unknown, path: string, mayBeEmpty = false): string {
  if (typeof value === "string" && (mayBeEmpty || value !== "")) return value
  throw new NodeFileError(
    `${path}: ${told(value)} is not ${mayBeEmpty ? "text" : "a text with something in it"}`,
  )
}

function numberOf(value: unknown, path: string, min: number, max: number = Number.MAX_SAFE_INTEGER): number {
  if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max)
    return value as number
  throw new NodeFileError(`${path}: ${told(value)} is not a whole number from ${min} to ${max}`)
}

function ascending(values: readonly number[], path: string): void {
  for (let i = 1; i < values.length; i++) {
    if (values[i]! <= values[i - 1]!)
      throw new NodeFileError(`${path}: ${values[i]} comes after ${values[i - 1]}`)
  }
}

/** Anything on one short line. */
function told(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing"
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}
