import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { connect, FileStoreDisk, initCluster, machineParts, NodeLog, readNodeConfig, startNode } from "#net"
import { NodeProcess } from "../support/node-process.ts"
import { until } from "../support/host-cluster.ts"
import { about, benchOptions, printReport, type Row } from "../support/report.ts"

/**
 * How long does a store of 1 GB take to be back? One store is filled over its client API, overwriting a part, and started
 * again: after SIGTERM, and after SIGKILL under load. Seconds from the start of the process until it says that it is up,
 * until it leads, and until it has answered a read. Then once in this process, for where the time goes. `--mib 1024`,
 * `--value 4096` bytes.
 */

const { mib: MIB, value: VALUE_BYTES } = benchOptions(import.meta.filename, { mib: 1_024, value: 4_096 })
/** One write: enough for the client not to be what takes the time. */
const BATCH = Math.max(1, Math.floor((256 << 10) / VALUE_BYTES))
const IN_FLIGHT = 16
const FILL_MS_MAX = 1_800_000
const PATIENCE_MS = 120_000

const root = mkdtempSync(join(tmpdir(), "orrery-restart-"))
process.on("exit", () => rmSync(root, { recursive: true, force: true }))
const made = await initCluster({
  directory: join(root, "cluster"),
  nodes: 1,
  host: "127.0.0.1",
  basePort: null,
  ranges: 1,
  nowMs: Date.now(),
})
const { directory } = made.stores[0]!
const client = connect({ config: made.client, timeoutMs: PATIENCE_MS })

function bytesIn(path: string): number {
  return readdirSync(path).reduce((sum, name) => sum + statSync(join(path, name)).size, 0)
}

/** On the disk now: the log as it will be read, and the base as it will be opened. */
function sizes(): { readonly logMiB: number; readonly baseMiB: number } {
  const tenant = join(directory, "tenants", "0")
  const blocks = statSync(join(tenant, "data", "data.mdb")).blocks
  return {
    logMiB: Math.round(bytesIn(join(tenant, "wal")) / 2 ** 20),
    baseMiB: Math.round((blocks * 512) / 2 ** 20),
  }
}

let written = 0
const total = Math.ceil((MIB * 2 ** 20) / (VALUE_BYTES * BATCH))

/** Batches from here on until `count` are written in all, or for as long as it goes when that is never. */
async function fill(count: number): Promise<void> {
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      while (written < count) {
        // Keys come in no order; every tenth batch overwrites an earlier one.
        const batch = written++
        const own = batch % 10 === 9 ? Math.floor(batch / 2) : batch
        const ops = Array.from({ length: BATCH }, (_, i) => ({
          type: "put" as const,
          key: keyOf(own, i),
          value: `${batch}`.padEnd(VALUE_BYTES, String.fromCharCode(97 + (batch % 26))),
        }))
        await client.batch(ops)
      }
    }),
  )
}

function keyOf(batch: number, i: number): string {
  return `${((batch * 2_654_435_761) % 2 ** 32).toString(16).padStart(8, "0")}/${i}`
}

type Restart = { readonly node: NodeProcess; readonly row: Row }

async function restart(): Promise<Restart> {
  const { logMiB, baseMiB } = sizes()
  const began = performance.now()
  const seconds = (): number => (performance.now() - began) / 1_000
  const node = await NodeProcess.start(directory)
  const upS = seconds()
  await until("it leads", () => node.has("roleChanged", "leader"), PATIENCE_MS)
  const leadsS = seconds()
  await client.get(keyOf(0, 0))
  return { node, row: { logMiB, baseMiB, upS: about(upS), leadsS: about(leadsS), readS: about(seconds()) } }
}

const rows: Record<string, Row> = {}
let node = await NodeProcess.start(directory)
const fillBegan = performance.now()
const guard = setTimeout(() => process.exit(1), FILL_MS_MAX)
await fill(total)
clearTimeout(guard)
console.log(`filled in ${Math.round((performance.now() - fillBegan) / 1_000)} s: ${JSON.stringify(sizes())}`)

await node.end("SIGTERM")
const clean = await restart()
rows["after SIGTERM"] = clean.row
node = clean.node

// While it writes: the log holds what the last checkpoint lacks.
const more = fill(Number.POSITIVE_INFINITY).catch(() => {})
const before = written
await until("it writes again", () => written > before + total / 20, PATIENCE_MS)
await node.end("SIGKILL")
written = Number.POSITIVE_INFINITY
const killed = await restart()
rows["after SIGKILL under load"] = killed.row
await more
client.close()
await killed.node.end("SIGKILL")

const config = readNodeConfig(directory)
const log = new NodeLog({ level: "silent", isPretty: false }, 1, made.cluster)
const spent: Record<string, Row> = {}
let at = performance.now()
let cpu = process.cpuUsage()
const lap = (name: string): void => {
  const now = performance.now()
  const used = process.cpuUsage(cpu)
  // What others take of the machine is in the first and not in the second.
  spent[name] = { seconds: about((now - at) / 1_000), "CPU seconds": about((used.user + used.system) / 1e6) }
  at = now
  cpu = process.cpuUsage()
}
const parts = machineParts(log)
const server = await startNode(
  directory,
  config,
  {
    ...parts,
    openDisk: async (path, own) => {
      const disk = await FileStoreDisk.open(path, own)
      lap("lock and directory")
      const images = disk.images.bind(disk)
      disk.images = async () => {
        const read = await images()
        lap("log read, bases opened")
        return read
      }
      return disk
    },
    openLinks: async (...args) => {
      lap("kernel opened on it")
      return parts.openLinks(...args)
    },
  },
  { log, watcher: null, isLost: false },
)
lap("doors opened")
await until("it leads", () => server.host.groups().some(({ role }) => role === "leader"), PATIENCE_MS)
lap("election")
await server.close()
console.log("of a start, in seconds:")
console.table(spent)
printReport({
  bench: "real/restart",
  question: "how long does a store of 1 GB take to be back?",
  rows,
  notes: ["Promised: up within 10 s. Load of the machine makes all of it longer."],
})
for (const name of ["after SIGTERM", "after SIGKILL under load"])
  if (Number(rows[name]!["upS"]) > 10) process.exitCode = 1
