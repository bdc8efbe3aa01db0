import { decodeVersion, decodeVersionKey, SPACE_VERSIONS, volumeOfTenant, type Kernel } from "#kernel"
import { inputText } from "#sim"
import { shown } from "./inspect.ts"
import type { Life } from "./life.ts"
import { processAt, timeOf, type Run } from "./run.ts"

/** How a value came to where it was found, newest first. */
export type Provenance = {
  readonly key: string
  readonly value: string
  readonly commitTs: number
  readonly steps: readonly {
    readonly event: number
    readonly at: number
    readonly store: number
    readonly text: string
  }[]
}

/** The newest version of the key that a store has after an event: which step put it there, and who asked for it. */
export function whoWrote(
  run: Run,
  store: number,
  event: number,
  tenant: number,
  key: string,
): Provenance | null {
  const process = processAt(run, store, event)
  if (process === null) return null
  const { life, step } = process
  const row = newestRow(run.rewinder.kernelAt(life, step), tenant, key)
  if (row === null) return null
  const steps: Provenance["steps"][number][] = []
  const put = firstWith(run, store, life, step, tenant, row.engineKey)
  if (put !== null) {
    const { event: at, text } = put
    steps.push({ event: at, at: timeOf(run, at), store, text: `s${store} has it from here on: ${text}` })
  }
  const { recorder } = run
  const answer = recorder.answers.find(({ commitTs, code }) => commitTs === row.ts && code === "ok")
  const asked =
    answer === undefined
      ? undefined
      : recorder.requests.findLast(
          ({ client, id, event: at, store: leader }) =>
            client === answer.client && id === answer.id && leader === answer.store && at <= answer.event,
        )
  if (answer !== undefined) {
    const text = `s${answer.store} answers request ${answer.id} of client ${answer.client}: ok @${answer.commitTs}`
    steps.push({ event: answer.event, at: timeOf(run, answer.event), store: answer.store, text })
  }
  const request =
    asked ?? recorder.requests.find(({ event: at }) => at <= event && writes(run, at, key, row.value))
  if (request !== undefined) {
    const input = recorder.inputs.read(request.event - 1)
    const told = `s${request.store} takes in ${inputText(input)}`
    steps.push({ event: request.event, at: timeOf(run, request.event), store: request.store, text: told })
    const op = operationOf(run, request.client, request.event)
    if (op !== null) {
      const text = `client ${request.client} begins operation ${op.id}`
      steps.push({ event: request.event, at: op.at, store: 0, text })
    }
  }
  steps.sort((a, b) => b.event - a.event || b.at - a.at)
  return { key: shown(key), value: shown(row.value), commitTs: row.ts, steps }
}

type Row = { readonly engineKey: string; readonly ts: number; readonly value: string }

function newestRow(kernel: Kernel, tenant: number, userKey: string): Row | null {
  if (!kernel.status().some(({ descriptor }) => descriptor.tenant === tenant)) return null
  const cursor = kernel.view(volumeOfTenant(tenant)).cursor(SPACE_VERSIONS, "", "", false)
  for (; cursor.valid; cursor.next()) {
    const key = decodeVersionKey(cursor.key)
    if (key === null || key.userKey !== userKey) continue
    const version = decodeVersion(cursor.value)
    return { engineKey: cursor.key, ts: key.ts, value: version === "damaged" ? "damaged" : version.payload }
  }
  return null
}

/**
 * The first step after which the store has this version, over its processes if it must be: kept kernels say between
 * which two of them it came, and those steps are taken again.
 */
function firstWith(
  run: Run,
  store: number,
  last: Life,
  until: number,
  tenant: number,
  engineKey: string,
): { readonly event: number; readonly text: string } | null {
  const { allLives } = run.recorder
  let life = last
  let end = until
  for (;;) {
    if (!has(run.rewinder.kernelAt(life, 0), tenant, engineKey)) break
    const earlier = allLives.findLast((each) => each.store === store && each.id < life.id)
    if (earlier === undefined || !has(run.rewinder.kernelAt(earlier, earlier.steps), tenant, engineKey)) {
      return { event: life.after, text: "it was on the disk when this process started" }
    }
    life = earlier
    end = earlier.steps
  }
  const saves = life.saves.filter(({ step }) => step <= end)
  let low = 0
  let high = saves.length
  // The last kept kernel without it.
  while (high - low > 1) {
    const middle = (low + high) >>> 1
    if (has(run.rewinder.kernelAt(life, saves[middle]!.step), tenant, engineKey)) high = middle
    else low = middle
  }
  for (let step = saves[low]!.step; step < end; step++) {
    const { input } = run.rewinder.stepAt(life, step)
    if (has(run.rewinder.kernelAt(life, step + 1), tenant, engineKey)) {
      return { event: life.events.at(step), text: inputText(input) }
    }
  }
  return null
}

function has(kernel: Kernel, tenant: number, engineKey: string): boolean {
  if (!kernel.status().some(({ descriptor }) => descriptor.tenant === tenant)) return false
  return kernel.view(volumeOfTenant(tenant)).get(SPACE_VERSIONS, engineKey) !== null
}

function writes(run: Run, event: number, key: string, value: string): boolean {
  const input = run.recorder.inputs.read(event - 1)
  if (input.type !== "request") return false
  return input.request.ops.some(
    (op) => op.type !== "scan" && op.type !== "get" && op.key === key && "value" in op && op.value === value,
  )
}

function operationOf(
  run: Run,
  client: number,
  event: number,
): { readonly id: number; readonly at: number } | null {
  if (run.plan === null || run.result === null) return null
  const at = timeOf(run, event)
  const clients = Math.max(1, run.plan.workload.clients)
  const found = run.result.history.findLast(
    (op) =>
      op.process % clients === client && op.invokedAt <= at && (op.outcome === "info" || at <= op.endedAt),
  )
  return found === undefined ? null : { id: found.id, at: found.invokedAt }
}
