import assert from "node:assert/strict"
import { invariant } from "#kernel/lib/invariant.ts"
import type { Support } from "#kernel/liveness/support.ts"
import { Sfc32 } from "#kernel/lib/rng.ts"
import { DEFAULT_LIMITS, DEFAULT_TIMING, type Limits, type Timing } from "#kernel/node/config.ts"
import { NOTHING_BESIDE } from "#kernel/node/store-budget.ts"
import { NO_SWITCHES } from "#kernel/node/switches.ts"
import { RaftLog } from "#kernel/raft/log.ts"
import { EMPTY_CONFIGURATION } from "#kernel/raft/membership.ts"
import type { AppendEntries, RaftMessage, SnapshotOffer, VoteRequest } from "#kernel/raft/message.ts"
import { Raft, type RaftEvent, type RaftStart } from "#kernel/raft/raft.ts"
import type { RaftEffect, StepContext } from "#kernel/raft/state.ts"
import { makeEntry, type Configuration, type Entry, type LogEnd, type Payload } from "#kernel/raft/types.ts"
import type { Member, RangeDescriptor } from "#kernel/range/descriptor.ts"
import type { AdminRequest } from "#kernel/range/request.ts"
import type { SnapshotHead } from "#kernel/snapshot/head.ts"
import type { WalItem } from "#kernel/wal/item.ts"
import { NO_SUPPORT } from "./no-support.ts"

/** Replica n lives on store n, whose disk has incarnation n. */
export const GROUP = 1
export const DESCRIPTOR: RangeDescriptor = {
  rangeId: 1,
  groupId: GROUP,
  tenant: 0,
  start: "",
  end: "",
  generation: 1,
}

export function member(id: number): Member {
  return { replica: id, store: id, incarnation: id }
}

export function configurationOf(
  voters: readonly number[],
  outgoing: readonly number[] = [],
  learners: readonly number[] = [],
): Configuration {
  return {
    voters: voters.map(member),
    outgoing: outgoing.map(member),
    learners: learners.map(member),
    promoting: [],
    nextReplica: Math.max(...voters, ...outgoing, ...learners) + 1,
  }
}

export function batchPayload(value: string): Payload {
  const write = { space: 1, type: "put", key: "k", value } as const
  const batch = { generation: 1, leaseSequence: 0, closedTs: 0, minVersion: 1, writes: [write] }
  return { type: "batch", batch }
}

export function entry(index: number, term: number, value = "v"): Entry {
  return makeEntry(index, term, batchPayload(value))
}

export function configurationEntry(index: number, term: number, configuration: Configuration): Entry {
  return makeEntry(index, term, { type: "configuration", configuration })
}

/** Entries 1, 2, … of these terms. */
export function entriesOf(terms: readonly number[]): readonly Entry[] {
  return terms.map((term, i) => entry(i + 1, term))
}

export type Send = Extract<RaftEffect, { readonly type: "send" }>
/** What survives a crash. */
type Disk = {
  term: number
  votedFor: number
  start: LogEnd
  entries: Entry[]
  configurationIndex: number
  configuration: Configuration
}

export type PeerStart = {
  readonly configuration?: Configuration
  readonly term?: number
  readonly votedFor?: number
  /** Terms of the entries 1, 2, … of its log, or the entries. */
  readonly log?: readonly (number | Entry)[]
  readonly timing?: Timing
  readonly limits?: Limits
  readonly seed?: number
}

/**
 * One replica and its disk, driven by hand. Everything persisted in one step travels in the frame that
 * `sync` makes durable; a send leaves for `released` when its barrier is met.
 */
export class Peer {
  readonly id: number
  /** Where the others know it to live. */
  readonly member: Member
  readonly timing: Timing
  readonly limits: Limits
  raft: Raft
  mono: number
  isFenced = false
  isDraining = false
  support: Support = NO_SUPPORT
  budget: StepContext["budget"] = NOTHING_BESIDE
  isRemoved = false
  highWater = 0
  memory = ""
  nextLsn = 1
  durableLsn = 0
  released: Send[] = []
  readonly held: Send[] = []
  /** Committed entries, as its state machine saw them in this life. */
  applied: Entry[] = []
  #appliedIndex: number
  readonly reads: { readonly round: number; readonly index: number }[] = []
  readonly disk: Disk
  #items: WalItem[] = []
  #seed: number

