import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { connect, initCluster, type Client, type NodeStatus } from "#net"
import { NodeProcess } from "../support/node-process.ts"
import { cpuOf } from "../support/proc.ts"
import { benchOptions, printReport, type Row } from "../support/report.ts"

/**
 * Is the memory of a node bounded? Three nodes under a mixed load over a fixed set of keys, with clients that come and go.
 * `node bench/real/soak.ts [--for 60m] [--rate 200] [--json]`: for so long (or `300s`), so many operations a second in all,
 * few enough that an hour of it can run beside other work; 0 is as many as there can be.
 *
 * What a node has is told apart: `anonymous` is what it has of its own (RssAnon), of which `heap` is live or not collected
 * yet and `external` is held by objects of the heap outside of it; `file` is what it has mapped of files (RssFile), most of
 * it pages of its bases, which are the system's to take back: told and not judged. Of every interval the least counts, since
 * what the collector has not looked at yet says nothing. Exits 1 when a line through the last two thirds of a node's
 * samples climbs by more than a tenth of their mean and 16 MiB, as far as it goes, or when a node ends.
 */

const SLACK_BYTES = 16 << 20
const SLACK_SHARE = 0.1
const INTERVALS = 60
const LOOK_MS = 1_000
const KEYS = 20_000
const IN_FLIGHT = 64
const OPERATIONS_A_CLIENT = 5_000
const PROGRESS_MS = 5 * 60_000

const options = benchOptions(import.meta.filename, { for: "60m", rate: 200 })
const forMs = durationOf(options.for)

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
let nextMs = performance.now()

/** Until the next operation may begin. What was missed while all stood still is not made up for. */
async function turn(): Promise<void> {
  if (options.rate === 0) return
  const nowMs = performance.now()
  nextMs = Math.max(nextMs + 1_000 / options.rate, nowMs - LOOK_MS)
  if (nextMs > nowMs) await pause(nextMs - nowMs, null, { signal: over.signal }).catch(() => null)
}

/** Several lives of clients, one after the other. */
async function live(number: number): Promise<void> {
  for (let life = number; !over.signal.aborted; life++) {
    const client = connect({ config: made.client })
    const one = async (): Promise<void> => {
      for (let left = OPERATIONS_A_CLIENT / IN_FLIGHT; left > 0 && !over.signal.aborted; left--) {
        await turn()
        if (over.signal.aborted) break
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

const KINDS = ["anonymous", "heap", "external", "file"] as const
type Memory = Record<(typeof KINDS)[number], number>
type Sample = Memory & { readonly atMs: number }

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
let toldMs = began
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
      anonymous: residentOf(pid, "RssAnon"),
      heap: status.memoryBytes.heap,
      external: status.memoryBytes.external,
      file: residentOf(pid, "RssFile"),
    }
    const last = samples[i]!.at(-1)
    if (last === undefined || Math.floor(last.atMs / intervalMs) !== Math.floor(atMs / intervalMs)) {
      samples[i]!.push({ ...now, atMs })
    } else {
      for (const kind of KINDS) last[kind] = Math.min(last[kind], now[kind])
    }
  }
  if (performance.now() - toldMs < PROGRESS_MS) continue
  toldMs = performance.now()
  const own = samples.map((of) => mib(of.at(-1)?.anonymous ?? 0)).join(", ")
  console.error(`${Math.round((toldMs - began) / 60_000)} min: ${done} operations, anonymous MiB: ${own}`)
}
const cpuShare = nodes.map(({ pid }) => (cpuOf(pid) * 1_000) / (performance.now() - began))
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
    const isJudged = name !== "file"
    const isBounded = late.length > 2 && climb <= SLACK_SHARE * mean + SLACK_BYTES
    if (isJudged && !isBounded) process.exitCode = 1
    rows[`store ${store}, ${name}`] = {
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
  notes: [
    `${done} operations in ${Math.round(forMs / 1_000)} s, ${failed} failed.`,
    `Of a core, nodes have used ${cpuShare.map((share) => `${Math.round(share * 100)} %`).join(", ")}.`,
  ],
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

function durationOf(text: string): number {
  const match = /^(\d+)(s|m|h)$/.exec(text)
  if (match === null) throw new Error(`--for takes a duration such as 300s or 60m`)
  return Number(match[1]) * { s: 1_000, m: 60_000, h: 3_600_000 }[match[2] as "s" | "m" | "h"]
}
