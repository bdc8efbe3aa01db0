import {
  ByteWriter,
  Digest,
  invariant,
  isStoreMessage,
  volumeOfTenant,
  type Frame,
  type KvReply,
  type Term,
} from "#kernel"
import type { KernelBuild } from "../kernel-build.ts"
import { factsOf } from "./facts.ts"
import { configOf, type Scope } from "./scope.ts"
import { StoreRun, type OpName, type SentFrame, type StoreEvent, type Told } from "./store-run.ts"

/** A state of one store, by number: equal numbers of one store are equal states. */
export type StoreState = number

/** Something under way that can happen, by number, in all of a graph. */
export type Item = number

export type ItemForm =
  | ({ readonly type: "frame" } & SentFrame)
  | { readonly type: "disk"; readonly store: number; readonly op: OpName }
  | { readonly type: "turn"; readonly store: number }

/** What can be seen of a state from outside. */
export type StoreLook = {
  readonly isUp: boolean
  readonly leads: boolean
  readonly hasApplied: boolean
  readonly dueAt: number | null
  /** Operations of its disk, and its turn where inputs wait for one. */
  readonly items: readonly Item[]
}

/** One step of one store: the same state and event give the same, for ever. */
export type StoreStep = {
  readonly to: StoreState
  readonly look: StoreLook
  readonly frames: readonly Item[]
  readonly replies: readonly { readonly session: number; readonly reply: KvReply }[]
  readonly told: readonly Told[]
  /** What the oracles remember of it for good. */
  readonly facts: readonly string[]
}

type Node = { readonly parent: StoreState; readonly event: StoreEvent | null; readonly look: StoreLook }

/** Live stores kept beside those that were just used. */
const LIVE_MAX = 512

/**
 * The states of one store as a graph that is made where it is asked for. A store is a function of what happened to it, so
 * every step is done once, by the real host, and known from then on: schedules of a cluster are many more than those
 * that one store can tell apart. A state that is left in a second way is made again, by its own past.
 */
export class StoreGraph {
  /** Steps that real kernels made, those of repetitions included, and answers from memory. */
  steps = 0
  repeated = 0
  remembered = 0
  readonly #scope: Scope
  readonly #build: KernelBuild
  readonly #store: number
  readonly #items: Items
  readonly #nodes: Node[] = []
  readonly #names: string[] = []
  readonly #states = new Map<string, StoreState>()
  readonly #memo = new Map<string, StoreStep>()
  /** Each at the state it is in; the oldest goes first. */
  readonly #live = new Map<StoreState, StoreRun>()

  constructor(scope: Scope, build: KernelBuild, store: number, items: Items) {
    this.#scope = scope
    this.#build = build
    this.#store = store
    this.#items = items
    const run = this.#unborn()
    const look = { isUp: false, leads: false, hasApplied: false, dueAt: null, items: [] }
    this.#nodes.push({ parent: 0, event: null, look })
    this.#names.push(run.digest())
    this.#states.set(this.#names[0]!, 0)
    this.#live.set(0, run)
  }

  get size(): number {
    return this.#nodes.length
  }

  /** The same for the same state, whatever else this graph has met. */
  name(state: StoreState): string {
    return this.#names[state]!
  }

  look(state: StoreState): StoreLook {
    return this.#nodes[state]!.look
  }

