import { frameItems, LOGICAL_PER_MS } from "#kernel"
import { kernelBuild } from "./build.ts"
import type { OnlineChecker } from "./check/checker.ts"
import { byInvocation } from "./check/history.ts"
import {
  checkForks,
  checkQuiet,
  placeOf,
  underWayUs,
  type QuietStore,
  type QuietView,
} from "./check/liveness.ts"
import { onlineCheckers } from "./check/oracles.ts"
import { checkLoad } from "./check/resources.ts"
import { numberOf } from "./coverage/step-meter.ts"
import { WALL_START } from "./env/clock.ts"
import { judgeHistory } from "./judge.ts"
import type { KernelBuild } from "./kernel-build.ts"
import { quietAt, runUs } from "./phases.ts"
import { classify, promisesLiveness } from "./faults/atlas.ts"
import type { Plan } from "./plan/plan.ts"
import type { RunResult, RunSignature } from "./result.ts"
import type { Listener } from "./trace/recorder.ts"
import { Clients } from "./workload/clients.ts"
import { finalReads } from "./workload/final-reads.ts"
import { World } from "./world.ts"

export type SimulateOptions = {
  /** The kernel that runs: that of this checkout unless another is given. */
  readonly build?: KernelBuild
  /** In place of the usual ones. */
  readonly checkers?: readonly OnlineChecker[]
  /** Look on beside the checkers, and report nothing. */
  readonly watchers?: readonly OnlineChecker[]
  /** Ends the run after about this many kernel events: a run that ends early has no end checks. */
  readonly eventsMax?: number
  /** Ends the run at this simulated microsecond. */
  readonly until?: number
  /** Follows every step: it may look at everything and change nothing. */
  readonly onTrace?: Listener
  /** False leaves the trace hash out, for benchmarks. */
  readonly hash?: boolean
  /** Attempts of the linearizability check to place an operation. */
  readonly stepsMax?: number
}

const SECOND = 1_000_000
/** Looks at the ends of logs that are remembered. */
const LOOKS_KEPT = 16
/** Between two looks at queues and tables. */
const LOAD_CHECK_US = SECOND

/** A whole run of a plan: the world, everything that watches it, and what the history says in the end. */
export function simulate(plan: Plan, options: SimulateOptions = {}): RunResult {
  const end = Math.min(runUs(plan.phases), options.until ?? Number.MAX_SAFE_INTEGER)
  const eventsMax = options.eventsMax ?? Number.MAX_SAFE_INTEGER
  const calm = new Calm()
  const runClass = classify(plan)
  const isLive = promisesLiveness(plan)
  const checkers = options.checkers ?? onlineCheckers(plan, frameItems)
  const reads = finalReads(plan)
  const clients = new Clients(plan, [...plan.workload.ops, ...reads])
  const world = new World({
    plan,
    build: options.build ?? kernelBuild,
    checkers: [calm, ...checkers, ...(options.watchers ?? [])],
    clients,
    listener: options.onTrace ?? null,
    hash: options.hash ?? true,
  })
  clients.start(world)
  let isWhole = true
  for (let at = 0; at < end;) {
    at = Math.min(at + LOAD_CHECK_US, nextQuietEnd(plan, at), end)
    if (!runUntil(world, at)) break
    if (world.event >= eventsMax) {
      isWhole = false
      break
    }
    calm.look(world)
    checkWorld(world, clients, calm, isLive)
  }
  isWhole &&= world.now === runUs(plan.phases)
  clients.finish()
  const history = clients.history.sort(byInvocation)
  let violation = world.violation
  let isUnknown = false
  if (violation === null && isWhole) {
    const found = judgeHistory(plan, history, clients.timeline, {
      runClass,
      reads,
      trueTimeOf: (commitTs) => Math.floor(commitTs / LOGICAL_PER_MS) * 1_000 - WALL_START,
      stepsMax: options.stepsMax ?? null,
    })
    isUnknown = found === "unknown"
    if (found !== null && found !== "unknown") violation = { ...found, at: world.now, event: world.event }
  }
  return {
    scenario: plan.scenario,
    seed: plan.seed,
    runClass,
    verdict: violation !== null ? "invalid" : isUnknown ? "unknown" : "valid",
    violation,
    traceHash: world.trace.hex(),
    checkpoints: world.trace.checkpoints,
    stateHash: world.stateDigest(),
    events: world.event,
    simulatedUs: world.now,
    operations: { invoked: clients.invoked, ok: clients.ok, fail: clients.fail, info: clients.info },
    faults: world.faultCounts(),
    marks: world.marks(),
    cells: world.sites.cells(),
    signature: signatureOf(world),
    history,
  }
}

