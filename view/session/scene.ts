import { quietAt, runUs, type Plan, type RunResult } from "#sim"
import { shown } from "./inspect.ts"
import { MESSAGE_FIELDS, MESSAGE_KINDS, type MessageKind } from "./messages.ts"
import type { Recorder } from "./recorder.ts"
import { eventAt, type Run } from "./run.ts"

export type Lane = { readonly kind: "store" | "client"; readonly id: number; readonly name: string }

/** In force on some lanes for a while. */
export type FaultBar = {
  readonly id: number
  readonly kind: string
  readonly from: number
  readonly until: number
  readonly lanes: readonly number[]
  /** It found someone to strike, and changed something. */
  readonly applied: boolean
  readonly changes: number
  readonly args: Readonly<Record<string, number>>
}

export type RoleBand = {
  readonly lane: number
  readonly group: number
  readonly role: string
  readonly term: number
  readonly from: number
  readonly until: number
}

export type Operation = {
  readonly id: number
  readonly lane: number
  readonly from: number
  readonly until: number
  readonly outcome: string
  readonly text: string
}

/** What of a run is few enough to be drawn from its first moment to its last. */
export type Outline = {
  readonly lanes: readonly Lane[]
  readonly runUs: number
  readonly quiet: readonly { readonly from: number; readonly until: number }[]
  readonly faults: readonly FaultBar[]
  readonly roles: readonly RoleBand[]
  /** When a lane's process is up. */
  readonly up: readonly {
    readonly lane: number
    readonly from: number
    readonly until: number
    readonly how: string
  }[]
  readonly operations: readonly Operation[]
  readonly groups: readonly number[]
}

export function outlineOf(run: Run): Outline {
  const { plan, recorder, result } = run
  const last = recorder.events === 0 ? 1 : recorder.times.at(recorder.events - 1)
  const end =
    plan === null || result === null
      ? Math.max(1, last)
      : Math.min(runUs(plan.phases), Math.max(result.simulatedUs, 1))
  const lanes: Lane[] = []
  for (let store = 1; store <= recorder.storeCount; store++) {
    const isSpare = plan !== null && store > plan.cluster.stores
    lanes.push({ kind: "store", id: store, name: isSpare ? `spare ${store}` : `store ${store}` })
  }
  for (let client = 0; client < recorder.clientPoints.length; client++) {
    lanes.push({ kind: "client", id: client, name: `client ${client}` })
  }
  const quiet = plan === null ? [] : quietOf(plan).filter(({ from }) => from < end)
  const up = processesOf(run, end)
  return {
    lanes,
    runUs: end,
    quiet,
    faults: plan === null ? [] : faultsOf(plan, recorder, quiet, end),
    roles: rolesOf(run, up, end),
    up,
    operations: plan === null || result === null ? [] : operationsOf(plan, recorder, result, end),
    groups: [...new Set(recorder.roles.map(({ group }) => group))].sort((a, b) => a - b),
  }
}

function quietOf({ phases }: Plan): Outline["quiet"] {
  return Array.from({ length: phases.rounds }, (_, round) => {
    const from = quietAt(phases, round)
    return { from, until: from + phases.quietUs }
  })
}

function faultsOf(plan: Plan, recorder: Recorder, quiet: Outline["quiet"], end: number): readonly FaultBar[] {
  return plan.faults.map((fault) => {
    const run = recorder.faultRuns.get(fault.id)
    const lifted = quiet.find(({ from, until }) => fault.at < until && from <= fault.until && from > fault.at)
    const until = Math.min(fault.until, lifted?.from ?? end, end)
    const struck = run?.stores ?? fault.target.stores
    const lanes = struck.map((store) => (store >= 1_000 ? recorder.storeCount + store - 1_000 : store - 1))
    return {
      id: fault.id,
      kind: fault.kind,
      from: fault.at,
      until: Math.max(fault.at, until),
      lanes: lanes.filter((lane) => lane >= 0 && lane < recorder.laneCount),
      applied: run?.applied ?? false,
      changes: run?.tally.changes ?? 0,
      args: fault.args,
    }
  })
}

function processesOf({ recorder }: Run, end: number): Outline["up"] {
  const up: Outline["up"][number][] = []
  const since = new Map<number, number>()
  for (const { store, at, what } of recorder.turnovers) {
    const from = since.get(store)
    if (from !== undefined) up.push({ lane: store - 1, from, until: at, how: what })
    if (what === "started") since.set(store, at)
    else since.delete(store)
  }
  for (const [store, from] of since) up.push({ lane: store - 1, from, until: end, how: "" })
  return up
}

function rolesOf({ recorder }: Run, up: Outline["up"], end: number): readonly RoleBand[] {
  const bands: RoleBand[] = []
  const open = new Map<string, RoleBand>()
  const close = (key: string, at: number): void => {
    const band = open.get(key)
    if (band === undefined) return
    open.delete(key)
    const died = up.find(
      (each) => each.lane === band.lane && each.from <= band.from && band.from <= each.until,
    )
    const until = Math.min(at, died?.until ?? at)
    if (until >= band.from) bands.push({ ...band, until })
  }
  for (const { at, store, group, role, term } of recorder.roles) {
    const key = `${store} ${group}`
    const band = open.get(key)
    if (band?.role === role && band.term === term) continue
    close(key, at)
    open.set(key, { lane: store - 1, group, role, term, from: at, until: end })
  }
  for (const key of open.keys()) close(key, end)
  return bands
}

