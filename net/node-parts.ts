import { readFileSync } from "node:fs"
import { join } from "node:path"
import { ClientApi } from "./api/client-api.ts"
import type { NodeConfig, StoreAddress } from "./cluster/node-config.ts"
import { FileStoreDisk } from "./disk/store-disk.ts"
import type { Host } from "./host/host.ts"
import type { PeerLinks } from "./host/ports.ts"
import type { NodeLog } from "./log.ts"
import { GrpcPeerLinks } from "./peer/links.ts"
import type { PeerLinksStats } from "./peer/stats.ts"
import type { NodeParts } from "./server.ts"

/** What `Status` says of a node besides its groups. */
export type NodeStatus = {
  readonly store: number
  readonly boot: number | null
  readonly incarnation: number | null
  readonly uptimeSeconds: number
  readonly host: ReturnType<Host["stats"]>
  readonly links: PeerLinksStats | null
  readonly memoryBytes: { readonly resident: number; readonly heap: number }
}

/** The parts of a node that `orrery start` runs: files and LMDB, gRPC over mutual TLS 1.3 on both sides. */
export function machineParts(log: NodeLog): NodeParts {
  let links: GrpcPeerLinks | null = null
  return {
    openDisk: (directory, config) =>
      FileStoreDisk.open(directory, config, { warn: (detail) => log.warn("disk", { detail }) }),
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
        onEvent: ({ type, ...fields }) => log.info(`peer.${type}`, fields),
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
        source: { groups: () => host.groups(), status: () => statusOf(config, host, links) },
      })
    },
  }
}

function addressOf({ store, stores }: NodeConfig): StoreAddress {
  // `readNodeConfig` refuses a store without an address.
  return stores.find((address) => address.store === store)!
}

function statusOf(config: NodeConfig, host: Host, links: GrpcPeerLinks | null): NodeStatus {
  const identity = host.identity()
  const { rss, heapUsed } = process.memoryUsage()
  return {
    store: config.store,
    boot: identity?.boot ?? null,
    incarnation: identity?.incarnation ?? null,
    uptimeSeconds: Math.round(process.uptime()),
    host: host.stats(),
    links: links?.stats() ?? null,
    memoryBytes: { resident: rss, heap: heapUsed },
  }
}
