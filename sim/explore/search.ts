import type { KernelBuild } from "../kernel-build.ts"
import type { Found } from "../judge.ts"
import type { Choice, Option } from "./choice.ts"
import { Judge } from "./judge.ts"
import { GROUP, type Scope } from "./scope.ts"
import { ExploredWorld, type State } from "./world.ts"

/** How far an exploration is. */
export type ExploreProgress = {
  /** The round: schedules with so many deviations at most. */
  readonly deviations: number
  readonly states: number
  readonly transitions: number
  readonly depth: number
  /** States on the way here that have choices left. */
  readonly frontier: number
}

export type Explored = {
  readonly scope: Scope
  /** All of the last round that was begun. */
  readonly states: number
  readonly transitions: number
  /** Of these transitions, how many came to a state that was known. */
  readonly duplicates: number
  readonly deepest: number
  /** Distinct states of single stores, and the steps that real kernels took for all of this. */
  readonly storeStates: number
  readonly kernelSteps: number
  /** Schedules with at most so many deviations were all tried; -1: not even those with none. */
  readonly completeTo: number
  /** What left something untried; null when nothing did. */
  readonly cutBy: "events" | "time" | "violation" | null
  readonly violation: (Found & { readonly schedule: readonly Choice[]; readonly deviations: number }) | null
  /** Of all states of the last round, whatever order they were met in. Only where asked for. */
  readonly names: ReadonlySet<string> | null
}

export type ExploreOptions = {
  readonly build: KernelBuild
  /** Asked now and then; true ends it. */
  readonly shouldStop?: (progress: ExploreProgress) => boolean
  /** Gives `names`. */
  readonly isNamed?: boolean
}

/** Transitions between two looks at whether to stop. */
const LOOK_EVERY = 512
const PROLOGUE_STEPS_MAX = 2_000

/**
 * Every schedule of a scope, those with few deviations first: a round for each number of them, so that what is found has
 * as few as it can, and so that a search that time ends has a round it can vouch for. Each round is depth-first over the states
 * of the whole cluster; a state that was met is not gone on from again.
 */
export function explore(scope: Scope, options: ExploreOptions): Explored {
  const steps = exploration(scope, options)
  let step = steps.next()
  while (step.done !== true) step = steps.next(options.shouldStop?.(step.value) === true)
  return step.value
}

/** The same for whoever has other things to do meanwhile: it yields now and then, and is to be told whether to stop. */
export function* exploration(
  scope: Scope,
  options: Omit<ExploreOptions, "shouldStop">,
): Generator<ExploreProgress, Explored, boolean> {
  const world = new ExploredWorld(scope, options.build)
  const isNamed = options.isNamed === true
  const root = new Root(world)
  const last = root.found === null ? scope.deviations : 0
  let round = new Round(world, root, 0, isNamed)
  let completeTo = -1
  for (let deviations = 0; deviations <= last; deviations++) {
    round = new Round(world, root, deviations, isNamed)
    yield* round.run()
    if (round.violation !== null || round.isStopped) break
    if (!round.isCut) completeTo = deviations
  }
  const { violation } = round
  const graphs = root.state.stores.map((_, index) => world.graph(index + 1))
  return {
    scope,
    states: round.states,
    transitions: round.transitions,
    duplicates: round.duplicates,
    deepest: round.deepest,
    storeStates: graphs.reduce((sum, { size }) => sum + size, 0),
    kernelSteps: graphs.reduce((sum, { steps, repeated }) => sum + steps + repeated, 0),
    completeTo,
    cutBy: violation !== null ? "violation" : round.isStopped ? "time" : round.isCut ? "events" : null,
    violation,
    names: round.names,
  }
}

/** Where all schedules of a scope begin, and what the oracles know by then. */
export class Root {
  readonly state: State
  readonly judge: Judge
  readonly found: Found | null

  constructor(world: ExploredWorld) {
    let state = world.unborn
    const judge = new Judge(world, state)
    let ledSince: number | null = null
    for (let steps = 0; judge.found === null && steps < PROLOGUE_STEPS_MAX; steps++) {
      const choice = plainChoice(world, state, ledSince)
      if (choice === null) break
      if (ledSince === null && isLed(world, state)) ledSince = state.now
      const step = world.take(state, { choice, deviations: [] })!
      judge.hear(step)
      state = step.state
    }
    this.state = { ...state, ticks: 0 }
    this.judge = judge
    this.found = judge.found
  }
}

