import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  connect,
  initCluster,
  machineParts,
  NodeLog,
  readNodeConfig,
  startNode,
  type Client,
  type MadeCluster,
  type NodeConfig,
  type NodeParts,
  type NodeServer,
} from "#net"

export type ClusterChange = {
  readonly ranges?: number
  /** Laid over `node.json` of each store. */
  readonly config?: (config: NodeConfig) => Partial<NodeConfig>
  readonly parts?: Partial<NodeParts>
}

/** A cluster as `orrery init` makes it, whose nodes run in this process: real files, real sockets, real certificates. */
export class NodeCluster {
  readonly made: MadeCluster
  readonly servers: Map<number, NodeServer> = new Map()
  readonly events: { readonly store: number; readonly event: string }[] = []
  readonly #root: string
  readonly #parts: Partial<NodeParts>
  readonly #clients: Client[] = []

  private constructor(root: string, made: MadeCluster, parts: Partial<NodeParts>) {
    this.#root = root
    this.made = made
    this.#parts = parts
  }

  static async make(nodes: number, change: ClusterChange = {}): Promise<NodeCluster> {
    const root = mkdtempSync(join(tmpdir(), "orrery-cluster-"))
    const made = await initCluster({
      directory: join(root, "cluster"),
      nodes,
      host: "127.0.0.1",
      basePort: null,
      ranges: change.ranges ?? 1,
      nowMs: Date.now(),
    })
    for (const { directory } of made.stores) {
      const file = join(directory, "node.json")
      const config = JSON.parse(readFileSync(file, "utf8")) as NodeConfig
      writeFileSync(file, JSON.stringify({ ...config, ...change.config?.(config) }))
    }
    return new NodeCluster(root, made, change.parts ?? {})
  }

  static async start(nodes: number, change: ClusterChange = {}): Promise<NodeCluster> {
    const cluster = await NodeCluster.make(nodes, change)
    await Promise.all(cluster.made.stores.map(({ store }) => cluster.start(store)))
    return cluster
  }

  async start(store: number): Promise<NodeServer> {
    const directory = this.directoryOf(store)
    const stream = {
      write: (line: string) => {
        const { event } = JSON.parse(line) as { event: string }
        this.events.push({ store, event })
      },
    }
    const log = new NodeLog({ level: "info", isPretty: false, stream }, store, this.made.cluster)
    const parts = { ...machineParts(log), ...this.#parts }
    const server = await startNode(directory, readNodeConfig(directory), parts, {
      log,
      watcher: null,
      isLost: false,
    })
    this.servers.set(store, server)
    return server
  }

  async stop(store: number): Promise<void> {
    await this.servers.get(store)?.close()
    this.servers.delete(store)
  }

  client(timeoutMs = 20_000): Client {
    const client = connect({ config: this.made.client, timeoutMs })
    this.#clients.push(client)
    return client
  }

  /** Who leads the group by its own word, 0 when nobody does. */
  leaderOf(group: number): number {
    for (const [store, { host }] of this.servers)
      if (host.groups().some((status) => status.group === group && status.role === "leader")) return store
    return 0
  }

  directoryOf(store: number): string {
    return this.made.stores.find((known) => known.store === store)!.directory
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close()
    await Promise.all([...this.servers.values()].map((server) => server.close()))
    rmSync(this.#root, { recursive: true, force: true })
  }
}
