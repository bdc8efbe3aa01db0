/**
 * How many commits a second does the host's loop make when sockets and disks cost nothing? Three real hosts in this
 * process over memory: frames cross as bytes, every log frame is built and copied to its segment, a sync is done as soon
 * as the thread is free, clients keep a window of puts open. What is left beside the kernel (`kernel/commits`) is the
 * loop: turns, barriers, wake-ups, the clock. `node bench/real/host-loop.ts [--seconds 5] [--groups 16] [--json]`. With
 * `--record` each of them is measured again with flight recorders that write to a directory for temporary files.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { FlightRecorder } from "#net"
import { HostCluster, until } from "../support/host-cluster.ts"
import { Wire } from "../support/memory-links.ts"
import { about, benchOptions, cpuSeconds, printReport, type Row } from "../support/report.ts"

const VALUE = "v".repeat(256)
const WINDOWS = [1, 64, 256] as const

const options = benchOptions(import.meta.filename, { seconds: 5, groups: 16, record: false })
const { seconds, groups } = options

const rows: Record<string, Row> = {}
const isRecorded = options.record
for (const window of WINDOWS) {
  rows[`${window} in flight`] = await measure(window, null)
  if (!isRecorded) continue
  const directory = mkdtempSync(join(tmpdir(), "orrery-recording-"))
  rows[`${window}, recorded`] = await measure(window, directory)
  rmSync(directory, { recursive: true })
}
printReport({
  bench: "real/host-loop",
  question: "How many commits a second does the host's loop make over memory?",
  rows,
  notes: [
    `Three hosts share one thread; ${groups} groups, 256-byte values, each row ${seconds} s after a second of warm-up.`,
    "In a cluster every host has a core of its own: divide the CPU by three before you compare.",
  ],
})
process.exit(0)

async function measure(window: number, directory: string | null): Promise<Row> {
  const recorders = directory === null ? [] : await recordersIn(directory)
  const watcherOf = (store: number): FlightRecorder => recorders[store - 1]!
  const cluster = new HostCluster(new Wire(), directory === null ? {} : { watcherOf }, groups)
  await cluster.start()
  await until("every group has a leader that answers", async () => {
    for (let group = 1; group <= groups; group++) {
      const reply = await put(cluster, group, 0)
      if (reply !== "ok") return false
    }
    return true
  })
  const running = { is: true }
  let done = 0
  let latencies: number[] = []
  const client = async (number: number): Promise<void> => {
    for (let i = 0; running.is; i++) {
      const from = performance.now()
      const reply = await put(cluster, ((number + i) % groups) + 1, i)
      if (reply !== "ok") continue
      done++
      latencies.push(performance.now() - from)
    }
  }
  const clients = Array.from({ length: window }, (_, number) => client(number))
  await pause(1_000)
  const before = statsOf(cluster)
  const cpu = cpuSeconds()
  const from = performance.now()
  done = 0
  latencies = []
  await pause(seconds * 1_000)
  const took = (performance.now() - from) / 1_000
  const used = cpuSeconds() - cpu
  const commits = done
  const after = statsOf(cluster)
  const sorted = latencies.toSorted((a, b) => a - b)
  running.is = false
  await Promise.all(clients)
  cluster.kill()
  await Promise.all(recorders.map((recorder) => recorder.closed()))
  return {
    "commits/s": about(commits / took),
    "per CPU s": about(commits / used),
    "p50 ms": about(sorted[Math.floor(sorted.length * 0.5)] ?? Number.NaN),
    "p99 ms": about(sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN),
    "inputs/commit": about((after.inputs - before.inputs) / commits),
    "inputs/turn": about((after.inputs - before.inputs) / (after.turns - before.turns)),
    "appends/commit": about((after.appends - before.appends) / commits),
  }
}

function recordersIn(directory: string): Promise<readonly FlightRecorder[]> {
  const recorder = (store: number): Promise<FlightRecorder> =>
    FlightRecorder.create({ directory: join(directory, String(store)), build: "bench" })
  return Promise.all([1, 2, 3].map(recorder))
}

async function put(cluster: HostCluster, group: number, i: number): Promise<string> {
  const leader = cluster.leaderOf(group)
  if (leader === undefined) {
    await pause(20)
    return "notLeader"
  }
  const key = `${group === 1 ? "a" : `k${String(group - 1).padStart(3, "0")}`}-${i % 1_000}`
  const reply = await leader.ask([{ type: "put", key, value: VALUE }], { rangeId: group })
  if (reply.type === "ok") return "ok"
  cluster.forgetLeaderOf(group)
  return reply.error.code
}

function statsOf(cluster: HostCluster): {
  readonly inputs: number
  readonly turns: number
  readonly appends: number
} {
  const all = cluster.nodes.map((node) => node.host!.stats())
  const sum = (of: (stats: (typeof all)[number]) => number): number =>
    all.reduce((total, stats) => total + of(stats), 0)
  return {
    inputs: sum((stats) => stats.inputs),
    turns: sum((stats) => stats.turns),
    appends: sum((stats) => stats.appends),
  }
}
