import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"
import { afterEach, describe, test } from "vitest"
import { DEFAULT_LIMITS, DEFAULT_TIMING, type KvReply } from "#kernel"
import type { NodeConfig } from "#net"
import { ClientMemory, drawPlan, scenario, type FaultKind, type Plan } from "#sim"
import { perform } from "#cli/real/asking.ts"
import { failoverFault } from "#cli/real/campaign.ts"
import { leaderIn } from "#cli/real/cluster.ts"
import { FaultDriver, realFaults, SHARED_KINDS, type RealFault } from "#cli/real/faults.ts"
import { killLeaders, lostAppends, percentiles, writesAgain } from "#cli/real/kill-leader.ts"
import { drawRealPlan } from "#cli/real/plan.ts"
import { runReal } from "#cli/real/run.ts"
import { RealClients } from "#cli/real/clients.ts"
import { RANGES, RealRig } from "../../support/real-rig.ts"

const rigs: RealRig[] = []
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close()
})

async function start(): Promise<RealRig> {
  const rig = await RealRig.start()
  rigs.push(rig)
  return rig
}

const MS = 1_000
const NEVER = new AbortController().signal

/** Two seconds, as the simulator draws them, for the ranges of the rig. */
function shortPlan(seed: number, kind: string, swarm: readonly FaultKind[] = []): Plan {
  const main = scenario({
    name: "short",
    about: "A run for a test.",
    cluster: {
      stores: 3,
      spares: 0,
      ranges: 1,
      tenants: 1,
      replicas: 3,
      timing: DEFAULT_TIMING,
      limits: DEFAULT_LIMITS,
    },
    workload: { kinds: [kind], clients: 4, operations: 120, keys: 4 },
    faults: { swarm, activations: 4 },
    phases: { rounds: 1, faultsUs: 1_200 * MS, quietUs: 800 * MS },
  })
  const plan = drawPlan(main, seed)
  const ops = plan.workload.ops.map((op, index) => ({ ...op, at: index * 8 * MS }))
  return { ...plan, cluster: { ...plan.cluster, ranges: RANGES }, workload: { ...plan.workload, ops } }
}

function echoOf(port: number, text: string): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("data", (bytes) => {
      socket.destroy()
      resolve(bytes.toString())
    })
    socket.once("error", () => resolve(null))
    socket.write(text)
  })
}

