import { join } from "node:path"
import { orreryVersion } from "../build-id.ts"
import { EnvironmentError } from "../errors.ts"
import { writeTextFile } from "../files.ts"
import type { Host } from "../host.ts"
import { scheduleLines } from "../report/plan-lines.ts"
import { count } from "../report/format.ts"
import type { Failure } from "../report/model.ts"
import { CAPSULES_MAX, SHRINK_RUNS_MAX, SHRINK_WALL_MS_MAX, SHRUNK_FAILURES_MAX } from "./default-campaign.ts"
import type { Plan, RunResult } from "#sim"
import type { Engine } from "./engine.ts"
import { Pool } from "./pool.ts"
import { isHarness, type RunRecord } from "./run.ts"

const SCHEDULE_LINES_MAX = 28
/** A worker that has not stopped by itself long after its bound hangs inside one run. */
const SHRINK_HANG_MS = 60_000

export type FailureOptions = {
  readonly shrink: boolean
  readonly lanes: number
  /** Folder for capsules. */
  readonly capsules: string
}

/** The plan a failure is told by, and how it was come by. */
type Found = { readonly plan: Plan; readonly result: RunResult; readonly told: string }

/** Turns failing runs into what a person needs: the smallest plan that fails alike, in a file, with the line to paste. */
export async function explainFailures(
  host: Host,
  engine: Engine,
  records: readonly RunRecord[],
  options: FailureOptions,
  note: (text: string | null) => void,
): Promise<readonly Failure[]> {
  const failing = records.filter((record) => record.result.violation !== null)
  const shrunk = options.shrink
    ? await shrinkFirsts(host, engine, failing, options.lanes, note)
    : new Map<RunRecord, Found>()
  let capsules = 0
  const failures: Failure[] = []
  for (const record of failing) {
    const found = shrunk.get(record)
    const isKept = !isHarness(record.result) && capsules < CAPSULES_MAX
    if (isKept) capsules++
    failures.push(isKept ? tryCapsule(host, engine, record, found, options.capsules) : plainFailure(record))
  }
  note(null)
  return failures
}

/** A run that left no plan worth keeping apart from its seed. */
function plainFailure(record: RunRecord): Failure {
  const { scenario, seed, runClass, violation } = record.result
  return {
    scenario,
    seed,
    oracle: violation?.oracle ?? "",
    message: violation?.message ?? "",
    class: runClass,
    event: violation?.event ?? 0,
    capsule: null,
    replay: `npx orrery sim replay ${scenario} --seed ${seed}${violation?.oracle.startsWith("DET-") === true ? " --verify" : ""}`,
    schedule: [],
    shrunk: "",
  }
}

/** A disk that takes no capsule must not cost the report of what was found. */
function tryCapsule(
  host: Host,
  engine: Engine,
  record: RunRecord,
  found: Found | undefined,
  folder: string,
): Failure {
  try {
    return keepCapsule(engine, record, found, folder)
  } catch (thrown) {
    if (!(thrown instanceof EnvironmentError)) throw thrown
    host.stderr.write(`${thrown.message}\n`)
    return plainFailure(record)
  }
}

function keepCapsule(engine: Engine, record: RunRecord, found: Found | undefined, folder: string): Failure {
  const { scenario, seed } = record.job
  const plan = found?.plan ?? drawAgain(engine, record)
  const result = found?.result ?? record.result
  const path = join(folder, `${scenario}-${seed}.json`)
  const replay = `npx orrery sim replay ${shellWord(path)}`
  writeTextFile(path, engine.writeCapsule(plan, result, { version: orreryVersion(), command: replay }))
  return {
    ...plainFailure(record),
    message: result.violation?.message ?? "",
    event: result.violation?.event ?? 0,
    class: result.runClass,
    capsule: path,
    replay,
    schedule: found === undefined ? [] : scheduleLines(plan, SCHEDULE_LINES_MAX),
    shrunk: found?.told ?? "",
  }
}

function drawAgain(engine: Engine, record: RunRecord): Plan {
  const scenario = engine.scenarios.find((candidate) => candidate.name === record.job.scenario)
  if (scenario === undefined) throw new Error(`The scenario ${record.job.scenario} is gone`)
  return engine.drawPlan(scenario, record.job.seed)
}

/** Shrinks the first failure of each oracle: many seeds tend to find one bug. An interrupt keeps what there is. */
async function shrinkFirsts(
  host: Host,
  engine: Engine,
  failing: readonly RunRecord[],
  lanes: number,
  note: (text: string | null) => void,
): Promise<ReadonlyMap<RunRecord, Found>> {
  const seen = new Set<string>()
  const chosen: RunRecord[] = []
  for (const record of failing) {
    const oracle = record.result.violation?.oracle ?? ""
    if (isHarness(record.result) || seen.has(oracle) || chosen.length === SHRUNK_FAILURES_MAX) continue
    seen.add(oracle)
    chosen.push(record)
  }
  const found = new Map<RunRecord, Found>()
  if (chosen.length === 0) return found

  const pool = new Pool(host.engineUrl, Math.min(lanes, chosen.length))
  let interrupted = false
  const stopListening = host.onInterrupt(() => {
    interrupted = true
    pool.close()
  })
  const left = [...chosen]
  try {
    await pool.each(
      () => (interrupted ? null : (left.shift() ?? null)),
      async (lane, record) => {
        const name = `${record.job.scenario} seed ${record.job.seed}`
        note(`Shrinking ${name}`)
        const plan = drawAgain(engine, record)
        const oracle = record.result.violation?.oracle ?? ""
        const task = {
          type: "shrink",
          plan,
          oracle,
          runsMax: SHRINK_RUNS_MAX,
          wallMsMax: SHRINK_WALL_MS_MAX,
        } as const
        const end = await lane.perform(task, SHRINK_WALL_MS_MAX + SHRINK_HANG_MS, (runs) =>
          note(`… shrinking ${name}: ${count(runs)} runs`),
        )
        if (end.type !== "answered" || end.answer.type !== "shrunk") return
        const { answer } = end
        found.set(record, {
          plan: answer.plan,
          result: answer.result,
          told: shrunkText(plan, answer.plan, answer.runs, answer.minimal),
        })
      },
    )
  } finally {
    stopListening()
    pool.close()
  }
  return found
}

/** `shrunk from 31 faults and 512 operations to 2 and 3 in 240 runs`. */
export function shrunkText(before: Plan, after: Plan, runs: number, minimal: boolean): string {
  const many = (amount: number, what: string): string => `${count(amount)} ${what}${amount === 1 ? "" : "s"}`
  const size = ({ faults, workload, cluster }: Plan): string =>
    `${many(faults.length, "fault")}, ${many(workload.ops.length, "operation")}, ${many(cluster.stores, "store")}`
  const end = minimal ? "" : " (the budget ended before it was minimal)"
  return `shrunk from ${size(before)} to ${size(after)} in ${count(runs)} runs${end}`
}

/** A word of a shell line, quoted where it has to be. */
export function shellWord(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
