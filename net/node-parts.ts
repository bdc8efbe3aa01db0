import { readFileSync } from "node:fs"
import { join } from "node:path"
import { ClientApi } from "./api/client-api.ts"
import type { NodeConfig, StoreAddress } from "./cluster/node-config.ts"
import type { GroupStatus } from "#kernel"
import { FileStoreDisk } from "./disk/store-disk.ts"
import { DiskUsage, type DiskBytes } from "./disk/usage.ts"
import type { Host } from "./host/host.ts"
import type { PeerLinks } from "./host/ports.ts"
import type { NodeLog } from "./log.ts"
import { GrpcPeerLinks } from "./peer/links.ts"
import type { PeerLinksStats } from "./peer/stats.ts"
import type { NodeParts } from "./server.ts"

/** What `Status` says of a node. */
export type NodeStatus = {
  readonly store: number
  readonly boot: number | null
  readonly incarnation: number | null
  readonly uptimeSeconds: number
  readonly host: ReturnType<Host["stats"]>
  readonly links: PeerLinksStats | null
  /** `external` is what objects of the heap hold outside of it, of which `buffers` are bytes in buffers. */
  readonly memoryBytes: {
    readonly resident: number
    readonly heap: number
    readonly external: number
    readonly buffers: number
  }
  /** Of its data directory; null when that is not known yet, or cannot be. */
  readonly disk: DiskBytes | null
  /** Volumes that may have held replicas of which this store knows nothing any more. */
  readonly forgetful: readonly number[]
  readonly groups: readonly GroupStatus[]
}

/** The parts of a node that `orrery start` runs: files and LMDB, gRPC over mutual TLS 1.3 on both sides. */
export function machineParts(log: NodeLog): NodeParts {
  let links: GrpcPeerLinks | null = null
  let usage: DiskUsage | null = null
  return {
    openDisk: async (directory, config) => {
      const warn = (detail: string): void => log.warn("disk", { detail })
      const disk = await FileStoreDisk.open(directory, config, { warn })
      usage = new DiskUsage(directory)
      return disk
    },
    openLinks: async (directory, config): Promise<PeerLinks> => {
      const tls = join(directory, "tls")
      links = await GrpcPeerLinks.open({
        cluster: config.cluster,
        store: config.store,
        stores: config.stores,
        tls: {
          ca: readFileSync(join(tls, "ca.pem"), "utf8"),
          certificate: readFileSync(join(tls, "node.pem"), "utf8"),
          key: readFileSync(join(tls, "node.key"), "utf8"),
        },
        onEvent: (event) => {
          const { type, ...fields } = event
          // A store that is down is dialled again and again: that it went is told once, and what became of each call at
          // the level for that.
          const isRepeated = event.type === "disconnected" && !event.wasConnected
          log[isRepeated ? "debug" : "info"](`peer.${type}`, fields)
        },
      })
      return links
    },
    openApi: (directory, config, host) => {
      const tls = join(directory, "tls")
      const { cluster, store, tenants } = config
      const own = addressOf(config)
      return ClientApi.listen({
        cluster,
        store,
        tenants,
        host: own.host,
        port: own.clientPort,
        tls: {
          ca: readFileSync(join(tls, "ca.pem")),
          cert: readFileSync(join(tls, "server.pem")),
          key: readFileSync(join(tls, "server.key")),
        },
        door: host,
        source: { groups: () => host.groups(), status: () => statusOf(config, host, links, usage) },
      })
    },
  }
}

function addressOf({ store, stores }: NodeConfig): StoreAddress {
  // `readNodeConfig` refuses a store without an address.
  return stores.find((address) => address.store === store)!
}

function statusOf(
  config: NodeConfig,
  host: Host,
  links: GrpcPeerLinks | null,
  usage: DiskUsage | null,
): NodeStatus {
  const identity = host.identity()
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage()
  return {
    store: config.store,
    boot: identity?.boot ?? null,
    incarnation: identity?.incarnation ?? null,
    uptimeSeconds: Math.round(process.uptime()),
    host: host.stats(),
    links: links?.stats() ?? null,
    memoryBytes: { resident: rss, heap: heapUsed, external, buffers: arrayBuffers },
    disk: usage?.read() ?? null,
    forgetful: host.forgetful(),
    groups: host.groups(),
  }
}
