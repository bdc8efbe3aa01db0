import { batch, computed, signal, type ReadonlySignal, type Signal } from "@preact/signals"
import type { Plan } from "#sim"
import type { Neighbour } from "../session/compare.ts"
import type { Edit } from "../session/edit.ts"
import type { EventView, MessageView } from "../session/event.ts"
import type { Likelihood } from "../session/inevitable.ts"
import type { StoreView } from "../session/inspect.ts"
import type { Scene } from "../session/scene.ts"
import type { SearchResult } from "../session/search.ts"
import type { Provenance } from "../session/wrote.ts"
import type { Calls, Subject, Summary } from "./protocol.ts"
import { SessionClient } from "./session-client.ts"

type Progress = (done: number, told: string) => void
export type Busy = { readonly done: number; readonly told: string }
export type Panel = "event" | "store" | "plan" | "find" | "compare"
const ALL_PANELS: readonly Panel[] = ["event", "store", "plan", "find", "compare"]
/** Recordings have no plan. */
export const panels: ReadonlySignal<readonly Panel[]> = computed(() =>
  ALL_PANELS.filter((each) => plan.value !== null || (each !== "plan" && each !== "compare")),
)

export const subject: Signal<Subject | null> = signal(null)
/** The run of the capsule as it is, and the one that is looked at: another one after an edit. */
export const original: Signal<Summary | null> = signal(null)
export const summary: Signal<Summary | null> = signal(null)
export const busy: Signal<Busy | null> = signal(null)
export const trouble: Signal<string | null> = signal(null)

export const view: Signal<{ readonly from: number; readonly until: number }> = signal({ from: 0, until: 1 })
export const scene: Signal<Scene | null> = signal(null)
/** Heartbeats and support between stores are most of all messages, and seldom the story. */
export const isQuiet: Signal<boolean> = signal(true)
export const group: Signal<number> = signal(0)

export const cursor: Signal<number> = signal(0)
export const lane: Signal<number> = signal(0)
export const eventView: Signal<EventView | null> = signal(null)
export const storeView: Signal<(StoreView & { readonly wallMs: number }) | null> = signal(null)
export const message: Signal<MessageView | null> = signal(null)
export const rowPrefix: Signal<string> = signal("")
export const provenance: Signal<Provenance | "none" | null> = signal(null)
export const cone: Signal<Calls["cone"]["answer"] | null> = signal(null)

export const panel: Signal<Panel> = signal("event")
export const query: Signal<string> = signal("")
export const found: Signal<SearchResult | null> = signal(null)
export const neighbour: Signal<Neighbour | "none" | null> = signal(null)
export const inevitable: Signal<readonly Likelihood[] | null> = signal(null)
export const comparing: Signal<Busy | null> = signal(null)
export const isHelpOpen: Signal<boolean> = signal(false)

export const plan: ReadonlySignal<Plan | null> = computed(() => summary.value?.plan ?? null)
export const isEdited: ReadonlySignal<boolean> = computed(
  () => summary.value !== null && original.value !== null && summary.value.plan !== original.value.plan,
)
/** Microseconds of the event under the cursor. */
export const cursorAt: ReadonlySignal<number> = computed(() => eventView.value?.at ?? 0)
export const storeCount: ReadonlySignal<number> = computed(
  () => summary.value?.outline.lanes.filter(({ kind }) => kind === "store").length ?? 0,
)

const client = new SessionClient()
let comparer: SessionClient | null = null
const history: Plan[] = []

export async function begin(made: Subject): Promise<void> {
  subject.value = made
  await (made.plan === null ? play(made) : open(made.plan))
  original.value = summary.value
}

/** Runs a plan and looks at it: where its verdict rests, or where the cursor was. */
export function open(opened: Plan): Promise<void> {
  return run((onProgress) => client.ask("open", { plan: opened }, onProgress))
}

/** Plays what real nodes recorded. */
function play({ recordings }: Subject): Promise<void> {
  return run((onProgress) => client.ask("play", { recordings }, onProgress))
}

