import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { connect, initCluster, type Client, type NodeStatus } from "#net"
import { NodeProcess } from "../support/node-process.ts"
import { printReport, type Row } from "../support/report.ts"

/**
 * Is the memory of a node bounded? Three nodes under a mixed load over a fixed set of keys, with clients that come and go.
 * What each node has of its own and its heap, the least of every interval, since what the collector has not looked at yet
 * says nothing. The pages of its bases that it has mapped are the system's to take back: they are told and not judged.
 * `--for 60m` (or `300s`). Exits 1 when a line through the last two thirds of a node's samples climbs by more than a
 * tenth of their mean and 16 MiB, as far as it goes, or when a node ends.
 */

const SLACK_BYTES = 16 << 20
const SLACK_SHARE = 0.1
const INTERVALS = 60
const LOOK_MS = 1_000
const KEYS = 20_000
const IN_FLIGHT = 64
const OPERATIONS_A_CLIENT = 5_000

const forMs = durationOption("for", 60 * 60_000)

const root = mkdtempSync(join(tmpdir(), "orrery-soak-"))
process.on("exit", () => rmSync(root, { recursive: true, force: true }))
const made = await initCluster({
  directory: join(root, "cluster"),
  nodes: 3,
  host: "127.0.0.1",
  basePort: null,
  ranges: 4,
  nowMs: Date.now(),
})
const nodes = await Promise.all(made.stores.map(({ directory }) => NodeProcess.start(directory)))

const over = new AbortController()
let done = 0
let failed = 0

/** Several lives of clients, one after the other. */
async function live(number: number): Promise<void> {
  for (let life = number; !over.signal.aborted; life++) {
    const client = connect({ config: made.client })
    const one = async (): Promise<void> => {
      for (let left = OPERATIONS_A_CLIENT / IN_FLIGHT; left > 0 && !over.signal.aborted; left--) {
        try {
          await operation(client)
          done++
        } catch {
          failed++
        }
      }
    }
    await Promise.all(Array.from({ length: IN_FLIGHT }, one))
    client.close()
  }
}

function operation(client: Client): Promise<unknown> {
  const key = `${Math.floor(Math.random() * KEYS)}`
  const kind = Math.random()
  if (kind < 0.5) return client.put(key, "v".repeat(Math.floor(Math.random() * 2_048)))
  if (kind < 0.8) return client.get(key)
  if (kind < 0.85) return client.delete(key)
  if (kind < 0.9) return client.get(key, { read: "timeline" })
  if (kind < 0.95) return client.scan({ start: key, limit: 20 })
  return client.increment(`count ${key}`)
}

type Memory = { ownBytes: number; heapBytes: number; mappedBytes: number }
type Sample = Memory & { readonly atMs: number }
const KINDS = ["ownBytes", "heapBytes", "mappedBytes"] as const

/** Of `/proc/<pid>/status`, in bytes. */
function residentOf(pid: number, field: "RssAnon" | "RssFile"): number {
  const line = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))
  if (line === null) throw new Error(`This system does not tell ${field}`)
  return Number(line[1]) * 1_024
}

const samples: Sample[][] = nodes.map(() => [])
const watcher = connect({ config: made.client })
const load = [live(0), live(1)]
const began = performance.now()
const intervalMs = forMs / INTERVALS
while (performance.now() - began < forMs) {
  await pause(LOOK_MS)
  const atMs = performance.now() - began
  for (const [i, { store }] of made.stores.entries()) {
    if (!nodes[i]!.isUp)
      throw new Error(`Store ${store} has ended: ${JSON.stringify(nodes[i]!.lines.at(-1))}`)
    const status = (await watcher.status(store).catch(() => null)) as NodeStatus | null
    if (status === null) continue
    const { pid } = nodes[i]!
    const now: Memory = {
      ownBytes: residentOf(pid, "RssAnon"),
      heapBytes: status.memoryBytes.heap,
      mappedBytes: residentOf(pid, "RssFile"),
    }
    const last = samples[i]!.at(-1)
    if (last === undefined || Math.floor(last.atMs / intervalMs) !== Math.floor(atMs / intervalMs)) {
      samples[i]!.push({ ...now, atMs })
    } else {
      for (const kind of KINDS) last[kind] = Math.min(last[kind], now[kind])
    }
  }
}
over.abort()
await Promise.all(load)
watcher.close()
await Promise.all(nodes.map((node) => node.end("SIGTERM")))

const rows: Record<string, Row> = {}
for (const [i, { store }] of made.stores.entries()) {
  for (const name of KINDS) {
    const late = samples[i]!.filter(({ atMs }) => atMs > forMs / 3).map(
      (one) => [one.atMs, one[name]] as const,
    )
    const mean = late.reduce((sum, [, bytes]) => sum + bytes, 0) / late.length
    const climb = (slope(late) * (forMs * 2)) / 3
    const isJudged = name !== "mappedBytes"
    const isBounded = late.length > 2 && climb <= SLACK_SHARE * mean + SLACK_BYTES
    if (isJudged && !isBounded) process.exitCode = 1
    rows[`store ${store}, ${name.replace("Bytes", "")}`] = {
      samples: late.length,
      "first MiB": mib(samples[i]![0]?.[name] ?? 0),
      "mean MiB": mib(mean),
      "last MiB": mib(late.at(-1)?.[1] ?? 0),
      "climb MiB": mib(climb),
      bounded: isJudged ? (isBounded ? "yes" : "NO") : "-",
    }
  }
}
printReport({
  bench: "real/soak",
  question: "is the memory of a node bounded?",
  rows,
  notes: [`${done} operations in ${Math.round(forMs / 1_000)} s, ${failed} failed.`],
})

/** Of the line with the least squares, in units a millisecond. */
function slope(points: readonly (readonly [number, number])[]): number {
  const count = points.length
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / count
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / count
  const over = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0)
  const under = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
  return under === 0 ? 0 : over / under
}

function mib(bytes: number): number {
  return Math.round(bytes / 2 ** 20)
}

function durationOption(name: string, otherwise: number): number {
  const at = process.argv.indexOf(`--${name}`)
  if (at < 0) return otherwise
  const match = /^(\d+)(s|m|h)$/.exec(process.argv[at + 1] ?? "")
  if (match === null) throw new Error(`--${name} takes a duration such as 300s or 60m`)
  return Number(match[1]) * { s: 1_000, m: 60_000, h: 3_600_000 }[match[2] as "s" | "m" | "h"]
}
