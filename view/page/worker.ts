import { runUs, simulate, type Plan } from "#sim"
import { coneOf } from "../session/cone.ts"
import { nearestPassing, partOf } from "../session/compare.ts"
import { editPlan } from "../session/edit.ts"
import { lookAtEvent, lookAtMessage } from "../session/event.ts"
import { focusOf } from "../session/focus.ts"
import { likelihoods } from "../session/inevitable.ts"
import { inspectStore } from "../session/inspect.ts"
import { playRecordings } from "../session/recording.ts"
import { eventAt, runPlan, type Run } from "../session/run.ts"
import { outlineOf, sceneOf } from "../session/scene.ts"
import { search } from "../session/search.ts"
import { whoWrote } from "../session/wrote.ts"
import type { Answer, Ask, CallName, Calls, RecordingText, Summary } from "./protocol.ts"

/** The run that is looked at; another one once another plan was opened. */
let current: Run | null = null

function post(answer: Answer): void {
  self.postMessage(answer)
}

function theRun(): Run {
  if (current === null) throw new Error("No run was opened")
  return current
}

function open(id: number, plan: Plan): Summary {
  const started = performance.now()
  const end = runUs(plan.phases)
  const run = runPlan(plan, {
    onProgress: (events, now) => post({ id, type: "progress", done: now / end, told: told(events) }),
  })
  current = run
  const { scenario, seed, runClass, verdict, violation, traceHash, stateHash, events } = run.result
  const { simulatedUs, operations } = run.result
  const focus = focusOf(run)
  return {
    scenario,
    seed,
    runClass,
    verdict,
    violation,
    traceHash,
    stateHash,
    events,
    simulatedUs,
    operations,
    plan,
    focus,
    focusStore: focus === null ? 0 : run.recorder.stores.at(focus.event - 1),
    ...whole(run, started),
  }
}

/** What real nodes recorded: without a plan and without a verdict, but with the hashes that must come out. */
function play(id: number, recordings: readonly RecordingText[]): Summary {
  const started = performance.now()
  const parts = recordings.map(({ kernel, bases, inputs, ...rest }) => ({
    ...rest,
    kernel: bytesOf(kernel),
    bases: bases.map(([volume, base]) => [volume, bytesOf(base)] as const),
    inputs: bytesOf(inputs),
  }))
  const { run, hashes } = playRecordings(parts, (events, share) =>
    post({ id, type: "progress", done: share, told: told(events) }),
  )
  current = run
  const { recorder } = run
  return {
    scenario: `recorded by ${parts.map(({ config }) => `store ${config.store}`).join(", ")}`,
    seed: 0,
    runClass: "within",
    verdict: hashes.every((hash, index) => hash === recordings[index]!.traceHash) ? "valid" : "invalid",
    violation: null,
    traceHash: hashes.join(" "),
    stateHash: "",
    events: recorder.events,
    simulatedUs: recorder.events === 0 ? 0 : recorder.times.at(recorder.events - 1),
    operations: { invoked: 0, ok: 0, fail: 0, info: 0 },
    plan: null,
    focus: null,
    focusStore: 0,
    ...whole(run, started),
  }
}

function whole(run: Run, started: number): Pick<Summary, "outline" | "kept" | "wallMs"> {
  const { recorder } = run
  return {
    outline: outlineOf(run),
    kept: {
      kernels: recorder.allLives.reduce((sum, { saves }) => sum + saves.length, 0),
      bytes: recorder.savedBytes,
      inputBytes: recorder.inputs.bytes,
      every: recorder.saveEvery,
    },
    wallMs: performance.now() - started,
  }
}

function told(events: number): string {
  return `${events.toLocaleString("en")} events`
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
}

function step(event: number, by: 1 | -1, store: number | null): number {
  const { recorder } = theRun()
  if (store === null) return Math.min(Math.max(event + by, 1), recorder.events)
  const own = recorder.eventsOf[store - 1]!
  if (own.length === 0) return event
  const index = by === 1 ? own.countUpTo(event) : own.countUpTo(event - 1) - 1
  return own.at(Math.min(Math.max(index, 0), own.length - 1))
}

function eventNear(time: number, store: number | null): number {
  const run = theRun()
  const event = eventAt(run, time)
  if (store === null) return Math.max(1, event)
  const own = run.recorder.eventsOf[store - 1]!
  return own.length === 0 ? Math.max(1, event) : own.at(Math.max(0, own.countUpTo(event) - 1))
}

function inspect(store: number, event: number, prefix: string): Calls["inspect"]["answer"] {
  const started = performance.now()
  const view = inspectStore(theRun(), store, event, { prefix })
  return { ...view, wallMs: performance.now() - started }
}

function perform(ask: Ask): Calls[CallName]["answer"] {
  switch (ask.call) {
    case "open":
      return open(ask.id, ask.plan)
    case "play":
      return play(ask.id, ask.recordings)
    case "edit":
      return editPlan(ask.plan, ask.edit)
    case "scene":
      return sceneOf(theRun(), ask.from, ask.until, ask.quiet)
    case "stand": {
      const store = inspect(theRun().recorder.stores.at(ask.event - 1), ask.event, ask.prefix)
      return { event: lookAtEvent(theRun(), ask.event), store }
    }
    case "message":
      return lookAtMessage(theRun(), ask.id)
    case "eventAt":
      return eventNear(ask.time, ask.store)
    case "step":
      return step(ask.event, ask.by, ask.store)
    case "inspect":
      return inspect(ask.store, ask.event, ask.prefix)
    case "cone": {
      const cone = coneOf(theRun(), ask.event)
      return { ...cone, chain: cone.path.slice(0, 60).map((id) => lookAtMessage(theRun(), id)) }
    }
    case "search":
      return search(theRun(), ask.query, ask.from)
    case "wrote":
      return whoWrote(theRun(), ask.store, ask.event, ask.tenant, ask.key)
    case "nearest":
      return nearestPassing(ask.plan, simulate(ask.plan), {
        onProgress: (done, of) =>
          post({ id: ask.id, type: "progress", done: done / of, told: `run ${done + 1} of ${of}` }),
      })
    case "inevitable":
      return likelihoods(ask.plan, ask.oracle, ask.until, {
        onProgress: (done, of) =>
          post({ id: ask.id, type: "progress", done: done / of, told: `run ${done + 1} of ${of}` }),
      })
    case "part":
      return partOf(ask.first, ask.second)
  }
}

self.addEventListener("message", ({ data }: MessageEvent<Ask>) => {
  try {
    post({ id: data.id, type: "answer", value: perform(data) })
  } catch (error) {
    post({ id: data.id, type: "refused", message: error instanceof Error ? error.message : String(error) })
  }
})