async function run(
  start: (onProgress: (done: number, told: string) => void) => Promise<Summary>,
): Promise<void> {
  busy.value = { done: 0, told: "starting" }
  trouble.value = null
  try {
    const ended = await start((done, told) => {
      busy.value = { done, told }
    })
    batch(() => {
      summary.value = ended
      busy.value = null
      scene.value = null
      eventView.value = null
      message.value = null
      provenance.value = null
      cone.value = null
      found.value = null
      neighbour.value = null
      inevitable.value = null
      if (group.value !== 0 && !ended.outline.groups.includes(group.value)) group.value = 0
      view.value = { from: 0, until: Math.max(1, ended.outline.runUs) }
    })
    if (ended.focus !== null) {
      await look(ended.focus.event)
      near(cursorAt.value, Math.min(ended.outline.runUs, 3_000_000))
      await toggleCone(true)
    } else await look(Math.min(ended.events, Math.max(1, cursor.value)))
  } catch (error) {
    busy.value = null
    trouble.value = error instanceof Error ? error.message : String(error)
  }
}

let asked = 0

/** Puts the cursor on an event, and the store of the event into the inspector. */
export async function look(event: number): Promise<void> {
  const run = summary.value
  if (run === null || run.events === 0) return
  const own = ++asked
  cursor.value = Math.min(Math.max(1, event), run.events)
  const seen = await client.ask("stand", { event: cursor.value, prefix: rowPrefix.value })
  if (own !== asked) return
  batch(() => {
    eventView.value = seen.event
    storeView.value = seen.store
    lane.value = seen.event.store
    provenance.value = null
    reveal(seen.event.at)
  })
}

/** The store in the inspector as it is at the cursor. */
export async function inspect(): Promise<void> {
  if (lane.value < 1 || lane.value > storeCount.value) return
  const own = asked
  const seen = await client.ask("inspect", {
    store: lane.value,
    event: cursor.value,
    prefix: rowPrefix.value,
  })
  if (own === asked) storeView.value = seen
}

export async function chooseLane(store: number): Promise<void> {
  lane.value = Math.min(Math.max(1, store), storeCount.value)
  provenance.value = null
  await inspect()
}

export async function lookAtTime(time: number, store: number | null): Promise<void> {
  await look(await client.ask("eventAt", { time, store }))
}

let steps: Promise<void> = Promise.resolve()

/** One after the other, each from where the one before has come to: keys may be pressed faster than steps are taken. */
export function step(by: 1 | -1, ofThisStore: boolean): Promise<void> {
  const before = steps
  const taken = async (): Promise<void> => {
    await before.catch(() => {})
    const store = ofThisStore ? lane.value : null
    await look(await client.ask("step", { event: cursor.value, by, store }))
  }
  steps = taken()
  return steps
}

export async function lookAtMessage(id: number): Promise<void> {
  const seen = await client.ask("message", { id })
  message.value = seen
  const event = seen.tookEvent !== null && seen.to < storeCount.value ? seen.tookEvent : seen.sentEvent
  if (event > 0) await look(event)
  message.value = seen
  panel.value = "event"
}

export async function toggleCone(on: boolean = cone.value === null): Promise<void> {
  cone.value = on ? await client.ask("cone", { event: cursor.value }) : null
}

export async function find(text: string): Promise<void> {
  query.value = text
  panel.value = "find"
  const result = await client.ask("search", { query: text, from: 0 })
  if (query.value !== text) return
  found.value = result
  const [only] = result.hits
  if (result.hits.length === 1 && only !== undefined) await look(Math.max(1, only.event))
}

export async function findMore(): Promise<void> {
  const before = found.value
  if (before === null || before.readUpTo === null) return
  const more = await client.ask("search", { query: query.value, from: before.readUpTo })
  const hits = more.hits.filter(({ event }) => event > before.readUpTo!)
  found.value = { hits: [...before.hits, ...hits], readUpTo: more.readUpTo }
}

export async function whoWrote(tenant: number, key: string): Promise<void> {
  provenance.value =
    (await client.ask("wrote", { store: lane.value, event: cursor.value, tenant, key })) ?? "none"
}

