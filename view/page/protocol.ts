import type { Parting, Plan, RunResult } from "#sim"
import type { Cone } from "../session/cone.ts"
import type { Neighbour } from "../session/compare.ts"
import type { Edit } from "../session/edit.ts"
import type { EventView, MessageView } from "../session/event.ts"
import type { Focus } from "../session/focus.ts"
import type { Likelihood } from "../session/inevitable.ts"
import type { StoreView } from "../session/inspect.ts"
import type { RecordedPart } from "../session/recording.ts"
import type { Outline, Scene } from "../session/scene.ts"
import type { SearchResult } from "../session/search.ts"
import type { Provenance } from "../session/wrote.ts"

/** A `RecordedPart` as text: bytes in base 64. */
export type RecordingText = Omit<RecordedPart, "kernel" | "bases" | "inputs"> & {
  readonly kernel: string
  readonly bases: readonly (readonly [number, string])[]
  readonly inputs: string
  /** What must come out after the last input. */
  readonly traceHash: string
}

/** What the page was made for; it stands in it as JSON. */
export type Subject = {
  readonly name: string
  /** Null where recordings of real nodes are shown. */
  readonly plan: Plan | null
  readonly recordings: readonly RecordingText[]
  /** What the capsule says of the run; null for a plan alone. */
  readonly expected: {
    readonly oracle: string
    readonly message: string
    readonly traceHash: string
    readonly command: string
    readonly version: string
  } | null
  /** Of the Orrery that made the page. */
  readonly version: string
  readonly build: string
}

/** A run as the page tells it. */
export type Summary = Pick<
  RunResult,
  | "scenario"
  | "seed"
  | "runClass"
  | "verdict"
  | "violation"
  | "traceHash"
  | "stateHash"
  | "events"
  | "simulatedUs"
  | "operations"
> & {
  readonly plan: Plan | null
  readonly outline: Outline
  readonly focus: Focus | null
  /** The store of the event in focus. */
  readonly focusStore: number
  /** Kernels that are kept, what they weigh, and steps between two of one process. */
  readonly kept: {
    readonly kernels: number
    readonly bytes: number
    readonly inputBytes: number
    readonly every: number
  }
  readonly wallMs: number
}

/** What the page may ask of its worker, and what it answers. */
export type Calls = {
  readonly open: { readonly ask: { readonly plan: Plan }; readonly answer: Summary }
  readonly play: {
    readonly ask: { readonly recordings: readonly RecordingText[] }
    readonly answer: Summary
  }
  readonly edit: {
    readonly ask: { readonly plan: Plan; readonly edit: Edit }
    readonly answer: Plan | string
  }
  readonly scene: {
    readonly ask: { readonly from: number; readonly until: number; readonly quiet: boolean }
    readonly answer: Scene
  }
  /** An event, and its store as it is after it. */
  readonly stand: {
    readonly ask: { readonly event: number; readonly prefix: string }
    readonly answer: { readonly event: EventView; readonly store: StoreView & { readonly wallMs: number } }
  }
  readonly message: { readonly ask: { readonly id: number }; readonly answer: MessageView }
  readonly eventAt: {
    readonly ask: { readonly time: number; readonly store: number | null }
    readonly answer: number
  }
  /** The next event of a store, or of any, in this direction; the same when there is none. */
  readonly step: {
    readonly ask: { readonly event: number; readonly by: 1 | -1; readonly store: number | null }
    readonly answer: number
  }
  readonly inspect: {
    readonly ask: { readonly store: number; readonly event: number; readonly prefix: string }
    readonly answer: StoreView & { readonly wallMs: number }
  }
  readonly cone: {
    readonly ask: { readonly event: number }
    readonly answer: Cone & { readonly chain: readonly MessageView[] }
  }
  readonly search: {
    readonly ask: { readonly query: string; readonly from: number }
    readonly answer: SearchResult
  }
  readonly wrote: {
    readonly ask: {
      readonly store: number
      readonly event: number
      readonly tenant: number
      readonly key: string
    }
    readonly answer: Provenance | null
  }
  readonly nearest: { readonly ask: { readonly plan: Plan }; readonly answer: Neighbour | null }
  readonly inevitable: {
    readonly ask: { readonly plan: Plan; readonly oracle: string; readonly until: number }
    readonly answer: readonly Likelihood[]
  }
  readonly part: {
    readonly ask: { readonly first: Plan; readonly second: Plan }
    readonly answer: Parting | null
  }
}

export type CallName = keyof Calls
export type Ask = {
  readonly [N in CallName]: { readonly id: number; readonly call: N } & Calls[N]["ask"]
}[CallName]
export type Answer =
  | { readonly id: number; readonly type: "answer"; readonly value: unknown }
  | { readonly id: number; readonly type: "refused"; readonly message: string }
  /** `done` of 1. */
  | { readonly id: number; readonly type: "progress"; readonly done: number; readonly told: string }
