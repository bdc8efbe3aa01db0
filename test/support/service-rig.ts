import assert from "node:assert/strict"
import { MemoryBase } from "#kernel/engine/memory-base.ts"
import { OverlayEngine } from "#kernel/engine/overlay.ts"
import { ByteReader } from "#kernel/lib/bytes.ts"
import { DEFAULT_LIMITS, DEFAULT_TIMING, type Limits } from "#kernel/node/config.ts"
import { NO_SWITCHES } from "#kernel/node/switches.ts"
import { makeEntry, type Batch, type Entry } from "#kernel/raft/types.ts"
import type { KvOp, KvReply, KvRequest } from "#kernel/range/request.ts"
import { RangeService } from "#kernel/range/service.ts"
import type { ServiceContext } from "#kernel/range/service-context.ts"
import { StateMachine, type Applied } from "#kernel/range/state-machine.ts"
import type { Push } from "#kernel/txn/known.ts"
import type { Waits } from "#kernel/txn/lock-table.ts"
import { bytesOf } from "./kernel-arbitraries.ts"
import { configurationOf, DESCRIPTOR } from "./raft-group.ts"
import { requestOf } from "./requests.ts"
import { EPOCH_US } from "./store-rig.ts"

/** A service that leads, over a log that is a list: an entry is committed and applied when the test says so. */
export class ServiceRig {
  service: RangeService
  readonly machine: StateMachine
  readonly limits: Limits
  readonly log: Entry[] = []
  /** Told to whoever reads next; confirmed by the test. */
  round = 0
  /** From which index on reads need no round; null: no lease. */
  leaseIndex: number | null = null
  /** As of when a follower here holds everything. */
  timelineWall: number | null = null
  mono = 1_000_000
  wallOffsetUs = 0
  context: Partial<ServiceContext> = {}
  replies: KvReply[] = []
  readonly marks: string[] = []
  /** Questions to records, and what gateways are told. */
  readonly pushes: Push[] = []
  readonly waits: Waits[] = []
  #id = 0

  constructor(limits: Partial<Limits> = {}) {
    this.limits = { ...DEFAULT_LIMITS, ...limits }
    this.machine = StateMachine.create(new OverlayEngine(MemoryBase.empty()), DESCRIPTOR, 1)
    const bootstrap = { descriptor: DESCRIPTOR, configuration: configurationOf([1, 2, 3]) }
    this.log.push(makeEntry(1, 1, { type: "bootstrap", bootstrap }))
    this.machine.apply(this.log[0]!)
    this.service = new RangeService(this.machine, DEFAULT_TIMING, this.limits)
  }

  get wall(): number {
    return EPOCH_US + this.mono + this.wallOffsetUs
  }

  get now(): ServiceContext {
    return {
      mono: this.mono,
      wall: this.wall,
      isLeader: true,
      refusal: null,
      leaderStore: 1,
      term: 1,
      isTransferring: false,
      isFenced: false,
      isDiskFull: false,
      isDiskExhausted: false,
      termStartIndex: 1,
      uncommittedBytes: 0,
      pendingLogBytes: 0,
      requestsBeside: 0,
      switches: NO_SWITCHES,
      ...this.context,
    }
  }

  /** Gives its id. */
  ask(ops: readonly KvOp[], more: Partial<KvRequest> = {}): number {
    const id = more.id ?? ++this.#id
    this.service.request(1, requestOf(ops, { ...more, id }), this.now, {
      leaseIndex: () => this.leaseIndex,
      nextRound: () => this.round + 1,
      timelineWall: () => this.timelineWall,
      closedTs: () => this.machine.lowWater,
    })
    this.#drain()
    return id
  }

  put(key: string, value: string, more: Partial<KvRequest> = {}): number {
    return this.ask([{ type: "put", key, value }], more)
  }

  drop(key: string, more: Partial<KvRequest> = {}): number {
    return this.ask([{ type: "delete", key }], more)
  }

  get(key: string, more: Partial<KvRequest> = {}): number {
    return this.ask([{ type: "get", key }], more)
  }

  /** Evaluates what may be; gives the batches that were proposed. */
  pump(): readonly Batch[] {
    const batches: Batch[] = []
    for (let batch = this.service.pump(this.now); batch !== null; batch = this.service.pump(this.now)) {
      batches.push(batch)
      this.append(batch)
    }
    this.#drain()
    return batches
  }

  append(batch: Batch, isOwn = true): void {
    const index = this.log.length + 1
    this.log.push(makeEntry(index, 1, { type: "batch", batch }))
    if (isOwn) this.service.proposed(index)
  }

  /** Applies the next entry of the log, if there is one. */
  apply(): Applied | null {
    const entry = this.log[this.machine.appliedIndex]
    if (entry === undefined) return null
    const applied = this.machine.apply(entry)
    if (applied === null) return null
    this.service.applied(entry, applied, this.now)
    this.#drain()
    return applied
  }

  /** A quorum answered the round that every read so far waits for, sent with the end of the log committed. */
  confirm(index: number = this.machine.appliedIndex): void {
    this.round++
    this.service.readConfirmed(this.round, index)
  }

  /** Confirms, evaluates and applies until nothing moves. */
  settle(): void {
    for (let i = 0; i < 200; i++) {
      this.confirm()
      const proposed = this.pump().length
      if (this.apply() === null && proposed === 0) return
    }
    assert.fail("the service never came to rest")
  }

  pass(us: number): void {
    this.mono += us
    this.service.timePassed(this.now)
    this.#drain()
  }

  lose(): void {
    this.context = { ...this.context, isLeader: false, leaderStore: 2 }
    this.service.lostLeadership(this.now)
    this.#drain()
  }

  reload(): void {
    const bytes = bytesOf(this.service)
    const reader = new ByteReader(bytes)
    this.service = RangeService.load(reader, this.machine, DEFAULT_TIMING, this.limits)
    assert.deepEqual([bytesOf(this.service), reader.failed, reader.remaining], [bytes, false, 0])
  }

  #drain(): void {
    for (const effect of this.service.drain()) {
      if (effect.type === "reply") this.replies.push(effect.reply)
      else if (effect.type === "push") this.pushes.push(effect)
      else if (effect.type === "waits") this.waits.push(effect)
      else if (effect.observation.type === "mark") this.marks.push(effect.observation.name)
    }
  }

  /** Replies since the last time, as short words: "1 ok", "2 notLeader". */
  words(): readonly string[] {
    return this.replies
      .splice(0)
      .map((reply) => `${reply.id} ${reply.type === "ok" ? "ok" : reply.error.code}`)
  }

  /** The one reply since the last time, which is a success. */
  result(): Extract<KvReply, { readonly type: "ok" }> {
    const [reply, ...others] = this.replies.splice(0)
    assert.ok(reply !== undefined && reply.type === "ok" && others.length === 0, JSON.stringify(reply))
    return reply
  }
}
