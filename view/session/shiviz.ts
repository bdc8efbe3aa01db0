import { inputText } from "#sim"
import { NONE } from "./messages.ts"
import type { Run } from "./run.ts"

/** Events from 1, both ends included. */
export type EventWindow = { readonly from: number; readonly to: number }

/** How ShiViz is to read what follows, and that no second execution does. */
const HEAD = ["(?<host>\\S*) (?<clock>{.*})\\n(?<event>.*)", ""]

/**
 * The events of a window as ShiViz reads them: a host and its vector clock, and what happened on the next line. Clocks count
 * events of the window alone; what was sent before it has none. Clients have an event for what they send and one for what
 * they hear. Gives lines.
 */
export function shivizLines(run: Run, window: EventWindow): string[] {
  const { recorder } = run
  const { messages, storeCount, laneCount } = recorder
  const names = Array.from({ length: laneCount }, (_, lane) =>
    lane < storeCount ? `store${lane + 1}` : `client${lane - storeCount}`,
  )
  const clocks = names.map(() => Array.from<number>({ length: laneCount }).fill(0))
  /** Of messages on their way: the clock of the sender when they left. */
  const carried = new Map<number, readonly number[]>()
  const lines = [...HEAD]
  const happen = (lane: number, took: number, text: string): void => {
    const clock = clocks[lane]!
    const other = took === NONE ? undefined : carried.get(took)
    if (other !== undefined) for (let i = 0; i < laneCount; i++) clock[i] = Math.max(clock[i]!, other[i]!)
    clock[lane]!++
    const told = clock.flatMap((count, i) => (count > 0 ? [`${JSON.stringify(names[i])}:${count}`] : []))
    lines.push(`${names[lane]} {${told.join(", ")}}`, text)
  }
  const points = recorder.clientPoints
    .flatMap((own, client) => own.map((point) => ({ ...point, lane: storeCount + client })))
    .filter(({ event }) => event >= window.from - 1 && event <= window.to)
    .sort((a, b) => a.event - b.event || a.at - b.at)
  let nextPoint = 0
  let nextMessage = 0
  while (nextMessage < messages.count && messages.sentEvent(nextMessage) < window.from) nextMessage++
  const clientsUpTo = (event: number): void => {
    for (; nextPoint < points.length && points[nextPoint]!.event < event; nextPoint++) {
      const { lane, message, sent } = points[nextPoint]!
      const other = names[sent ? messages.to(message) : messages.from(message)]
      happen(lane, sent ? NONE : message, `${messages.kind(message)} ${sent ? "to" : "from"} ${other}`)
      if (sent) carried.set(message, [...clocks[lane]!])
    }
  }
  /** What stores sent up to the event that is about to happen has their clocks of now. */
  const sendsBefore = (event: number, at: number): void => {
    for (; nextMessage < messages.count; nextMessage++) {
      const sender = messages.from(nextMessage)
      if (
        messages.sentAt(nextMessage) > at ||
        (sender < storeCount && messages.sentEvent(nextMessage) >= event)
      )
        break
      if (sender < storeCount) carried.set(nextMessage, [...clocks[sender]!])
    }
  }
  for (let event = window.from; event <= Math.min(window.to, recorder.events); event++) {
    sendsBefore(event, recorder.times.at(event - 1))
    clientsUpTo(event)
    const took = recorder.took.at(event - 1)
    happen(recorder.stores.at(event - 1) - 1, took, inputText(recorder.inputs.read(event - 1)))
  }
  return lines
}
