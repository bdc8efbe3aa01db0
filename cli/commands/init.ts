import type { Command } from "commander"
import { parseInteger } from "../arguments.ts"
import { EnvironmentError, UsageError } from "../errors.ts"
import type { Host } from "../host.ts"
import { paintFor } from "../report/paint.ts"
import { textTable } from "../report/table.ts"

// As in net/cluster/birth.ts, which is loaded when a cluster is made and not before: the simulator needs none of it.
const NODES_MAX = 100
const RANGES_MAX = 1_024
const PORT_MAX = 65_535

type Options = {
  readonly nodes: number
  readonly host: string
  readonly basePort?: number
  readonly ranges: number
  readonly json?: true
}

export function addInit(program: Command, host: Host, end: (code: number) => void): void {
  program
    .command("init")
    .summary("a new cluster's directory")
    .description(
      "Makes a cluster: its authority, a directory for each node, one for clients. Starts nothing.",
    )
    .argument("<dir>", "where; it must not exist yet, or be empty")
    .option("--nodes <n>", "stores", (text) => parseInteger("--nodes", text, 1, NODES_MAX), 3)
    .option("--host <host>", "where all of them listen", "127.0.0.1")
    .option("--base-port <n>", "two ports a node from this one on (default: free ones)", (text) =>
      parseInteger("--base-port", text, 1, PORT_MAX),
    )
    .option(
      "--ranges <n>",
      "ranges the keys are cut into",
      (text) => parseInteger("--ranges", text, 1, RANGES_MAX),
      1,
    )
    .option("--json", "what was made, as JSON")
    .action(async (dir: string, options: Options) => {
      const { nodes, ranges, basePort = null } = options
      if (basePort !== null && basePort + 2 * nodes - 1 > PORT_MAX) {
        throw new UsageError(`--base-port: ${basePort} leaves no room for two ports a node up to ${PORT_MAX}`)
      }
      if (!/^[0-9A-Za-z.:_-]{1,253}$/.test(options.host)) {
        throw new UsageError(`--host: "${options.host}" is not a host name or an address`)
      }
      const { ClusterError, initCluster } = await import("#net")
      try {
        const directory = dir
        const nowMs = Date.now()
        const made = await initCluster({ directory, nodes, host: options.host, basePort, ranges, nowMs })
        if (options.json === true) host.stdout.write(`${JSON.stringify(made, null, 1)}\n`)
        else {
          const rows = made.stores.map(({ store, host, peerPort, clientPort, directory }) => [
            String(store),
            `${host}:${peerPort}`,
            `${host}:${clientPort}`,
            directory,
          ])
          const paint = paintFor(host.stdout, host.env)
          const table = textTable(["store", "peers", "clients", "directory"], rows, [0], paint)
          const first = made.stores[0]!.directory
          host.stdout.write(
            `${table}\n\ncluster  ${made.cluster}\nclient   ${made.client}\nnext     orrery start ${first}${nodes > 1 ? ", and the others alike" : ""}\n`,
          )
        }
      } catch (thrown) {
        if (!(thrown instanceof ClusterError)) throw thrown
        const told = `${thrown.message} (${thrown.code})`
        throw thrown.code === "noFreePort" ? new EnvironmentError(told) : new UsageError(told)
      }
      end(0)
    })
}
