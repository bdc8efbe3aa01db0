/**
 * How much memory does a campaign worker take, and does it keep what it should forget? One worker of the command line
 * runs seeds of the default campaign one after the other, then two at once: what the second adds to the process is
 * what a worker takes. `node bench/sim/memory.ts [--seeds 300] [--json]`. Promised (DESIGN §13): at most 256 MB a
 * worker. Heap after a collection should not grow with the number of seeds.
 */
import { drawPlan, simulate } from "#sim"
import { main as campaign } from "#scenarios/campaign.ts"
import { Pool } from "#cli/campaign/pool.ts"
import { RUN_WALL_MS_MAX } from "#cli/campaign/default-campaign.ts"
import { collectGarbage } from "../support/heap.ts"
import { about, benchOptions, printReport, type Row } from "../support/report.ts"

const MIB = 2 ** 20
const NONE = "–"
/** Live heap is looked at in this thread, where a collection can be asked for, over fewer seeds. */
const LIVE_SHARE = 6
const { seeds } = benchOptions(import.meta.filename, { seeds: 300 })
const engineUrl = new URL("../../cli/campaign/simulator.ts", import.meta.url).href
const rows: Record<string, Row> = {}

/** The process while `workers` run `seeds` seeds each: at its highest, and on average over the second half. */
async function resident(workers: number): Promise<{ readonly peak: number; readonly mean: number }> {
  const pool = new Pool(engineUrl, workers)
  let seed = 0
  let peak = 0
  let sum = 0
  let looks = 0
  const next = (): number | null => (seed < seeds * workers ? ++seed : null)
  await pool.each(next, async (lane, at) => {
    const task = {
      type: "run",
      scenario: "campaign",
      seed: at,
      planned: null,
      keepCheckpoints: false,
      keepHistory: false,
    } as const
    const end = await lane.perform(task, RUN_WALL_MS_MAX)
    if (end.type !== "answered") throw new Error(`Seed ${at} was not answered: ${end.type}`)
    const { rss } = process.memoryUsage()
    peak = Math.max(peak, rss)
    if (at <= (seeds * workers) / 2) return
    sum += rss
    looks++
  })
  pool.close()
  return { peak, mean: sum / looks }
}

function row(bytes: { readonly peak: number; readonly mean: number }): Row {
  return { "rss, MiB": about(bytes.mean / MIB), "rss peak, MiB": about(bytes.peak / MIB), "live, MiB": NONE }
}

const empty = process.memoryUsage().rss
const one = await resident(1)
const two = await resident(2)
rows["no worker"] = row({ peak: empty, mean: empty })
rows["one worker"] = row(one)
rows["two workers"] = row(two)
rows["what a worker adds"] = row({ peak: two.peak - one.peak, mean: two.mean - one.mean })
for (let seed = 1; seed <= Math.ceil(seeds / LIVE_SHARE); seed++) {
  simulate(drawPlan(campaign, seed))
  if (seed !== 1 && seed !== Math.ceil(seeds / LIVE_SHARE)) continue
  collectGarbage()
  const { heapUsed } = process.memoryUsage()
  rows[`live after ${seed} ${seed === 1 ? "seed" : "seeds"}`] = {
    "rss, MiB": NONE,
    "rss peak, MiB": NONE,
    "live, MiB": about(heapUsed / MIB),
  }
}
printReport({
  bench: "sim/memory",
  question: "How much memory does a campaign worker take?",
  rows,
  notes: [
    `Over ${seeds} seeds a worker; rss is the mean of the second half. Promise: 256 MB a worker.`,
    "Live is of one thread with the simulator loaded.",
  ],
})
