import { UsageError } from "../errors.ts"
import { misfit } from "../report/form.ts"
import type { Failure } from "../report/model.ts"
import { FirstSeenFold } from "./diversity.ts"
import { Intervals } from "./intervals.ts"
import {
  ENTRIES,
  type Checkpoint,
  type Entry,
  type FailedRun,
  type JournalKey,
  type KeptRun,
  type SessionStart,
  type Spent,
} from "./journal-entry.ts"
import { jobAt, placeOf, type Job } from "./schedule.ts"
import { Sums } from "./sums.ts"

/** Failing runs that wait to be told, and those that were, of which more is kept than their number. */
const WAITING_MAX = 500
const TOLD_MAX = 200
/** Failures kept whole, and the seeds named of each. */
const FAILURES_MAX = 500
const SEEDS_NAMED_MAX = 100

const NOTHING_SPENT: Spent = { elapsedMs: 0, cpuMs: 0 }

/** What a journal says, line after line. The same runs come to the same, whichever sessions made them and in what order. */
export class JournalState {
  readonly key: JournalKey
  done: Intervals = new Intervals()
  readonly scenarios: Map<string, Sums> = new Map()
  diversity: FirstSeenFold = new FirstSeenFold()
  failed: readonly FailedRun[] = []
  /** Failing runs of which only the number is kept. */
  unlisted = 0
  /** By signature, in the order in which they were told. */
  readonly failures: Map<string, Failure> = new Map()
  sessions = 0
  last: SessionStart | null = null
  /** Of the sessions before the last one, and of that one. */
  #before: Spent = NOTHING_SPENT
  #spent: Spent = NOTHING_SPENT

  constructor(key: JournalKey) {
    this.key = key
    for (const { scenario } of key.shares) this.scenarios.set(scenario, new Sums())
  }

  isDone(job: Job): boolean {
    return this.done.has(placeOf(job, this.key.shard))
  }

  /** Failing runs that no session has told yet. */
  get waiting(): readonly KeptRun[] {
    return this.failed.flatMap(({ run, signature }) => (signature === null ? [run] : []))
  }

  get spent(): Spent {
    return {
      elapsedMs: this.#before.elapsedMs + this.#spent.elapsedMs,
      cpuMs: this.#before.cpuMs + this.#spent.cpuMs,
    }
  }

  /** Throws a `UsageError` on an entry that no writer of this key can have made. */
  read(json: unknown): void {
    const type = (json as { readonly type?: unknown } | null)?.type
    const form = typeof type === "string" && Object.hasOwn(ENTRIES, type) ? ENTRIES[type] : undefined
    if (form === undefined) throw new UsageError("it is of an unknown type")
    const fault = misfit(json, form, "")
    if (fault !== null) throw new UsageError(fault)
    this.apply(json as Entry)
  }

  apply(entry: Entry): void {
    switch (entry.type) {
      case "session":
        this.#before = this.spent
        this.#spent = NOTHING_SPENT
        this.sessions++
        this.last = entry
        return
      case "run":
        this.#addRun(entry.run)
        this.#spent = entry.spent
        return
      case "told": {
        const signatures = new Map(entry.runs.map(({ index, signature }) => [index, signature]))
        this.failed = bounded(
          this.failed.map(({ run, signature }) => ({
            run,
            signature: signatures.get(run.index) ?? signature,
          })),
        )
        for (const failure of entry.failures) {
          if (this.failures.size >= FAILURES_MAX && !this.failures.has(failure.signature)) continue
          this.failures.set(failure.signature, {
            ...failure,
            seeds: failure.seeds.slice(0, SEEDS_NAMED_MAX),
          })
        }
        this.#spent = entry.spent
        return
      }
      case "checkpoint":
        this.#load(entry)
        return
      default:
        entry satisfies never
    }
  }

  get checkpoint(): Checkpoint {
    if (this.last === null) throw new Error("A journal begins with a session")
    return {
      type: "checkpoint",
      done: this.done.list,
      scenarios: Object.fromEntries([...this.scenarios].map(([name, sums]) => [name, sums.kept])),
      diversity: this.diversity.diversity,
      failed: this.failed,
      unlisted: this.unlisted,
      failures: [...this.failures.values()],
      sessions: this.sessions,
      last: this.last,
      before: this.#before,
      spent: this.#spent,
    }
  }

  #addRun(run: KeptRun): void {
    const place = placeOf(run, this.key.shard)
    const job = Number.isInteger(place) && place >= 0 ? jobAt({ ...this.key, runs: null }, place) : null
    const sums = this.scenarios.get(run.scenario)
    if (job === null || job.scenario !== run.scenario || job.seed !== run.seed || sums === undefined)
      throw new UsageError(`run ${run.index} is not ${run.scenario} seed ${run.seed} in this campaign`)
    if (!this.done.add(place)) throw new UsageError(`run ${run.index} is there twice`)
    const { result } = run
    sums.addRun(result, run.wallMs, run.verified)
    this.diversity.add({ index: run.index, signature: result.signature })
    if (result.violation === null) return
    const oracles = new Set(this.failed.map((failed) => failed.run.result.violation?.oracle))
    // One of each oracle is kept, come what may: the exit code rests on it.
    if (this.waiting.length < WAITING_MAX || !oracles.has(result.violation.oracle)) {
      // Places and observations were counted: what is told of a failure does not need them again.
      const light = { ...result, marks: {}, cells: {}, signature: { marks: 0, faults: 0, steps: [] } }
      this.failed = [...this.failed, { run: { ...run, result: light }, signature: null }]
    } else this.unlisted++
  }

  #load(entry: Checkpoint): void {
    if (this.done.size > 0 || this.sessions > 0) throw new UsageError("it is not the first of its kind")
    try {
      this.done = new Intervals(entry.done)
    } catch (thrown) {
      if (!(thrown instanceof RangeError)) throw thrown
      throw new UsageError(thrown.message)
    }
    let runs = 0
    for (const [name, kept] of Object.entries(entry.scenarios)) {
      if (!this.scenarios.has(name)) throw new UsageError(`${name} is no scenario of this campaign`)
      const sums = new Sums(kept)
      this.scenarios.set(name, sums)
      runs += sums.figures.runs
    }
    if (runs !== this.done.size)
      throw new UsageError(`its sums are of ${runs} runs, its intervals of ${this.done.size}`)
    this.diversity = new FirstSeenFold(entry.diversity)
    this.failed = entry.failed
    this.unlisted = entry.unlisted
    for (const failure of entry.failures) this.failures.set(failure.signature, failure)
    this.sessions = entry.sessions
    this.last = entry.last
    this.#before = entry.before
    this.#spent = entry.spent
  }
}

/** Of those that were told no more than a bound are kept, among them the first of each oracle. */
function bounded(failed: readonly FailedRun[]): readonly FailedRun[] {
  const oracles = new Set<string>()
  let told = 0
  return failed.filter(({ run, signature }) => {
    const oracle = run.result.violation?.oracle ?? ""
    const isFirst = !oracles.has(oracle)
    oracles.add(oracle)
    return signature === null || isFirst || told++ < TOLD_MAX
  })
}
