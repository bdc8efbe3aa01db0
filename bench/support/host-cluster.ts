import { setImmediate as immediate, setTimeout as pause } from "node:timers/promises"
import {
  DEFAULT_LIMITS,
  DEFAULT_TIMING,
  NO_SWITCHES,
  plainRequest,
  SYSTEM_VOLUME,
  volumeOfTenant,
  type AdminReply,
  type GroupStatus,
  type KernelConfig,
  type KvOp,
  type KvReply,
  type KvRequest,
  type Observation,
} from "#kernel"
import { MachineClock } from "#net/host/clock.ts"
import { Host, type HostLog, type HostParts, type HostStop } from "#net/host/host.ts"
import type { AnswerDoor, BirthRecord, HostWatcher } from "#net/host/ports.ts"
import { MemoryStoreDisk, Platter } from "./memory-store-disk.ts"
import type { Wire } from "./memory-links.ts"

const STORES = [1, 2, 3] as const
const MEMBERS = STORES.map((id) => ({ replica: id, store: id, incarnation: id }))
const RANGE = { tenant: 0, rangeId: 1, generation: 1 }

/** As shipped, at a third of the time: a test waits for elections, and a busy machine may be late. */
const TIMING = {
  ...DEFAULT_TIMING,
  electionUsMin: 400_000,
  electionUsMax: 700_000,
  livenessUs: 300_000,
  supportUs: 1_500_000,
  leaseUs: 1_500_000,
}

export function clusterConfigOf(store: number, groups = 1): KernelConfig {
  const bound = (i: number): string => `k${String(i).padStart(3, "0")}`
  return {
    cluster: "01890a5d-ac96-774b-bcce-b302099a8057",
    store,
    tenants: [0],
    bootstrap: {
      cluster: "01890a5d-ac96-774b-bcce-b302099a8057",
      stores: STORES.map((id) => ({ store: id, incarnation: id, region: "r", zone: "z" })),
      groups: Array.from({ length: groups }, (_, i) => ({
        descriptor: {
          rangeId: i + 1,
          groupId: i + 1,
          tenant: 0,
          start: i === 0 ? "" : bound(i),
          end: i === groups - 1 ? "" : bound(i + 1),
          generation: 1,
        },
        configuration: { voters: MEMBERS, outgoing: [], learners: [], promoting: [], nextReplica: 4 },
      })),
    },
    timing: TIMING,
    limits: { ...DEFAULT_LIMITS, segmentBytesFirst: 1 << 16, segmentBytesMax: 1 << 20 },
    switches: NO_SWITCHES,
  }
}

/** Birth as a store keeps it, durable when it says so. */
export class MemoryBirth implements BirthRecord {
  born = false
  /** Rejects instead when set. */
  refusal: Error | null = null

  async bear(): Promise<void> {
    await immediate()
    if (this.refusal !== null) throw this.refusal
    this.born = true
  }
}

class NotedLog implements HostLog {
  readonly observations: Observation[] = []
  readonly warnings: string[] = []

  observed(observation: Observation): void {
    this.observations.push(observation)
  }
  warn(event: string): void {
    this.warnings.push(event)
  }
}

function blank(): Platter {
  return new Platter([SYSTEM_VOLUME, volumeOfTenant(0)])
}

export type NodeOptions = {
  readonly syncMs?: number
  readonly watcherOf?: (store: number, platter: Platter) => HostWatcher
  readonly openKernelOf?: (store: number) => HostParts["openKernel"]
}

/** A store of the cluster: its platter and birth outlive its process. */
export class TestNode implements AnswerDoor {
  readonly store: number
  platter: Platter = blank()
  readonly birth: MemoryBirth = new MemoryBirth()
  readonly log: NotedLog = new NotedLog()
  host: Host | null = null
  disk: MemoryStoreDisk | null = null
  stop: HostStop | null = null
  /** Told of every answer as it leaves. */
  watchReply: ((store: number, reply: KvReply) => void) | null = null
  readonly #wire: Wire
  readonly #config: KernelConfig
  readonly #options: NodeOptions
  #links: ReturnType<Wire["join"]> | null = null
  readonly #waiting = new Map<number, (reply: KvReply) => void>()
  #boots = 0
  static #ids = 0

