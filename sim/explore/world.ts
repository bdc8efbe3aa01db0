import { invariant } from "#kernel"
import type { KernelBuild } from "../kernel-build.ts"
import type { Choice, Option } from "./choice.ts"
import { Clients, type History } from "./clients.ts"
import { FactSets } from "./facts.ts"
import { DEVIATIONS, LAPSE_US, storesOf, type Deviation, type Scope } from "./scope.ts"
import { Items, StoreGraph, type Item, type StoreState, type StoreStep } from "./store-graph.ts"
import type { StoreEvent, Told } from "./store-run.ts"

/** The whole cluster at one moment. Never changed: what comes next is another one. */
export type State = {
  /** Microseconds. It moves when a timer fires, and only forward: all clocks show it. */
  readonly now: number
  /** By store, from 1. */
  readonly stores: readonly StoreState[]
  /** What is under way, in the order in which it was begun. */
  readonly queue: readonly Item[]
  /** Frames that wait for a cut to be healed. */
  readonly parked: readonly Item[]
  /** Who is cut off; 0 for nobody. */
  readonly cut: number
  readonly asked: number
  readonly history: History
  readonly facts: number
  readonly ticks: number
  /** By kind, as `DEVIATIONS` has them. */
  readonly used: readonly number[]
}

/** What a choice came to. */
export type Step = {
  readonly state: State
  /** Which store did something, or 0, and what its host told meanwhile. */
  readonly store: number
  readonly told: readonly Told[]
}

const NOTHING: readonly Told[] = []

/**
 * All that can happen to a small cluster, one choice at a time. Stores are those of the simulator; the network is the queue
 * of what is under way; time stands still but for timers. Whatever is chosen, a real cluster could do.
 */
export class ExploredWorld {
  readonly scope: Scope
  readonly items: Items
  readonly clients: Clients
  readonly facts: FactSets = new FactSets()
  readonly #graphs: readonly StoreGraph[]

  constructor(scope: Scope, build: KernelBuild) {
    this.scope = scope
    this.items = new Items(build)
    this.clients = new Clients(scope.operations)
    this.#graphs = storesOf(scope.stores).map((store) => new StoreGraph(scope, build, store, this.items))
  }

  graph(store: number): StoreGraph {
    return this.#graphs[store - 1]!
  }

  /** Before anything has happened: no store was ever started. */
  get unborn(): State {
    return {
      now: 0,
      stores: this.#graphs.map(() => 0),
      queue: [],
      parked: [],
      cut: 0,
      asked: 0,
      history: 0,
      facts: 0,
      ticks: 0,
      used: DEVIATIONS.map(() => 0),
    }
  }

  /** Equal for equal states and for no others, within this world. */
  key(state: State): string {
    const { now, stores, parked, cut, asked, history, facts, ticks, used } = state
    const queue = this.#isUnordered ? state.queue.toSorted((a, b) => a - b) : state.queue
    return `${now};${stores.join()};${queue.join()};${parked.join()};${cut};${asked};${history};${facts};${ticks};${used.join()}`
  }

  /** The same in words that do not depend on the order in which this world met its parts. */
  name(state: State): string {
    const { now, stores, parked, cut, asked, history, facts, ticks, used } = state
    const queue = state.queue.map((item) => this.items.name(item))
    if (this.#isUnordered) queue.sort()
    const names = stores.map((number, index) => this.#graphs[index]!.name(number))
    const waiting = parked.map((item) => this.items.name(item))
    return [now, names, queue, waiting, cut, asked, this.clients.name(history), this.facts.text(facts), ticks, used].join(
      ";",
    )
  }

  get #isUnordered(): boolean {
    return this.scope.delays === null
  }

  isUp(state: State, store: number): boolean {
    return this.graph(store).look(state.stores[store - 1]!).isUp
  }

  /** Whether nothing is under way. */
  isQuiet(state: State): boolean {
    return state.queue.length === 0
  }

  /** The store whose timer is due first, or 0. */
  nextDue(state: State): number {
    let first = 0
    let firstAt = Number.MAX_SAFE_INTEGER
    for (const [index, graph] of this.#graphs.entries()) {
      const { dueAt } = graph.look(state.stores[index]!)
      if (dueAt === null || dueAt >= firstAt) continue
      first = index + 1
      firstAt = dueAt
    }
    return first
  }

  /** What the scope allows to come next, the plain order first. */
  options(state: State): readonly Option[] {
    const options: Option[] = []
    const left = this.#leftOf(state)
    if (this.#isUnordered) this.#takeAny(state, options)
    else if (!this.isQuiet(state)) options.push({ choice: { type: "take", item: 0 }, deviation: null })
    this.#passTime(state, left, options)
    this.#attend(state, left, options)
    this.#disturb(state, left, options)
    return options
  }

  #leftOf(state: State): Left {
    const { scope } = this
    const used = state.used.reduce((sum, count) => sum + count, 0)
    const total = scope.deviations - used
    const of = (deviation: Deviation): boolean => {
      const most = scope[deviation]
      return most === null || (total > 0 && state.used[DEVIATIONS.indexOf(deviation)]! < most)
    }
    return { of }
  }

  #takeAny(state: State, options: Option[]): void {
    for (const [item, each] of state.queue.entries()) {
      if (state.queue.indexOf(each) === item) options.push({ choice: { type: "take", item }, deviation: null })
    }
  }

