import { basename, join } from "node:path"
import { orreryVersion } from "../build-id.ts"
import { EnvironmentError } from "../errors.ts"
import { writeTextFile } from "../files.ts"
import type { Host } from "../host.ts"
import { scheduleLines } from "../report/plan-lines.ts"
import { count } from "../report/format.ts"
import type { Failure } from "../report/model.ts"
import { shellWord } from "../report/shell-word.ts"
import {
  CAPSULES_MAX,
  SHRINK_ALL_WALL_MS_MAX,
  SHRINK_RUNS_MAX,
  SHRINK_WALL_MS_MAX,
  SHRUNK_FAILURES_MAX,
} from "./default-campaign.ts"
import { sizeOf, type FoundNote, type Plan, type ShrinkNote } from "#sim"
import type { Engine } from "./engine.ts"
import { Pool } from "./pool.ts"
import { isHarness, type RunRecord } from "./run.ts"
import { keepPlan, runName } from "./steering.ts"
import { shrinkOver, type Smaller } from "./shrinker.ts"

const SCHEDULE_LINES_MAX = 28
/** Seeds that a capsule names of those it stands for. */
const SEEDS_NAMED_MAX = 100

export type FailureOptions = {
  readonly shrink: boolean
  readonly lanes: number
  /** Folder for capsules. */
  readonly capsules: string
  /** Failures that were told before: what is one of them again gets no capsule of its own. */
  readonly known: readonly KnownFailure[]
}

export type KnownFailure = {
  readonly signature: string
  /** What runs of it are known by that are not shrunk. */
  readonly alike: ReadonlySet<string>
}

/**
 * Turns failing runs into what a person needs: the smallest plan that fails alike, in a file, with the line to paste.
 * Runs that shrink to the like, and those not shrunk that say the like, are one failure.
 */
export async function explainFailures(
  host: Host,
  engine: Engine,
  records: readonly RunRecord[],
  options: FailureOptions,
  note: (text: string | null) => void,
): Promise<readonly Failure[]> {
  const failing = records.filter((record) => record.result.violation !== null)
  const shrunk = options.shrink
    ? await shrinkSome(host, engine, failing, options, note)
    : new Map<RunRecord, Smaller>()
  const known = new Set(options.known.map(({ signature }) => signature))
  const groups = Map.groupBy(failing, (record) => {
    const found = shrunk.get(record)
    const plain = plainSignature(engine, record)
    const same = options.known.find(({ alike }) => found === undefined && alike.has(plain))
    return same?.signature ?? signatureOf(engine, record, found)
  })
  const failures: Failure[] = []
  for (const [signature, group] of groups) {
    const first = smallest(group, shrunk)
    const isKept = !known.has(signature) && !isHarness(first.result) && failures.length < CAPSULES_MAX
    const plain = plainFailure(first, signature, group)
    const told = isKept ? tryCapsule(host, engine, first, shrunk.get(first), plain, options.capsules) : plain
    failures.push(told.capsule === null ? replayable(host, engine, first, told, options.capsules) : told)
  }
  note(null)
  return failures
}

/** Of one that was not shrunk its faults say nothing: it is known by its check and what that says. */
function signatureOf(engine: Engine, { result }: RunRecord, found: Smaller | undefined): string {
  const violation = found?.result.violation ?? result.violation
  if (violation === null) return ""
  return engine.signatureOf(found?.plan ?? { faults: [] }, violation)
}

/** What a failing run is known by before it is shrunk. */
export function plainSignature(engine: Engine, record: RunRecord): string {
  return signatureOf(engine, record, undefined)
}

/** The one that is told: the smallest, and of these the first. */
function smallest(group: readonly RunRecord[], shrunk: ReadonlyMap<RunRecord, Smaller>): RunRecord {
  const weight = (record: RunRecord): number => {
    const found = shrunk.get(record)
    if (found === undefined) return Infinity
    const { faults, operations, stores } = sizeOf(found.plan)
    return faults + operations + stores
  }
  const [first, ...others] = group
  if (first === undefined) throw new Error("A failure stands for no run")
  return others.reduce((best, record) => (weight(record) < weight(best) ? record : best), first)
}