  constructor(config: KernelConfig, wire: Wire, options: NodeOptions = {}) {
    this.store = config.store
    this.#config = config
    this.#wire = wire
    this.#options = options
  }

  async start(): Promise<void> {
    this.stop = null
    const disk = new MemoryStoreDisk(this.platter, this.#options.syncMs ?? 0)
    this.disk = disk
    const images = await disk.images()
    const openKernel = this.#options.openKernelOf?.(this.store)
    const host = new Host(this.#config, {
      clock: new MachineClock(),
      disk,
      birth: this.birth,
      log: this.log,
      watcher: this.#options.watcherOf?.(this.store, this.platter) ?? null,
      ...(openKernel === undefined ? {} : { openKernel }),
    })
    this.host = host
    host.onStopped((stop) => {
      this.stop = stop
    })
    host.boot(images, this.store, ++this.#boots)
    this.#links = this.#wire.join(this.store)
    host.speakThrough(this.#links)
    host.answerTo(this)
  }

  /** The process ends where it stands. */
  kill(): void {
    this.#links?.kill()
    this.disk?.kill()
    this.host?.stop()
    this.host = null
    for (const id of this.#waiting.keys()) this.#settle(id, "outcomeUnknown")
  }

  /** All that its disk held is gone; that it has lived is not kept there. */
  wipe(): void {
    this.platter = blank()
  }

  reply(_session: number, reply: KvReply): void {
    this.watchReply?.(this.store, reply)
    const settle = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    settle?.(reply)
  }

  adminReply(_session: number, _reply: AdminReply): void {}

  ask(ops: readonly KvOp[], more: Partial<KvRequest> = {}): Promise<KvReply> {
    const id = ++TestNode.#ids
    const { promise, resolve } = Promise.withResolvers<KvReply>()
    this.#waiting.set(id, resolve)
    if (this.host === null) this.#settle(id, "outcomeUnknown")
    else this.host.request(1, plainRequest(RANGE, ops, { ...more, id }))
    return promise
  }

  groups(): readonly GroupStatus[] {
    return this.host?.groups() ?? []
  }

  #settle(id: number, code: "outcomeUnknown"): void {
    const settle = this.#waiting.get(id)
    this.#waiting.delete(id)
    settle?.({ type: "error", id, error: { code } })
  }
}

/** Three stores in this process, each with a real host. */
export class HostCluster {
  readonly nodes: readonly TestNode[]
  readonly #leaders = new Map<number, TestNode>()

  constructor(wire: Wire, options: NodeOptions = {}, groups = 1) {
    this.nodes = STORES.map((store) => new TestNode(clusterConfigOf(store, groups), wire, options))
  }

  async start(): Promise<void> {
    for (const node of this.nodes) await node.start()
  }

  kill(): void {
    for (const node of this.nodes) node.kill()
  }

  leader(group = 1): TestNode | undefined {
    return this.nodes.find((node) =>
      node.groups().some((status) => status.group === group && status.role === "leader"),
    )
  }

  /** As `leader`, remembered until it is forgotten: to ask every store for every request costs more than the request. */
  leaderOf(group: number): TestNode | undefined {
    const known = this.#leaders.get(group)
    if (known !== undefined) return known
    const leader = this.leader(group)
    if (leader !== undefined) this.#leaders.set(group, leader)
    return leader
  }

  forgetLeaderOf(group: number): void {
    this.#leaders.delete(group)
  }

  /** Whoever leads and answers a strong read. */
  async elected(): Promise<TestNode> {
    let found: TestNode | undefined
    await until("a leader answers", async () => {
      const leader = this.leader()
      if (leader === undefined) return false
      const reply = await leader.ask([{ type: "get", key: "a" }])
      found = leader
      return reply.type === "ok"
    })
    return found!
  }
}

/** Waits for a condition, and says which when it does not come. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  ms = 20_000,
): Promise<void> {
  const end = performance.now() + ms
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`Waited ${ms} ms in vain: ${what}`)
    await pause(5)
  }
}
