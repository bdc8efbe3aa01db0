import type { GroupId, Mono, StoreId, Wall } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { unreachable } from "../lib/invariant.ts"
import { ASK_SESSION_FIRST } from "../limits.ts"
import type { KernelError } from "../errors.ts"
import type { KernelConfig, Timing } from "../node/config.ts"
import type { RangeWord } from "../node/desk.ts"
import type { Effect } from "../node/effect.ts"
import type { FrameHeader, Stamp } from "../node/input.ts"
import type { Process } from "../node/process.ts"
import type { RangeDescriptor } from "../range/descriptor.ts"
import type { KvReply, KvRequest } from "../range/request.ts"
import type { TxnId, TxnState } from "../txn/protocol.ts"
import type { TxnRequest } from "./client.ts"
import { Deadlocks } from "./deadlocks.ts"
import { Directory } from "./directory.ts"
import { Flows, type EndedJob } from "./flows.ts"
import { gatewayOf, nonceWord, type Self } from "./home.ts"
import type { GatewayMessage, Probe, Wait } from "./message.ts"
import { DEADLOCK } from "./open.ts"
import type { Push } from "./push.ts"
import { Served } from "./served.ts"
import { Sessions } from "./sessions.ts"

/** A request to a range here; what it comes to is said to `replied`. */
export type LocalRequest = { readonly session: number; readonly request: KvRequest }
/** For the range of a group here, which asked. */
export type PushedFor = { readonly group: GroupId; readonly txn: TxnId; readonly state: TxnState | null }

/** Under these, ranges here know what this gateway asks, and what others do. */
const OWN_SESSION = ASK_SESSION_FIRST
const SERVED_SESSION = ASK_SESSION_FIRST + 1

/** A push, or a question about a wait, is as good as unanswered after this. */
const QUESTION_US = 5_000_000
/**
 * Coordinates the transactions of a store's sessions, and asks ranges for them, here and at other stores; answers for the
 * ranges here when others ask. Everything it knows a crash may lose: a transaction without a gateway is decided by whoever
 * meets it. ADR 50.
 */
export class Gateway {
  readonly #self: Self
  readonly #timing: Timing
  #flows: Flows
  #served = new Served()
  readonly #deadlocks: Deadlocks
  readonly #sessions: Sessions
  readonly #out: Effect[] = []
  #local: LocalRequest[] = []
  #pushed: PushedFor[] = []

  constructor(self: Self, timing: Timing, directory: Directory) {
    this.#self = self
    this.#timing = timing
    this.#flows = new Flows(self.store, directory)
    this.#deadlocks = new Deadlocks()
    this.#sessions = new Sessions(self, timing, this.#flows, this.#deadlocks, this.#out)
  }

  get directory(): Directory {
    return this.#flows.directory
  }

  /** Whether any of the `take…` has something to give. */
  get hasWork(): boolean {
    return this.#out.length > 0 || this.#local.length > 0 || this.#pushed.length > 0
  }

  /** A range that has a replica on this store. */
  learn(descriptor: RangeDescriptor): void {
    this.#flows.directory.learn(descriptor, this.#self.store)
  }

  /** When `timePassed` is wanted. */
  get deadline(): Mono {
    return Math.min(this.#flows.deadline, this.#deadlocks.deadline, this.#sessions.deadline)
  }

  takeEffects(): readonly Effect[] {
    return this.#out.length === 0 ? NO_EFFECTS : this.#out.splice(0)
  }
  takeLocal(): readonly LocalRequest[] {
    const local = this.#local
    if (local.length > 0) this.#local = []
    return local
  }
  takePushed(): readonly PushedFor[] {
    const pushed = this.#pushed
    if (pushed.length > 0) this.#pushed = []
    return pushed
  }

  // ── Ranges and other stores ──────────────────────────────────────────────────────────────────────

  /** What a range here said to a session of this gateway. */
  replied(session: number, reply: KvReply, stamp: Stamp): void {
    if (session === OWN_SESSION) this.#flows.heard(this.#self.store, reply, stamp)
    else {
      const asked = this.#served.finish(reply.id)
      if (asked !== null) this.#answer(asked.store, asked.nonce, { ...reply, id: asked.id })
    }
    this.#settle(stamp)
  }

  message(message: GatewayMessage, { fromStore, fromNonce, wall }: FrameHeader, stamp: Stamp): void {
    switch (message.type) {
      case "ask":
        this.#asked(message.request, fromStore, fromNonce, wall)
        break
      case "answer":
        if (message.nonce === this.#self.nonce) this.#flows.heard(fromStore, message.reply, stamp)
        break
      case "waits":
        this.#toldWaits(message.wait, message.for, stamp)
        break
      case "probe":
        this.#probed([message], stamp)
        break
      default:
        unreachable(message)
    }
    this.#settle(stamp)
  }

  #asked(request: KvRequest, store: StoreId, nonce: number, sentWall: Wall): void {
    const { id, txn, token } = request
    const once = txn !== null && txn.onePhase !== null && token === null
    // What left before this process began may have been carried out by the one before it.
    const isStale = once && sentWall <= this.#self.begunWall + this.#timing.clockBoundUs
    const serial = isStale ? "stale" : this.#served.take(store, nonce, id, once)
    if (serial === "known") return
    if (serial === "stale" || serial === "full") {
      const code = serial === "stale" ? "recovering" : "overloaded"
      return this.#answer(store, nonce, { type: "error", id, error: { code } })
    }
    this.#local.push({ session: SERVED_SESSION, request: { ...request, id: serial } })
  }

  #answer(store: StoreId, nonce: number, reply: KvReply): void {
    this.#send(store, { type: "answer", nonce, reply })
  }

