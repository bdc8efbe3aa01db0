import type { Capsule, MarkRule, Plan, PlanFault, PlanOp, RunResult, Scenario } from "#sim"
import { Corpus, GENERATION, isPlanError, makeCapsule, MOMENTS, signatureOf, Strategist } from "#sim"
import { UsageError } from "#cli/errors.ts"
import { SWARM_KINDS } from "#sim/plan/catalogue.ts"
import { Search, subsets } from "#sim/shrink/search.ts"
import { WHOLE_RUN, type Engine, type SimulateOptions } from "#cli/campaign/engine.ts"

// A simulator of a few microseconds a run, whose scenarios each misbehave in one way that the command
// line has to cope with. It is loaded by workers, so what it does is decided by names and seeds alone.

const FLAWED_SEED = 7

function toyScenario(name: string, about: string, marks: readonly string[]): Scenario {
  return {
    name,
    about,
    marks,
    cluster: { stores: 3 },
    workload: { kinds: ["register"] },
    faults: { swarm: "all" },
  }
}

const scenarios: readonly Scenario[] = [
  toyScenario("campaign", "Everything at once; passes.", ["raft.elected"]),
  toyScenario("smoke", "The smallest thing that works; passes.", ["raft.elected"]),
  toyScenario("flawed", "Seed 7 fails by RAFT-toy.", []),
  toyScenario("undecided", "Every fourth seed has no verdict.", []),
  toyScenario("unmarked", "Declares a mark that no seed reaches.", ["raft.elected", "raft.never"]),
  toyScenario("leaking", "Asks Math.random, and hides it.", []),
  toyScenario("drifting", "Every run in a process gives another trace.", []),
  toyScenario("throwing", "Seed 3 throws.", []),
  toyScenario("dying", "Seed 3 ends its worker.", []),
  toyScenario("slow", "Each run takes a third of a second.", []),
  toyScenario("endless", "A run takes minutes.", []),
  toyScenario("tangled", "Seed 7 fails by RAFT-toy; what it takes is spread, and a run takes a while.", []),
]

/** `raft.never` is declared by a scenario, and `raft.shy` by none. */
const marks: readonly MarkRule[] = [
  { name: "raft.elected", floor: 10_000, elsewhere: "" },
  { name: "raft.never", floor: 1, elsewhere: "" },
  { name: "raft.shy", floor: null, elsewhere: "No toy has what it takes: `test/cli`." },
]

function drawPlan(scenario: Scenario, seed: number): Plan {
  const faults: PlanFault[] = []
  for (const [index, kind] of SWARM_KINDS.entries()) {
    const target = { role: "stores", stores: [1], peers: [], group: 1 } as const
    faults.push({
      id: index,
      at: index * 1_000_000,
      until: index * 1_000_000 + 500_000,
      kind,
      target,
      args: {},
    })
  }
  const ops: PlanOp[] = []
  for (let id = 0; id < 500; id++) {
    const request = {
      ops: [{ type: "put", key: `k${id % 5}`, value: `${id}` }],
      range: 1,
      token: true,
      timeoutUs: 1_000_000,
      copies: 1,
      abandoned: false,
      read: "strong",
    } as const
    ops.push({ id, at: id * 100_000, client: id % 3, op: request })
  }
  return {
    format: 1,
    scenario: scenario.name,
    builds: ["toy"],
    cluster: {
      stores: 3,
      spares: 1,
      tenants: [0],
      ranges: [],
      config: { timing: {}, limits: {} } as Plan["cluster"]["config"],
    },
    workload: { kind: "register", clients: 3, ops },
    faults,
    phases: { rounds: 1, faultsUs: 40_000_000, quietUs: 20_000_000 },
    host: {
      transport: "objects",
      latencyUsMin: 1,
      latencyUsMean: 2,
      syncUsMin: 1,
      syncUsMean: 2,
      turnUsMax: 1,
    },
    seed,
  }
}

/** Module-level state, which is just what a second worker does not share. */
let runsHere = 0

