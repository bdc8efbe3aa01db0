/**
 * What does it cost to look at a run? Five stores under full faults and a workload that makes about a million events:
 * how long the page's session takes to execute it, what it keeps, how long it takes to stand at events drawn at random
 * with the inspector of one store and of all, and to step back from there. `node bench/view/seek.ts [--events 1000000] [--json]`.
 * Promised (issue 5): seek ≤ 200 ms in a run of a million events.
 */
import { drawPlan, scenario, type Plan } from "#sim"
import { coneOf, inspectStore, lookAtEvent, runPlan, sceneOf, search, whoWrote } from "#view"
import { about, benchOptions, cpuSeconds, printReport, type Row } from "../support/report.ts"

const SECOND = 1_000_000
const { events: eventsWanted } = benchOptions(import.meta.filename, { events: 1_000_000 })
const SEEKS = 200
/** Measured: what the workload below makes of one simulated second. */
const EVENTS_A_SECOND = 500

function planOf(): Plan {
  const seconds = Math.max(20, Math.ceil(eventsWanted / EVENTS_A_SECOND))
  return drawPlan(
    scenario({
      name: "long",
      about: "A long run.",
      cluster: { stores: 5, spares: 0, ranges: 2, tenants: 1, replicas: 5 },
      workload: { kinds: ["register"], clients: 8, operations: seconds * 50 },
      faults: { swarm: ["crash", "partition", "delay", "pause", "slowDisk"] },
      phases: { rounds: 1, faultsUs: seconds * SECOND, quietUs: 20 * SECOND },
    }),
    1,
  )
}

function timed<T>(work: () => T): { readonly ms: number; readonly value: T } {
  const start = cpuSeconds()
  const value = work()
  return { ms: (cpuSeconds() - start) * 1_000, value }
}

const { ms, value: run } = timed(() => runPlan(planOf()))
const { recorder, result } = run
const kernels = recorder.allLives.reduce((sum, { saves }) => sum + saves.length, 0)
const drawn = Array.from({ length: SEEKS }, (_, n) => 1 + ((n * 2_654_435_761) % recorder.events))
const stores = Array.from({ length: recorder.storeCount }, (_, index) => index + 1)
const sampled = (work: (event: number) => unknown, times: number): Row => {
  const samples = drawn.slice(0, times).map((event) => timed(() => work(event)).ms)
  const sorted = samples.toSorted((a, b) => a - b)
  const at = (share: number): number =>
    about(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!)
  return { "p50 CPU ms": at(0.5), "p99 ms": at(0.99), "max ms": at(1), samples: times }
}
const storeOf = (event: number): number => recorder.stores.at(event - 1)
const look = (event: number): void => {
  inspectStore(run, storeOf(event), event)
  lookAtEvent(run, event)
}

const rows: Record<string, Row> = {
  "seek: event and its store": sampled(look, SEEKS),
  "seek: all stores": sampled((event) => stores.map((store) => inspectStore(run, store, event)), 60),
  "step back": sampled((event) => look(Math.max(1, event - 1)), 60),
  "a second of the diagram": sampled((event) => {
    const at = recorder.times.at(event - 1)
    return sceneOf(run, at, at + SECOND)
  }, 60),
  "the whole diagram": sampled(() => sceneOf(run, 0, result.simulatedUs), 3),
  "causal cone": sampled((event) => coneOf(run, event), 10),
  "who wrote a value": sampled((event) => whoWrote(run, storeOf(event), event, 0, "a1"), 10),
  "search for a word": sampled(() => search(run, "nothing like it"), 3),
}
printReport({
  bench: "view/seek",
  question: "what does it cost to stand at any event of a long run?",
  rows,
  notes: [
    `${recorder.events} events, executed and followed in ${about(ms)} CPU ms (${result.verdict})`,
    `kept: ${kernels} kernels, one each ${recorder.saveEvery} steps of a process, ${mebibytes(recorder.savedBytes)} MiB; inputs ${mebibytes(recorder.inputs.bytes)} MiB`,
  ],
})

function mebibytes(bytes: number): number {
  return about(bytes / 2 ** 20)
}
