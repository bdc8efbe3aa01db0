import type { KvOp, Timing } from "#kernel"
import { settleUs } from "../check/liveness.ts"
import { workloadOf, WORKLOADS } from "../workload/kinds.ts"
import type { Workload } from "../workload/workload.ts"
import { FAULTS, SWARM_KINDS } from "./catalogue.ts"
import { borne } from "./bearable.ts"
import { calmed } from "./calm.ts"
import { Chance } from "./chance.ts"
import { drawCluster, keyOfRange } from "./cluster.ts"
import type {
  FaultKind,
  Plan,
  PlanCluster,
  PlanFault,
  PlanHost,
  PlanOp,
  PlanPhases,
  PlanWorkload,
} from "./plan.ts"
import type { Scenario } from "./scenario.ts"
import { drawScript } from "./script.ts"
import { clockRoomUs, drawClockBeyond } from "./swarm-clock.ts"
import type { FaultSketch, Ground } from "./swarm-ground.ts"
import { drawSwarm, drawWeights } from "./swarm.ts"
import { isRepeatable } from "./well-formed.ts"

const MS = 1_000
const SECOND = 1_000_000

/** The kernel in the tree. */
export const OWN_BUILD = "current"

/** The end of the last quiet part belongs to the final reads: no drawn operation starts in it. */
export const FINAL_US: number = 5 * SECOND

/** Everything a seed decides, decided now: what comes out needs neither the seed's stream nor the scenario again. */
export function drawPlan(scenario: Scenario, seed: number): Plan {
  const chance = new Chance(`${scenario.name}/${seed}`)
  const cluster = drawCluster(chance.of("cluster"), scenario.cluster)
  const phases = drawPhases(chance.of("phases"), scenario, cluster.config.timing)
  // The same operations twice, but for their times: faults must know what clients do, and clients ask most
  // when something has just gone wrong.
  const calm = drawWorkload(chance.of("workload"), scenario, cluster, phases, [])
  const faults = drawFaults(chance.of("faults"), scenario, cluster, phases, calm)
  const workload = drawWorkload(chance.of("workload"), scenario, cluster, phases, faults)
  return {
    format: 1,
    scenario: scenario.name,
    builds: [OWN_BUILD],
    cluster,
    workload,
    faults,
    phases,
    host: drawHost(chance.of("host"), scenario),
    seed,
  }
}

/** Over a minute, of which each quiet part is long enough that liveness can be judged at its end. */
function drawPhases(chance: Chance, scenario: Scenario, timing: Timing): PlanPhases {
  const rounds = scenario.phases?.rounds ?? chance.between(1, 2)
  const quietUs = settleUs(timing) + chance.between(20, 40) * 100 * MS
  const leastUs = Math.ceil((62 * SECOND) / rounds) - quietUs
  const drawnUs = (rounds === 1 ? chance.between(420, 500) : chance.between(200, 280)) * 100 * MS
  const faultsUs = Math.max(drawnUs, leastUs)
  return { rounds, faultsUs, quietUs, ...scenario.phases }
}

export function drawHost(chance: Chance, scenario: Pick<Scenario, "host">): PlanHost {
  const latencyUsMin = chance.spread(50, 10 * MS)
  const syncUsMin = chance.spread(20, 4 * MS)
  return {
    transport: chance.pick(["objects", "bytes"] as const),
    latencyUsMin,
    // What comes on top of the least, on average.
    latencyUsMean: chance.spread(50, 20 * MS),
    syncUsMin,
    syncUsMean: chance.spread(20, 10 * MS),
    // Often every input has a turn of its own, sometimes a turn takes all that comes in five milliseconds.
    turnUsMax: chance.percent(40) ? 0 : chance.spread(10, 5 * MS),
    ...scenario.host,
  }
}

/** Of the plans whose swarm damages disks: more of them than a group can bear, or without calm around them. */
const OVERWHELMED_PERCENT = 4
const UNCALM_PERCENT = 3

