import type { Incarnation, LogIndex, Mono, ReplicaId, StoreId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { invariant } from "../lib/invariant.ts"

/** One member as its leader sees it: it has acknowledged `matchIndex`, and was sent what lies before `nextIndex`. */
export type Follower = {
  readonly replica: ReplicaId
  readonly store: StoreId
  readonly state: Progress["state"]
  readonly matchIndex: LogIndex
  readonly nextIndex: LogIndex
  readonly inflightBytes: number
}

/**
 * What a leader knows of one replica. `probe` sends one append and waits, `replicate` sends ahead within
 * a window of messages and bytes, `snapshot` waits for a snapshot to be taken. The indexes in flight
 * are a queue: an acknowledgement of one settles all before it.
 */
export class Progress {
  readonly replica: ReplicaId
  state: "probe" | "replicate" | "snapshot" = "probe"
  matchIndex: LogIndex = 0
  nextIndex: LogIndex
  /** Last index of the snapshot on its way; 0 when there is none. What comes after it stays in the log. */
  snapshotIndex: LogIndex = 0
  /** Bytes of that snapshot, or of the last one, that have arrived. */
  carried = 0
  /** Bytes of the state when that snapshot was begun; 0: not counted. */
  stateBytes = 0
  /** Of one that took a snapshot in: until then what comes after `holdIndex`, and what it has acknowledged since, stays. */
  holdIndex: LogIndex = 0
  holdUntil: Mono = 0
  /** When something was sent last. In `probe` with `probeSent`: an append is on its way. */
  waitingSince: Mono = 0
  probeSent = false
  /** When it was last heard of in this term. */
  heardAt: Mono
  /** It has answered in this term: it need not be told what its range is. */
  known = false
  /** The process it was last heard from in this term; zeros: none yet. */
  home: Incarnation = 0
  boot = 0
  /** The highest commit index it was told, so that a departing replica learns of its own removal. */
  toldCommit: LogIndex = 0
  /** What it has acknowledged, as far as its answers are held against that, and when this was done last. */
  proven: LogIndex = 0
  provenAt: Mono
  #inflightIndexes: LogIndex[] = []
  #inflightBytes: number[] = []
  #bytes = 0

  constructor(replica: ReplicaId, nextIndex: LogIndex, now: Mono) {
    this.replica = replica
    this.nextIndex = nextIndex
    this.heardAt = now
    this.provenAt = now
  }

  get inflightMessages(): number {
    return this.#inflightIndexes.length
  }

  get inflightBytes(): number {
    return this.#bytes
  }

  sent(lastIndex: LogIndex, bytes: number): void {
    invariant(lastIndex >= this.nextIndex, "Cannot send ahead: the entries were sent before")
    this.nextIndex = lastIndex + 1
    this.#inflightIndexes.push(lastIndex)
    this.#inflightBytes.push(bytes)
    this.#bytes += bytes
  }

  /** True when the acknowledgement is news. A reordered, older one changes nothing. */
  acknowledged(matchIndex: LogIndex): boolean {
    let settled = 0
    while (settled < this.#inflightIndexes.length && this.#inflightIndexes[settled]! <= matchIndex) {
      this.#bytes -= this.#inflightBytes[settled]!
      settled++
    }
    if (settled > 0) {
      this.#inflightIndexes.splice(0, settled)
      this.#inflightBytes.splice(0, settled)
    }
    if (this.nextIndex <= matchIndex) this.nextIndex = matchIndex + 1
    if (matchIndex <= this.matchIndex) return false
    this.matchIndex = matchIndex
    return true
  }

  /** Nothing it ever acknowledged counts any more. */
  forgot(): void {
    this.matchIndex = 0
    this.proven = 0
  }

  /** Another process speaks for it now, which is believed when it has shown the same: until then it has acknowledged nothing. */
  restarted(): void {
    const { matchIndex } = this
    if (matchIndex === 0) return
    this.proven = Math.max(this.proven, matchIndex)
    this.matchIndex = 0
    if (this.state !== "snapshot") this.becomeProbe(matchIndex + 1)
  }

  /** It holds the log up to `index`, and does not vouch for it. */
  stored(index: LogIndex): void {
    const nextIndex = Math.max(this.nextIndex, index + 1)
    if (this.state === "probe") this.becomeReplicate()
    let settled = 0
    while (settled < this.#inflightIndexes.length && this.#inflightIndexes[settled]! <= index) {
      this.#bytes -= this.#inflightBytes[settled]!
      settled++
    }
    this.#inflightIndexes.splice(0, settled)
    this.#inflightBytes.splice(0, settled)
    if (this.state === "replicate") this.nextIndex = nextIndex
  }

  becomeProbe(nextIndex: LogIndex): void {
    this.state = "probe"
    this.probeSent = false
    this.snapshotIndex = 0
    this.#clearInflight()
    this.nextIndex = Math.max(nextIndex, this.matchIndex + 1)
  }

  becomeReplicate(): void {
    this.state = "replicate"
    this.probeSent = false
    this.snapshotIndex = 0
    this.#clearInflight()
    this.nextIndex = this.matchIndex + 1
  }

  becomeSnapshot(index: LogIndex, now: Mono): void {
    this.state = "snapshot"
    this.snapshotIndex = index
    this.carried = 0
    this.stateBytes = 0
    this.waitingSince = now
    this.#clearInflight()
  }

  /** It took a snapshot at `index` in. The log that follows must outlast its way to the end of it. */
  hold(index: LogIndex, until: Mono): void {
    this.holdIndex = index
    this.holdUntil = until
  }

  /** The last index that need not stay in the log, which ends at `lastIndex`, for this replica's sake. */
  releasable(lastIndex: LogIndex, now: Mono): LogIndex {
    if (this.state === "snapshot") return this.snapshotIndex
    const isBehind = now < this.holdUntil && this.matchIndex < lastIndex
    return isBehind ? Math.max(this.holdIndex, this.matchIndex) : Infinity
  }

  #clearInflight(): void {
    this.#inflightIndexes.length = 0
    this.#inflightBytes.length = 0
    this.#bytes = 0
  }

  save(sink: Sink): void {
    sink.uint(this.replica)
    sink.u8(this.state === "probe" ? 0 : this.state === "replicate" ? 1 : 2)
    sink.uint(this.matchIndex)
    sink.uint(this.nextIndex)
    sink.uint(this.snapshotIndex)
    sink.uint(this.carried)
    sink.uint(this.stateBytes)
    sink.uint(this.holdIndex)
    sink.uint(this.holdUntil)
    sink.uint(this.waitingSince)
    sink.bool(this.probeSent)
    sink.uint(this.heardAt)
    sink.bool(this.known)
    sink.uint(this.home)
    sink.uint(this.boot)
    sink.uint(this.toldCommit)
    sink.uint(this.proven)
    sink.uint(this.provenAt)
    sink.uint(this.#inflightIndexes.length)
    for (let i = 0; i < this.#inflightIndexes.length; i++) {
      sink.uint(this.#inflightIndexes[i]!)
      sink.uint(this.#inflightBytes[i]!)
    }
  }

  static load(reader: ByteReader): Progress {
    const progress = new Progress(reader.uint(), 1, 0)
    const state = reader.u8()
    progress.state = state === 0 ? "probe" : state === 1 ? "replicate" : "snapshot"
    progress.matchIndex = reader.uint()
    progress.nextIndex = reader.uint()
    progress.snapshotIndex = reader.uint()
    progress.carried = reader.uint()
    progress.stateBytes = reader.uint()
    progress.holdIndex = reader.uint()
    progress.holdUntil = reader.uint()
    progress.waitingSince = reader.uint()
    progress.probeSent = reader.bool()
    progress.heardAt = reader.uint()
    progress.known = reader.bool()
    progress.home = reader.uint()
    progress.boot = reader.uint()
    progress.toldCommit = reader.uint()
    progress.proven = reader.uint()
    progress.provenAt = reader.uint()
    for (let left = reader.count(2); left > 0; left--) {
      progress.#inflightIndexes.push(reader.uint())
      const bytes = reader.uint()
      progress.#inflightBytes.push(bytes)
      progress.#bytes += bytes
    }
    return progress
  }
}