  constructor(id: number, start: PeerStart = {}, mono = 0, place: Member = member(id)) {
    this.id = id
    this.member = place
    this.mono = mono
    this.timing = start.timing ?? DEFAULT_TIMING
    this.limits = start.limits ?? DEFAULT_LIMITS
    this.#seed = start.seed ?? 1
    const log = (start.log ?? []).map((each, i) => (typeof each === "number" ? entry(i + 1, each) : each))
    this.disk = {
      term: start.term ?? log.at(-1)?.term ?? 0,
      votedFor: start.votedFor ?? 0,
      start: { index: 0, term: 0 },
      entries: log,
      configurationIndex: 0,
      configuration: start.configuration ?? configurationOf([1, 2, 3]),
    }
    this.#appliedIndex = 0
    this.raft = this.#open()
  }

  #open(): Raft {
    const { term, votedFor, start, entries, configuration, configurationIndex } = this.disk
    const log = new RaftLog(start)
    if (entries.length > 0) log.append(entries, 0)
    log.synced(0)
    const from: RaftStart = {
      term,
      votedFor,
      log,
      commitIndex: start.index,
      configurationIndex,
      configuration,
      recovery: null,
    }
    this.#appliedIndex = start.index
    const rng = new Sfc32(this.id, this.#seed++)
    return new Raft(GROUP, this.id, DESCRIPTOR, this.timing, this.limits, rng, from, this.mono)
  }

  /** The process dies with all that was not synced, and comes back. */
  restart(): void {
    this.released = []
    this.held.length = 0
    this.#items = []
    this.applied = []
    this.raft = this.#open()
  }

  get context(): StepContext {
    const { mono, nextLsn, durableLsn, isFenced: fenced, highWater } = this
    return {
      mono,
      wall: mono,
      nextLsn,
      durableLsn,
      fenced,
      draining: this.isDraining,
      support: this.support,
      highWater,
      memory: () => this.memory,
      budget: this.budget,
      switches: NO_SWITCHES,
    }
  }

  get isDurable(): boolean {
    return this.#items.length === 0
  }

  step(event: RaftEvent): readonly RaftEffect[] {
    const effects = this.raft.step(event, this.context)
    this.#carryOut(effects)
    const offered = effects.find((effect) => effect.type === "snapshotOffered")
    if (offered === undefined || offered.isStale) return effects
    // Its rows are none of Raft's business: they are here at once.
    const { message: offer, from } = offered
    return [...effects, ...this.step({ type: "snapshotReceived", offer, from })]
  }