function simulate(plan: Plan, options: SimulateOptions): RunResult {
  const { scenario, seed } = plan
  runsHere++
  if (options.trace !== null) options.tell(`event ${options.trace.from}`)
  if (scenario === "throwing" && seed === 3) throw new Error("the toy broke\non two lines")
  if (scenario === "dying" && seed === 3) process.exit(9)
  if (scenario === "slow") spin(1)
  if (scenario === "tangled" && seed === FLAWED_SEED) spin(0.01)
  if (scenario === "endless") spin(1_000)
  if (scenario === "leaking") {
    try {
      Math.random()
    } catch {
      // A kernel that swallows everything must not hide a leak.
    }
  }
  const salt = scenario === "drifting" ? runsHere * 7 + seed : seed
  const hash = (part: number): string =>
    (Math.imul(salt * 31 + part, 0x9e3779b1) >>> 0).toString(16).padStart(16, "0")
  const isInvalid = seed % 100 === FLAWED_SEED && fails(plan)
  const isUnknown = scenario === "undecided" && seed % 4 === 0
  const events = options.untilEvent === 0 ? 5_000 + seed : options.untilEvent
  return {
    scenario,
    seed,
    runClass: "within",
    verdict: isInvalid ? "invalid" : isUnknown ? "unknown" : "valid",
    violation: isInvalid
      ? {
          oracle: "RAFT-toy",
          message: `Store 1 <promised> & "broke" it in seed ${seed}`,
          at: 12_345_678,
          event: 4_321,
        }
      : null,
    traceHash: hash(0),
    checkpoints: [1, 2, 3, 4].map((part) => (part < 3 ? "0000000000000001" : hash(part))),
    stateHash: hash(9),
    events,
    simulatedUs: 60_000_000,
    operations: { invoked: 500, ok: 480, fail: 5, info: 15 },
    faults: Object.fromEntries(plan.faults.map((fault) => [fault.kind, { applied: 1, effective: 1 }])),
    marks: { "raft.elected": 1 },
    cells: Object.fromEntries(
      SWARM_KINDS.flatMap((kind) => [
        [`${kind}/follower/idle`, 1],
        ...MOMENTS.map((moment) => [`${kind}/leader/${moment}`, 1]),
      ]),
    ),
    // Every tenth seed brings a step that the ones before did not.
    signature: { marks: 1, faults: seed % 3, steps: [1, 2, 100 + Math.floor(seed / 10)] },
    history: [],
  }
}

/** What each seed that ends in 7 of a flawed scenario takes to fail. */
function fails({ scenario, faults, workload }: Plan): boolean {
  const kinds = new Set(faults.map(({ kind }) => kind))
  if (scenario === "flawed") return kinds.has("crash")
  if (scenario !== "tangled") return false
  const asked = new Set(workload.ops.map(({ id }) => id))
  return (
    (kinds.has("pause") || kinds.has("drop")) &&
    kinds.has("crash") &&
    [17, 230, 431].every((id) => asked.has(id))
  )
}

/** Busy for about that many thirds of a second, without asking what time it is. */
function spin(thirds: number): void {
  let word = 1
  for (let index = 0; index < thirds * 150_000_000; index++) word = Math.imul(word ^ index, 0x9e3779b1)
  if (word === 42) throw new Error("never")
}

function parsePlan(json: unknown): Plan {
  if (typeof json !== "object" || json === null || !("format" in json)) throw new Error('"format" is missing')
  return json as Plan
}

function parseCapsule(json: unknown): Capsule {
  if (typeof json !== "object" || json === null) throw new Error("it is not an object")
  const failure = ["capsule", "version", "command", "oracle", "message", "bug", "traceHash", "checkpoints"]
  const known = [...failure, "plan", "shrink", "found"]
  for (const key of Object.keys(json)) {
    if (!known.includes(key)) throw new Error(`unknown field "${key}"`)
  }
  if (!("plan" in json)) throw new Error('"plan" is missing')
  return Object.assign({ shrink: null, found: null }, json as Capsule, { plan: parsePlan(json.plan) })
}

export const engine: Engine = {
  scenarios,
  marks,
  drawPlan,
  simulate,
  simulateSighted(plan) {
    const result = simulate(plan, WHOLE_RUN)
    return { result, sighting: { marks: [], steps: result.signature.steps, orders: [plan.seed] } }
  },
  strategist: (strategy, scenario, corpus) => {
    const known = corpus === null ? new Corpus() : Corpus.parse(corpus)
    if (isPlanError(known)) throw new UsageError(known.message)
    return new Strategist(strategy, scenario, known)
  },
  generation: GENERATION,
  parsePlan,
  parseCapsule,
  writeCapsule: (plan, result, about) => JSON.stringify(makeCapsule(plan, result, about)),
  writePlan: (plan) => JSON.stringify(plan),
  explainPlan: (plan) => [{ title: "Toy", columns: ["what", "value"], rows: [["seed", String(plan.seed)]] }],
  // Without the passes that ask what a kernel's plan means: a toy's means nothing.
  search: new Search<Plan>(
    [
      subsets(
        "faults",
        (plan) => plan.faults.length,
        (plan, kept) => ({ ...plan, faults: kept.map((index) => plan.faults[index]!) }),
      ),
      subsets(
        "operations",
        (plan) => plan.workload.ops.length,
        (plan, kept) => {
          const ops = kept.map((index) => plan.workload.ops[index]!)
          return { ...plan, workload: { ...plan.workload, ops } }
        },
      ),
    ],
    () => true,
  ),
  failureOf: (plan) => simulate(plan, WHOLE_RUN).violation,
  signatureOf,
  writeHistory: () => '{"process":1,"type":"invoke"}\n',
}
