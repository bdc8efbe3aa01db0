import { Chance } from "../plan/chance.ts"
import { drawPlan } from "../plan/draw.ts"
import type { Plan } from "../plan/plan.ts"
import type { Scenario } from "../plan/scenario.ts"
import type { RunResult } from "../result.ts"
import { Corpus } from "./corpus.ts"
import { mutated } from "./mutate.ts"
import { prioritized } from "./priority.ts"
import type { Sighting } from "./sighting.ts"

/** How the plan of a seed is come by. */
export const STRATEGIES = ["swarm", "priority", "guided", "portfolio"] as const
export type Strategy = (typeof STRATEGIES)[number]

/**
 * So many runs are planned by what was known before the first of them, and learnt from when all are over, in the order
 * of their seeds: so the same campaign gives the same plans, however many run at once.
 */
export const GENERATION = 8

/** Of the runs of a guided search, so many in a hundred are plain draws: what it knows nothing of must come from somewhere. */
const FRESH_PERCENT = 35
/** Mutants that cannot run or leave the fault model are drawn anew so often, then a plain draw takes their turn. */
const TRIES_MAX = 6

/** The turns of a portfolio: half swarm, a fifth priorities, three tenths guided, which are all changed plans then. */
const TURNS: readonly ("swarm" | "priority" | "mutant")[] = [
  "swarm",
  "mutant",
  "swarm",
  "priority",
  "swarm",
  "mutant",
  "swarm",
  "mutant",
  "swarm",
  "priority",
]

/** What came of a planned run. */
export type Lesson = {
  readonly plan: Plan
  readonly result: Pick<RunResult, "runClass" | "verdict">
  readonly sighting: Sighting
}

/** Plans the runs of one scenario, seed by seed. What a seed's plan is depends on the seeds learnt from before. */
export class Strategist {
  readonly strategy: Strategy
  readonly corpus: Corpus
  readonly #scenario: Scenario

  constructor(strategy: Strategy, scenario: Scenario, corpus: Corpus = new Corpus()) {
    this.strategy = strategy
    this.corpus = corpus
    this.#scenario = scenario
  }

  /** Whether the seed alone decides. */
  get isBlind(): boolean {
    return this.strategy === "swarm" || this.strategy === "priority"
  }

  plan(seed: number): Plan {
    const turn = this.#turnOf(seed)
    if (turn === "mutant") return this.#mutant(seed) ?? drawPlan(this.#scenario, seed)
    const plan = drawPlan(this.#scenario, seed)
    return turn === "priority" ? prioritized(plan) : plan
  }

  /** Takes in a generation, in the order of its seeds. */
  learn(lessons: readonly Lesson[]): void {
    if (this.isBlind) return
    for (const { plan, result, sighting } of lessons) {
      const isNew = this.corpus.learn(sighting)
      // A failure is found; where nobody judges, there is nothing to be found.
      const isOfUse = result.verdict !== "invalid" && result.runClass !== "undetectable"
      if (isNew && isOfUse) this.corpus.keep(plan, sighting)
    }
  }

  #turnOf(seed: number): "swarm" | "priority" | "mutant" {
    switch (this.strategy) {
      case "swarm":
      case "priority":
        return this.strategy
      case "guided":
        return this.#chanceOf(seed).of("fresh").percent(FRESH_PERCENT) ? "swarm" : "mutant"
      case "portfolio":
        return TURNS[seed % TURNS.length]!
    }
  }

  #mutant(seed: number): Plan | null {
    const chance = this.#chanceOf(seed)
    for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
      const own = chance.of(`try/${attempt}`)
      const parent = this.corpus.pick(own.of("parent"))
      const donor = this.corpus.pick(own.of("donor"))
      if (parent === null || donor === null) return null
      const plan = mutated(this.#scenario, parent, donor, own.of("mutant"))
      if (plan !== null) return plan
    }
    return null
  }

  #chanceOf(seed: number): Chance {
    return new Chance(`${this.#scenario.name}/${seed}/guided`)
  }
}
