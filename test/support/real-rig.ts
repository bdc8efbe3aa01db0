import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Bootstrap, GroupStatus, KvReply, KvRequest } from "#kernel"
import type { NodeConfig } from "#net"
import { freePorts } from "#net/cluster/init.ts"
import { RealCluster, type ClusterLayout } from "#cli/real/cluster.ts"
import type { ClusterDoor, StoreReport } from "#cli/real/door.ts"
import type { Made, RealWorld } from "#cli/real/world.ts"
import { configurationOf, DESCRIPTOR } from "./raft-group.ts"
import { ServiceRig } from "./service-rig.ts"

// Real processes that do nothing but live, and in their place one service of the real kernel, in this process, which is
// reached through whichever of them is up: the supervising, the faults, the clients and the judges are the real ones.

export const RANGES: readonly Bootstrap[] = [
  { descriptor: DESCRIPTOR, configuration: configurationOf([1, 2, 3]) },
]

const NODE = `
  const { createServer } = require("node:net")
  const { readFileSync, writeFileSync } = require("node:fs")
  const { store, stores } = JSON.parse(readFileSync("node-" + process.argv[1] + "/node.json", "utf8"))
  const own = stores.find((address) => address.store === store)
  createServer((socket) => socket.on("error", () => {}).pipe(socket)).listen(own.peerPort, own.host)
  process.on("SIGTERM", () => process.exit(0))
  writeFileSync("node-" + store + "/pid", String(process.pid))
`

/** Node directories of a cluster on loopback, on ports that were free a moment ago. */
export async function makeNodes(directory: string, count: number): Promise<Made> {
  mkdirSync(directory, { recursive: true })
  const ids = Array.from({ length: count }, (_, index) => index + 1)
  const ports = await freePorts("127.0.0.1", 2 * count)
  const stores = ids.map((store) => ({
    store,
    host: "127.0.0.1",
    peerPort: ports[2 * (store - 1)]!,
    clientPort: ports[2 * (store - 1) + 1]!,
  }))
  const nodes = ids.map((store) => {
    const own = join(directory, `node-${store}`)
    mkdirSync(own)
    const bootstrap = { cluster: "rig", stores: [], groups: RANGES }
    const common = { format: 1, cluster: "rig", tenants: [0], bootstrap, timing: {}, limits: {} } as const
    const config: NodeConfig = { ...common, store, stores }
    writeFileSync(join(own, "node.json"), `${JSON.stringify(config, null, 2)}\n`)
    return { store, directory: own }
  })
  return { layout: { directory, nodes }, client: join(directory, "client"), ranges: RANGES }
}

function commandOf(_: string, store: number): { readonly command: string; readonly args: readonly string[] } {
  return { command: process.execPath, args: ["-e", NODE, String(store)] }
}

function isRunning(pidFile: string): boolean {
  try {
    return process.kill(Number(readFileSync(pidFile, "utf8")), 0)
  } catch {
    return false
  }
}

/** The same where a command makes the cluster: its door finds the processes by their numbers. */
export class RigWorld implements RealWorld {
  readonly #door = new RigDoor()

  make(directory: string, nodes: number): Promise<Made> {
    this.#door.isAwake = (store) => isRunning(join(directory, `node-${store}`, "pid"))
    return makeNodes(directory, nodes)
  }

  door(): ClusterDoor {
    return this.#door
  }

  commandOf(): typeof commandOf {
    return commandOf
  }
}

export class RealRig {
  readonly directory: string
  readonly layout: ClusterLayout
  readonly door: RigDoor
  readonly cluster: RealCluster

  private constructor(made: Made, door: RigDoor, cluster: RealCluster, directory: string) {
    this.layout = made.layout
    this.door = door
    this.cluster = cluster
    this.directory = directory
  }

  static async start(count = 3): Promise<RealRig> {
    const directory = mkdtempSync(join(tmpdir(), "orrery-real-"))
    const made = await makeNodes(join(directory, "cluster"), count)
    const door = new RigDoor()
    const cluster = await RealCluster.open({ layout: made.layout, door, commandOf })
    door.isAwake = (store) => cluster.isUp(store) && !cluster.isPaused(store)
    await cluster.startAll()
    return new RealRig(made, door, cluster, directory)
  }

  async close(): Promise<void> {
    await this.cluster.close(2_000)
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** One service behind all stores: it answers through its leader, the first store that is up and stands not still. */
export class RigDoor implements ClusterDoor {
  readonly stores: readonly number[] = [1, 2, 3]
  /** Whether a store is up and does not stand still. */
  isAwake: (store: number) => boolean = () => false
  readonly rig: ServiceRig = new ServiceRig()
  /** Looks at every answer before it leaves; null loses it. */
  spoil: (request: KvRequest, reply: KvReply) => KvReply | null = (_, reply) => reply
  #term = 1
  #leader = 1
  #asked = 0
  #isClosed = false

  send(_client: number, store: number, request: KvRequest, heard: (reply: KvReply) => void): void {
    setImmediate(() => {
      const leader = this.#leaderNow()
      if (this.#isClosed || !this.isAwake(store)) return
      if (store !== leader) {
        const error = { code: "notLeader", hint: leader, term: this.#term } as const
        heard({ type: "error", id: request.id, error })
        return
      }
      const id = ++this.#asked
      this.rig.mono = Math.floor(performance.now() * 1_000)
      this.rig.ask(request.ops, { ...request, id, deadlineUs: 0 })
      this.rig.settle()
      const reply = this.rig.replies.splice(0).find((answer) => answer.id === id)
      if (reply === undefined) return
      const told = this.spoil(request, { ...reply, id: request.id })
      if (told !== null) setImmediate(() => this.isAwake(store) && heard(told))
    })
  }

  report(store: number): Promise<StoreReport | null> {
    const leader = this.#leaderNow()
    if (!this.isAwake(store)) return Promise.resolve(null)
    const { appliedIndex } = this.rig.machine
    const status: GroupStatus = {
      group: DESCRIPTOR.groupId,
      replica: store,
      role: store === leader ? "leader" : "follower",
      term: this.#term,
      leader: leader ?? 0,
      lastIndex: appliedIndex,
      commitIndex: appliedIndex,
      appliedIndex,
      firstIndex: 1,
      configuration: RANGES[0]!.configuration,
      descriptor: DESCRIPTOR,
      hashHigh: 0,
      hashLow: 0,
      waitingRequests: 0,
      votedFor: 0,
      durableIndex: 0,
      sending: [],
      followers: [],
      state: "whole",
      recoveredAt: 0,
      size: null,
      checkpoint: null,
      scrub: { passes: 0, mono: 0, key: "" },
    }
    return Promise.resolve({ store, groups: [status], disk: { usedBytes: 4_096, freeBytes: 1 << 30 } })
  }

  close(): Promise<void> {
    this.#isClosed = true
    return Promise.resolve()
  }

  #leaderNow(): number | null {
    if (this.isAwake(this.#leader)) return this.#leader
    const next = this.stores.find((store) => this.isAwake(store))
    if (next === undefined) return null
    this.#leader = next
    this.#term++
    return next
  }
}
