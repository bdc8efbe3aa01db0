import { Digest, TRACE_CHECKPOINT_EVENTS, writeEffect, writeInput, type Effect, type Input } from "#kernel"
import type { RunResult } from "../result.ts"
import { effectText, inputText, type Listener } from "./recorder.ts"

/** Events after `from` and up to `to`; `to` is open when one of the runs is over before. */
export type Window = { readonly from: number; readonly to: number }

/** Where two runs part: the first event that differs, as each run has it. Null: that run is over. */
export type Parting = {
  readonly event: number
  readonly first: string | null
  readonly second: string | null
}

/** A run that can be had again, followed or not. */
export type Rerun = (listener: Listener | null) => Pick<RunResult, "traceHash" | "checkpoints" | "events">

type Hashes = Pick<RunResult, "traceHash" | "checkpoints">

/** The events among which two runs part, as far as their hashes tell; null when they are one run. */
export function partingWindow(first: Hashes, second: Hashes): Window | null {
  const common = Math.min(first.checkpoints.length, second.checkpoints.length)
  for (let index = 0; index < common; index++) {
    if (first.checkpoints[index] === second.checkpoints[index]) continue
    return { from: index * TRACE_CHECKPOINT_EVENTS, to: (index + 1) * TRACE_CHECKPOINT_EVENTS }
  }
  if (first.traceHash === second.traceHash) return null
  return { from: common * TRACE_CHECKPOINT_EVENTS, to: (common + 1) * TRACE_CHECKPOINT_EVENTS }
}

/**
 * The very event at which two runs part: their checkpoints say between which two it lies, then both run
 * again and those events are compared one by one. What happens between events (a start, a lost frame)
 * shows at the first event it changes. Null when nothing differs the second time either.
 */
export function findParting(first: Rerun, second: Rerun): Parting | null {
  const window = partingWindow(first(null), second(null))
  if (window === null) return null
  const one = new EventRecorder(window)
  const other = new EventRecorder(window)
  first(one)
  second(other)
  const count = Math.max(one.digests.length, other.digests.length)
  for (let index = 0; index < count; index++) {
    if (one.digests[index] === other.digests[index]) continue
    return { event: one.first + index, first: one.texts[index] ?? null, second: other.texts[index] ?? null }
  }
  return null
}

/** Digest and words of every event of a window. */
class EventRecorder implements Listener {
  readonly first: number
  readonly digests: string[] = []
  readonly texts: string[] = []
  readonly #to: number

  constructor(window: Window) {
    this.first = window.from + 1
    this.#to = window.to
  }

  stepped(now: number, event: number, store: number, input: Input, effects: readonly Effect[]): void {
    if (event < this.first || event > this.#to) return
    const digest = new Digest()
    digest.uint(now)
    digest.uint(store)
    writeInput(input, digest, false)
    for (const effect of effects) if (effect.type !== "observe") writeEffect(effect, digest, false)
    this.digests.push(digest.hex())
    const told = effects.map((effect) => `\n  ${effectText(effect)}`).join("")
    this.texts.push(`${now} µs, event ${event}, store ${store}: ${inputText(input)}${told}`)
  }

  happened(): void {}
}
