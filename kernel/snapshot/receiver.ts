import type { Engine, Write } from "../engine/engine.ts"
import type { GroupId, Mono, ReplicaId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { invariant } from "../lib/invariant.ts"
import { StateHash } from "../range/state-hash.ts"
import { BEFORE_FIRST, isWhole, readRows, type Chunk } from "./chunk.ts"
import {
  isSameSnapshot,
  readSnapshotHead,
  spanOf,
  writeSnapshotHead,
  type SnapshotHead,
  type SnapshotId,
} from "./head.ts"
import { clearStaging, readStaged, rowsAsCounted, stagedWrite, stageRow, type Staged } from "./staging.ts"

/** What came of a chunk. `complete`: it was the last, and the whole adds up. */
export type Taken = "unknown" | "taken" | "gap" | "complete"

/** What is under way in this life: the room is reserved. */
type Reception = { readonly head: SnapshotHead; readonly from: ReplicaId; heardAt: Mono }

/**
 * One replica taking in a snapshot. Each chunk goes to the staging space in one batch with the record of how
 * far it has come, so one that comes twice is known, and after a crash reception goes on where the last
 * durable checkpoint stands. The state of the range is not touched before all is there.
 */
export class SnapshotReceiver {
  readonly #engine: Engine
  readonly #group: GroupId
  readonly #replica: ReplicaId
  #reception: Reception | null = null
  /** As it stands in the staging space. */
  #staged: Staged | null
  /** What is staged was there when this life began. */
  #isFound: boolean
  #rows: readonly Write[] | null = null

  constructor(engine: Engine, group: GroupId, replica: ReplicaId) {
    this.#engine = engine
    this.#group = group
    this.#replica = replica
    const staged = readStaged(engine, group)
    this.#staged = staged !== null && staged.replica === replica ? staged : null
    this.#isFound = this.#staged !== null
  }

  /** The snapshot under way; null when no room is reserved. */
  get head(): SnapshotHead | null {
    return this.#reception?.head ?? null
  }

  /** What waits in the staging space; null when nothing does. */
  get staged(): Staged | null {
    return this.#staged
  }

  /** All of it, read back, in the step in which it became complete; null before. */
  get rows(): readonly Write[] | null {
    return this.#rows
  }

  /** When the room is given back if nothing more is heard. */
  deadline(idleUs: number): Mono {
    return this.#reception === null ? Infinity : this.#reception.heardAt + idleUs
  }

  heard(mono: Mono): void {
    if (this.#reception !== null) this.#reception.heardAt = mono
  }

  /** The room is reserved. Gives the chunk wanted next: 0, or where an earlier reception of the same stopped. */
  begin(head: SnapshotHead, from: ReplicaId, mono: Mono, mark: (name: string) => void): number {
    const before = this.#staged
    this.#reception = { head, from, heardAt: mono }
    if (before !== null && isSameSnapshot(before.id, head.id)) {
      if (before.nextChunk > 0 && this.#isFound) mark("raft.snapshot.resumed")
      if (before.nextChunk > 0 && before.sender !== from) mark("raft.snapshot.resumedByAnother")
      this.#isFound = false
      if (before.sender !== from) this.#write([], { ...before, sender: from })
      return before.nextChunk
    }
    if (before !== null) mark("raft.snapshot.superseded")
    this.#isFound = false
    this.#restart(head.id, from)
    return 0
  }

  #restart(id: SnapshotId, sender: ReplicaId): void {
    const nothing = { nextChunk: 0, hashHigh: 0, hashLow: 0, rowCount: 0, last: BEFORE_FIRST }
    this.#write([clearStaging(this.#group)], { replica: this.#replica, sender, id, ...nothing })
  }

  #write(writes: Write[], staged: Staged): void {
    writes.push(stagedWrite(this.#group, staged))
    this.#engine.apply(writes)
    this.#staged = staged
  }

  take(id: SnapshotId, chunk: Chunk, mono: Mono, mark: (name: string) => void): Taken {
    const reception = this.#reception
    const staged = this.#staged
    if (reception === null || staged === null || !isSameSnapshot(id, reception.head.id)) return "unknown"
    reception.heardAt = mono
    if (chunk.number < staged.nextChunk) {
      mark("raft.snapshot.duplicate")
      return "taken"
    }
    if (chunk.number > staged.nextChunk) return "gap"
    const rows = isWhole(id, chunk)
      ? readRows(chunk.data, staged.last, spanOf(reception.head.descriptor))
      : null
    if (rows === null) {
      mark("raft.snapshot.damaged")
      return "gap"
    }
    const hash = new StateHash(staged.hashHigh, staged.hashLow)
    const writes: Write[] = []
    for (const row of rows) {
      hash.add(row.space, row.key, row.value)
      writes.push(stageRow(this.#group, row))
    }
    const last = rows.at(-1)
    // In one batch with the rows it counts: a crash finds both or neither.
    this.#write(writes, {
      ...staged,
      nextChunk: staged.nextChunk + 1,
      hashHigh: hash.high,
      hashLow: hash.low,
      rowCount: staged.rowCount + rows.length,
      last: last === undefined ? staged.last : { space: last.space, key: last.key },
    })
    if (!chunk.last) return "taken"
    if (hash.high === id.hashHigh && hash.low === id.hashLow) return this.#readBack(id, staged.sender, mark)
    mark("raft.snapshot.damaged")
    this.#restart(id, staged.sender)
    return "gap"
  }

  /** Some of it may have been lost while it lay in the staging space. */
  #readBack(id: SnapshotId, sender: ReplicaId, mark: (name: string) => void): Taken {
    this.#rows = rowsAsCounted(this.#engine, this.#group, this.#staged!)
    if (this.#rows !== null) return "complete"
    mark("raft.snapshot.stagingLost")
    this.#restart(id, sender)
    return "gap"
  }

  /** The room is given back. What is staged stays, for whoever offers the same again. */
  pause(): void {
    this.#reception = null
  }

  /** The switch has taken the staged rows away. */
  installed(): void {
    invariant(this.#staged !== null, "A snapshot was installed that was not staged")
    this.#rows = null
    this.#reception = null
    this.#staged = null
  }

  /** What is staged is of no use any more. */
  discard(): void {
    this.#rows = null
    this.#reception = null
    if (this.#staged === null) return
    this.#staged = null
    this.#engine.apply([clearStaging(this.#group)])
  }

  save(sink: Sink): void {
    sink.bool(this.#isFound)
    sink.bool(this.#reception !== null)
    if (this.#reception === null) return
    writeSnapshotHead(this.#reception.head, sink)
    sink.uint(this.#reception.from)
    sink.uint(this.#reception.heardAt)
  }

  /** Into one made over the engine it was saved with. */
  load(reader: ByteReader): void {
    this.#isFound = reader.bool()
    if (!reader.bool()) return
    this.#reception = { head: readSnapshotHead(reader), from: reader.uint(), heardAt: reader.uint() }
  }
}
