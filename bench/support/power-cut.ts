import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { connect, initCluster, type NodeConfig } from "#net"
import { LoopDisk } from "./loop-disk.ts"
import { NodeProcess } from "./node-process.ts"
import { until } from "./host-cluster.ts"
import { unsynced, type Unsynced } from "./unsynced.ts"
import { lostOf, Writers, type Known } from "./writers.ts"

const DISK_BYTES = 192 << 20
/** Small, so that checkpoints are taken and segments released while a test looks on. */
const LIMITS = {
  checkpointLogBytes: 256 << 10,
  segmentBytesFirst: 64 << 10,
  segmentBytesMax: 256 << 10,
  logKeepEntries: 64,
}
const WAIT_MS = 30_000

export type CutOptions = {
  /** The syncs that this build leaves out; null is the build that ships. */
  readonly without: Unsynced | null
  readonly writers: number
  /** Power goes when so many writes are acknowledged and so many segments of the log were given up. */
  readonly acknowledged: number
  readonly released: number
}

export type CutReport = {
  /** Writes that were acknowledged, before the cut or after it. */
  readonly acknowledged: number
  /** Segments given up before the cut: what they held, only the base still has. */
  readonly released: number
  /** Keys that do not have a value at least as new as the last that was acknowledged. */
  readonly lost: readonly string[]
  /** Why the store could not serve after the cut; null when it did. */
  readonly refusal: string | null
}

/** A store writes under load, the power is cut, and what its disk had is started anew by the build that ships. */
export async function powerCut(options: CutOptions): Promise<CutReport> {
  const root = mkdtempSync(join(tmpdir(), "orrery-power-"))
  let disk = await LoopDisk.make(root, DISK_BYTES)
  try {
    const { client: clientDirectory } = await makeStore(join(disk.path, "cluster"))
    const config = join(root, "client")
    cpSync(clientDirectory, config, { recursive: true })
    const directory = join(disk.path, "cluster", "node-1")
    const load = new Writers(connect({ config }), options.writers)
    let released = 0
    const node = await NodeProcess.start(directory, options.without === null ? [] : unsynced(options.without))
    try {
      load.begin()
      await until("so much is written", () => {
        released = releasedSegments(directory)
        return (
          (load.acknowledged >= options.acknowledged && released >= options.released) || load.error !== null
        )
      })
      if (load.error !== null) throw load.error
      await disk.cut()
      // It runs on: the disk gives it errors, and it stops by itself.
      await until("the store stops", () => !node.isUp, WAIT_MS)
    } finally {
      await node.end()
      await load.end()
    }
    disk = await disk.copied()
    const { lost, refusal } = await whatIsLeft(directory, config, load.known)
    return { acknowledged: load.acknowledged, released, lost, refusal }
  } finally {
    await disk.close()
    rmSync(root, { recursive: true, force: true })
  }
}

async function makeStore(directory: string): Promise<{ readonly client: string }> {
  const host = "127.0.0.1"
  const made = await initCluster({ directory, nodes: 1, host, basePort: null, ranges: 1, nowMs: Date.now() })
  const file = join(made.stores[0]!.directory, "node.json")
  const config = JSON.parse(readFileSync(file, "utf8")) as NodeConfig
  writeFileSync(file, JSON.stringify({ ...config, limits: LIMITS }))
  return made
}

/** Of the tenant's volume: segments are numbered from 1 and given up from the oldest on. */
function releasedSegments(directory: string): number {
  const names = readdirSync(join(directory, "tenants", "0", "wal")).filter((name) => name.endsWith(".seg"))
  return names.length === 0 ? 0 : Math.min(...names.map((name) => Number.parseInt(name, 10))) - 1
}

async function whatIsLeft(
  directory: string,
  config: string,
  known: Known,
): Promise<Pick<CutReport, "lost" | "refusal">> {
  const keys = [...known.keys()]
  let node: NodeProcess
  try {
    node = await NodeProcess.start(directory)
  } catch (error) {
    return { lost: keys, refusal: String(error) }
  }
  const client = connect({ config, timeoutMs: WAIT_MS })
  try {
    // An election that takes its time is no loss: it leads, or it has nothing to lead, or says that its state is gone, or
    // it has ended.
    const isDecided = (): boolean =>
      node.has("roleChanged", "leader") || node.has("replicaRemoved") || node.has("stateLost") || !node.isUp
    await until("the store serves, or says that it cannot", isDecided, WAIT_MS)
    if (node.has("stateLost")) return { lost: keys, refusal: "its state is lost" }
    if (!node.has("roleChanged", "leader")) return { lost: keys, refusal: "it has no replica any more" }
    return { lost: await lostOf(client, known), refusal: null }
  } finally {
    client.close()
    await node.end()
  }
}
