import { effectText, inputText } from "#sim"
import { NONE, type MessageKind } from "./messages.ts"
import { INPUT_KINDS } from "./recorder.ts"
import type { Run } from "./run.ts"

/** A message as whoever looks at one of its ends wants to know it. */
export type MessageView = {
  readonly id: number
  readonly kind: MessageKind
  readonly from: number
  readonly to: number
  readonly sentAt: number
  readonly sentEvent: number
  /** Null: it never arrived. */
  readonly tookAt: number | null
  readonly tookEvent: number | null
}

export type EventView = {
  readonly event: number
  readonly at: number
  readonly store: number
  readonly kind: string
  /** By an old process beside its successor. */
  readonly isZombie: boolean
  readonly input: string
  readonly effects: readonly string[]
  /** What it took in, where that is known. */
  readonly took: MessageView | null
  /** What left its store after it and before its next event. */
  readonly sent: readonly MessageView[]
  readonly marks: readonly string[]
  /** Starts, crashes and faults at this event. */
  readonly happenings: readonly string[]
}

const SENT_MAX = 64

/** One event, its step taken again to see what came of it. */
export function lookAtEvent(run: Run, event: number): EventView {
  const { recorder, rewinder } = run
  const index = event - 1
  const store = recorder.stores.at(index)
  const life = recorder.allLives[recorder.lives.at(index)]!
  const { input, effects } = rewinder.stepAt(life, life.stepsUpTo(event) - 1)
  const took = recorder.took.at(index)
  const latest = recorder.allLives.findLast((each) => each.store === store && each.after < event)
  return {
    event,
    at: recorder.times.at(index),
    store,
    kind: INPUT_KINDS[recorder.kinds.at(index)]!,
    isZombie: latest !== life,
    input: inputText(input),
    effects: effects.map(effectText),
    took: took === NONE ? null : lookAtMessage(run, took),
    sent: sentAfter(run, store, event),
    marks: recorder.marks.filter((mark) => mark.event === event).map(({ name }) => name),
    happenings: recorder.happenings.filter((each) => each.event === event).map(({ what }) => what),
  }
}

export function lookAtMessage({ recorder: { messages } }: Run, id: number): MessageView {
  const tookAt = messages.tookAt(id)
  return {
    id,
    kind: messages.kind(id),
    from: messages.from(id),
    to: messages.to(id),
    sentAt: messages.sentAt(id),
    sentEvent: messages.sentEvent(id),
    tookAt: tookAt === NONE ? null : tookAt,
    tookEvent: tookAt === NONE ? null : messages.tookEvent(id),
  }
}

function sentAfter(run: Run, store: number, event: number): readonly MessageView[] {
  const { recorder } = run
  const { messages } = recorder
  const at = recorder.times.at(event - 1)
  const own = recorder.eventsOf[store - 1]!
  const count = own.countUpTo(event)
  const end = count < own.length ? recorder.times.at(own.at(count) - 1) : Number.MAX_SAFE_INTEGER
  const sent: MessageView[] = []
  for (let id = messages.sentUpTo(at - 1); id < messages.count && sent.length < SENT_MAX; id++) {
    if (messages.sentAt(id) > end) break
    if (messages.from(id) === store - 1 && messages.sentEvent(id) === event) sent.push(lookAtMessage(run, id))
  }
  return sent
}