  /** Timers wait until nothing is under way; one that does not is as if what is under way were slow. */
  #passTime(state: State, left: Left, options: Option[]): void {
    if (state.ticks >= this.scope.ticks) return
    const first = this.nextDue(state)
    for (const [index, graph] of this.#graphs.entries()) {
      if (graph.look(state.stores[index]!).dueAt === null) continue
      const store = index + 1
      const isPlain = this.#isUnordered || (store === first && this.isQuiet(state))
      if (isPlain || left.of("delays"))
        options.push({ choice: { type: "tick", store }, deviation: isPlain ? null : "delays" })
    }
    if ((this.#isUnordered || this.isQuiet(state)) && left.of("lapses"))
      options.push({ choice: { type: "lapse" }, deviation: "lapses" })
  }

  /** Clients, and what makes good again. */
  #attend(state: State, left: Left, options: Option[]): void {
    const isPlain = this.#isUnordered || this.isQuiet(state)
    if (state.asked < this.clients.count && (isPlain || left.of("delays"))) {
      for (const [index, graph] of this.#graphs.entries()) {
        if (!graph.look(state.stores[index]!).leads) continue
        options.push({
          choice: { type: "ask", store: index + 1 },
          deviation: isPlain ? null : "delays",
        })
      }
    }
    if (!isPlain) return
    for (const [index, graph] of this.#graphs.entries()) {
      if (!graph.look(state.stores[index]!).isUp)
        options.push({ choice: { type: "restart", store: index + 1 }, deviation: null })
    }
    if (state.cut !== 0) options.push({ choice: { type: "heal" }, deviation: null })
  }

  #disturb(state: State, left: Left, options: Option[]): void {
    const heads = this.#isUnordered ? state.queue.length : Math.min(1, state.queue.length)
    if (!this.#isUnordered && state.queue.length > 1 && left.of("delays"))
      options.push({ choice: { type: "delay" }, deviation: "delays" })
    for (let item = 0; item < heads; item++) {
      const form = this.items.form(state.queue[item]!)
      if (state.queue.indexOf(state.queue[item]!) !== item) continue
      if (form.type !== "turn" && left.of("gathers"))
        options.push({ choice: { type: "gather", item }, deviation: "gathers" })
      if (form.type !== "frame") continue
      if (left.of("drops")) options.push({ choice: { type: "drop", item }, deviation: "drops" })
      if (left.of("duplicates"))
        options.push({ choice: { type: "duplicate", item }, deviation: "duplicates" })
    }
    for (const [index, graph] of this.#graphs.entries()) {
      const store = index + 1
      const { isUp, items } = graph.look(state.stores[index]!)
      if (isUp && left.of("crashes")) {
        options.push({ choice: { type: "crash", store, kept: false }, deviation: "crashes" })
        const appends = items.some((item) => {
          const form = this.items.form(item)
          return form.type === "disk" && form.op.type === "append"
        })
        if (appends) options.push({ choice: { type: "crash", store, kept: true }, deviation: "crashes" })
      }
      if (state.cut === 0 && this.scope.stores > 1 && left.of("cuts"))
        options.push({ choice: { type: "cut", store }, deviation: "cuts" })
    }
  }

