/**
 * What does `--record` cost? Two clusters of three processes, one with a recording of every node, loaded in turn with puts
 * of 256 B, pair by pair. `node bench/real/recorder.ts [--seconds 5] [--pairs 3] [--clients 64] [--warm-up 10] [--json]`.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { join } from "node:path"
import { connect } from "#net"
import { closedLoop, type LoadConnection } from "../support/closed-loop.ts"
import { NodeProcesses } from "../support/node-processes.ts"
import { cpuOf, machineCpuS } from "../support/proc.ts"
import { about, benchOptions, median, printReport, type Row } from "../support/report.ts"

const {
  seconds: SECONDS,
  pairs: PAIRS,
  clients: CLIENTS,
  "warm-up": WARM_UP,
} = benchOptions(import.meta.filename, { seconds: 5, pairs: 3, clients: 64, "warm-up": 10 })
const CONNECTIONS_MAX = 8

type Figures = {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuUsPerOp: number
  readonly busyCores: number
}

function connectionsOf(nodes: NodeProcesses): readonly LoadConnection[] {
  return Array.from({ length: Math.min(CLIENTS, CONNECTIONS_MAX) }, () => {
    const client = connect({ config: nodes.made.client })
    return {
      put: (key, value) => client.put(key, value),
      get: (key) => client.get(key),
      close: () => client.close(),
    }
  })
}

async function measure(nodes: NodeProcesses, seconds: number): Promise<Figures> {
  const connections = connectionsOf(nodes)
  const cpuS = (): number => nodes.processes.reduce((sum, { pid }) => sum + cpuOf(pid), 0)
  let before = 0
  let machine = 0
  const figures = await closedLoop(connections, CLIENTS, "puts", seconds, () => {
    before = cpuS()
    machine = machineCpuS()
  })
  const used = cpuS() - before
  for (const one of connections) one.close()
  for (const one of nodes.processes) one.check()
  return {
    perSecond: figures.perSecond,
    p50Ms: figures.p50Ms,
    p99Ms: figures.p99Ms,
    cpuUsPerOp: about((used / figures.count) * 1e6),
    busyCores: (machineCpuS() - machine) / figures.seconds,
  }
}

const directory = mkdtempSync(join(import.meta.dirname, "..", "..", ".recorder-bench-"))
const ending: (() => Promise<void>)[] = []
const rows: Record<string, Row> = {}
try {
  const plain = await NodeProcesses.start({ directory: join(directory, "plain") })
  ending.push(() => plain.end())
  const recorded = await NodeProcesses.start({
    directory: join(directory, "recorded"),
    startOf: (store) => ["--record", join(directory, `recording-${store}`)],
  })
  ending.push(() => recorded.end())
  const clusters = [plain, recorded] as const
  for (const cluster of clusters) await measure(cluster, WARM_UP)
  const figures: readonly [Figures[], Figures[]] = [[], []]
  for (let pair = 0; pair < PAIRS; pair++) {
    for (const at of pair % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      figures[at].push(await measure(clusters[at], SECONDS))
    }
  }
  for (const at of [0, 1] as const) {
    const of = (field: keyof Figures): number => about(median(figures[at].map((one) => one[field])))
    const share = figures[at].map((one, i) => about(one.perSecond / figures[0][i]!.perSecond))
    const cpu = figures[at].map((one, i) => about(one.cpuUsPerOp / figures[0][i]!.cpuUsPerOp))
    rows[at === 0 ? "without" : "with --record"] = {
      "puts/s": of("perSecond"),
      "p50 ms": of("p50Ms"),
      "p99 ms": of("p99Ms"),
      "of without, by pair": share.join(" "),
      "CPU us/op, nodes": of("cpuUsPerOp"),
      "CPU of without, by pair": cpu.join(" "),
      "machine, cores busy": of("busyCores"),
    }
  }
} finally {
  for (const end of ending) await end()
  rmSync(directory, { recursive: true, force: true })
}

printReport({
  bench: "real/recorder",
  question: `What does a recording of every node cost, with ${CLIENTS} puts in flight?`,
  rows,
  notes: [`Medians of ${PAIRS} pairs of ${SECONDS} s. Promised: at most 10 % of the throughput.`],
})
