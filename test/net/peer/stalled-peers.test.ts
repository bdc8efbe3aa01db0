import assert from "node:assert/strict"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeEach, describe, test } from "vitest"
import type { Client, NodeConfig, NodeStatus } from "#net"
import { WINDOW_BYTES } from "#net/peer/limits.ts"
import { NodeProcess } from "../../../bench/support/node-process.ts"
import { NodeCluster } from "../../support/node-cluster.ts"
import { PeerRig, until, type Proxy } from "../../support/peer-rig.ts"

/** Below what any silence takes to be noticed: a write that waited for that would be longer under way. */
const CALM_MS = 2_000
/** A new leader within five seconds (DESIGN §5), and the attempt that was with the old one may last three. */
const FAILOVER_MS = 8_000
/** As long as it takes to notice that nothing comes, and longer. */
const STALL_MS = 4_000
const BIG_BYTES = 256 << 10
/** More than a peer takes that reads nothing. */
const BIG_WRITES = (1.5 * WINDOW_BYTES) / BIG_BYTES
const TRIES_MAX = 5

let cluster: NodeCluster
let client: Client
let rig: PeerRig

beforeEach(async () => {
  rig = await PeerRig.make()
  // One group may have more on the way to a follower than its stream takes: the stream, and not the kernel, stands still.
  cluster = await NodeCluster.make(3, { config: () => ({ limits: { windowBytesMax: 4 * WINDOW_BYTES } }) })
})

afterEach(async () => {
  await cluster.close()
  await rig.close()
})

/** All that stores 1 and 2 send to store 3 passes here, and back. */
async function wireTo(store: number): Promise<Proxy> {
  const { peerPort } = cluster.made.stores.find((known) => known.store === store)!
  const proxy = await rig.proxy(peerPort)
  for (const { store: own, directory } of cluster.made.stores) {
    if (own === store) continue
    const file = join(directory, "node.json")
    const config = JSON.parse(readFileSync(file, "utf8")) as NodeConfig
    const stores = config.stores.map((address) =>
      address.store === store ? { ...address, peerPort: proxy.port } : address,
    )
    writeFileSync(file, JSON.stringify({ ...config, stores }))
  }
  return proxy
}

/** The longest of the writes that are done one after the other for so long, in milliseconds. */
async function slowestWrite(forMs = 300): Promise<number> {
  let slowest = 0
  const end = performance.now() + forMs
  for (let i = 0; performance.now() < end; i++) {
    const began = performance.now()
    await client.put(`k${i % 50}`, "v".repeat(4_096))
    slowest = Math.max(slowest, performance.now() - began)
  }
  return slowest
}

/** Frames that wait for the stream of Raft's lane to store 3, at whoever leads. */
async function queued(): Promise<number> {
  const statuses = (await Promise.all([1, 2].map((store) => client.status(store)))) as NodeStatus[]
  const lanes = statuses.flatMap(({ links }) => links?.peers.find(({ store }) => store === 3)?.lanes ?? [])
  return Math.max(...lanes.map((lane) => (lane.lane === "raft" ? lane.queued.frames : 0)))
}

/**
 * Stalls the wire, and writes more than it and both ends take in: only then does the stream stand still, and what goes
 * to others could wait for it. On a machine so slow that the silence is noticed before that, it is done again.
 */
async function stallWhole(wire: Proxy, stall: (wire: Proxy) => void): Promise<void> {
  const value = "v".repeat(BIG_BYTES)
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    stall(wire)
    const under = { way: true }
    const written = Promise.all(Array.from({ length: BIG_WRITES }, (_, i) => client.put(`big${i}`, value)))
    void written.finally(() => (under.way = false)).catch(() => {})
    let isFull = false
    while (!isFull && under.way) isFull = (await queued()) > 0
    await written
    if (isFull) return
    wire.thaw()
    await until("it catches up", () => applied(3) >= applied(1) - 1, 30_000)
  }
  assert.fail("The stream never stood still")
}

function applied(store: number): number {
  return cluster.servers.get(store)!.host.groups()[0]?.appliedIndex ?? 0
}

/** A store that follows is what the test needs still: the leadership is given to another one if it has it. */
async function led(by: (leader: number) => boolean): Promise<number> {
  await until("somebody leads", () => cluster.leaderOf(1) !== 0, 30_000)
  const leader = cluster.leaderOf(1)
  if (by(leader)) return leader
  await client.admin(leader, { group: 1, action: { type: "transferLeader", store: leader === 1 ? 2 : 1 } })
  await until("another one leads", () => by(cluster.leaderOf(1)), 30_000)
  return cluster.leaderOf(1)
}

describe("a follower behind a wire that is stuck", () => {
  for (const [name, stall] of [
    ["takes nothing and says nothing, its connections open", (wire: Proxy) => wire.freeze()],
    ["takes and gives some bytes a second", (wire: Proxy) => wire.dribble(64, 50)],
  ] as const) {
    test(`that ${name}: the others go on as if nothing were`, async () => {
      const wire = await wireTo(3)
      for (const { store } of cluster.made.stores) await cluster.start(store)
      client = cluster.client()
      await led((leader) => leader === 1 || leader === 2)
      await slowestWrite()
      await stallWhole(wire, stall)
      // Both while nobody has noticed yet, and once its silence is known.
      assert.ok((await slowestWrite(STALL_MS)) < CALM_MS)
      wire.thaw()
      await until("it catches up", () => applied(3) >= applied(1) - 1, 30_000)
    })
  }
})

describe("a process that stands still", () => {
  test("is done without, whether it led or not, and is part of it again when it goes on", async () => {
    for (const store of [1, 2]) await cluster.start(store)
    const third = await NodeProcess.start(cluster.directoryOf(3))
    try {
      client = cluster.client()
      await led((leader) => leader !== 0)
      await slowestWrite()
      third.signal("SIGSTOP")
      assert.ok((await slowestWrite(STALL_MS)) < CALM_MS)
      third.signal("SIGCONT")

      // Now as the leader: nobody knows it but by its silence.
      const leader = cluster.leaderOf(1)
      await client.admin(leader, { group: 1, action: { type: "transferLeader", store: 3 } })
      await until("it leads", () => third.has("roleChanged", "leader"), 30_000)
      await client.put("k", "v")
      third.signal("SIGSTOP")
      assert.ok((await slowestWrite()) < FAILOVER_MS)
      third.signal("SIGCONT")
      assert.ok((await slowestWrite()) < CALM_MS)
    } finally {
      third.signal("SIGCONT")
      await third.end()
    }
  })
})