  #carryOut(effects: readonly RaftEffect[]): void {
    for (const effect of effects) {
      if (effect.type === "persist") this.#items.push(effect.item)
      else if (effect.type === "send") {
        if (effect.barrier > this.durableLsn) this.held.push(effect)
        else this.released.push(effect)
      } else if (effect.type === "readConfirmed") this.reads.push(effect)
      else if (effect.type === "removed") this.isRemoved = true
      else if (effect.type === "becameLeader" && this.raft.isLeader) this.propose("")
      else if (effect.type === "sendSnapshot") this.#sendSnapshot(effect.to)
    }
    const { raft } = this
    for (; !raft.isInstalling && this.#appliedIndex < raft.commitIndex; this.#appliedIndex++) {
      this.applied.push(raft.log.entryAt(this.#appliedIndex + 1))
    }
  }

  receive(message: RaftMessage, from: Member = member(message.from), boot = 1): readonly RaftEffect[] {
    const speaker = { home: from.incarnation, boot }
    return this.step({ type: "messageReceived", message, from, speaker })
  }

  propose(value: string): Entry {
    this.step({ type: "proposed", payload: batchPayload(value) })
    return this.raft.log.entryAt(this.raft.lastIndex)
  }

  administer(action: AdminRequest["action"]): ReturnType<Raft["administer"]>["error"] {
    const { error, effects } = this.raft.administer(action, this.context)
    this.#carryOut(effects)
    return error
  }

  /** The frame of everything persisted so far is durable. */
  sync(): readonly RaftEffect[] {
    const items = this.#items
    this.#items = []
    for (const item of items) this.#write(item)
    this.durableLsn = this.nextLsn
    this.nextLsn++
    const effects = this.step({ type: "logSynced" })
    for (const send of this.held.splice(0)) {
      if (send.barrier > this.durableLsn) this.held.push(send)
      else this.released.push(send)
    }
    return effects
  }

  #write(item: WalItem): void {
    const { disk } = this
    if (item.type === "hardState") {
      disk.term = item.term
      disk.votedFor = item.votedFor
    } else if (item.type === "entries") {
      const kept = item.entries[0]!.index - disk.start.index - 1
      assert.ok(kept >= 0 && kept <= disk.entries.length, "entries leave a gap on disk")
      disk.entries = [...disk.entries.slice(0, kept), ...item.entries]
    } else if (item.type === "logStart") this.#startAt({ index: item.index, term: item.term })
  }

  #startAt(start: LogEnd): void {
    const { disk } = this
    const agrees = disk.entries.find((each) => each.index === start.index)?.term === start.term
    disk.entries = agrees ? disk.entries.filter((each) => each.index > start.index) : []
    disk.start = start
  }

  /** A checkpoint at `index` is durable and the log up to there goes. */
  compact(index: number): void {
    const step = this.raft.configurationAt(index)
    const term = this.raft.log.termAt(index)
    invariant(term !== null, "Cannot compact what is not in the log")
    this.disk.configuration = step.configuration
    this.disk.configurationIndex = step.index
    this.raft.compact(index)
    this.sync()
    this.#startAt({ index, term })
  }

  /** As its state machine would: of everything applied. */
  snapshotFor(to: number): SnapshotOffer {
    const { raft } = this
    const index = raft.commitIndex
    const { configuration, index: configurationIndex } = raft.configurationAt(index)
    return snapshotOffer(this.id, to, raft.term, index, raft.log.termAt(index)!, {
      configuration,
      configurationIndex,
    })
  }

  #sendSnapshot(to: Member): void {
    const message = this.snapshotFor(to.replica)
    this.released.push({ type: "send", to, lane: "bulk", barrier: 0, message })
  }

  /** The snapshot it took in is in a durable checkpoint. */
  snapshotDurable(message: SnapshotOffer, from: Member = member(message.from)): readonly RaftEffect[] {
    const { id, configuration, configurationIndex } = message.head
    this.disk.configuration = configuration
    this.disk.configurationIndex = configurationIndex
    this.#startAt({ index: id.index, term: id.term })
    this.#appliedIndex = id.index
    const effects = this.step({ type: "snapshotSynced", from })
    return effects
  }

  /** What it sent and no barrier holds back, taken away. */
  takeReleased(): readonly Send[] {
    return this.released.splice(0)
  }

  terms(): readonly number[] {
    const { log } = this.raft
    const terms: number[] = []
    for (let index = log.firstIndex; index <= log.lastIndex; index++) terms.push(log.termAt(index)!)
    return terms
  }

  /** Its log as one word an entry, to compare logs by. */
  words(): readonly string[] {
    const { log } = this.raft
    const words: string[] = []
    for (let index = log.firstIndex; index <= log.lastIndex; index++) {
      const each = log.entryAt(index)
      words.push(`${index}@${each.term}#${each.digestHigh}.${each.digestLow}`)
    }
    return words
  }
}

/** Sends among effects, in order. */
export function sendsOf(effects: readonly RaftEffect[]): readonly Send[] {
  return effects.filter((effect) => effect.type === "send")
}