export function drawFaults(
  chance: Chance,
  scenario: Pick<Scenario, "faults">,
  cluster: PlanCluster,
  phases: PlanPhases,
  workload: Pick<PlanWorkload, "clients" | "ops">,
  /** Of runs that are not the kernel's: so many members may be damaged at once, and none needs calm for repair. */
  damagedMax: number | null = null,
): readonly PlanFault[] {
  const { swarm, script } = scenario.faults
  const kinds = swarm === "all" ? SWARM_KINDS : (swarm ?? [])
  const weights = kinds.length === 0 ? [] : drawWeights(chance.of("weights"), kinds)
  const members = new Map(
    cluster.ranges.map((range) => [
      range.descriptor.groupId,
      range.configuration.voters.map((voter) => voter.store),
    ]),
  )
  const beyond = kinds.some((kind) => kind.startsWith("clock")) && chance.of("beyond").percent(6)
  // A group whose replicas come and go may be down to three.
  const moves = kinds.some((kind) => FAULTS[kind].family === "topology")
  const bearable = Math.min(
    ...[...members.values()].map((stores) => Math.floor(((moves ? 3 : stores.length) - 1) / 2)),
  )
  const overwhelmed = chance.of("overwhelmed").percent(OVERWHELMED_PERCENT)
  // Damage lies on a disk for longer than one part.
  const damaged = new Set<number>()
  const sketches: FaultSketch[] = []
  const scripted: FaultSketch[] = []
  for (let round = 0; round < phases.rounds; round++) {
    const own = chance.of(`round/${round}`)
    const from = round * (phases.faultsUs + phases.quietUs)
    const ground: Ground = {
      cluster,
      clients: workload.clients,
      repeatable: workload.ops.every(isRepeatable),
      fromUs: from + Math.min(SECOND, Math.floor(phases.faultsUs / 8)),
      untilUs: from + phases.faultsUs,
      clockRoomUs: clockRoomUs(cluster.config.timing.clockBoundUs),
      clocksMoved: new Set(),
      damaged,
      damagedMax: damagedMax ?? (overwhelmed ? cluster.stores : bearable),
      members,
    }
    if (kinds.length > 0) {
      // One in two to five seconds, unless the scenario says how many.
      const seconds = Math.ceil(phases.faultsUs / SECOND)
      const usual = [Math.ceil(seconds / 5), Math.ceil(seconds / 2)] as const
      const activations = own.of("activations").draw(scenario.faults.activations ?? usual)
      sketches.push(...drawSwarm(own.of("swarm"), ground, kinds, weights, activations))
      if (beyond) sketches.push(...drawClockBeyond(own.of("beyond"), ground))
    }
    if (script !== undefined) scripted.push(...drawScript(own.of("script"), ground, script, from))
  }
  // What a scenario says itself stays as it says it.
  const mayBeCalm = scripted.length === 0 && damagedMax === null
  const isCalm = mayBeCalm && !chance.of("uncalm").percent(UNCALM_PERCENT)
  const drawn = numbered([...sketches, ...scripted])
  if (!mayBeCalm) return drawn
  const keepsDamage = chance.of("bears").percent(60)
  const faults = overwhelmed ? drawn : borne({ cluster, phases, faults: drawn }, keepsDamage)
  return isCalm ? calmed({ cluster, phases, faults }) : faults
}

/** Ids follow the order of time, the order of drawing among equals. */
function numbered(sketches: readonly FaultSketch[]): readonly PlanFault[] {
  const order = sketches.map((_, index) => index)
  order.sort((a, b) => sketches[a]!.at - sketches[b]!.at || a - b)
  return order.map((from, index) => ({ id: index + 1, ...sketches[from]! }))
}

/** What clients ask, and when: most of it when something of `faults` has just gone wrong. */
export function drawWorkload(
  chance: Chance,
  scenario: Scenario,
  cluster: PlanCluster,
  phases: PlanPhases,
  faults: readonly PlanFault[],
): PlanWorkload {
  const spec = scenario.workload
  const kind = chance.of("kind").pick(spec.kinds.length === 0 ? DRAWN_KINDS : spec.kinds)
  const workload = workloadOf(kind)
  // Few that are busy or many that ask seldom: those still believe in a leader that others have given up.
  const clients = chance.of("clients").draw(spec.clients ?? chance.of("crowd").pick(CROWDS))
  const operations = chance.of("operations").draw(spec.operations ?? [500, 900])
  const keyCount = chance.of("keys").draw(spec.keys ?? [2, 8])
  const ops =
    workload === null
      ? []
      : drawOps(chance.of("ops"), { workload, cluster, phases, faults, clients, operations, keyCount })
  return { kind, clients, ops }
}

const DRAWN_KINDS: readonly string[] = WORKLOADS.filter(({ byName }) => byName !== true).map(
  ({ kind }) => kind,
)

const CROWDS: readonly (readonly [number, number])[] = [
  [3, 8],
  [3, 8],
  [9, 20],
]
/**
 * A client that only looks is not held up by a write that nobody answers. Where few write, most keys of a leader that was
 * cut off stay free of such a write, and those who look do not notice that it leads no more.
 */
const READERS_PERCENTS: readonly number[] = [20, 40, 80]

/** How many of a run's writes have a token. */
const TOKEN_PERCENTS: Readonly<Record<Workload["tokens"], readonly number[]>> = {
  always: [100],
  mostly: [70, 90, 100],
  sometimes: [0, 50, 100, 100],
}

/** Faults that keep some from the others. */
const PARTING: ReadonlySet<FaultKind> = new Set<FaultKind>(["partition", "clog"])
/** So many of a run's partings are those that its clients flock to: their requests are too few for all of them. */
const ATTENDED_MAX = 2

/** Moments at which something has just gone wrong, by the faults of a plan. */
class Aftermath {
  readonly #faults: readonly PlanFault[]
  readonly #attended: readonly PlanFault[]
  readonly #doubtUs: number
  readonly #doubtUntilUs: number
  readonly #lateUs: number

