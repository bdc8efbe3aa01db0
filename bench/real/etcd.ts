/**
 * How many replicated, synced puts of 256 B does a cluster take, and how many linearizable reads, beside etcd? Three nodes
 * of each on this machine, started once and both up all the time; they are loaded in turn, pair by pair, and every ratio is
 * of one pair. `node bench/real/etcd.ts [--seconds 10] [--pairs 3] [--clients 1,64,256] [--connections 8] [--profile DIR] [--alone] [--json]`.
 *
 * Both: requests in flight from one client process over up to eight connections, to the leader, over what `init` or the
 * package has by default, data on the disk of this checkout. Orrery: mutual TLS 1.3, a session a connection, one range,
 * every put with a token (exactly once), and without for comparison. etcd: plaintext, unary calls, which is what its API
 * has for a put; Orrery's has sessions only.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { join } from "node:path"
import { connect } from "#net"
import { closedLoop, KEY_BYTES, VALUE_BYTES, type LoadConnection, type Work } from "../support/closed-loop.ts"
import { EtcdProcesses, findEtcd } from "../support/etcd-processes.ts"
import { NodeProcesses, type MeasuredProcess } from "../support/node-processes.ts"
import { cpuOf, deviceWrittenBytes, machineCpuS } from "../support/proc.ts"
import { about, benchOptions, median, printReport, type Row } from "../support/report.ts"

/** Long enough for a checkpoint to fall into it. */
const options = benchOptions(import.meta.filename, {
  seconds: 10,
  pairs: 3,
  clients: "1,64,256",
  work: "puts,reads",
  "warm-up": 10,
  connections: 8,
  profile: "",
  alone: false,
})
const { seconds: SECONDS, pairs: PAIRS, connections: CONNECTIONS_MAX, profile: PROFILE } = options
const CLIENTS = options.clients.split(",").map(Number)
const WORKS = options.work.split(",") as readonly Work[]
const WARM_UP = options["warm-up"]

type System = {
  readonly name: string
  readonly processes: readonly MeasuredProcess[]
  readonly leader: MeasuredProcess
  connect(): LoadConnection
  /** Counts of the leader's loop since its start. */
  readonly counts?: () => Promise<LoopCounts>
}

type LoopCounts = { readonly turns: number; readonly inputs: number; readonly appends: number }

type Figures = {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly clientCores: number
  readonly leaderCores: number
  readonly otherNodesCores: number
  readonly othersCores: number
  readonly writtenPerByte: number
  readonly cpuUsPerOp: number
  readonly turnsPerOp: number
  readonly appendsPerOp: number
}

async function measure(system: System, work: Work, inFlight: number): Promise<Figures> {
  const { processes, leader } = system
  const countsBefore = await system.counts?.()
  const connections = Array.from({ length: Math.min(inFlight, CONNECTIONS_MAX) }, () => system.connect())
  try {
    let before = processes.map(({ pid }) => cpuOf(pid))
    let own = process.cpuUsage()
    let machine = 0
    let writtenBefore: number | null = null
    const figures = await closedLoop(connections, inFlight, work, SECONDS, () => {
      before = processes.map(({ pid }) => cpuOf(pid))
      writtenBefore = deviceWrittenBytes(directory)
      own = process.cpuUsage()
      machine = machineCpuS()
    })
    const all = machineCpuS() - machine
    const countsAfter = await system.counts?.()
    const used = process.cpuUsage(own)
    const nodes = processes.map(({ pid }, i) => cpuOf(pid) - before[i]!)
    const written = deviceWrittenBytes(directory)
    for (const one of processes) one.check()
    const clientS = (used.user + used.system) / 1e6
    const nodesS = nodes.reduce((sum, cpuS) => sum + cpuS, 0)
    const leaderS = nodes[processes.indexOf(leader)]!
    const data = figures.count * (KEY_BYTES + VALUE_BYTES)
    // Warm-up included, on both sides.
    const perOp = (of: keyof LoopCounts): number =>
      countsBefore === undefined || countsAfter === undefined
        ? Number.NaN
        : about((countsAfter[of] - countsBefore[of]) / figures.allCount)
    const cores = (cpuS: number): number => about(cpuS / figures.seconds)
    return {
      perSecond: figures.perSecond,
      p50Ms: figures.p50Ms,
      p99Ms: figures.p99Ms,
      clientCores: cores(clientS),
      leaderCores: cores(leaderS),
      otherNodesCores: cores(nodesS - leaderS),
      othersCores: cores(Math.max(0, all - clientS - nodesS)),
      writtenPerByte:
        written === null || writtenBefore === null
          ? Number.NaN
          : about((written - writtenBefore) / processes.length / data),
      turnsPerOp: perOp("turns"),
      appendsPerOp: perOp("appends"),
      cpuUsPerOp: about((nodesS / figures.count) * 1e6),
    }
  } finally {
    for (const one of connections) one.close()
  }
}