/** The one message of this type among effects. */
export function onlySend<Type extends RaftMessage["type"]>(
  effects: readonly RaftEffect[],
  type: Type,
): Send & { readonly message: Extract<RaftMessage, { readonly type: Type }> } {
  const found = sendsOf(effects).filter((send) => send.message.type === type)
  assert.equal(found.length, 1, `one ${type} among ${JSON.stringify(sendsOf(effects))}`)
  return found[0] as never
}

export function voteRequest(
  from: number,
  to: number,
  term: number,
  last: readonly [index: number, term: number],
  asks: Partial<Pick<VoteRequest, "preVote" | "transfer">> = {},
): VoteRequest {
  const [lastIndex, lastTerm] = last
  const base = { type: "voteRequest", group: GROUP, from, to, term, preVote: false, transfer: false } as const
  return { ...base, lastIndex, lastTerm, ...asks }
}

export function voteReply(
  from: number,
  to: number,
  term: number,
  granted = true,
  preVote = false,
): RaftMessage {
  return { type: "voteReply", group: GROUP, from, to, term, granted, preVote }
}

export function appendEntries(
  from: number,
  to: number,
  term: number,
  previous: readonly [index: number, term: number],
  entries: readonly Entry[] = [],
  leaderCommit = 0,
): AppendEntries {
  const [prevIndex, prevTerm] = previous
  const base = { type: "appendEntries", group: GROUP, from, to, term } as const
  return { ...base, prevIndex, prevTerm, leaderCommit, entries, descriptor: null, incarnation: 0 }
}

export function appendReply(from: number, to: number, term: number, matchIndex: number): RaftMessage {
  const hints = { rejectedIndex: 0, hintIndex: 0, hintTerm: 0, wantsSnapshot: false }
  return { type: "appendReply", group: GROUP, from, to, term, success: true, matchIndex, ...hints }
}

export function heartbeat(from: number, to: number, term: number, leaderCommit = 0, round = 0): RaftMessage {
  return {
    type: "heartbeat",
    group: GROUP,
    from,
    to,
    term,
    leaderCommit,
    round,
    sentMono: 0,
    statedWall: 0,
    statedCommit: 0,
    life: 1,
    rests: false,
  }
}

export function heartbeatReply(
  from: number,
  to: number,
  term: number,
  round = 0,
  lastIndex = 0,
): RaftMessage {
  const nothing = { sentMono: 0, commitIndex: 0, home: 1, boot: 1, epoch: 0 }
  return { type: "heartbeatReply", group: GROUP, from, to, term, round, lastIndex, ...nothing }
}

export function snapshotOffer(
  from: number,
  to: number,
  term: number,
  lastIndex: number,
  lastTerm: number,
  shape: Partial<SnapshotHead> = {},
): SnapshotOffer {
  const id = { index: lastIndex, term: lastTerm, hashHigh: 0, hashLow: 0, chunkBytes: 1_024 }
  const head: SnapshotHead = {
    id,
    lowWater: 0,
    horizon: 0,
    leaseSequence: 0,
    descriptor: DESCRIPTOR,
    configuration: configurationOf([1, 2, 3]),
    configurationIndex: 0,
    ...shape,
  }
  return { type: "snapshotOffer", group: GROUP, from, to, term, head }
}

export function snapshotReply(from: number, to: number, term: number, lastIndex: number): RaftMessage {
  return { type: "snapshotReply", group: GROUP, from, to, term, lastIndex, success: true }
}

/** A replica that leads `term`: it won with the vote of replica 2, and its first entry is in its log. */
export function leaderOf(term: number, start: PeerStart = {}): Peer {
  const peer = new Peer(1, { ...start, term: term - 1 })
  peer.mono = peer.raft.deadline
  peer.step({ type: "timePassed" })
  const others = peer.takeReleased()
  invariant(others.length > 0, "Cannot make a leader: nobody was asked for a pre-vote")
  for (const { to } of others) peer.receive(voteReply(to.replica, 1, term, true, true))
  peer.sync()
  for (const { to } of others) if (!peer.raft.isLeader) peer.receive(voteReply(to.replica, 1, term))
  invariant(peer.raft.isLeader && peer.raft.term === term, "Cannot make a leader: it did not win")
  peer.takeReleased()
  return peer
}

