import { parse, join } from "node:path"
import type { Command } from "commander"
import { parseDuration } from "../arguments.ts"
import { orreryVersion } from "../build-id.ts"
import { SHRINK_RUNS_MAX, SHRINK_WALL_MS_MAX } from "../campaign/default-campaign.ts"
import { loadEngine } from "../campaign/engine.ts"
import { shellWord, shrunkText } from "../campaign/failures.ts"
import { Pool } from "../campaign/pool.ts"
import { EnvironmentError, EXIT } from "../errors.ts"
import { writeTextFile } from "../files.ts"
import type { Host } from "../host.ts"
import { count } from "../report/format.ts"
import { paintFor } from "../report/paint.ts"
import { scheduleLines } from "../report/plan-lines.ts"
import { failureText } from "../report/table.ts"
import { readCapsule } from "./replay.ts"

const SCHEDULE_LINES_MAX = 28
const HANG_MS = 60_000

export function addShrink(sim: Command, host: Host, end: (code: number) => void): void {
  sim
    .command("shrink")
    .summary("a capsule made smaller")
    .description("Leaves out of a capsule's plan whatever the same failure does not need.")
    .argument("<capsule>")
    .option("--out <file>", "where the smaller capsule goes (beside the first one)")
    .option("--for <duration>", `stop after 90s, 10m (${SHRINK_WALL_MS_MAX / 1_000}s)`, (text) =>
      parseDuration("--for", text),
    )
    .action(async (path: string, options: { readonly out?: string; readonly for?: number }) => {
      end(await shrink(host, path, options))
    })
}

async function shrink(
  host: Host,
  path: string,
  options: { readonly out?: string; readonly for?: number },
): Promise<number> {
  const engine = await loadEngine(host.engineUrl)
  const capsule = readCapsule(engine, path)
  const wallMsMax = options.for ?? SHRINK_WALL_MS_MAX
  // With a time of one's own the time is the bound.
  const runsMax = options.for === undefined ? SHRINK_RUNS_MAX : Number.MAX_SAFE_INTEGER
  const task = { type: "shrink", plan: capsule.plan, oracle: capsule.oracle, runsMax, wallMsMax } as const
  const pool = new Pool(host.engineUrl, 1)
  const stopListening = host.onInterrupt(() => pool.close())
  let saidAt = performance.now()
  const progress = (runs: number): void => {
    if (performance.now() - saidAt < 10_000) return
    saidAt = performance.now()
    host.stderr.write(`${count(runs)} plans tried\n`)
  }
  try {
    let code: number = EXIT.failed
    const queue = [task]
    await pool.each(
      () => queue.shift() ?? null,
      async (lane, item) => {
        const ended = await lane.perform(item, wallMsMax + HANG_MS, progress)
        if (ended.type === "abandoned") throw new EnvironmentError("Interrupted: the capsule is as it was")
        if (ended.type === "hung") throw new EnvironmentError("A run of the shrinker did not end")
        if (ended.type === "died") throw new EnvironmentError(`The worker died: ${ended.message}`)
        const { answer } = ended
        if (answer.type === "threw") throw new EnvironmentError(`Cannot shrink: ${answer.message}`)
        if (answer.type !== "shrunk") throw new EnvironmentError("The worker answered another question")
        const { violation } = answer.result
        if (violation === null || violation.oracle !== capsule.oracle) {
          host.stdout.write(`Nothing to shrink: the plan no longer fails by ${capsule.oracle}.\n`)
          code = EXIT.pass
          return
        }
        const { dir, name } = parse(path)
        const out = options.out ?? join(dir, `${name}.min.json`)
        const replay = `npx orrery sim replay ${shellWord(out)}`
        writeTextFile(
          out,
          engine.writeCapsule(answer.plan, answer.result, { version: orreryVersion(), command: replay }),
        )
        const failure = {
          scenario: answer.plan.scenario,
          seed: answer.plan.seed,
          oracle: violation.oracle,
          message: violation.message,
          class: answer.result.runClass,
          event: violation.event,
          capsule: out,
          replay,
          schedule: scheduleLines(answer.plan, SCHEDULE_LINES_MAX),
          shrunk: shrunkText(capsule.plan, answer.plan, answer.runs, answer.minimal),
        }
        host.stdout.write(`${failureText(failure, paintFor(host.stdout, host.env))}\n`)
      },
    )
    return code
  } finally {
    stopListening()
    pool.close()
  }
}