function signatureOf(world: World): RunSignature {
  const effective = Object.entries(world.faultCounts()).filter(([, count]) => count.effective > 0)
  const kinds = effective.map(([kind]) => kind).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  return {
    marks: numberOf(Object.keys(world.marks()).join(" ")),
    faults: numberOf(kinds.join(" ")),
    steps: world.steps.steps(),
  }
}

/** A throw is a finding like any other: it has a plan that shrinks. */
function runUntil(world: World, at: number): boolean {
  try {
    return world.runUntil(at)
  } catch (error) {
    world.report(
      "RES-threw",
      `The run threw. ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`,
    )
    return false
  }
}

type Look = { readonly at: number } & Pick<QuietView, "logEnds" | "appliedAgo">

const NOT_LOOKED: Look = { at: 0, logEnds: new Map(), appliedAgo: new Map() }

/** When the cluster was last disturbed: liveness counts from there. */
class Calm implements OnlineChecker {
  readonly name = "calm"
  disturbedAt = 0
  #looks: Look[] = []

  /** Where the logs of leaders end now, and what is applied where. */
  look(world: World): void {
    const logEnds = new Map<number, number>()
    const appliedAgo = new Map<string, number>()
    for (let store = 1; store <= world.storeCount; store++) {
      for (const status of world.statusOf(store)) {
        if (status.role === "leader") logEnds.set(status.group, status.lastIndex)
        appliedAgo.set(placeOf(status.group, store), status.appliedIndex)
      }
    }
    this.#looks.push({ at: world.now, logEnds, appliedAgo })
    if (this.#looks.length > LOOKS_KEPT) this.#looks.shift()
  }

  /** What was seen at `time`, or at the last look before it. */
  lookAt(time: number): Omit<Look, "at"> {
    const { logEnds, appliedAgo } = this.#looks.findLast((look) => look.at <= time) ?? NOT_LOOKED
    return { logEnds, appliedAgo }
  }

  storeCrashed(world: World): void {
    this.disturbedAt = world.now
  }

  storeBooted(world: World): void {
    this.disturbedAt = world.now
  }
}

/** The end of the round in which `at` lies. */
function nextQuietEnd({ phases }: Plan, at: number): number {
  const round = phases.faultsUs + phases.quietUs
  return (Math.floor(at / round) + 1) * round
}

/** What must hold at any moment, and what must have come to pass where a quiet part ends. */
function checkWorld(world: World, clients: Clients, calm: Calm, isLive: boolean): void {
  const { plan, now } = world
  for (let store = 1; store <= world.storeCount; store++) {
    const host = world.host(store)
    if (!host.alive) continue
    const load = {
      store,
      // One that stands still cannot look at what comes: that is the fault's doing, and bounded by the host.
      inbox: host.process.paused ? 0 : host.inboxCount,
      held: host.heldCount,
      timers: 0,
      groups: world.statusOf(store),
    }
    const violation = checkLoad(now, world.event, load, plan.cluster.config.limits)
    if (violation !== null) world.report(violation.oracle, violation.message)
  }
  const round = plan.phases.faultsUs + plan.phases.quietUs
  if (now % round !== 0 || plan.phases.quietUs === 0) return
  const view = quietView(world, clients, calm)
  const violation = isLive ? checkQuiet(view) : checkForks(view)
  if (violation !== null) world.report(violation.oracle, violation.message)
}

function quietView(world: World, clients: Clients, calm: Calm): QuietView {
  const { plan, now } = world
  const calmSince = quietAt(plan.phases, Math.floor((now - 1) / (plan.phases.faultsUs + plan.phases.quietUs)))
  const stores: QuietStore[] = []
  for (let store = 1; store <= world.storeCount; store++) {
    const host = world.host(store)
    // A spare nobody asked for was never born.
    if (host.boots === 0) continue
    const groups = world.statusOf(store)
    stores.push({ store, up: host.alive, downBy: null, groups, inbox: host.inboxCount, held: host.heldCount })
  }
  return {
    now,
    event: world.event,
    calmSince: Math.max(calmSince, calm.disturbedAt),
    timing: plan.cluster.config.timing,
    stores,
    ...calm.lookAt(now - underWayUs(plan.cluster.config.timing)),
    requests: [
      ...clients.waited.filter(({ sentAt, answeredAt }) => (answeredAt ?? sentAt) >= calmSince),
      ...clients.running(),
    ],
  }
}