/** A run that left no plan worth keeping apart from its seed. */
function plainFailure(record: RunRecord, signature: string, group: readonly RunRecord[]): Failure {
  const { runClass, violation } = record.result
  const { scenario, seed } = record.job
  return {
    scenario,
    seed,
    oracle: violation?.oracle ?? "",
    signature,
    count: group.length,
    before: 0,
    seeds: group.map(({ job }) => ({ scenario: job.scenario, seed: job.seed })),
    message: violation?.message ?? "",
    class: runClass,
    event: violation?.event ?? 0,
    capsule: null,
    regression: null,
    replay: `npx orrery sim replay ${scenario} --seed ${seed}${violation?.oracle.startsWith("DET-") === true ? " --verify" : ""}`,
    schedule: [],
    shrunk: "",
  }
}

/** Without a capsule: what no seed brings back is kept as a plan. */
function replayable(
  host: Host,
  engine: Engine,
  { job, planned }: RunRecord,
  plain: Failure,
  folder: string,
): Failure {
  if (planned === null) return plain
  try {
    return { ...plain, replay: replayLine(keepPlan(engine, folder, job, planned)) }
  } catch (thrown) {
    if (!(thrown instanceof EnvironmentError)) throw thrown
    host.stderr.write(`${thrown.message}\n`)
    return plain
  }
}

/** A disk that takes no capsule must not cost the report of what was found. */
function tryCapsule(
  host: Host,
  engine: Engine,
  record: RunRecord,
  found: Smaller | undefined,
  plain: Failure,
  folder: string,
): Failure {
  try {
    return keepCapsule(engine, record, found, plain, folder)
  } catch (thrown) {
    if (!(thrown instanceof EnvironmentError)) throw thrown
    host.stderr.write(`${thrown.message}\n`)
    return plain
  }
}

function keepCapsule(
  engine: Engine,
  record: RunRecord,
  found: Smaller | undefined,
  plain: Failure,
  folder: string,
): Failure {
  const path = join(folder, `${runName(record.job, record.planned?.strategy ?? null)}.json`)
  const note: FoundNote = {
    signature: plain.signature,
    count: plain.count,
    seeds: plain.seeds.slice(0, SEEDS_NAMED_MAX),
  }
  const kept: Smaller = found ?? { plan: drawAgain(engine, record), result: record.result, note: null }
  writeCapsuleFile(engine, path, kept, note)
  const told = tellSmaller(kept, path)
  if (found === undefined) return { ...plain, ...told }
  const regression = writeRegression(engine, join(folder, "regressions"), kept, note)
  return { ...plain, ...told, regression }
}

/** What is told of a plan that lies at `path`. */
export function tellSmaller(
  { plan, result, note }: Smaller,
  path: string,
): Pick<Failure, "message" | "event" | "class" | "capsule" | "replay" | "schedule" | "shrunk"> {
  return {
    message: result.violation?.message ?? "",
    event: result.violation?.event ?? 0,
    class: result.runClass,
    capsule: path,
    replay: replayLine(path),
    schedule: note === null ? [] : scheduleLines(plan, SCHEDULE_LINES_MAX),
    shrunk: note === null ? "" : shrunkText(note, plan),
  }
}

export function writeCapsuleFile(
  engine: Engine,
  path: string,
  { plan, result, note }: Smaller,
  found: FoundNote | null,
): void {
  const about = { version: orreryVersion(), command: replayLine(path), shrink: note, found }
  writeTextFile(path, engine.writeCapsule(plan, result, about))
}

/**
 * The failure as `scenarios/regressions` keeps them: it fails until the bug is mended, and says what nobody knows yet.
 * Returns its path.
 */
export function writeRegression(
  engine: Engine,
  folder: string,
  { plan, result }: Smaller,
  found: FoundNote | null,
  name: string = regressionName(plan, result.violation?.oracle ?? ""),
): string {
  const path = join(folder, `${name}.json`)
  const runs = found === null || found.count === 1 ? "" : `, and ${count(found.count - 1)} runs more`
  const bug = `bug: ${result.violation?.message ?? ""} ${plan.scenario} seed ${plan.seed}${runs}. Say here what was wrong and what mended it.`
  const command = `orrery sim replay scenarios/regressions/${basename(path)}`
  writeTextFile(path, engine.writeCapsule(plan, result, { version: orreryVersion(), command, bug }))
  return path
}

function regressionName({ scenario, seed }: Plan, oracle: string): string {
  return `${oracle.toLowerCase()}-${scenario}-${seed}`
}

function replayLine(path: string): string {
  return `npx orrery sim replay ${shellWord(path)}`
}

function drawAgain(engine: Engine, record: RunRecord): Plan {
  if (record.planned !== null) return record.planned.plan
  const scenario = engine.scenarios.find((candidate) => candidate.name === record.job.scenario)
  if (scenario === undefined) throw new Error(`The scenario ${record.job.scenario} is gone`)
  return engine.drawPlan(scenario, record.job.seed)
}

