/**
 * What do groups cost that nobody uses? Three processes of `orrery start` with so many ranges, left alone: CPU of each
 * process, all threads, and frames it sends to others. `node bench/real/idle.ts [--groups 256] [--settle 15] [--seconds 20] [--json]`.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { connect } from "#net"
import { NodeProcesses } from "../support/node-processes.ts"
import { cpuOf } from "../support/proc.ts"
import { about, benchOptions, printReport, type Row } from "../support/report.ts"

const {
  groups: GROUPS,
  settle: SETTLE,
  seconds: SECONDS,
} = benchOptions(import.meta.filename, { groups: 256, settle: 15, seconds: 20 })

type Status = {
  readonly host: { readonly turns: number; readonly appends: number }
  readonly links: { readonly peers: readonly { readonly lanes: readonly LaneCount[] }[] }
}
type LaneCount = { readonly sent: { readonly frames: number; readonly bytes: number } }

type Sample = {
  readonly cpuS: number
  readonly frames: number
  readonly bytes: number
  readonly turns: number
  readonly appends: number
}

const directory = mkdtempSync(join(import.meta.dirname, "..", "..", ".idle-bench-"))
const rows: Record<string, Row> = {}
try {
  const nodes = await NodeProcesses.start({ directory: join(directory, "cluster"), ranges: GROUPS })
  const client = connect({ config: nodes.made.client })
  const sample = (): Promise<readonly Sample[]> =>
    Promise.all(
      nodes.made.stores.map(async ({ store }, i): Promise<Sample> => {
        const { host, links } = (await client.status(store)) as Status
        const sent = links.peers.flatMap(({ lanes }) => lanes.map((lane) => lane.sent))
        return {
          cpuS: cpuOf(nodes.processes[i]!.pid),
          frames: sent.reduce((sum, { frames }) => sum + frames, 0),
          bytes: sent.reduce((sum, { bytes }) => sum + bytes, 0),
          turns: host.turns,
          appends: host.appends,
        }
      }),
    )
  try {
    // Elections are over; engines forget what they learnt of them, and groups go to rest.
    await pause(SETTLE * 1_000)
    const before = await sample()
    const startedMs = performance.now()
    await pause(SECONDS * 1_000)
    const after = await sample()
    const seconds = (performance.now() - startedMs) / 1_000
    for (let i = 0; i < before.length; i++) {
      const perSecond = (of: keyof Sample): number => about((after[i]![of] - before[i]![of]) / seconds)
      rows[`node ${i + 1}`] = {
        "% of a core": about(perSecond("cpuS") * 100),
        "frames sent/s": perSecond("frames"),
        "bytes sent/s": perSecond("bytes"),
        "turns/s": perSecond("turns"),
        "appends/s": perSecond("appends"),
      }
    }
  } finally {
    client.close()
    await nodes.end()
  }
} finally {
  rmSync(directory, { recursive: true, force: true })
}

printReport({
  bench: "real/idle",
  question: `What do ${GROUPS} groups cost that nobody uses, on three processes?`,
  rows,
  notes: ["Promised: less than 5 % of a core and 100 messages a second, each node."],
})
