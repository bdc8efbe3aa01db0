import { invariant } from "#kernel"
import type { KernelBuild } from "../kernel-build.ts"
import type { Choice, Option } from "./choice.ts"
import { Clients, type History } from "./clients.ts"
import { FactSets } from "./facts.ts"
import { DEVIATIONS, LAPSE_US, storesOf, type Deviation, type Scope } from "./scope.ts"
import { Items, StoreGraph, type Item, type StoreState, type StoreStep } from "./store-graph.ts"
import { BEGINNING, type StoreEvent, type Told } from "./store-run.ts"

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
  /** What the hosts told meanwhile, each of one store. */
  readonly told: readonly { readonly store: number; readonly told: readonly Told[] }[]
}

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
      now: BEGINNING,
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
    return [
      now,
      names,
      queue,
      waiting,
      cut,
      asked,
      this.clients.name(history),
      this.facts.text(facts),
      ticks,
      used,
    ].join(";")
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

  /**
   * What the scope allows to come next, the plain order first. In the plain order all that is under way comes to its end before
   * anything begins: what begins earlier is as if the rest were slow, and counts as a delay of it beside what it is.
   */
  options(state: State): readonly Option[] {
    const options: Option[] = []
    const { scope } = this
    const used = state.used.reduce((sum, count) => sum + count, 0)
    const offer: Offer = (choice, ...deviations) => {
      if (used + deviations.length > scope.deviations) return
      for (const kind of deviations) {
        const most = scope[kind]
        if (most !== null && state.used[DEVIATIONS.indexOf(kind)]! >= most) return
      }
      options.push({ choice, deviations })
    }
    const early = this.#isUnordered || this.isQuiet(state) ? PLAIN : LATE
    if (this.#isUnordered) this.#takeAny(state, offer)
    else if (!this.isQuiet(state)) offer({ type: "take", item: 0 })
    this.#attend(state, early, offer)
    this.#passTime(state, early, offer)
    this.#disturb(state, early, offer)
    return options
  }

  #takeAny(state: State, offer: Offer): void {
    for (const [item, each] of state.queue.entries())
      if (state.queue.indexOf(each) === item) offer({ type: "take", item })
  }

  /** Timers wait until nothing is under way; one that does not is as if what is under way were slow. */
  #passTime(state: State, early: readonly Deviation[], offer: Offer): void {
    if (state.ticks < this.scope.ticks) {
      const first = this.nextDue(state)
      for (const [index, graph] of this.#graphs.entries()) {
        const store = index + 1
        if (graph.look(state.stores[index]!).dueAt === null) continue
        offer({ type: "tick", store }, ...(this.#isUnordered || store === first ? early : LATE))
      }
    }
    if (this.#isUnordered || this.isQuiet(state)) offer({ type: "lapse" }, "lapses")
  }

  /** Clients, and what makes good again. */
  #attend(state: State, early: readonly Deviation[], offer: Offer): void {
    const isCalm = this.#isUnordered || this.isQuiet(state)
    for (const [index, graph] of this.#graphs.entries()) {
      const store = index + 1
      const { leads, isUp } = graph.look(state.stores[index]!)
      if (leads && state.asked < this.clients.count) offer({ type: "ask", store }, ...early)
      if (!isUp && isCalm) offer({ type: "restart", store })
    }
    if (state.cut !== 0 && isCalm) offer({ type: "heal" })
  }

  #disturb(state: State, early: readonly Deviation[], offer: Offer): void {
    const heads = this.#isUnordered ? state.queue.length : Math.min(1, state.queue.length)
    if (!this.#isUnordered && state.queue.length > 1) offer({ type: "delay" }, "delays")
    for (let item = 0; item < heads; item++) {
      const form = this.items.form(state.queue[item]!)
      if (state.queue.indexOf(state.queue[item]!) !== item) continue
      if (form.type !== "turn") offer({ type: "gather", item }, "gathers")
      if (form.type !== "frame") continue
      offer({ type: "drop", item }, "drops")
      offer({ type: "duplicate", item }, "duplicates")
    }
    for (const [index, graph] of this.#graphs.entries()) {
      const store = index + 1
      const { isUp, items } = graph.look(state.stores[index]!)
      if (isUp) {
        offer({ type: "crash", store, kept: false }, "crashes", ...early)
        if (items.some((item) => this.#isAppend(item)))
          offer({ type: "crash", store, kept: true }, "crashes", ...early)
      }
      if (state.cut === 0 && this.scope.stores > 1) offer({ type: "cut", store }, "cuts", ...early)
    }
  }

  #isAppend(item: Item): boolean {
    const form = this.items.form(item)
    return form.type === "disk" && form.op.type === "append"
  }

  /** Whatever `options` offers can be taken; null for a choice that means nothing here. */
  take(state: State, { choice, deviations }: Option): Step | null {
    const counted = deviations.length === 0 ? state : withUsed(state, deviations)
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
        if (queue[choice.item] === undefined || this.items.form(queue[choice.item]!).type !== "frame")
          return null
        return said({ ...counted, queue: queue.toSpliced(choice.item, 1) })
      case "tick": {
        const dueAt = this.#lookOf(state, choice.store)?.dueAt ?? null
        if (dueAt === null) return null
        const at = Math.max(now, dueAt)
        return this.#happen({ ...counted, now: at, ticks: state.ticks + 1 }, choice.store, "wake", {
          type: "wake",
          at,
        })
      }
      case "lapse":
        return this.#lapse(counted)
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

  /** Time passes, and all that waited for it comes late, in the order in which it was due. */
  #lapse(state: State): Step {
    const at = state.now + LAPSE_US
    let step: Step = { state: { ...state, now: at }, told: [] }
    const due = [...storesOf(this.scope.stores)]
      .map((store) => ({ store, dueAt: this.#lookOf(state, store)?.dueAt ?? null }))
      .filter(({ dueAt }) => dueAt !== null && dueAt <= at)
      .sort((a, b) => a.dueAt! - b.dueAt! || a.store - b.store)
    for (const { store } of due) {
      const { state: next, told } = this.#happen(step.state, store, "wake", { type: "wake", at })
      step = { state: next, told: [...step.told, ...told] }
    }
    return step
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
        return this.#happen(after, form.to, name, {
          type: "frame",
          at,
          name: this.items.name(item),
          frame: form.frame,
          turn,
        })
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
    return { state: { ...state, stores, queue, history, facts }, told: [{ store, told: step.told }] }
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

type Offer = (choice: Choice, ...deviations: readonly Deviation[]) => void

const PLAIN: readonly Deviation[] = []
/** What is under way, or a timer that was due before, is slow. */
const LATE: readonly Deviation[] = ["delays"]

function said(state: State): Step {
  return { state, told: [] }
}

function withUsed(state: State, deviations: readonly Deviation[]): State {
  const used = [...state.used]
  for (const kind of deviations) used[DEVIATIONS.indexOf(kind)]!++
  return { ...state, used }
}