/**
 * The first failure that says each thing, what nobody heard of before the rest, then the second ones, up to a bound: many
 * seeds tend to find one bug.
 */
function chooseFailures(
  engine: Engine,
  failing: readonly RunRecord[],
  known: readonly KnownFailure[],
): readonly RunRecord[] {
  const shrinkable = failing.filter(({ result }) => !isHarness(result))
  const isNews = (plain: string): boolean => !known.some(({ alike }) => alike.has(plain))
  const groups = [...Map.groupBy(shrinkable, (record) => plainSignature(engine, record))]
  const alike = groups.sort(([a], [b]) => Number(isNews(b)) - Number(isNews(a))).map(([, group]) => group)
  const chosen: RunRecord[] = []
  for (let turn = 0; chosen.length < Math.min(SHRUNK_FAILURES_MAX, shrinkable.length); turn++) {
    for (const group of alike) {
      const record = group[turn]
      if (record !== undefined && chosen.length < SHRUNK_FAILURES_MAX) chosen.push(record)
    }
  }
  return chosen
}

/** An interrupt keeps what there is. */
async function shrinkSome(
  host: Host,
  engine: Engine,
  failing: readonly RunRecord[],
  { lanes, known }: FailureOptions,
  note: (text: string | null) => void,
): Promise<ReadonlyMap<RunRecord, Smaller>> {
  const chosen = chooseFailures(engine, failing, known)
  const found = new Map<RunRecord, Smaller>()
  if (chosen.length === 0) return found

  const startedAt = performance.now()
  const pool = new Pool(host.engineUrl, lanes)
  let interrupted = false
  const stopListening = host.onInterrupt(() => {
    interrupted = true
  })
  const left = [...chosen]
  // Failures side by side lose less than the lanes of one that wait for each other.
  const sides = Math.min(lanes, chosen.length)
  const work = async (side: number): Promise<void> => {
    const own = pool.lanes.filter((_, index) => index % sides === side)
    for (let record = left.shift(); record !== undefined; record = left.shift()) {
      const wallMsMax = Math.min(SHRINK_WALL_MS_MAX, SHRINK_ALL_WALL_MS_MAX - (performance.now() - startedAt))
      if (interrupted || wallMsMax <= 0) return
      const smaller = await shrinkOne(engine, own, record, wallMsMax, () => interrupted, note)
      if (smaller !== null) found.set(record, smaller)
    }
  }
  try {
    await Promise.all(Array.from({ length: sides }, (_, side) => work(side)))
  } finally {
    stopListening()
    pool.close()
  }
  return found
}

/** Null when there is nothing smaller to tell. */
async function shrinkOne(
  engine: Engine,
  lanes: Pool["lanes"],
  record: RunRecord,
  wallMsMax: number,
  shouldStop: () => boolean,
  note: (text: string) => void,
): Promise<Smaller | null> {
  const name = `${record.job.scenario} seed ${record.job.seed}`
  note(`Shrinking ${name}`)
  const task = {
    plan: drawAgain(engine, record),
    oracle: record.result.violation?.oracle ?? "",
    note: null,
    runsMax: SHRINK_RUNS_MAX,
    wallMsMax,
  }
  try {
    const end = await shrinkOver(lanes, engine, task, {
      shouldStop,
      tried: (runs, plan) => note(`… shrinking ${name}: ${count(runs)} runs, ${sizeText(sizeOf(plan))}`),
    })
    return end.type === "shrunk" ? end : null
  } catch (thrown) {
    // Its worker died or hung: the failure is told as it was drawn.
    if (!(thrown instanceof EnvironmentError)) throw thrown
    return null
  }
}

/** `shrunk from 31 faults, 512 operations, 5 stores to 2, 3 and 3 in 240 runs`. */
function shrunkText(note: ShrinkNote, plan: Plan): string {
  const end = note.cursor === null ? "" : " (not minimal yet: `orrery sim shrink` goes on)"
  return `shrunk from ${sizeText(note.from)} to ${sizeText(sizeOf(plan))} in ${count(note.runs)} runs${end}`
}

export function sizeText(size: ReturnType<typeof sizeOf>): string {
  const many = (amount: number, what: string): string => `${count(amount)} ${what}${amount === 1 ? "" : "s"}`
  return `${many(size.faults, "fault")}, ${many(size.operations, "operation")}, ${many(size.stores, "store")}`
}