describe("a cluster of processes", () => {
  test("tells each node its links in place of its peers, and takes that back when it ends", async () => {
    const rig = await start()
    const { cluster, layout } = rig
    const file = join(layout.nodes[0]!.directory, "node.json")
    const told = JSON.parse(readFileSync(file, "utf8")) as NodeConfig
    assert.deepEqual(
      told.stores.slice(1).map(({ peerPort }) => peerPort),
      [cluster.network.portOf(1, 2), cluster.network.portOf(1, 3)],
    )
    // Until the process behind it listens, a link resets whoever dials.
    let echoed: string | null = null
    while (echoed === null) echoed = await echoOf(told.stores[1]!.peerPort, "through the link")
    assert.equal(echoed, "through the link")
    rigs.splice(0)
    await cluster.close()
    const after = JSON.parse(readFileSync(file, "utf8")) as NodeConfig
    assert.notDeepEqual(after.stores, told.stores)
    assert.deepEqual(after.stores[0], told.stores[0])
    await rig.close()
  })

  test("knows the deaths that it did not order from those it did", async () => {
    const { cluster } = await start()
    assert.equal(await cluster.kill(2), true)
    assert.equal(await cluster.kill(2), false)
    assert.deepEqual([cluster.isUp(2), cluster.pidOf(2), cluster.deaths], [false, null, []])
    await cluster.start(2)
    assert.deepEqual([cluster.isUp(2), cluster.bootsOf(2)], [true, 2])
    process.kill(cluster.pidOf(3)!, "SIGKILL")
    while (cluster.deaths.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    assert.deepEqual(
      cluster.deaths.map(({ store, exit }) => [store, exit.signal]),
      [[3, "SIGKILL"]],
    )
  })
})

describe("an operation over a door", () => {
  const memory = (): ClientMemory =>
    new ClientMemory(
      3,
      RANGES.map(({ descriptor }) => ({ descriptor, stores: [1, 2, 3], homes: [1, 2, 3] })),
    )
  const request = (ops: Parameters<typeof perform>[2]["ops"], token: boolean) =>
    ({ ops, range: 1, token, timeoutUs: 200 * MS, copies: 1, abandoned: false, read: "strong" }) as const

  test("finds the leader, also another one, and takes effect once though its answers are lost", async () => {
    const { cluster, door } = await start()
    const client = memory()
    let lost = 2
    door.spoil = (asked, reply) => (asked.ops.length > 0 && lost-- > 0 ? null : reply)
    const append = await perform(door, client, request([{ type: "append", key: "k", value: "a;" }], true))
    assert.deepEqual([append.outcome, append.retries >= 2], ["ok", true])
    await cluster.kill(1)
    const read = await perform(door, client, request([{ type: "get", key: "k" }], false))
    assert.deepEqual(read.results, [{ type: "value", value: "a;" }])
  })

  test("that may not be repeated ends in doubt when its answer is lost", async () => {
    const { door } = await start()
    door.spoil = () => null
    const put = await perform(door, memory(), request([{ type: "put", key: "k", value: "v" }], false))
    assert.deepEqual([put.outcome, put.answered], ["info", false])
  })
})

describe("a run", () => {
  test("with faults passes the simulator's checks, feels them, and leaves everybody up", async () => {
    const { cluster, door } = await start()
    const plan = shortPlan(5, "append", ["crash", "pause"])
    const faults = realFaults(plan).map((fault) => ({
      ...fault,
      args: { ...fault.args, restartUs: 50 * MS },
    }))
    assert.ok(faults.length > 0)
    const result = await runReal({ plan, faults, cluster, door, cut: NEVER })
    assert.deepEqual([result.verdict, result.found, result.isWhole], ["valid", null, true])
    assert.ok(result.operations.ok > 60, JSON.stringify(result.operations))
    const effective = Object.values(result.faults).reduce((sum, fault) => sum + fault.effective, 0)
    assert.ok(effective > 0, JSON.stringify(result.faults))
    assert.ok(cluster.stores.every((store) => cluster.isUp(store) && !cluster.isPaused(store)))
  })

  test("against a store that forgets a write it acknowledged fails", async () => {
    const { cluster, door } = await start()
    let forgotten = 0
    door.spoil = (request, reply): KvReply => {
      // Every tenth list is told without its end.
      const [op] = request.ops
      if (op?.type !== "get" || reply.type !== "ok" || ++forgotten % 10 !== 0) return reply
      const [result] = reply.results
      if (result?.type !== "value" || result.value === null) return reply
      return {
        ...reply,
        results: [{ type: "value", value: result.value.slice(0, result.value.lastIndexOf("v")) }],
      }
    }
    const result = await runReal({ plan: shortPlan(6, "append"), faults: [], cluster, door, cut: NEVER })
    assert.equal(result.verdict, "invalid")
    assert.match(result.found!.oracle, /^(LIN|ONCE|WORK)-/)
  })

  test("in which a node dies by itself fails and names its log", async () => {
    const { cluster, door } = await start()
    setTimeout(() => process.kill(cluster.pidOf(3)!, "SIGABRT"), 200)
    const result = await runReal({ plan: shortPlan(7, "register"), faults: [], cluster, door, cut: NEVER })
    assert.deepEqual([result.verdict, result.found?.oracle], ["invalid", "REAL-node-died"])
    assert.ok(result.found!.message.includes(cluster.logOf(3)))
  })

  test("that is cut short judges nothing and heals all the same", async () => {
    const { cluster, door } = await start()
    const cut = new AbortController()
    const target = { role: "stores", stores: [2], peers: [], group: 1 } as const
    const crash: RealFault = {
      id: 1,
      at: 0,
      until: 0,
      kind: "crash",
      target,
      args: { restartUs: 60_000 * MS },
    }
    const running = runReal({ plan: shortPlan(8, "set"), faults: [crash], cluster, door, cut: cut.signal })
    while (cluster.isUp(2)) await new Promise((resolve) => setTimeout(resolve, 5))
    cut.abort()
    const result = await running
    assert.deepEqual([result.isWhole, result.verdict, cluster.isUp(2)], [false, "unknown", true])
  })

  test("of killed leaders measures each and loses nothing", async () => {
    const { cluster, door } = await start()
    const plan = shortPlan(9, "append")
    const clients = new RealClients(plan, plan.workload.ops, door)
    const hearing = clients.run(NEVER)
    const failovers = await killLeaders(
      clients,
      cluster,
      { group: 1, kills: 1, firstUs: 300 * MS, periodUs: 0 },
      NEVER,
    )
    const { history } = await hearing
    assert.deepEqual(
      failovers.map(({ store, term, leaderMs }) => [store, term, leaderMs !== null && leaderMs < 1_000]),
      [[1, 1, true]],
    )
    assert.equal(leaderIn(await cluster.reports(), 1)?.store, 2)
    assert.ok(history.length > 20)
  })
})

describe("faults", () => {
  test("of a plan are those that processes can suffer, the same ones for the same seed", () => {
    const spec = { stores: 3, durationMs: 60_000, workload: null, hasFaults: true, ranges: RANGES }
    const seen = new Set<string>()
    for (let seed = 1; seed <= 30; seed++) {
      const plan = drawRealPlan({ ...spec, seed })
      const faults = realFaults(plan)
      assert.deepEqual(realFaults(drawRealPlan({ ...spec, seed })), faults)
      const end = plan.phases.faultsUs
      for (const { kind, at, target } of faults) {
        seen.add(kind)
        assert.ok(at < end && (target.role === "stores" || target.group === 1))
      }
    }
    assert.deepEqual([...seen].toSorted(), [...SHARED_KINDS, "halfOpen", "dribble", "reset"].toSorted())
  })

  test("that keep one store down wait for each other, and a role finds whom it means", async () => {
    const { cluster } = await start()
    const driver = new FaultDriver(cluster)
    const store2 = { role: "stores", stores: [2], peers: [], group: 1 } as const
    const leader = { role: "leader", stores: [], peers: [], group: 1 } as const
    driver.schedule([
      { id: 1, at: 0, until: 0, kind: "crash", target: store2, args: { restartUs: 10_000 * MS } },
      { id: 2, at: 0, until: 0, kind: "crash", target: store2, args: { restartUs: 1 } },
      { id: 3, at: 0, until: 60_000 * MS, kind: "partition", target: leader, args: { oneWay: 1 } },
    ])
    while (cluster.network.stateOf(1, 3).type === "open")
      await new Promise((resolve) => setTimeout(resolve, 5))
    assert.deepEqual(
      [cluster.network.stateOf(1, 2).type, cluster.network.stateOf(3, 1).type],
      ["cut", "open"],
    )
    while (cluster.isUp(2)) await new Promise((resolve) => setTimeout(resolve, 5))
    // Whatever the second one's end brings, the first still keeps it down.
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.deepEqual([cluster.isUp(2), cluster.bootsOf(2)], [false, 1])
    await driver.heal()
    assert.deepEqual([cluster.isUp(2), cluster.network.stateOf(1, 2).type], [true, "open"])
    const counts = driver.counts()
    assert.deepEqual([counts["crash"], counts["partition"]?.applied], [{ applied: 2, effective: 1 }, 1])
  })
})

describe("figures of failover", () => {
  test("are percentiles by the nearest rank, and one that never came is endless", () => {
    const samples = Array.from({ length: 20 }, (_, index) => index + 1)
    assert.deepEqual(percentiles(samples), { p50: 10, p95: 19, max: 20 })
    assert.equal(percentiles([1, null]).max, Number.POSITIVE_INFINITY)
  })

  test("lost appends are those acknowledged that the last reads do not show", () => {
    const base = { process: 0, outcome: "ok", commitTs: 0, token: null, retries: 0 } as const
    const append = (id: number, value: string) =>
      ({ ...base, id, request: [{ type: "append", key: "k", value }], results: [{ type: "done" }] }) as const
    const history = [
      { ...append(1, "v1;"), invokedAt: 1, endedAt: 2 },
      { ...append(2, "v11;"), invokedAt: 3, endedAt: 4 },
      {
        ...base,
        id: 3,
        request: [{ type: "get", key: "k" }],
        results: [{ type: "value", value: "v11;" }],
        invokedAt: 5,
        endedAt: 6,
      },
    ] as const
    assert.deepEqual(lostAppends(history), { acknowledged: 2, lost: 1 })
    assert.deepEqual(writesAgain([{ at: 2, store: 1, term: 1, leaderMs: 1 }], history), [0.002])
  })

  test("fail a run by what is promised", () => {
    const good = { kills: 2, acknowledged: 9, lost: 0, leader: [3_000, 3_500], writes: [] }
    assert.equal(failoverFault(good, 2), null)
    assert.equal(failoverFault({ ...good, lost: 1 }, 2)?.oracle, "REAL-lost-writes")
    assert.equal(failoverFault(good, 3)?.oracle, "REAL-failover")
    assert.equal(failoverFault({ ...good, leader: [3_000, 5_001] }, 2)?.oracle, "REAL-failover")
    assert.equal(failoverFault({ ...good, leader: [3_000, null] }, 2)?.oracle, "REAL-failover")
  })
})