  /** Whatever `options` offers can be taken; null for a choice that means nothing here. */
  take(state: State, { choice, deviation }: Option): Step | null {
    const counted = deviation === null ? state : withUsed(state, deviation)
    const { now, queue } = counted
    switch (choice.type) {
      case "take":
      case "gather":
      case "duplicate":
        return this.#take(counted, choice)
      case "delay": {
        if (queue.length < 2) return null
        return said({ ...counted, queue: [...queue.slice(1), queue[0]!] })
      }
      case "drop":
        if (queue[choice.item] === undefined || this.items.form(queue[choice.item]!).type !== "frame") return null
        return said({ ...counted, queue: queue.toSpliced(choice.item, 1) })
      case "tick": {
        const dueAt = this.#lookOf(state, choice.store)?.dueAt ?? null
        if (dueAt === null) return null
        const at = Math.max(now, dueAt)
        return this.#happen({ ...counted, now: at, ticks: state.ticks + 1 }, choice.store, "wake", { type: "wake", at })
      }
      case "lapse":
        return said({ ...counted, now: now + LAPSE_US })
      case "ask": {
        const op = state.asked
        if (op >= this.clients.count || this.#lookOf(state, choice.store)?.isUp !== true) return null
        const event = { type: "request", at: now, session: op, request: this.clients.request(op) } as const
        const history = this.clients.asked(state.history, op)
        return this.#happen({ ...counted, asked: op + 1, history }, choice.store, `ask${op}`, event)
      }
      case "crash":
        if (this.#lookOf(state, choice.store)?.isUp !== true) return null
        return this.#happen(counted, choice.store, choice.kept ? "kept" : "lost", { ...choice, at: now })
      case "restart":
        if (this.#lookOf(state, choice.store)?.isUp !== false) return null
        return this.#happen(counted, choice.store, "boot", { type: "boot", at: now })
      case "cut": {
        if (this.#lookOf(state, choice.store) === null || state.cut !== 0) return null
        const { store } = choice
        const crosses = (item: Item): boolean => this.#crosses(item, store)
        const parked = queue.filter((item) => crosses(item))
        return said({ ...counted, cut: store, parked, queue: queue.filter((item) => !crosses(item)) })
      }
      case "heal":
        if (state.cut === 0) return null
        return said({ ...counted, cut: 0, parked: [], queue: [...queue, ...state.parked] })
    }
  }

  #lookOf(state: State, store: number): ReturnType<StoreGraph["look"]> | null {
    const number = state.stores[store - 1]
    return number === undefined ? null : this.graph(store).look(number)
  }

  #crosses(item: Item, cut: number): boolean {
    const form = this.items.form(item)
    return form.type === "frame" && (form.from === cut || form.to === cut)
  }

  #take(state: State, choice: Extract<Choice, { type: "take" | "gather" | "duplicate" }>): Step | null {
    const item = state.queue[choice.item]
    if (item === undefined) return null
    const form = this.items.form(item)
    const at = state.now
    const turn = choice.type !== "gather"
    const name = `${this.items.name(item)}${turn ? "" : "+"}`
    const rest = { ...state, queue: state.queue.toSpliced(choice.item, 1) }
    switch (form.type) {
      case "frame": {
        const after = choice.type === "duplicate" ? { ...rest, queue: [...rest.queue, item] } : rest
        return this.#happen(after, form.to, name, { type: "frame", at, frame: form.frame, turn })
      }
      case "disk":
        if (choice.type === "duplicate") return null
        return this.#happen(rest, form.store, name, { type: "disk", at, op: form.op, turn })
      case "turn":
        if (choice.type !== "take") return null
        return this.#happen(rest, form.store, name, { type: "turn", at })
    }
  }

  /** One store does what happens to it, and the others see what left it. */
  #happen(state: State, store: number, name: string, event: StoreEvent): Step {
    const graph = this.graph(store)
    const before = state.stores[store - 1]!
    const step = graph.step(before, `${name}@${event.at}`, event)
    const stores = state.stores.with(store - 1, step.to)
    const queue = this.#queueAfter(state, graph.look(before).items, step)
    let { history } = state
    for (const { session, reply } of step.replies) history = this.clients.heard(history, session, reply)
    const facts = this.facts.with(state.facts, step.facts)
    return { state: { ...state, stores, queue, history, facts }, store, told: step.told }
  }

  #queueAfter(state: State, before: readonly Item[], { look, frames }: StoreStep): readonly Item[] {
    const over = before.filter((item) => !look.items.includes(item))
    const begun = look.items.filter((item) => !state.queue.includes(item))
    const sent = state.cut === 0 ? frames : frames.filter((item) => !this.#crosses(item, state.cut))
    if (over.length === 0 && begun.length === 0 && sent.length === 0) return state.queue
    return [...state.queue.filter((item) => !over.includes(item)), ...begun, ...sent]
  }

  /** In which term this store could serve a read alone now; 0: it could not. */
  leaseTerm(state: State, store: number, group: number): number {
    const number = state.stores[store - 1]
    invariant(number !== undefined, "Cannot ask a store that is not there")
    return this.graph(store).leaseTerm(number, group, state.now)
  }
}

/** Whether one more deviation of a kind is allowed. */
type Left = { readonly of: (deviation: Deviation) => boolean }

function said(state: State): Step {
  return { state, store: 0, told: NOTHING }
}

function withUsed(state: State, deviation: Deviation): State {
  const index = DEVIATIONS.indexOf(deviation)
  return { ...state, used: state.used.with(index, state.used[index]! + 1) }
}
