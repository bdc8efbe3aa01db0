import { createHash } from "node:crypto"
import type { Plan, RunResult, Search, SearchState, Seen, ShrinkNote, Step } from "#sim"
import { sizeOf, Tried } from "#sim"
import { EnvironmentError } from "../errors.ts"
import { answerOf } from "./answer.ts"
import { RUN_WALL_MS_MAX } from "./default-campaign.ts"
import type { Engine } from "./engine.ts"
import type { Lane } from "./pool.ts"

/** Candidates that wait for one before them, for each lane. */
const AHEAD = 4
/** A candidate may take this much longer than the run it comes from, and no less than the second figure. */
const SLOWER = 20
const CANDIDATE_WALL_MS_MIN = 10_000

export type ShrinkTask = {
  readonly plan: Plan
  readonly oracle: string
  /** Of an earlier search of which `plan` is the smallest so far. */
  readonly note: ShrinkNote | null
  readonly runsMax: number
  readonly wallMsMax: number
}

export type Smaller = {
  readonly plan: Plan
  /** Of the whole run of it. */
  readonly result: RunResult
  /** Null when it is as it was drawn. */
  readonly note: ShrinkNote | null
}

export type ShrinkEnd =
  | ({ readonly type: "shrunk" } & Smaller)
  /** It fails by another check or by none. */
  | { readonly type: "gone"; readonly result: RunResult }

export type ShrinkWatch = {
  /** After each candidate: plans tried in all, and the smallest so far. */
  readonly tried?: (runs: number, plan: Plan, pass: string) => void
  /** Asked between two candidates: true ends the search with what there is. */
  readonly shouldStop: () => boolean
}

/**
 * Makes a failing plan smaller over several lanes. While one candidate runs, the others run those that come after it if
 * it is left; the first in order that fails is taken and what ran beyond it is forgotten. So the outcome is that
 * of one lane, sooner.
 */
export async function shrinkOver(
  lanes: readonly Lane[],
  engine: Engine,
  task: ShrinkTask,
  watch: ShrinkWatch,
): Promise<ShrinkEnd> {
  const first = await runWhole(lanes, task.plan)
  // From here: a search that is gone on with gets further each time, however long its worker takes to start.
  const startedAt = performance.now()
  const { violation } = first.result
  if (violation === null || violation.oracle !== task.oracle) return { type: "gone", result: first.result }
  const { note } = task
  const begun =
    note === null
      ? engine.search.begin(task.plan, violation.at)
      : engine.search.resume(task.plan, violation.at, note.cursor)
  const race = new Race(engine.search, begun, {
    oracle: task.oracle,
    runsMax: task.runsMax,
    candidateWallMsMax: Math.max(CANDIDATE_WALL_MS_MIN, SLOWER * first.wallMs),
    shouldStop: () => watch.shouldStop() || performance.now() - startedAt >= task.wallMsMax,
    tried: (runs, plan, pass) => watch.tried?.((note?.runs ?? 0) + runs, plan, pass),
    lanes: lanes.length,
  })
  await Promise.all(lanes.map((lane) => race.work(lane)))
  const { plan } = race.state
  const { result } = plan === task.plan ? first : await runWhole(lanes, plan)
  return {
    type: "shrunk",
    plan,
    result,
    note: {
      from: note?.from ?? { plan: planDigest(task.plan), ...sizeOf(task.plan) },
      runs: (note?.runs ?? 0) + race.runs,
      cursor: race.state.cursor,
    },
  }
}

/** Names a plan by its content. */
export function planDigest(plan: Plan): string {
  return createHash("sha256").update(JSON.stringify(plan)).digest("hex").slice(0, 16)
}