/** All stores start, and everything happens in order, until the schedule's beginning. */
function plainChoice(world: ExploredWorld, state: State, ledSince: number | null): Choice | null {
  const { from } = world.scope
  for (let store = 1; store <= state.stores.length; store++)
    if (!world.isUp(state, store)) return { type: "restart", store }
  if (!world.isQuiet(state)) return { type: "take", item: 0 }
  // A timer later a new leader is also past the time it lets go by before it writes.
  if (from === "start" || (ledSince !== null && ledSince < state.now)) return null
  return { type: "tick", store: world.nextDue(state) }
}

/** One store leads and may serve alone, and all have applied all there is. */
function isLed(world: ExploredWorld, state: State): boolean {
  const looks = state.stores.map((number, index) => world.graph(index + 1).look(number))
  if (!looks.every(({ hasApplied }) => hasApplied)) return false
  return looks.some(({ leads }, index) => leads && world.leaseTerm(state, index + 1, GROUP) > 0)
}

type Frame = {
  readonly state: State
  readonly judge: Judge
  readonly options: readonly Option[]
  next: number
}

/** Every schedule with at most so many deviations. */
class Round {
  states = 1
  transitions = 0
  duplicates = 0
  deepest = 0
  isStopped = false
  /** A schedule came to its last step with something left to choose. */
  isCut = false
  violation: Explored["violation"] = null
  readonly names: Set<string> | null
  readonly #world: ExploredWorld
  readonly #root: Root
  readonly #deviations: number
  /** Each state by how few steps it was reached in: with fewer, more may follow. */
  readonly #seen = new Map<string, number>()
  readonly #path: Frame[] = []

  constructor(world: ExploredWorld, root: Root, deviations: number, isNamed: boolean) {
    this.#world = world
    this.#root = root
    this.#deviations = deviations
    this.names = isNamed ? new Set() : null
  }

  *run(): Generator<ExploreProgress, void, boolean> {
    const { state, judge, found } = this.#root
    if (found !== null) {
      this.violation = { ...found, schedule: [], deviations: 0 }
      return
    }
    this.#seen.set(this.#world.key(state), 0)
    this.names?.add(this.#world.name(state))
    this.#enter(state, judge.fork())
    let lookAt = LOOK_EVERY
    while (this.#path.length > 0 && this.violation === null && !this.isStopped) {
      this.#advance()
      if (this.transitions < lookAt) continue
      lookAt += LOOK_EVERY
      this.isStopped = yield this.#progress()
    }
  }

  #enter(state: State, judge: Judge): void {
    const used = state.used.reduce((sum, count) => sum + count, 0)
    const all = this.#world.options(state)
    const options = all.filter(({ deviations }) => used + deviations.length <= this.#deviations)
    if (this.#path.length >= this.#world.scope.events) {
      if (options.length > 0) this.isCut = true
      return
    }
    this.#path.push({ state, judge, options, next: 0 })
    if (this.#path.length > this.deepest) this.deepest = this.#path.length
  }

  #advance(): void {
    const frame = this.#path.at(-1)!
    const option = frame.options[frame.next]
    if (option === undefined) {
      this.#path.pop()
      return
    }
    frame.next++
    const step = this.#world.take(frame.state, option)!
    this.transitions++
    // The last way to go on needs no judge of its own: nobody comes back to this one.
    const judge = frame.next < frame.options.length ? frame.judge.fork() : frame.judge
    const found = judge.hear(step)
    if (found !== null) {
      const schedule = this.#path.map(({ options, next }) => options[next - 1]!.choice)
      const deviations = step.state.used.reduce((sum, count) => sum + count, 0)
      this.violation = { ...found, schedule, deviations }
      return
    }
    const depth = this.#path.length
    const key = this.#world.key(step.state)
    const before = this.#seen.get(key)
    if (before !== undefined) this.duplicates++
    if (before !== undefined && before <= depth) return
    if (before === undefined) {
      this.states++
      this.names?.add(this.#world.name(step.state))
    }
    this.#seen.set(key, depth)
    this.#enter(step.state, judge)
  }

  #progress(): ExploreProgress {
    return {
      deviations: this.#deviations,
      states: this.states,
      transitions: this.transitions,
      depth: this.#path.length,
      frontier: this.#path.filter(({ options, next }) => next < options.length).length,
    }
  }
}