// Scenes.

let wanted: { readonly from: number; readonly until: number } | null = null
let isFetching = false

/** Brings what is drawn up to the window, the last one asked for only. */
export async function fetchScene(): Promise<void> {
  const { from, until } = view.value
  const margin = (until - from) / 2
  wanted = { from: Math.max(0, from - margin), until: until + margin }
  if (isFetching) return
  isFetching = true
  while (wanted !== null) {
    const { from: start, until: end }: { from: number; until: number } = wanted
    wanted = null
    scene.value = await client.ask("scene", {
      from: Math.floor(start),
      until: Math.ceil(end),
      quiet: isQuiet.value,
    })
  }
  isFetching = false
}

const SPAN_US_MIN = 20

export function show(from: number, until: number): void {
  const end = summary.value?.outline.runUs ?? 1
  const width = Math.min(Math.max(until - from, SPAN_US_MIN), end)
  const start = Math.min(Math.max(0, from), end - width)
  view.value = { from: start, until: start + width }
}

export function zoom(factor: number, around: number): void {
  const { from, until } = view.value
  show(around - (around - from) * factor, around + (until - around) * factor)
}

export function near(at: number, width: number): void {
  show(at - width * 0.7, at + width * 0.3)
}

/** Moves the window so that this moment is in it. */
function reveal(at: number): void {
  const { from, until } = view.value
  const margin = (until - from) * 0.04
  if (at < from + margin || at > until - margin) show(at - (until - from) / 2, at + (until - from) / 2)
}

// Editing.

export async function edit(change: Edit): Promise<void> {
  const before = plan.value
  if (before === null) return
  const edited = await client.ask("edit", { plan: before, edit: change })
  if (typeof edited === "string") {
    trouble.value = edited
    return
  }
  history.push(before)
  await open(edited)
}

export async function undo(): Promise<void> {
  const before = history.pop()
  if (before === undefined) return
  await open(before)
}

export async function reset(): Promise<void> {
  const first = original.value?.plan
  if (first === undefined || first === null) return
  history.length = 0
  await open(first)
  // The same plan gives the same run: the page says so by being unedited again.
  original.value = summary.value
}

/** Runs plans in a worker of its own, one such work at a time: the page stays with its run meanwhile. */
async function aside(work: (worker: SessionClient, onProgress: Progress) => Promise<void>): Promise<void> {
  if (comparing.value !== null) return
  comparing.value = { done: 0, told: "starting" }
  comparer = new SessionClient()
  try {
    await work(comparer, (done, told) => {
      comparing.value = { done, told }
    })
  } catch (error) {
    trouble.value = error instanceof Error ? error.message : String(error)
  }
  stopComparing()
}

export async function compare(): Promise<void> {
  const asked = plan.value
  if (asked === null) return
  neighbour.value = null
  await aside(async (worker, onProgress) => {
    neighbour.value = (await worker.ask("nearest", { plan: asked }, onProgress)) ?? "none"
  })
}

/** Asks when the failure became inevitable. */
export async function probe(): Promise<void> {
  const failed = summary.value
  if (failed === null || failed.plan === null || failed.violation === null || failed.focus === null) return
  const { plan: asked, violation, focus } = failed
  inevitable.value = null
  await aside(async (worker, onProgress) => {
    const ask = { plan: asked, oracle: violation.oracle, until: focus.at }
    inevitable.value = await worker.ask("inevitable", ask, onProgress)
  })
}

/** Holds the run that is looked at against that of the capsule. */
export async function compareWithOriginal(): Promise<void> {
  const first = original.value?.plan ?? null
  const second = summary.value
  if (first === null || second === null || second.plan === null) return
  const { plan: other, verdict, traceHash } = second
  await aside(async (worker) => {
    const parting = await worker.ask("part", { first, second: other })
    neighbour.value = { edit: { type: "plan", json: null }, plan: other, verdict, traceHash, parting }
  })
}

export function stopComparing(): void {
  comparer?.close()
  comparer = null
  comparing.value = null
}
