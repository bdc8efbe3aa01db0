import { existsSync } from "node:fs"
import { join } from "node:path"
import type { Lesson, Plan, RunResult, Sighting, Strategist, Strategy } from "#sim"
import { UsageError } from "../errors.ts"
import { readJsonFile, writeTextFile } from "../files.ts"
import type { Engine } from "./engine.ts"
import type { Job } from "./schedule.ts"

/** A run whose plan its seed alone does not say. */
export type Planned = { readonly strategy: Strategy; readonly plan: Plan }

/** The file of `--corpus`: what is known of each scenario, by name. */
type CorporaFile = { readonly format: 1; readonly corpora: Readonly<Record<string, unknown>> }

/**
 * Plans the runs of a campaign by another strategy than a swarm. Runs are planned in their order, and what they showed is
 * learnt in their order a generation at a time: so the same selection, and the same corpus to begin with, gives the
 * same plans on any number of lanes. Each shard and each scenario has a corpus of its own.
 */
export class Steering {
  readonly strategy: Strategy
  readonly #engine: Engine
  readonly #path: string | null
  readonly #corpora: ReadonlyMap<string, unknown>
  readonly #strategists = new Map<string, Strategist>()
  readonly #lessons = new Map<number, { readonly scenario: string; readonly lesson: Lesson }>()
  #planned = 0

  constructor(engine: Engine, strategy: Strategy, path: string | null) {
    this.strategy = strategy
    this.#engine = engine
    this.#path = path
    this.#corpora = path !== null && existsSync(path) ? readCorpora(path) : new Map()
    // A file that cannot be gone on from is told before the first run.
    for (const name of this.#corpora.keys()) this.#strategistOf(name)
  }

  /** Whether there is something to learn from the runs. */
  get learns(): boolean {
    return this.strategy === "guided" || this.strategy === "portfolio"
  }

  /** No further run can be planned before those that are under way are over. */
  get isFull(): boolean {
    return this.learns && this.#planned === this.#engine.generation
  }

  /** To be asked once for each run, in their order. */
  plan(job: Job): Planned {
    this.#planned++
    const strategist = this.#strategistOf(job.scenario)
    if (strategist === null) throw new Error(`The scenario ${job.scenario} is gone`)
    return { strategy: this.strategy, plan: strategist.plan(job.seed) }
  }

  /** A planned run is over. One that nobody judged teaches nothing. */
  ran(job: Job, plan: Plan, result: RunResult, sighting: Sighting | null): void {
    if (sighting === null) return
    const { runClass, verdict } = result
    this.#lessons.set(job.index, {
      scenario: job.scenario,
      lesson: { plan, result: { runClass, verdict }, sighting },
    })
  }

  /** All that were planned are over: whether there may be another generation. */
  turn(): boolean {
    const wasFull = this.isFull
    this.#planned = 0
    const lessons = [...this.#lessons].sort(([a], [b]) => a - b).map(([, lesson]) => lesson)
    this.#lessons.clear()
    for (const { scenario, lesson } of lessons) this.#strategistOf(scenario)?.learn([lesson])
    return wasFull
  }

  /** Keeps what is known for the next campaign. */
  save(): void {
    if (this.#path === null) return
    // What is of a scenario that is gone stays as it was.
    const corpora: Record<string, unknown> = Object.fromEntries(this.#corpora)
    for (const [name, { corpus }] of this.#strategists) corpora[name] = corpus.toJson()
    const file: CorporaFile = { format: 1, corpora }
    writeTextFile(this.#path, `${JSON.stringify(file)}\n`)
  }

  #strategistOf(name: string): Strategist | null {
    const known = this.#strategists.get(name)
    if (known !== undefined) return known
    const scenario = this.#engine.scenarios.find((candidate) => candidate.name === name)
    if (scenario === undefined) return null
    const strategist = this.#engine.strategist(this.strategy, scenario, this.#corpora.get(name) ?? null)
    this.#strategists.set(name, strategist)
    return strategist
  }
}

function readCorpora(path: string): ReadonlyMap<string, unknown> {
  const json = readJsonFile(path)
  const corpora = isRecord(json) && json["format"] === 1 ? json["corpora"] : null
  if (!isRecord(corpora)) throw new UsageError(`--corpus: ${path} holds no corpus of format 1`)
  return new Map(Object.entries(corpora))
}

function isRecord(json: unknown): json is Record<string, unknown> {
  return typeof json === "object" && json !== null && !Array.isArray(json)
}

/** Of a run that left no capsule: its plan in a file, and its path. */
export function keepPlan(engine: Engine, folder: string, job: Job, { strategy, plan }: Planned): string {
  const path = join(folder, `${runName(job, strategy)}-plan.json`)
  writeTextFile(path, engine.writePlan(plan))
  return path
}

/** Names its files: under another strategy than a swarm a seed is only the number of a run. */
export function runName(job: Job, strategy: Strategy | null): string {
  return `${job.scenario}-${job.seed}${strategy === null ? "" : `-${strategy}`}`
}
