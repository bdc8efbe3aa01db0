import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { ClusterError, initCluster, readClientConfig, readNodeConfig } from "#net"
import { EnvironmentError, UsageError } from "../errors.ts"
import type { ClusterOptions } from "./cluster.ts"
import type { ClusterDoor } from "./door.ts"
import { NodeDoor } from "./node-door.ts"
import { recordingOf } from "./recordings.ts"
import type { Made, RealWorld } from "./world.ts"

const LOOPBACK = "127.0.0.1"
/** What people start nodes with, run by this very Node. */
const ORRERY = fileURLToPath(new URL("../../bin/orrery.js", import.meta.url))

/** Clusters of `orrery init` on loopback, nodes of `orrery start`, and the client of `orrery/client`. */
export class NodeWorld implements RealWorld {
  async make(directory: string, nodes: number): Promise<Made> {
    try {
      const made = await initCluster({
        directory,
        nodes,
        host: LOOPBACK,
        basePort: null,
        ranges: 1,
        nowMs: Date.now(),
      })
      const { bootstrap } = readNodeConfig(made.stores[0]!.directory)
      return {
        layout: {
          directory: made.directory,
          nodes: made.stores.map((store) => ({ store: store.store, directory: store.directory })),
        },
        client: made.client,
        ranges: bootstrap.groups,
      }
    } catch (thrown) {
      throw told(thrown)
    }
  }

  door(client: string): ClusterDoor {
    try {
      return new NodeDoor(client, readClientConfig(client))
    } catch (thrown) {
      throw told(thrown)
    }
  }

  commandOf(record: string | null): ClusterOptions["commandOf"] {
    return (directory, store, boot) => {
      const recording = record === null ? [] : ["--record", join(record, recordingOf(store, boot))]
      return { command: process.execPath, args: [ORRERY, "start", directory, ...recording] }
    }
  }
}

function told(thrown: unknown): unknown {
  if (!(thrown instanceof ClusterError)) return thrown
  const text = `${thrown.message} (${thrown.code})`
  return thrown.code === "noFreePort" ? new EnvironmentError(text) : new UsageError(text)
}
