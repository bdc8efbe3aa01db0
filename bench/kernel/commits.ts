/**
 * How many replicated commits a second does one core make? Three stores in this process, each with its log and a
 * memory base; 64 groups, 64-byte values; every message crosses as bytes, every log frame is built, a sync takes no
 * time. `node bench/kernel/commits.ts [--seconds 3] [--window 8] [--json]`. A commit is counted as DESIGN §14 does:
 * one acknowledged put, durable on a quorum, applied by the leader. Promised: 50,000 a second with the hash off.
 */
import {
  ByteWriter,
  decodeFrame,
  encodeFrame,
  Kernel,
  plainRequest,
  SYSTEM_VOLUME,
  volumeOfTenant,
  type Effect,
  type Frame,
  type Input,
  type KernelConfig,
  type KvReply,
  type KvRequest,
  type PeerMessage,
} from "#kernel"
import { LiveBase } from "#kernel/engine/memory-base.ts"
import { DEFAULT_LIMITS, DEFAULT_TIMING } from "#kernel/node/config.ts"
import { NO_SWITCHES } from "#kernel/node/switches.ts"
import { TraceHash } from "#sim/trace/hash.ts"
import { about, benchOptions, cpuSeconds, printReport, type Row } from "../support/report.ts"

const STORES = 3
const GROUPS = 64
const TENANT = 1
const VOLUME = volumeOfTenant(TENANT)
const VALUE = "v".repeat(64)
/** Simulated time between two rounds: a round hands every store what has arrived. */
const ROUND_US = 200
const KEYS_PER_GROUP = 1_000

/** One store: a kernel, and a host whose disk is never slow. */
class Store {
  readonly id: number
  readonly kernel: Kernel
  /** Inputs of the next turn; frames as the bytes that crossed. */
  readonly frames: Uint8Array[] = []
  readonly requests: KvRequest[] = []
  readonly replies: KvReply[] = []
  readonly trace: TraceHash | null
  events = 0
  readonly #bases = new Map([SYSTEM_VOLUME, VOLUME].map((volume) => [volume, new LiveBase()]))
  /** By volume: the last frame written, which is durable at once. */
  readonly #durable: number[] = []
  /** Effects whose barrier names a frame not written yet. */
  #held: Effect[] = []
  readonly #cluster: Cluster
  readonly #scratch = new ByteWriter(1024)
  #inputs: Input[] = []
  #wakeAt: number | null = null
  #outgoing: PeerMessage[][] = Array.from({ length: STORES + 1 }, () => [])

  constructor(cluster: Cluster, config: KernelConfig, hash: boolean) {
    this.#cluster = cluster
    this.id = config.store
    this.trace = hash ? new TraceHash() : null
    const images = [SYSTEM_VOLUME, VOLUME].map((volume) => ({
      volume,
      segments: [],
      witness: null,
      base: this.#bases.get(volume)!,
    }))
    const stamp = { mono: cluster.mono, wall: cluster.wall, seedHigh: config.store, seedLow: 7 }
    const { kernel, effects } = Kernel.open(config, images, stamp)
    this.kernel = kernel
    this.#carryOut(effects)
  }

  turn(): void {
    const { mono, wall } = this.#cluster
    const inputs = this.#inputs
    this.#inputs = []
    for (const input of inputs) this.#step({ ...input, mono, wall })
    if (this.#wakeAt !== null && this.#wakeAt <= mono) {
      this.#wakeAt = null
      this.#step({ type: "wake", mono, wall })
    }
    for (const bytes of this.frames.splice(0)) {
      const frame = decodeFrame(bytes)
      if (frame !== null) this.#step({ type: "frame", mono, wall, frame })
    }
    for (const request of this.requests.splice(0))
      this.#step({ type: "request", mono, wall, session: 1, request })
    this.#step({ type: "turnEnded", mono, wall })
    const held = this.#held
    this.#held = []
    this.#carryOut(held)
    this.#send()
  }