type Flying = { readonly from: number; readonly send: Send }

/** Replicas and the network between them, both driven by hand. */
export class Group {
  readonly peers: Map<number, Peer> = new Map()
  flying: Flying[] = []
  /** Nothing gets to or from these. */
  readonly cut: Set<number> = new Set()
  readonly #start: PeerStart

  constructor(
    ids: readonly number[],
    starts: Readonly<Record<number, PeerStart>> = {},
    start: PeerStart = {},
  ) {
    this.#start = { configuration: configurationOf(ids), ...start }
    for (const id of ids) this.peers.set(id, new Peer(id, { ...this.#start, ...starts[id] }))
  }

  peer(id: number): Peer {
    const peer = this.peers.get(id)
    invariant(peer !== undefined, "Cannot speak to a replica that is not there")
    return peer
  }

  get leaders(): readonly Peer[] {
    return [...this.peers.values()].filter((peer) => peer.raft.isLeader && !peer.isRemoved)
  }

  /** Takes what everyone has to send onto the network. */
  collect(): void {
    for (const [id, peer] of this.peers) {
      for (const send of peer.takeReleased()) this.flying.push({ from: id, send })
    }
  }

  /** Hands one message over; a store that does not know the replica makes it, if the message says what it is. */
  hand({ from, send }: Flying): void {
    const to = send.to.replica
    if (this.cut.has(from) || this.cut.has(to)) return
    const peer = this.peers.get(to)
    if (peer === undefined) {
      if (send.message.type !== "appendEntries" || send.message.descriptor === null) return
      const mono = this.peer(from).mono
      this.peers.set(to, new Peer(to, { ...this.#start, configuration: EMPTY_CONFIGURATION }, mono, send.to))
      return
    }
    if (peer.isRemoved) return
    const { message } = send
    const sender = this.peer(from).member
    peer.receive(message, sender)
    if (message.type === "snapshotOffer" && peer.raft.isInstalling) peer.snapshotDurable(message, sender)
  }

  /** Turns, syncs and deliveries until nobody has anything to say. */
  settle(): void {
    for (let round = 0; round < 1000; round++) {
      for (const peer of this.peers.values()) {
        if (peer.isRemoved) continue
        peer.step({ type: "turnEnded" })
        if (!peer.isDurable) peer.sync()
      }
      this.collect()
      const flying = this.flying
      this.flying = []
      for (const each of flying) this.hand(each)
      if (flying.length === 0 && [...this.peers.values()].every((peer) => peer.isDurable || peer.isRemoved))
        return
    }
    assert.fail("the group never came to rest")
  }

  /** Everybody's clock goes on; nobody is woken. */
  pass(us: number): void {
    for (const peer of this.peers.values()) peer.mono += us
  }

  /** A silence longer than any replica bears, after which only this one is woken. */
  elect(id: number): Peer {
    this.pass(2 * DEFAULT_TIMING.electionUsMax)
    const peer = this.peer(id)
    peer.step({ type: "timePassed" })
    this.settle()
    return peer
  }

  /** One heartbeat of this replica, and all that follows from it. */
  beat(id: number): void {
    this.pass(DEFAULT_TIMING.heartbeatUs)
    this.peer(id).step({ type: "timePassed" })
    this.settle()
  }
}

type Refusal = Omit<
  Extract<RaftMessage, { readonly type: "appendReply" }>,
  "type" | "group" | "from" | "to" | "term"
>

/** What a reply says that rejects an append, with where the logs may agree. */
export function refusalOf(rejectedIndex: number, hintIndex: number, hintTerm: number): Refusal {
  return { success: false, matchIndex: 0, rejectedIndex, hintIndex, hintTerm, wantsSnapshot: false }
}
