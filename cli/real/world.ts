import type { Bootstrap } from "#kernel"
import type { ClusterLayout, ClusterOptions } from "./cluster.ts"
import type { ClusterDoor } from "./door.ts"

/** A cluster that was made and has not been started. */
export type Made = {
  readonly layout: ClusterLayout
  /** The folder that a client connects with. */
  readonly client: string
  readonly ranges: readonly Bootstrap[]
}

/** Where clusters come from: `orrery init`, `orrery start` and the client API; a test may bring its own. */
export interface RealWorld {
  /** Into a folder that is not there yet. */
  make(directory: string, nodes: number): Promise<Made>
  /** By the client's folder of a cluster. Throws `UsageError` when it is none. */
  door(client: string): ClusterDoor
  /** With `record` every boot of a node records itself into a folder of its own there. */
  commandOf(record: string | null): ClusterOptions["commandOf"]
}