  #step(input: Input): void {
    const effects = this.kernel.step(input)
    this.events++
    this.trace?.stepped(this.id, input, effects)
    this.#carryOut(effects)
  }

  #carryOut(effects: readonly Effect[]): void {
    const { mono, wall } = this.#cluster
    for (const effect of effects) {
      if (this.#waits(effect)) {
        this.#held.push(effect)
        continue
      }
      switch (effect.type) {
        case "send":
          this.#outgoing[effect.to]!.push(effect.message)
          break
        case "reply":
          this.replies.push(effect.reply)
          break
        case "append":
          this.#durable[effect.volume] = effect.lsn
          this.#inputs.push({ type: "appendSynced", mono, wall, volume: effect.volume, lsn: effect.lsn })
          break
        case "createSegment": {
          const { volume, segment } = effect
          this.#inputs.push({ type: "segmentCreated", mono, wall, volume, segment })
          break
        }
        case "checkpoint": {
          const { volume, checkpoint } = effect
          const base = this.#bases.get(volume)!
          base.current = base.current.apply(effect.changes)
          this.#inputs.push({ type: "checkpointSynced", mono, wall, volume, checkpoint })
          break
        }
        case "wakeAt":
          this.#wakeAt = effect.mono
          break
        case "fatal":
          throw new Error(`Store ${this.id} stopped: ${effect.detail}`)
        default:
          break
      }
    }
  }

  #waits(effect: Effect): boolean {
    if (effect.type !== "send" && effect.type !== "reply" && effect.type !== "checkpoint") return false
    return effect.barrier !== null && (this.#durable[effect.barrier.volume] ?? 0) < effect.barrier.lsn
  }

  #send(): void {
    const { cluster, store, incarnation, boot, nonce, volumes, configEpoch } = this.kernel.identity()
    for (let to = 1; to <= STORES; to++) {
      const messages = this.#outgoing[to]!
      if (messages.length === 0) continue
      this.#outgoing[to] = []
      const frame: Frame = {
        header: {
          version: 2,
          cluster,
          fromStore: store,
          toStore: to,
          fromIncarnation: incarnation,
          volumes,
          fromBoot: boot,
          fromNonce: nonce,
          configEpoch,
          wall: this.#cluster.wall,
        },
        messages,
      }
      this.#cluster.stores[to - 1]!.frames.push(encodeFrame(frame, this.#scratch))
    }
  }
}

class Cluster {
  mono = 1_000_000
  readonly stores: Store[] = []

  constructor(hash: boolean) {
    const members = Array.from({ length: STORES }, (_, i) => ({
      replica: i + 1,
      store: i + 1,
      incarnation: i + 1,
    }))
    const groups = Array.from({ length: GROUPS }, (_, i) => ({
      descriptor: {
        rangeId: i + 1,
        groupId: i + 1,
        tenant: TENANT,
        start: i === 0 ? "" : bound(i),
        end: i === GROUPS - 1 ? "" : bound(i + 1),
        generation: 1,
      },
      configuration: { voters: members, outgoing: [], learners: [], promoting: [], nextReplica: STORES + 1 },
    }))
    const stores = members.map(({ store, incarnation }) => ({ store, incarnation, region: "r", zone: "z" }))
    const bootstrap = { cluster: "bench", stores, groups }
    const common = {
      cluster: "bench",
      tenants: [TENANT],
      bootstrap,
      timing: DEFAULT_TIMING,
      limits: DEFAULT_LIMITS,
      switches: NO_SWITCHES,
    }
    for (const { store } of members) this.stores.push(new Store(this, { ...common, store }, hash))
  }

  get wall(): number {
    return 1_700_000_000_000_000 + this.mono
  }

  round(): void {
    this.mono += ROUND_US
    for (const store of this.stores) store.turn()
  }

  /** The store that leads each group, by group; null until all have one. */
  leaders(): readonly Store[] | null {
    const leaders: Store[] = []
    for (const store of this.stores) {
      for (const status of store.kernel.status()) if (status.role === "leader") leaders[status.group] = store
    }
    for (let group = 1; group <= GROUPS; group++) if (leaders[group] === undefined) return null
    return leaders
  }
}

