import { fork, type ChildProcess } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { SingleBar } from "cli-progress"
import { newTally } from "./trace.ts"
import type { Done } from "./trace-process.ts"

// `node test/conformance/run.ts [--traces 1000] [--from 1] [--jobs 2]`: seeds of the default campaign, whole, each simulated and
// then lived again on real files by kernels that hear all by bytes. Exits 1 at any difference. The files go to the system's
// directory for temporary ones: one in memory (TMPDIR) is fastest.

const { values } = parseArgs({
  options: {
    traces: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    jobs: { type: "string", default: "2" },
  },
})
const [traces, from, jobs] = [values.traces, values.from, values.jobs].map(numberOf)
const SAY_MS = 10_000

function numberOf(text: string): number {
  const number = Number(text)
  if (Number.isSafeInteger(number) && number > 0) return number
  console.error(`"${text}" is no number of traces, seeds or jobs`)
  process.exit(2)
}

const total = newTally()
const started = performance.now()
// Each start of a store starts a thread: what it loads is compiled once.
const compiled = mkdtempSync(join(tmpdir(), "orrery-compiled-"))
const env = { ...process.env, NODE_COMPILE_CACHE: compiled }
const children: ChildProcess[] = []
let same = 0
let done = 0
let next = from!
let saidAt = started
const bar = process.stderr.isTTY
  ? new SingleBar({
      format: "conformance {bar} {value}/{total} traces, {differ} differ, about {left} s left",
      clearOnComplete: true,
    })
  : null
bar?.start(traces!, 0, { differ: 0, left: "?" })

/** Rejects when the process ends with a trace in its hands. */
function work(): Promise<void> {
  const child = fork(new URL("./trace-process.ts", import.meta.url), { env })
  children.push(child)
  return new Promise((resolve, reject) => {
    const give = (): void => {
      if (next < from! + traces!) child.send(next++)
      else child.disconnect()
    }
    child.on("message", (message) => {
      take(message as Done)
      give()
    })
    child.on("error", reject)
    child.on("exit", (code) => {
      if (code === 0) resolve()
      else reject(new Error(`A process ended with ${code}`))
    })
    give()
  })
}

function take({ seed, tally }: Done): void {
  const { differences, ...counts } = tally
  for (const [name, count] of Object.entries(counts)) total[name as keyof typeof counts] += count
  for (const difference of differences) console.log(`seed ${seed}: ${difference}`)
  if (differences.length === 0) same++
  done++
  const now = performance.now()
  const left = Math.round((((now - started) / done) * (traces! - done)) / 1_000)
  bar?.update(done, { differ: done - same, left })
  if (bar !== null || now - saidAt < SAY_MS) return
  saidAt = now
  console.error(`${done}/${traces} traces, ${done - same} differ, about ${left} s left`)
}

/** Ctrl-C as well. */
function leave(): void {
  bar?.stop()
  for (const child of children) child.kill()
  rmSync(compiled, { recursive: true, force: true })
}
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    leave()
    process.exit(1)
  })
}

try {
  await Promise.all(Array.from({ length: Math.min(jobs!, traces!) }, work))
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
} finally {
  leave()
}
console.table({
  traces,
  same,
  events: total.events,
  "starts of a store": total.lives,
  "steps held": total.steps,
  "steps of zombies, not followed": total.zombieSteps,
  "frames through the codec": total.frames,
  "effects compared": total.effects,
  "MiB of inputs": mebibytes(total.inputBytes),
  "orders to real disks": total.orders,
  "checkpoints into LMDB": total.checkpoints,
  "MiB written": mebibytes(total.orderBytes),
  "log files compared": total.files,
  "MiB compared": mebibytes(total.bytes),
  "LMDB rows compared": total.rows,
  "volumes as a crash or fault left them": total.settled,
  "volumes not compared, damaged since": total.struck,
  seconds: Math.round((performance.now() - started) / 1_000),
})
process.exitCode = same === traces ? 0 : 1

function mebibytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20)
}