  /** `name` names the event, its time included. */
  step(state: StoreState, name: string, event: StoreEvent): StoreStep {
    const key = `${state} ${name}`
    const known = this.#memo.get(key)
    if (known !== undefined) {
      this.remembered++
      return known
    }
    const run = this.#at(state)
    this.#live.delete(state)
    this.steps++
    run.happen(event)
    const frames = run.frames.map((sent) => this.#items.frame(sent))
    const digest = run.digest()
    let to = this.#states.get(digest)
    if (to === undefined) {
      to = this.#nodes.length
      this.#nodes.push({ parent: state, event, look: this.#lookAt(run) })
      this.#names.push(digest)
      this.#states.set(digest, to)
    }
    this.#keep(to, run)
    const look = this.#nodes[to]!.look
    const step = { to, look, frames, replies: run.replies, told: run.told, facts: factsOf(run.told) }
    this.#memo.set(key, step)
    return step
  }

  leaseTerm(state: StoreState, group: number, at: number): Term {
    return this.#nodes[state]!.look.isUp ? this.#at(state).leaseTerm(group, at) : 0
  }

  #lookAt(run: StoreRun): StoreLook {
    const items = run.ops.map((op) => this.#items.op(this.#store, op))
    if (run.hasInbox) items.push(this.#items.turn(this.#store))
    return { isUp: run.isUp, leads: run.leads, hasApplied: run.hasApplied, dueAt: run.dueAt, items }
  }

  #at(state: StoreState): StoreRun {
    const live = this.#live.get(state)
    if (live !== undefined) return live
    const past: StoreEvent[] = []
    let from = state
    while (from !== 0) {
      const { parent, event } = this.#nodes[from]!
      past.push(event!)
      from = parent
    }
    const run = this.#unborn()
    for (let i = past.length - 1; i >= 0; i--) run.happen(past[i]!)
    this.repeated += past.length
    invariant(this.#states.get(run.digest()) === state, "A store that did the same again is in another state")
    this.#keep(state, run)
    return run
  }

  #keep(state: StoreState, run: StoreRun): void {
    this.#live.delete(state)
    this.#live.set(state, run)
    if (this.#live.size <= LIVE_MAX) return
    for (const oldest of this.#live.keys()) {
      this.#live.delete(oldest)
      return
    }
  }

  #unborn(): StoreRun {
    const { seed, stores } = this.#scope
    const config = configOf(stores, this.#store)
    return new StoreRun(seed, config, stores, this.#build, config.tenants.map(volumeOfTenant))
  }
}

/** What can be under way, numbered. */
export class Items {
  readonly #forms: ItemForm[] = []
  readonly #names: string[] = []
  readonly #known = new Map<string, Item>()
  readonly #scratch = new ByteWriter(1_024)
  readonly #build: KernelBuild

  constructor(build: KernelBuild) {
    this.#build = build
  }

  form(item: Item): ItemForm {
    return this.#forms[item]!
  }

  /** The same for the same item, whatever else a graph has met. */
  name(item: Item): string {
    return this.#names[item]!
  }

  frame(sent: SentFrame): Item {
    const digest = new Digest()
    digest.bytes(this.#build.encodeFrame(sent.frame, this.#scratch))
    return this.#number(`f${sent.from}${sent.to}${sent.lane[0]}${digest.hex()}`, { type: "frame", ...sent })
  }

  op(store: number, op: OpName): Item {
    return this.#number(`d${store}.${op.volume}.${op.type[0]}${op.number}`, { type: "disk", store, op })
  }

  turn(store: number): Item {
    return this.#number(`t${store}`, { type: "turn", store })
  }

  #number(name: string, form: ItemForm): Item {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const item = this.#forms.length
    this.#forms.push(form)
    this.#names.push(name)
    this.#known.set(name, item)
    return item
  }
}

/** What a frame says, in a few words. */
export function frameText(frame: Frame): string {
  return frame.messages
    .map((message) => {
      if (isStoreMessage(message)) return message.type
      const term = "term" in message ? ` of term ${message.term}` : ""
      switch (message.type) {
        case "appendEntries":
          return `append${term} after ${message.prevIndex} with ${message.entries.length} (commit ${message.leaderCommit})`
        case "appendReply":
          return `append ${message.success ? `acknowledged up to ${message.matchIndex}` : "refused"}${term}`
        case "voteRequest":
          return `${message.preVote ? "pre-vote" : "vote"} asked for${term}`
        case "voteReply":
          return `${message.preVote ? "pre-vote" : "vote"} ${message.granted ? "granted" : "refused"}${term}`
        default:
          return `${message.type}${term}`
      }
    })
    .join(", ")
}
