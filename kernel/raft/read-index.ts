import type { LogIndex, ReplicaId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { hasQuorum } from "./quorum.ts"
import type { Configuration } from "./types.ts"

type Round = { readonly round: number; readonly index: LogIndex; readonly confirmedBy: ReplicaId[] }

/**
 * Reads without writing: one numbered heartbeat round serves every read that waited when it was sent.
 * A round is confirmed by a quorum that still followed this leader after the reads arrived; then they
 * may be served from any state at or past the commit index of that moment. Raft thesis, §6.4.
 */
export class ReadIndexQueue {
  /** The number of the last round started. */
  #round = 0
  #open: Round[] = []
  /** Reads have arrived since the last round was started. */
  #wanted = false

  get round(): number {
    return this.#round
  }

  get isWanted(): boolean {
    return this.#wanted
  }

  get isWaiting(): boolean {
    return this.#open.length > 0 || this.#wanted
  }

  /** The round a read that arrives now will be served by: never one that was sent before it came. */
  request(): number {
    this.#wanted = true
    return this.#round + 1
  }

  /** The round is sent with heartbeats now. */
  start(commitIndex: LogIndex): number {
    this.#round++
    this.#wanted = false
    this.#open.push({ round: this.#round, index: commitIndex, confirmedBy: [] })
    return this.#round
  }

  /** The newest round that a quorum now confirms, or null. Later rounds confirm the earlier ones too. */
  confirm(
    from: ReplicaId,
    round: number,
    configuration: Configuration,
    self: ReplicaId,
  ): { readonly round: number; readonly index: LogIndex } | null {
    let confirmed: Round | null = null
    for (const open of this.#open) {
      if (open.round > round) break
      if (!open.confirmedBy.includes(from)) open.confirmedBy.push(from)
      if (hasQuorum(configuration, (replica) => replica === self || open.confirmedBy.includes(replica)))
        confirmed = open
    }
    if (confirmed === null) return null
    this.#open = this.#open.filter((open) => open.round > confirmed.round)
    return { round: confirmed.round, index: confirmed.index }
  }

  clear(): void {
    this.#open = []
    this.#wanted = false
  }

  save(sink: Sink): void {
    sink.uint(this.#round)
    sink.bool(this.#wanted)
    sink.uint(this.#open.length)
    for (const open of this.#open) {
      sink.uint(open.round)
      sink.uint(open.index)
      sink.uint(open.confirmedBy.length)
      for (const replica of open.confirmedBy) sink.uint(replica)
    }
  }

  static load(reader: ByteReader): ReadIndexQueue {
    const queue = new ReadIndexQueue()
    queue.#round = reader.uint()
    queue.#wanted = reader.bool()
    for (let left = reader.count(3); left > 0; left--) {
      const round = reader.uint()
      const index = reader.uint()
      const confirmedBy: ReplicaId[] = []
      for (let replicas = reader.count(); replicas > 0; replicas--) confirmedBy.push(reader.uint())
      queue.#open.push({ round, index, confirmedBy })
    }
    return queue
  }
}
