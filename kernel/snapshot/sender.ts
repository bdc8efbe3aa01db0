import type { GroupId, Mono, ReplicaId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { invariant } from "../lib/invariant.ts"
import type { Limits, Timing } from "../node/config.ts"
import { readMember, writeMember, type Member } from "../range/descriptor.ts"
import type { Chunk } from "./chunk.ts"
import { isSameSnapshot, type SnapshotHead, type SnapshotId } from "./head.ts"
import { SnapshotSource } from "./source.ts"
import type { SnapshotTraffic } from "./traffic.ts"

/** Heartbeats after which what was not answered is asked again. */
const RETRY_HEARTBEATS = 4
/** Offers without an answer after which the slot goes to others. */
const UNANSWERED_MAX = 3
/** Longest silences without a step forward, after which a transfer is given up. */
const GIVE_UP_ELECTIONS = 8

/** `waiting` for a slot or for the receiver's room; `offered` and not answered; `sending` chunks. */
const PHASES = ["waiting", "offered", "sending"] as const

type Transfer = {
  readonly to: Member
  phase: (typeof PHASES)[number]
  /** The chunk to send next, and the one the receiver wants next. */
  next: number
  acked: number
  /** The furthest the receiver ever was: what counts as a step forward. */
  best: number
  /** The gap for which it went back already. -1: none. */
  rewound: number
  /** When to ask again if nothing is heard, or to try again for a slot. */
  retryAt: Mono
  /** Booked for the next chunk. 0: nothing is. */
  turnAt: Mono
  /** Offers since something was heard. */
  unanswered: number
  advancedAt: Mono
}

/** What a receiver says of where it stands. Raft's message, without its envelope. */
export type ReceiverWord = {
  readonly id: SnapshotId
  readonly verdict: "declined" | "position" | "taken" | "gap" | "installing"
  readonly nextChunk: number
  readonly retryAfterUs: number
}

/** What a sender needs at one moment. */
export type SenderContext = {
  readonly mono: Mono
  readonly traffic: SnapshotTraffic
  /** The range as it stands, unmoved from now on. */
  readonly pin: () => SnapshotSource
  readonly offer: (to: Member, head: SnapshotHead) => void
  readonly send: (to: Member, id: SnapshotId, chunk: Chunk) => void
  readonly mark: (name: string) => void
}

/**
 * The snapshots of one range that its leader has under way. All receivers share one view; each is sent
 * chunks within a window, and asked where it stands when it falls silent: the answer is where sending goes
 * on, whatever was lost, repeated or forgotten by a crash on its side.
 */
export class SnapshotSender {
  readonly #group: GroupId
  readonly #timing: Timing
  readonly #limits: Limits
  #source: SnapshotSource | null = null
  readonly #transfers = new Map<ReplicaId, Transfer>()

  constructor(group: GroupId, timing: Timing, limits: Limits) {
    this.#group = group
    this.#timing = timing
    this.#limits = limits
  }

  get size(): number {
    return this.#transfers.size
  }

  get deadline(): Mono {
    let deadline = Infinity
    for (const transfer of this.#transfers.values()) deadline = Math.min(deadline, wakeAt(transfer))
    return deadline
  }

  /** The snapshot under way; null when there is none. */
  get head(): SnapshotHead | null {
    return this.#source?.head ?? null
  }

  /** Bytes that this receiver is known to have taken in, of the snapshot under way. */
  carried(replica: ReplicaId): number {
    const transfer = this.#transfers.get(replica)
    return transfer === undefined || transfer.acked === 0 ? 0 : this.#held.bytesOf(transfer.acked)
  }

  /** Replicas with a transfer, in the order they began. */
  receivers(): readonly ReplicaId[] {
    return [...this.#transfers.keys()]
  }

  /** A receiver needs a snapshot. It shares the view of those before it. */
  begin(to: Member, context: SenderContext): void {
    const { mono } = context
    this.drop(to.replica, context.traffic)
    this.#source ??= context.pin()
    this.#transfers.set(to.replica, {
      to,
      phase: "waiting",
      next: 0,
      acked: 0,
      best: 0,
      rewound: -1,
      retryAt: mono,
      turnAt: 0,
      unanswered: 0,
      advancedAt: mono,
    })
    this.#pumpOne(this.#transfers.get(to.replica)!, context)
  }

  drop(replica: ReplicaId, traffic: SnapshotTraffic): void {
    const transfer = this.#transfers.get(replica)
    if (transfer === undefined) return
    if (transfer.phase !== "waiting") traffic.freeSlot(this.#group)
    this.#transfers.delete(replica)
    if (this.#transfers.size === 0) this.#source = null
  }

  answered(from: ReplicaId, word: ReceiverWord, context: SenderContext): void {
    const transfer = this.#transfers.get(from)
    // Whoever waits has no slot: what it hears is of an offer it made before.
    if (transfer === undefined || transfer.phase === "waiting") return
    if (this.#source === null || !isSameSnapshot(this.#source.head.id, word.id)) return
    const { mono } = context
    transfer.unanswered = 0
    switch (word.verdict) {
      case "declined":
        // It may be too old for who declined it: where nobody has taken any of it, the state as it stands now is next.
        if ([...this.#transfers.values()].every((other) => other.best === 0)) this.#source = context.pin()
        this.#wait(transfer, Math.max(word.retryAfterUs, this.#timing.heartbeatUs), context)
        return
      case "installing":
        this.#advanced(transfer, word.nextChunk, mono)
        transfer.retryAt = mono + this.#retryUs
        return
      case "position":
        // The receiver's word to an offer holds, also where it lies before what it said last: it was restarted.
        if (transfer.phase === "offered" || word.nextChunk < transfer.acked) {
          transfer.next = word.nextChunk
          transfer.acked = word.nextChunk
        }
        transfer.phase = "sending"
        this.#advanced(transfer, word.nextChunk, mono)
        break
      case "taken":
        this.#advanced(transfer, word.nextChunk, mono)
        break
      case "gap":
        this.#advanced(transfer, word.nextChunk, mono)
        if (word.nextChunk === transfer.acked && transfer.rewound !== word.nextChunk) {
          transfer.rewound = word.nextChunk
          transfer.next = word.nextChunk
        }
        break
    }
    this.#pumpOne(transfer, context)
  }

  #advanced(transfer: Transfer, nextChunk: number, mono: Mono): void {
    if (nextChunk > transfer.acked) {
      transfer.acked = nextChunk
      transfer.next = Math.max(transfer.next, nextChunk)
      transfer.retryAt = mono + this.#retryUs
    }
    if (nextChunk <= transfer.best) return
    transfer.best = nextChunk
    transfer.advancedAt = mono
  }

  /** All that may leave now. Gives the receivers that are given up. */
  pump(context: SenderContext): readonly ReplicaId[] {
    const givenUp: ReplicaId[] = []
    for (const transfer of this.#transfers.values()) {
      if (context.mono - transfer.advancedAt >= GIVE_UP_ELECTIONS * this.#timing.electionUsMax) {
        givenUp.push(transfer.to.replica)
      } else this.#pumpOne(transfer, context)
    }
    for (const replica of givenUp) this.drop(replica, context.traffic)
    return givenUp
  }

  #pumpOne(transfer: Transfer, context: SenderContext): void {
    const { mono, traffic } = context
    if (transfer.phase === "waiting") {
      if (mono < transfer.retryAt) return
      // It asks again in one of these; whose timer is late keeps its place for another.
      if (traffic.takeSlot(this.#group, mono, mono + 2 * this.#retryUs)) this.#offer(transfer, context)
      else {
        context.mark("raft.snapshot.queued")
        this.#wait(transfer, this.#retryUs, context)
      }
      return
    }
    if (mono < transfer.retryAt) {
      if (transfer.phase === "sending") this.#send(transfer, context)
      return
    }
    // A receiver that says nothing must not keep others from the slot.
    if (transfer.unanswered >= UNANSWERED_MAX) this.#wait(transfer, this.#retryUs, context)
    else this.#offer(transfer, context)
  }

  #offer(transfer: Transfer, context: SenderContext): void {
    transfer.phase = "offered"
    transfer.rewound = -1
    transfer.unanswered++
    transfer.retryAt = context.mono + this.#retryUs
    context.offer(transfer.to, this.#held.head)
  }

  #send(transfer: Transfer, context: SenderContext): void {
    const { mono, traffic } = context
    while (transfer.next < transfer.acked + this.#limits.snapshotWindowChunks) {
      const { head } = this.#held
      if (transfer.turnAt === 0) {
        if (!this.#held.has(transfer.next)) return
        transfer.turnAt = traffic.book(head.id.chunkBytes, mono)
      }
      if (transfer.turnAt > mono) {
        context.mark("raft.snapshot.throttled")
        // With nothing on its way, it is not the receiver that is silent.
        if (transfer.next === transfer.acked) transfer.retryAt = transfer.turnAt + this.#retryUs
        return
      }
      const chunk = this.#held.chunk(transfer.next)
      transfer.turnAt = 0
      if (chunk === null) return
      traffic.settle(chunk.data.length - head.id.chunkBytes)
      context.send(transfer.to, head.id, chunk)
      transfer.next++
      transfer.retryAt = mono + this.#retryUs
    }
  }

  #wait(transfer: Transfer, us: number, { mono, traffic }: SenderContext): void {
    if (transfer.phase !== "waiting") traffic.freeSlot(this.#group)
    transfer.phase = "waiting"
    transfer.turnAt = 0
    transfer.unanswered = 0
    transfer.retryAt = mono + us
  }

  get #held(): SnapshotSource {
    invariant(this.#source !== null, "A transfer is under way without a snapshot")
    return this.#source
  }

  get #retryUs(): number {
    return RETRY_HEARTBEATS * this.#timing.heartbeatUs
  }

  save(sink: Sink): void {
    sink.bool(this.#source !== null)
    this.#source?.save(sink)
    sink.uint(this.#transfers.size)
    for (const transfer of this.#transfers.values()) {
      writeMember(transfer.to, sink)
      sink.u8(PHASES.indexOf(transfer.phase))
      sink.uint(transfer.next)
      sink.uint(transfer.acked)
      sink.uint(transfer.best)
      sink.uint(transfer.rewound + 1)
      sink.uint(transfer.retryAt)
      sink.uint(transfer.turnAt)
      sink.uint(transfer.unanswered)
      sink.uint(transfer.advancedAt)
    }
  }

  /** Into one that was just made. */
  load(reader: ByteReader): void {
    if (reader.bool()) this.#source = SnapshotSource.load(reader)
    for (let left = reader.count(12); left > 0; left--) {
      const to = readMember(reader)
      this.#transfers.set(to.replica, {
        to,
        phase: PHASES[reader.u8()] ?? "waiting",
        next: reader.uint(),
        acked: reader.uint(),
        best: reader.uint(),
        rewound: reader.uint() - 1,
        retryAt: reader.uint(),
        turnAt: reader.uint(),
        unanswered: reader.uint(),
        advancedAt: reader.uint(),
      })
    }
  }
}

/** When there is something to do: the turn that was booked, or time to ask again. */
function wakeAt(transfer: Transfer): Mono {
  const isBooked = transfer.phase === "sending" && transfer.turnAt > 0
  return isBooked ? Math.min(transfer.turnAt, transfer.retryAt) : transfer.retryAt
}