function bound(group: number): string {
  return `g${String(group).padStart(3, "0")}`
}

/** `window` puts under way in every group, each followed by the next as soon as it is acknowledged. */
class Load {
  readonly #cluster: Cluster
  readonly #leaders: readonly Store[]
  readonly #tokens: boolean
  readonly #groupOf: number[] = []
  readonly #seqs: number[] = []
  readonly #births: number[] = []
  #nextId = 1
  acknowledged = 0
  refused = 0

  constructor(cluster: Cluster, leaders: readonly Store[], tokens: boolean, window: number) {
    this.#cluster = cluster
    this.#leaders = leaders
    this.#tokens = tokens
    for (let group = 1; group <= GROUPS; group++) {
      for (let i = 0; i < window; i++) this.#put(group)
    }
  }

  round(): void {
    this.#cluster.round()
    for (const store of this.#cluster.stores) {
      for (const reply of store.replies.splice(0)) {
        const group = this.#groupOf[reply.id]!
        if (reply.type === "ok") {
          this.acknowledged++
          this.#births[group] = reply.commitTs
        } else this.refused++
        this.#put(group)
      }
    }
  }

  #put(group: number): void {
    const id = this.#nextId++
    this.#groupOf[id] = group
    const seq = (this.#seqs[group] ?? 0) + 1
    this.#seqs[group] = seq
    const key = `${bound(group - 1)}/${String((seq * 7_919) % KEYS_PER_GROUP).padStart(8, "0")}`
    const birth = this.#births[group] ?? 1
    const token = this.#tokens && birth > 1 ? { client: group, birth, seq, ackedSeq: 0 } : null
    const range = { tenant: TENANT, rangeId: group, generation: 1 }
    const put = { type: "put", key, value: VALUE } as const
    this.#leaders[group]!.requests.push(plainRequest(range, [put], { id, token }))
  }
}

function run(tokens: boolean, hash: boolean, window: number, seconds: number): Row {
  const cluster = new Cluster(hash)
  let leaders = cluster.leaders()
  for (let rounds = 0; leaders === null; rounds++) {
    if (rounds > 100_000) throw new Error("No leaders after twenty simulated seconds")
    cluster.round()
    leaders = cluster.leaders()
  }
  const load = new Load(cluster, leaders, tokens, window)
  for (const start = cpuSeconds(); cpuSeconds() - start < seconds / 3;) load.round()
  const { acknowledged: before, refused } = load
  const events = cluster.stores.reduce((sum, store) => sum + store.events, 0)
  const startWall = process.hrtime.bigint()
  const start = cpuSeconds()
  while (cpuSeconds() - start < seconds) load.round()
  const cpuS = cpuSeconds() - start
  const wallS = Number(process.hrtime.bigint() - startWall) / 1e9
  const commits = load.acknowledged - before
  const stepped = cluster.stores.reduce((sum, store) => sum + store.events, 0) - events
  return {
    "commits/CPU s": about(commits / cpuS),
    "commits/wall s": about(commits / wallS),
    "µs/commit": about((cpuS / commits) * 1e6),
    "events/commit": about(stepped / commits),
    refused: load.refused - refused,
  }
}

const { seconds, window } = benchOptions(import.meta.filename, { seconds: 3, window: 8 })
run(true, true, window, seconds / 3)
const rows: Record<string, Row> = {}
for (const [tokens, hash] of [
  [false, false],
  [true, false],
  [false, true],
  [true, true],
] as const) {
  rows[`tokens ${tokens ? "on" : "off"}, trace hash ${hash ? "on" : "off"}`] = run(
    tokens,
    hash,
    window,
    seconds,
  )
}
printReport({
  bench: "kernel/commits",
  question: "How many replicated commits does one core make, three stores in one process?",
  rows,
  notes: [
    `${GROUPS} groups, ${window} puts under way in each, ${VALUE.length} B values. Promise: 50,000/s, hash off.`,
  ],
})