  constructor(chance: Chance, faults: readonly PlanFault[], { supportUs, electionUsMax }: Timing) {
    this.#faults = faults
    const partings = faults.filter(({ kind, at, until }) => PARTING.has(kind) && until - at >= supportUs)
    // That a leader is cut off is what clients notice first.
    const ofLeaders = partings.filter(({ target }) => target.role === "leader")
    this.#attended = chance.sample(ofLeaders.length > 0 ? ofLeaders : partings, ATTENDED_MAX)
    // What was promised was asked for a while before. It ends, somebody else is elected, and who led finds out.
    this.#doubtUs = Math.floor((2 * supportUs) / 3)
    this.#doubtUntilUs = supportUs + Math.floor((3 * electionUsMax) / 4)
    this.#lateUs = supportUs + electionUsMax
  }

  /** When to ask, and for which group; 0: for any. */
  draw(times: Chance): { readonly at: number; readonly group: number } {
    if (this.#attended.length === 0 || !times.percent(80))
      return { at: times.pick(this.#faults).at + times.between(0, this.#lateUs), group: 0 }
    const { at, target } = times.pick(this.#attended)
    return { at: at + times.between(this.#doubtUs, this.#doubtUntilUs), group: target.group }
  }
}

/** The same request of one who changes nothing. */
function lookedAt(ops: readonly KvOp[]): readonly KvOp[] {
  return ops.map((op) => (op.type === "scan" || op.type === "get" ? op : { type: "get", key: op.key }))
}

type OpsGround = {
  readonly workload: Workload
  readonly cluster: PlanCluster
  readonly phases: PlanPhases
  readonly faults: readonly PlanFault[]
  readonly clients: number
  readonly operations: number
  readonly keyCount: number
}

function drawOps(chance: Chance, ground: OpsGround): readonly PlanOp[] {
  const { workload, cluster, phases, clients } = ground
  const endUs = phases.rounds * (phases.faultsUs + phases.quietUs) - FINAL_US
  const startUs = Math.min(200 * MS, endUs)
  // What this run's clients are like: with tokens or not, patient or not, fond of repeating themselves.
  const habits = chance.of("habits")
  const tokenPercent = habits.pick(TOKEN_PERCENTS[workload.tokens])
  const copiesPercent = habits.percent(40) ? habits.between(1, 20) : 0
  const abandonedPercent = habits.percent(40) ? habits.between(1, 10) : 0
  const padding = habits.percent(25) ? habits.between(16, 160) : 0
  const readersPercent = habits.pick(READERS_PERCENTS)
  const readers = Array.from({ length: clients }, () => habits.percent(readersPercent))
  const timeouts = Array.from({ length: clients }, () => habits.spread(3, 40) * 100 * MS)

  const times = chance.of("times")
  const aftermath = new Aftermath(chance.of("attended"), ground.faults, cluster.config.timing)
  const restlessPercent = ground.faults.length === 0 ? 0 : habits.pick([20, 60, 85])
  const ats = Array.from({ length: ground.operations }, () => {
    if (!times.percent(restlessPercent)) return { at: times.between(startUs, endUs), group: 0 }
    const { at, group } = aftermath.draw(times)
    return { at: Math.max(startUs, Math.min(at, endUs)), group }
  }).sort((a, b) => a.at - b.at)
  const keys = cluster.ranges.map((range) =>
    Array.from({ length: ground.keyCount }, (_, at) => keyOfRange(range, at)),
  )
  // Some clients are content with a state that is a little old, and ask any replica for it.
  const calm = chance.of("timeline")
  const timelinePercent = workload.hasTimeline ? calm.pick([0, 25, 60]) : 0
  const planned = new Map<string, string[]>()
  const own = chance.of("each")
  return ats.map(({ at, group }, index): PlanOp => {
    const id = index + 1
    const struck = cluster.ranges.findIndex(({ descriptor }) => descriptor.groupId === group)
    const place = struck < 0 ? own.below(cluster.ranges.length) : struck
    let unique = 0
    const client = own.below(clients)
    const drawn = workload.draw(own, {
      keys: keys[place]!,
      planned: (key) => planned.get(`${place}/${key}`) ?? [],
      unique: () => `v${id}${unique++ === 0 ? "" : `.${unique}`}`.padEnd(padding, "."),
    })
    const ops = readers[client] === true ? lookedAt(drawn) : drawn
    let writes = false
    for (const op of ops) {
      if (op.type === "get" || op.type === "scan") continue
      writes = true
      if (op.type !== "put" && op.type !== "cas") continue
      const known = planned.get(`${place}/${op.key}`)
      if (known === undefined) planned.set(`${place}/${op.key}`, [op.value])
      else known.push(op.value)
    }
    const token = writes && own.percent(tokenPercent)
    return {
      id,
      at,
      client,
      op: {
        ops,
        range: cluster.ranges[place]!.descriptor.rangeId,
        token,
        timeoutUs: timeouts[client]!,
        // A copy of a write without a token would be a second write.
        copies: (token || !writes) && own.percent(copiesPercent) ? own.between(2, 3) : 1,
        abandoned: own.percent(abandonedPercent),
        read: !writes && calm.percent(timelinePercent) ? "timeline" : "strong",
      },
    }
  })
}