function operationsOf(plan: Plan, recorder: Recorder, result: RunResult, end: number): readonly Operation[] {
  const clients = Math.max(1, plan.workload.clients)
  return result.history.map(({ id, process, request, invokedAt, endedAt, outcome, results }) => {
    const asked = request
      .map((op) => (op.type === "scan" ? `scan ${op.start}…` : `${op.type} ${op.key}`))
      .join(", ")
    const heard = results?.map(heardText).join(", ")
    return {
      id,
      lane: recorder.storeCount + (process % clients),
      from: invokedAt,
      until: Math.min(endedAt, end),
      outcome,
      text: `op ${id}: ${asked} → ${outcome}${heard === undefined || heard === "done" ? "" : ` ${heard}`}`,
    }
  })
}

function heardText(result: NonNullable<RunResult["history"][number]["results"]>[number]): string {
  switch (result.type) {
    case "value":
      return result.value === null ? "absent" : shown(result.value)
    case "count":
      return String(result.value)
    case "swapped":
      return result.swapped ? "swapped" : "not swapped"
    case "rows":
      return `${result.rows.length} rows`
    case "done":
      return "done"
  }
}

/** What is drawn of a stretch of time. */
export type Scene = {
  readonly from: number
  readonly until: number
  /** By event: number, time, lane, kind. Empty when there are too many to tell apart. */
  readonly events: readonly number[]
  /** By message: id, kind, from, to, sent at, taken in at (-1: never), event that took it in. */
  readonly messages: readonly number[]
  /** Events by lane and part of the stretch. */
  readonly density: readonly (readonly number[])[]
  /** Messages that are not drawn because there are too many. */
  readonly hidden: number
}

const EVENTS_MAX = 6_000
const MESSAGES_MAX = 2_500
const PARTS = 240
/** A message that was under way for longer is drawn only while one of its ends is in sight. */
const FLIGHT_US_MAX = 5_000_000

/** The least telling messages are left out first. */
const RANK: Readonly<Record<MessageKind, number>> = {
  liveness: 0,
  heartbeat: 1,
  read: 2,
  append: 3,
  scrub: 4,
  request: 5,
  reply: 5,
  repair: 6,
  snapshot: 6,
  transfer: 7,
  refusal: 7,
  vote: 8,
}

export function sceneOf(run: Run, from: number, until: number, quiet = false): Scene {
  const { recorder } = run
  const first = eventAt(run, from - 1) + 1
  const last = eventAt(run, until)
  const density = Array.from({ length: recorder.storeCount }, () =>
    Array.from<number>({ length: PARTS }).fill(0),
  )
  const events: number[] = []
  const isFew = last - first < EVENTS_MAX
  const span = Math.max(1, until - from)
  for (let event = first; event <= last; event++) {
    const at = recorder.times.at(event - 1)
    const lane = recorder.stores.at(event - 1) - 1
    density[lane]![Math.min(PARTS - 1, Math.floor(((at - from) * PARTS) / span))]!++
    if (isFew) events.push(event, at, lane, recorder.kinds.at(event - 1))
  }
  return { from, until, events, density, ...messagesIn(run, from, until, quiet) }
}

function messagesIn(
  run: Run,
  from: number,
  until: number,
  quiet: boolean,
): Pick<Scene, "messages" | "hidden"> {
  const { messages } = run.recorder
  const start = messages.sentUpTo(from - FLIGHT_US_MAX)
  const end = messages.sentUpTo(until)
  const counts = Array.from<number>({ length: 10 }).fill(0)
  const seen = (id: number): boolean => {
    const took = messages.tookAt(id)
    return messages.sentAt(id) >= from || took >= from
  }
  for (let id = start; id < end; id++) if (seen(id)) counts[RANK[messages.kind(id)]]!++
  let rankMin = 10
  let sum = 0
  while (rankMin > (quiet ? 2 : 0) && sum + counts[rankMin - 1]! <= MESSAGES_MAX) sum += counts[--rankMin]!
  const rows: number[] = []
  const push = (id: number, to: number, took: number, event: number): void => {
    rows.push(
      id,
      MESSAGE_KINDS.indexOf(messages.kind(id)),
      messages.from(id),
      to,
      messages.sentAt(id),
      took,
      event,
    )
  }
  for (let id = start; id < end; id++) {
    if (seen(id) && RANK[messages.kind(id)] >= rankMin)
      push(id, messages.to(id), messages.tookAt(id), messages.tookEvent(id))
  }
  for (const { id, to, at, event } of messages.again) {
    if (at >= from && messages.sentAt(id) <= until && RANK[messages.kind(id)] >= rankMin)
      push(id, to, at, event)
  }
  const all = counts.reduce((total, count) => total + count, 0)
  return { messages: rows, hidden: Math.max(0, all - rows.length / MESSAGE_FIELDS) }
}
