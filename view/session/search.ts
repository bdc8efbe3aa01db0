import { inputText } from "#sim"
import { eventAt, type Run } from "./run.ts"

export type Hit = {
  readonly event: number
  readonly at: number
  readonly store: number
  readonly text: string
}

export type SearchResult = {
  readonly hits: readonly Hit[]
  /** Inputs were read from the place of the search up to this event; null: all that there are. */
  readonly readUpTo: number | null
}

const HITS_MAX = 200
const INPUTS_MAX = 150_000

/**
 * What a person types: `#1234` an event, `12.5s` a moment, anything else words, all of which must be there: in what
 * happened to stores, in roles, marks, faults, answers, and in the inputs from `from` on.
 */
export function search(run: Run, query: string, from = 0): SearchResult {
  const { recorder } = run
  const text = query.trim().toLowerCase()
  const number = /^#?(\d[\d,_]*)$/.exec(text)
  if (number !== null) {
    const event = Math.min(Math.max(1, Number(number[1]!.replaceAll(/[,_]/g, ""))), recorder.events)
    return { hits: [hitOf(run, event, `event ${event}`)], readUpTo: null }
  }
  const moment = /^(\d+(?:\.\d+)?)\s*s$/.exec(text)
  if (moment !== null) {
    const at = Math.round(Number(moment[1]) * 1_000_000)
    const event = Math.max(1, eventAt(run, at))
    return { hits: [{ ...hitOf(run, event, `${moment[1]} s`), at }], readUpTo: null }
  }
  const words = text.split(/\s+/).filter((word) => word !== "")
  if (words.length === 0) return { hits: [], readUpTo: null }
  const hits: Hit[] = []
  let left = HITS_MAX
  const look = (event: number, at: number, store: number, told: string): void => {
    const lower = told.toLowerCase()
    if (left <= 0 || !words.every((word) => lower.includes(word))) return
    hits.push({ event, at, store, text: told })
    left--
  }
  // What happens seldom first: the rest must not crowd it out.
  for (const { at, event, what } of recorder.happenings) look(event, at, 0, what)
  for (const { at, event, store, group, role, term } of recorder.roles)
    look(event, at, store, `s${store}: group ${group} ${role} in term ${term}`)
  for (const { event, store, name } of recorder.marks)
    look(event, atOf(event), store, `s${store}: mark ${name}`)
  left = Math.max(left, HITS_MAX / 4)
  for (const { event, store, client, id, code, commitTs } of recorder.answers) {
    const stamp = commitTs === 0 ? "" : ` @${commitTs}`
    look(event, atOf(event), store, `s${store} answers request ${id} of client ${client}: ${code}${stamp}`)
  }
  const told = hits.length
  left = HITS_MAX / 2
  const end = Math.min(recorder.events, from + INPUTS_MAX)
  let event = from + 1
  for (; event <= end && hits.length < told + HITS_MAX / 2; event++) {
    const store = recorder.stores.at(event - 1)
    look(
      event,
      recorder.times.at(event - 1),
      store,
      `s${store} ${inputText(recorder.inputs.read(event - 1))}`,
    )
  }
  hits.sort((a, b) => a.event - b.event)
  return { hits, readUpTo: event - 1 >= recorder.events ? null : event - 1 }

  function atOf(event: number): number {
    return event <= 0 ? 0 : recorder.times.at(Math.min(event, recorder.events) - 1)
  }
}

function hitOf({ recorder }: Run, event: number, text: string): Hit {
  return { event, at: recorder.times.at(event - 1), store: recorder.stores.at(event - 1), text }
}
