import { processAt, timeOf, type Run } from "./run.ts"

/** Where to look first: the event after which the verdict came, or the one that gave the answer it rests on. */
export type Focus = { readonly event: number; readonly at: number; readonly why: string }

/**
 * A check of a step fails at that step. One of the history fails at the end of the run and names operations (`#12`): what
 * is to be looked at is the answer to the last of those that was answered. One of liveness names a moment: the end.
 */
export function focusOf(run: Run): Focus | null {
  if (run.result === null || run.plan === null || run.result.violation === null) return null
  const { violation, history } = run.result
  const named = [...violation.message.matchAll(/#(\d+)\b/g)].map(([, id]) => Number(id))
  const clients = Math.max(1, run.plan.workload.clients)
  const last = history
    .filter(({ id, outcome }) => named.includes(id) && outcome === "ok")
    .sort((a, b) => a.endedAt - b.endedAt)
    .at(-1)
  if (last !== undefined) {
    const answer = run.recorder.answers.findLast(
      ({ client, event, code }) =>
        client === last.process % clients && code === "ok" && timeOf(run, event) <= last.endedAt,
    )
    if (answer !== undefined) {
      const why = `store ${answer.store} answers operation #${last.id}`
      return { event: answer.event, at: timeOf(run, answer.event), why }
    }
  }
  const { event, at } = violation
  const store = event < 1 ? 0 : run.recorder.stores.at(event - 1)
  const isUp = store > 0 && processAt(run, store, event) !== null
  return {
    event: Math.max(1, event),
    at,
    why: store === 0 ? "" : `store ${store}${isUp ? "" : ", which stopped there"}`,
  }
}