async function warmUp(system: System): Promise<void> {
  const connections = Array.from({ length: CONNECTIONS_MAX }, () => system.connect())
  await closedLoop(connections, 64, "puts", WARM_UP, () => {})
  for (const one of connections) one.close()
}

const directory = mkdtempSync(join(import.meta.dirname, "..", "..", ".etcd-bench-"))
const rows: Record<string, Row> = {}
const notes: string[] = []
const ending: (() => Promise<void>)[] = []

async function orrery(): Promise<readonly System[]> {
  const profileIn = PROFILE === "" ? null : PROFILE
  const nodes = await NodeProcesses.start({ directory: join(directory, "orrery"), profileIn })
  ending.push(() => nodes.end())
  const leader = await nodes.leaderOf(1)
  const asking = connect({ config: nodes.made.client })
  ending.push(async () => asking.close())
  const counts = async (): Promise<LoopCounts> => {
    const { host } = (await asking.status(nodes.processes.indexOf(leader) + 1)) as { host: LoopCounts }
    return host
  }
  const system = (name: string, exactlyOnce: boolean): System => ({
    name,
    processes: nodes.processes,
    leader,
    counts,
    connect: () => {
      const client = connect({ config: nodes.made.client })
      return {
        put: (key, value) => client.put(key, value, { exactlyOnce }),
        get: (key) => client.get(key),
        close: () => client.close(),
      }
    },
  })
  return [system("orrery", true), system("orrery, no tokens", false)]
}

async function etcd(): Promise<readonly System[]> {
  if (options.alone) return []
  const found = findEtcd(directory)
  if ("reason" in found) {
    console.error(`NO ETCD: nothing to compare with. ${found.reason}`)
    notes.push("Without etcd: it is not installed and its package could not be had. No ratio was measured.")
    return []
  }
  const members = await EtcdProcesses.start(found.path, directory)
  ending.push(() => members.end())
  const leader = await members.leader()
  const { processes } = members
  return [{ name: "etcd", processes, leader: processes[leader]!, connect: () => members.connect(leader) }]
}

function row(name: string, pairs: readonly Figures[], peer: readonly Figures[] | null): void {
  const of = (field: keyof Figures): number => about(median(pairs.map((one) => one[field])))
  const ratios = peer?.map((its, i) => about(pairs[i]!.perSecond / its.perSecond)) ?? []
  rows[name] = {
    "per s": of("perSecond"),
    "p50 ms": of("p50Ms"),
    "p99 ms": of("p99Ms"),
    "x etcd, by pair": ratios.join(" "),
    "p99 of etcd's": peer === null ? "" : about(of("p99Ms") / median(peer.map((one) => one.p99Ms))),
    "CPU us/op, nodes": of("cpuUsPerOp"),
    "leader's turns/op": of("turnsPerOp") || "",
    "appends/op": of("appendsPerOp") || "",
    "client cores": of("clientCores"),
    "leader cores": of("leaderCores"),
    "other nodes' cores": of("otherNodesCores"),
    "others' cores": of("othersCores"),
    "written/B, a node": name.includes("puts") ? of("writtenPerByte") : "",
  }
}

try {
  const ours = await orrery()
  const theirs = await etcd()
  for (const system of [ours[0]!, ...theirs]) await warmUp(system)
  for (const work of WORKS) {
    for (const inFlight of CLIENTS) {
      const systems = [...(work === "puts" ? ours : ours.slice(0, 1)), ...theirs]
      const figures = new Map(systems.map((system) => [system, [] as Figures[]]))
      for (let pair = 0; pair < PAIRS; pair++) {
        // Each pair begins with another one, so that a machine that drifts is unfair to none.
        for (let i = 0; i < systems.length; i++) {
          const system = systems[(i + pair) % systems.length]!
          figures.get(system)!.push(await measure(system, work, inFlight))
        }
      }
      const peer = theirs[0] === undefined ? null : figures.get(theirs[0])!
      for (const [system, pairs] of figures) {
        row(`${work}, ${inFlight} in flight: ${system.name}`, pairs, system === theirs[0] ? null : peer)
      }
    }
  }
} finally {
  for (const end of ending) await end()
  rmSync(directory, { recursive: true, force: true })
}

printReport({
  bench: "real/etcd",
  question: "How many synced, replicated puts and linearizable reads a second, beside etcd?",
  rows,
  notes: [
    ...notes,
    `Medians of ${PAIRS} pairs of ${SECONDS} s each. Client, three nodes and three members share the cores of this machine.`,
    "Written: bytes the device was given by anyone meanwhile, a third of it, for each byte of keys and values: log and base.",
    `Before the first pair each system took puts for ${WARM_UP} s: engines learn, and logs begin with small segments.`,
    "Others' cores: what processes that have no part in it took meanwhile; the other system, idle, is among them.",
  ],
})