async function runWhole(
  lanes: readonly Lane[],
  plan: Plan,
): Promise<{ readonly result: RunResult; readonly wallMs: number }> {
  const lane = lanes[0]
  if (lane === undefined) throw new Error("There is no worker to shrink with")
  const task = { type: "simulate", plan, untilEvent: 0, trace: null, keepHistory: false } as const
  const answer = answerOf(await lane.perform(task, RUN_WALL_MS_MAX))
  if (answer.type === "result") return answer
  throw new EnvironmentError(
    answer.type === "threw" ? answer.message : "The worker answered another question",
  )
}

type RaceOptions = {
  readonly oracle: string
  readonly runsMax: number
  readonly candidateWallMsMax: number
  readonly lanes: number
  readonly shouldStop: () => boolean
  readonly tried: (runs: number, plan: Plan, pass: string) => void
}

/** A step that was handed out; `seen` once it has run. */
type Entry = { readonly step: Step<Plan>; seen: Seen | undefined }

/** One search, whose steps run side by side and are decided in their order. */
class Race {
  /** Of all that is decided. */
  state: SearchState<Plan>
  /** Steps decided that had to be run: the same whatever the number of lanes. */
  runs = 0
  readonly #search: Search<Plan>
  readonly #options: RaceOptions
  readonly #tried: Tried<Plan> = new Tried()
  /** Steps handed out and not decided, in order: each rests on the one before being left. */
  #queue: Entry[] = []
  /** The state when all of them are left. */
  #ahead: SearchState<Plan>
  #isOver = false
  #waiting: (() => void)[] = []

  constructor(search: Search<Plan>, begun: SearchState<Plan>, options: RaceOptions) {
    this.#search = search
    this.#options = options
    this.state = begun
    this.#ahead = begun
  }

  /** Runs candidates on this lane until there is nothing more to decide. */
  async work(lane: Lane): Promise<void> {
    while (!this.#isOver) {
      const entry = this.#take()
      if (entry === null) {
        if (!this.#isOver) await new Promise<void>((wake) => this.#waiting.push(wake))
        continue
      }
      const { candidate, until } = entry.step
      const end = await lane.perform(
        { type: "try", plan: candidate, until },
        this.#options.candidateWallMsMax,
      )
      // One that hangs or takes its worker along fails by no check.
      entry.seen = end.type === "answered" && end.answer.type === "tried" ? end.answer.seen : null
      this.#decide()
      this.#wake()
    }
    this.#wake()
  }

  /** Lanes that wait look again. */
  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const wake of waiting) wake()
  }

  /** The next step to run; null when that depends on those that run. */
  #take(): Entry | null {
    const { lanes, runsMax, shouldStop } = this.#options
    if (shouldStop() || this.runs >= runsMax) {
      this.#isOver = true
      return null
    }
    while (this.#queue.length < lanes * AHEAD) {
      const step = this.#search.next(this.#ahead)
      if (step === null) {
        if (this.#queue.length === 0) {
          this.state = { ...this.#ahead, cursor: null }
          this.#isOver = true
        }
        return null
      }
      this.#ahead = step.left
      if (!this.#tried.isNew(step)) {
        // What is known to be left is decided as soon as what comes before it is.
        if (this.#queue.length === 0) this.state = step.left
        continue
      }
      const entry: Entry = { step, seen: undefined }
      this.#queue.push(entry)
      return entry
    }
    return null
  }

  #decide(): void {
    const { oracle, runsMax, tried } = this.#options
    for (let entry = this.#queue[0]; entry?.seen !== undefined; entry = this.#queue[0]) {
      const { step, seen } = entry
      // A twin that ran beside it has decided it, and costs no run of its own.
      const isNew = this.#tried.isNew(step)
      if (isNew && this.runs >= runsMax) return
      if (isNew) this.runs++
      const isTaken = isNew && seen?.oracle === oracle
      this.#tried.add(step, isTaken)
      this.#queue.shift()
      this.state = isTaken ? step.taken(seen.at) : step.left
      if (isTaken) {
        // What ran on the ground that this one is left has no ground any more.
        this.#queue = []
        this.#ahead = this.state
      }
      if (isNew) tried(this.runs, this.state.plan, step.pass)
    }
  }
}
