import { unreachable } from "../errors.ts"
import type { Host } from "../host.ts"
import { compareTraces, tellDivergence } from "./compare.ts"
import { INTERRUPT_GRACE_MS, RUN_WALL_MS_MAX } from "./default-campaign.ts"
import type { RunResult } from "#sim"
import { failedResult, ORACLE, type WorkerTask } from "./message.ts"
import { Pool, type Lane, type TaskEnd } from "./pool.ts"
import { jobsOf, type Job, type Selection } from "./schedule.ts"
import type { Planned, Steering } from "./steering.ts"

/** One finished run. Its result carries no history, and checkpoints only if it failed. */
export type RunRecord = {
  readonly job: Job
  readonly result: RunResult
  readonly wallMs: number
  /** What ran, of a failing run whose seed alone does not say it. */
  readonly planned: Planned | null
  /** It was run again in a new worker and agreed, or the result says how it did not. */
  readonly verified: boolean
}

export type CampaignOptions = {
  readonly selection: Selection
  readonly lanes: number
  /** Hand out no further run after this many milliseconds; null is no bound. */
  readonly wallMsMax: number | null
  readonly verify: boolean
  /** Runs of the selection that are left out: an earlier session made them. */
  readonly isDone: ((job: Job) => boolean) | null
  /** Null is a swarm: each seed is drawn where it is run. */
  readonly steering: Steering | null
}

/** What happens while it goes on. */
export interface CampaignWatch {
  finished(record: RunRecord): void
  /** False where what it takes of each run is enough: a long campaign does not fit into memory. */
  readonly keepsRecords: boolean
  /** JSON lines of one run; asked for by being there. */
  history?(job: Job, lines: string): void
}

export type CampaignEnd = {
  /** In order of `job.index`, whatever order they finished in; none where they are not kept. */
  readonly records: readonly RunRecord[]
  readonly interrupted: boolean
  readonly wallMs: number
}

/** Runs a selection over a pool of workers. An interrupt lets the runs under way finish, for a while. */
export async function runCampaign(
  host: Host,
  options: CampaignOptions,
  watch: CampaignWatch,
): Promise<CampaignEnd> {
  const startedAt = performance.now()
  const pool = new Pool(host.engineUrl, options.lanes)
  const jobs = jobsOf(options.selection)
  const records: RunRecord[] = []
  let interrupted = false
  let grace: NodeJS.Timeout | null = null
  let handedOut = 0

  const stopListening = host.onInterrupt(() => {
    interrupted = true
    grace = setTimeout(() => pool.close(), INTERRUPT_GRACE_MS)
  })
  const isOver = (): boolean =>
    interrupted ||
    // At least one run for each lane, so that no bound of time yields a verdict on nothing.
    (options.wallMsMax !== null &&
      handedOut >= options.lanes &&
      performance.now() - startedAt >= options.wallMsMax)
  const { steering } = options
  const planned = new Map<Job, Planned>()
  const next = (): Job | null => {
    if (isOver() || steering?.isFull === true) return null
    let step = jobs.next()
    while (step.done !== true && options.isDone?.(step.value) === true) step = jobs.next()
    if (step.done === true) return null
    handedOut++
    if (steering !== null) planned.set(step.value, steering.plan(step.value))
    return step.value
  }
  const work = async (lane: Lane, job: Job): Promise<void> => {
    const own = planned.get(job) ?? null
    planned.delete(job)
    const task = taskOf(job, own, options.verify, watch.history !== undefined)
    const end = await lane.perform(task, RUN_WALL_MS_MAX)
    if (end.type === "answered" && end.answer.type === "result" && end.answer.history !== null) {
      watch.history?.(job, end.answer.history)
    }
    const first = recordOf(job, own, end)
    if (first === null) return
    if (own !== null && end.type === "answered" && end.answer.type === "result")
      steering?.ran(job, own.plan, end.answer.result, end.answer.sighting)
    const isWorthVerifying = options.verify && !interrupted && !isHarness(first.result)
    const verified = isWorthVerifying ? await verifyRecord(pool, first, task) : first
    // Of many runs only those that failed are worth their plan's room.
    const record = verified.result.verdict === "invalid" ? verified : { ...verified, planned: null }
    if (watch.keepsRecords) records.push(record)
    watch.finished(record)
  }

  try {
    do await pool.each(next, work)
    while (steering?.turn() === true && !isOver())
  } finally {
    stopListening()
    if (grace !== null) clearTimeout(grace)
    pool.close()
  }
  records.sort((a, b) => a.job.index - b.job.index)
  return { records, interrupted, wallMs: performance.now() - startedAt }
}

function taskOf(
  { scenario, seed }: Job,
  planned: Planned | null,
  keepCheckpoints: boolean,
  keepHistory: boolean,
): WorkerTask {
  return { type: "run", scenario, seed, planned: planned?.plan ?? null, keepCheckpoints, keepHistory }
}

const HARNESS_ORACLES: ReadonlySet<string> = new Set(Object.values(ORACLE))

/** A failure that no checker reported: there is no trace to compare and no plan to shrink. */
export function isHarness(result: RunResult): boolean {
  return result.violation !== null && HARNESS_ORACLES.has(result.violation.oracle)
}

/** Null when the run was abandoned: it then counts as never started. */
function recordOf(job: Job, planned: Planned | null, end: TaskEnd): RunRecord | null {
  const failed = (oracle: string, message: string, wallMs: number): RunRecord => ({
    job,
    result: failedResult(job.scenario, job.seed, oracle, message),
    wallMs,
    planned,
    verified: false,
  })
  switch (end.type) {
    case "abandoned":
      return null
    case "died":
      return failed(ORACLE.died, `The worker of this run died: ${end.message}`, 0)
    case "hung":
      return failed(
        ORACLE.hung,
        `The run did not end within ${RUN_WALL_MS_MAX / 1_000} s on the wall clock`,
        RUN_WALL_MS_MAX,
      )
    case "answered": {
      const { answer } = end
      if (answer.type !== "result") {
        return failed(
          ORACLE.threw,
          answer.type === "threw" ? answer.message : "The worker answered another question",
          0,
        )
      }
      const { result, wallMs } = answer
      return { job, result, wallMs, planned, verified: false }
    }
    default:
      return unreachable(end)
  }
}

/** Runs the job again in a new worker with freshly loaded modules and compares trace and state. */
async function verifyRecord(pool: Pool, first: RunRecord, task: WorkerTask): Promise<RunRecord> {
  const second = recordOf(first.job, first.planned, await pool.performFresh(task, RUN_WALL_MS_MAX))
  if (second === null) return first
  const { result } = first
  const divergence = compareTraces(result, second.result)
  if (divergence === null) {
    const checkpoints = result.verdict === "invalid" ? result.checkpoints : []
    return { ...first, result: { ...result, checkpoints }, verified: true }
  }
  const again = second.result.violation
  const message =
    again !== null && isHarness(second.result)
      ? `Run again in a new worker, the same plan ended otherwise: ${again.message}`
      : `Run again in a new worker, the same plan gave trace ${second.result.traceHash} and state ${second.result.stateHash}, ` +
        `not ${result.traceHash} and ${result.stateHash}: ${tellDivergence(divergence)}`
  const violation = { oracle: ORACLE.rerun, message, at: 0, event: divergence.after }
  return { ...first, result: { ...result, verdict: "invalid", violation }, verified: true }
}
