import { randomInt, randomUUIDv7 } from "node:crypto"
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { createServer, type Server } from "node:net"
import { dirname, join, resolve } from "node:path"
import type { TenantId } from "#kernel"
import { messageOf } from "../thrown.ts"
import { Authority, type Credential } from "./authority.ts"
import { makeBootstrap } from "./birth.ts"
import { writeBirth } from "../host/birth.ts"
import { ClusterError } from "./errors.ts"
import type { ClientConfig, NodeConfig, StoreAddress } from "./node-config.ts"

export type InitOptions = {
  /** Where the cluster's directory comes to be; what is above it exists. */
  readonly directory: string
  readonly nodes: number
  readonly host: string
  /** Two ports a node from here on, peers' first; null: whatever is free on this machine. */
  readonly basePort: number | null
  readonly ranges: number
  /** Milliseconds since 1970: certificates are good from a little before. */
  readonly nowMs: number
}

export type MadeCluster = {
  readonly cluster: string
  readonly directory: string
  readonly stores: readonly (StoreAddress & { readonly directory: string })[]
  readonly client: string
  readonly ranges: number
}

const FOLDER_MODE = 0o700
const FILE_MODE = 0o600
const TENANTS: readonly TenantId[] = [0]
/** Linux chooses by itself from 32,768 on, others from 49,152. */
const FREE_PORT_MIN = 10_240
const FREE_PORT_MAX = 32_768
const FREE_PORT_FAILURES_MAX = 100

/**
 * Makes the directory of a new cluster, whole or not at all: it is written beside its place and moved there. Throws
 * `ClusterError` (`clusterExists`, `noFreePort`), and Node's own errors of the file system.
 */
export async function initCluster(options: InitOptions): Promise<MadeCluster> {
  const directory = resolve(options.directory)
  refuseTaken(directory)
  const cluster = randomUUIDv7()
  const stores = await addresses(options)
  const authority = await Authority.create(cluster, options.nowMs)
  const building = `${directory}.${cluster}.new`
  try {
    await writeAll(building, authority, stores, options)
    // Once more: making keys takes a moment. An empty directory gives way, anything else refuses to.
    refuseTaken(directory)
    renameSync(building, directory)
    syncFolder(dirname(directory))
  } catch (thrown) {
    rmSync(building, { recursive: true, force: true })
    throw thrown
  }
  return {
    cluster,
    directory,
    stores: stores.map((store) => ({ ...store, directory: join(directory, nodeFolder(store.store)) })),
    client: join(directory, "client"),
    ranges: options.ranges,
  }
}

function refuseTaken(directory: string): void {
  if (!existsSync(directory)) return
  const names = readdirSync(directory)
  if (names.length === 0) return
  const isCluster = names.includes("ca") || names.some((name) => name.startsWith("node-"))
  throw new ClusterError(
    "clusterExists",
    isCluster
      ? `${directory} holds a cluster already: its keys and data are never written over`
      : `${directory} is not empty`,
  )
}

async function writeAll(
  root: string,
  authority: Authority,
  stores: readonly StoreAddress[],
  { nodes, ranges, nowMs }: InitOptions,
): Promise<void> {
  const { cluster } = authority
  const bootstrap = makeBootstrap(cluster, nodes, ranges)
  const ca = authority.credential.certificate
  makeFolder(root)
  writeFolder(join(root, "ca"), { "ca.pem": ca, "ca.key": authority.credential.key })
  for (const address of stores) {
    const { store, host } = address
    const config: NodeConfig = {
      format: 1,
      cluster,
      store,
      stores,
      tenants: TENANTS,
      bootstrap,
      timing: {},
      limits: {},
    }
    const folder = join(root, nodeFolder(store))
    writeFolder(folder, { "node.json": json(config) })
    writeFolder(join(folder, "tls"), {
      "ca.pem": ca,
      ...pair("node", await authority.storeLink(store, host, nowMs)),
      ...pair("server", await authority.storeListener(store, host, nowMs)),
    })
    await writeBirth(folder, false)
    syncFolder(folder)
  }
  const client: ClientConfig = { format: 1, cluster, stores }
  writeFolder(join(root, "client"), {
    "client.json": json(client),
    "ca.pem": ca,
    ...pair("client", await authority.client("operator", nowMs)),
  })
  syncFolder(root)
}

function nodeFolder(store: number): string {
  return `node-${store}`
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

function pair(name: string, { certificate, key }: Credential): Readonly<Record<string, string>> {
  return { [`${name}.pem`]: certificate, [`${name}.key`]: key }
}

function makeFolder(path: string): void {
  mkdirSync(path, { mode: FOLDER_MODE })
}

function writeFolder(path: string, files: Readonly<Record<string, string>>): void {
  makeFolder(path)
  for (const [name, text] of Object.entries(files)) {
    const file = openSync(join(path, name), "wx", FILE_MODE)
    try {
      writeFileSync(file, text)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
  }
  syncFolder(path)
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r")
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

async function addresses({ nodes, host, basePort }: InitOptions): Promise<readonly StoreAddress[]> {
  const ports =
    basePort === null
      ? await freePorts(host, 2 * nodes)
      : Array.from({ length: 2 * nodes }, (_, index) => basePort + index)
  return Array.from({ length: nodes }, (_, index) => ({
    store: index + 1,
    host,
    peerPort: ports[2 * index]!,
    clientPort: ports[2 * index + 1]!,
  }))
}

/**
 * Ports that nobody has now. Not those the system would choose: it gives the same to whatever dials out, and a node that
 * is down for a moment would find its own taken. All are held at once, so that none is given twice; nobody holds them
 * afterwards.
 */
export async function freePorts(host: string, count: number): Promise<readonly number[]> {
  const ports: number[] = []
  const servers: Server[] = []
  try {
    for (let failures = 0; ports.length < count;) {
      const port = randomInt(FREE_PORT_MIN, FREE_PORT_MAX)
      try {
        servers.push(await listen(host, port))
        ports.push(port)
      } catch (thrown) {
        if (++failures < FREE_PORT_FAILURES_MAX) continue
        throw new ClusterError("noFreePort", `No port can be had on ${host}: ${messageOf(thrown)}`)
      }
    }
    return ports
  } finally {
    await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))))
  }
}

function listen(host: string, port: number): Promise<Server> {
  return new Promise((opened, failed) => {
    const server = createServer()
    server.once("error", failed)
    server.listen(port, host, () => {
      opened(server)
    })
  })
}