  #send(to: StoreId, message: GatewayMessage): void {
    this.#out.push({ type: "send", to, lane: "raft", message, barrier: null })
  }

  /** What a range here has to say. */
  told({ group, tenant, rangeId, word }: RangeWord, stamp: Stamp): void {
    if (word.type === "push") return this.push(group, word, stamp)
    const { txn, ticket } = word
    return this.waits({ txn, tenant, rangeId, ticket }, word.for, stamp)
  }

  /** A range here has a request that waits for the decision of another transaction. Each is answered once. */
  push(group: GroupId, push: Push, stamp: Stamp): void {
    this.#flows.begin({ type: "push", group, push }, stamp.mono + QUESTION_US, stamp)
    this.#settle(stamp)
  }

  /** A range here has a transaction that waits for others; nobody: no longer. */
  waits(wait: Wait, holders: readonly TxnId[], stamp: Stamp): void {
    const gateway = gatewayOf(wait.txn)
    if (gateway.store !== this.#self.store) this.#pass(gateway.store, { type: "waits", wait, for: holders })
    else this.#toldWaits(wait, holders, stamp)
    this.#settle(stamp)
  }

  /** To a store that an id names: an id is not proof that there is one. */
  #pass(to: StoreId, message: GatewayMessage): void {
    if (this.directory.hasStore(to)) this.#send(to, message)
  }

  #toldWaits(wait: Wait, holders: readonly TxnId[], stamp: Stamp): void {
    const open = this.#sessions.get(wait.txn)
    if (open === null || open.flow === 0) return
    this.#probed(this.#deadlocks.told(wait, holders, stamp.mono), stamp)
  }

  /** Passes probes on, as far as they concern this gateway. */
  #probed(probes: readonly Probe[], stamp: Stamp): void {
    const todo = [...probes]
    for (let probe = todo.pop(); probe !== undefined; probe = todo.pop()) {
      const { store, nonce } = gatewayOf(probe.to)
      if (store !== this.#self.store) this.#pass(store, probe)
      else if (nonce === nonceWord(this.#self.nonce)) {
        const heard = this.#deadlocks.heard(probe)
        if ("probes" in heard) todo.push(...heard.probes)
        else this.#confirm(heard.cycle, stamp)
      }
    }
  }

  #confirm(path: readonly Wait[], stamp: Stamp): void {
    const victim = path[0]!.txn
    if (this.#flows.some((job) => job.type === "confirm" && job.path[0]!.txn === victim)) return
    this.#flows.begin({ type: "confirm", path }, stamp.mono + QUESTION_US, stamp)
  }

  // ── Time ─────────────────────────────────────────────────────────────────────────────────────────

  timePassed(stamp: Stamp): void {
    this.#flows.timePassed(stamp)
    this.#probed(this.#deadlocks.timePassed(stamp.mono), stamp)
    this.#sessions.timePassed(stamp)
    this.#settle(stamp)
  }

  // ── Sessions ─────────────────────────────────────────────────────────────────────────────────────

  /** What a session asks. `refusal`: nothing new is begun here now. */
  request(session: number, request: TxnRequest, refusal: KernelError | null, stamp: Stamp): void {
    this.#sessions.request(session, request, refusal, stamp)
    this.#settle(stamp)
  }

  // ── What flows came to ───────────────────────────────────────────────────────────────────────────

  /** Sends what flows want sent, and does what follows from those that have ended, until nothing is left. */
  #settle(stamp: Stamp): void {
    for (let ended = this.#flows.takeEnded(); ended.length > 0; ended = this.#flows.takeEnded()) {
      for (const each of ended) this.#ended(each, stamp)
    }
    for (const { store, request } of this.#flows.takeSendings()) {
      if (store === this.#self.store) this.#local.push({ session: OWN_SESSION, request })
      else this.#send(store, { type: "ask", request })
    }
  }

  #ended(done: EndedJob, stamp: Stamp): void {
    const { job, ended } = done
    if (ended.type === "pushed" && job.type === "push") {
      const { state, settlement } = ended.pushed
      this.#pushed.push({ group: job.group, txn: job.push.txn, state })
      this.#sessions.clearUp(settlement, stamp)
    } else if (ended.type === "confirmed" && job.type === "confirm") {
      const open = this.#sessions.get(job.path[0]!.txn)
      if (ended.isCycle && open !== null && open.flow !== 0) this.#sessions.end(open, DEADLOCK, stamp)
    } else this.#sessions.ended(done, stamp)
  }

  /** Says what it has in hand, if that is anything. */
  tell(out: Effect[]): void {
    const status = this.#sessions.status()
    if (status.open > 0) out.push({ type: "observe", observation: { type: "txnsOpen", ...status } })
  }

  save(sink: Sink): void {
    sink.uint(this.#self.begunWall)
    this.#sessions.save(sink)
    this.#flows.save(sink)
    this.#served.save(sink)
    this.#deadlocks.save(sink)
  }

  static load(reader: ByteReader, store: StoreId, nonce: number, timing: Timing): Gateway {
    const self = { store, nonce, begunWall: reader.uint() }
    const gateway = new Gateway(self, timing, Directory.of([]))
    const sessions = gateway.#sessions
    sessions.load(reader)
    gateway.#flows = Flows.load(reader, store, (id) => sessions.get(id)?.txn ?? null)
    sessions.flows = gateway.#flows
    gateway.#served = Served.load(reader)
    gateway.#deadlocks.load(reader)
    return gateway
  }
}

/** The gateway of a process that starts. */
export function gatewayFor(
  { store, timing, places, bootstrap }: KernelConfig,
  { nonce }: Process,
  begunWall: Wall,
): Gateway {
  return new Gateway({ store, nonce, begunWall }, timing, Directory.of(places ?? bootstrap?.groups ?? []))
}

const NO_EFFECTS: readonly Effect[] = []
