import { SPACE_STAGING, type Engine, type ReadView, type Space, type Write } from "../engine/engine.ts"
import type { GroupId, ReplicaId } from "../ids.ts"
import { ByteReader, ByteWriter } from "../lib/bytes.ts"
import { invariant } from "../lib/invariant.ts"
import { bytesFromLatin1 } from "../lib/latin1.ts"
import { decodeUint64, encodeUint64 } from "../mvcc/key.ts"
import { StateHash } from "../range/state-hash.ts"
import type { Place, Row } from "./chunk.ts"
import { readSnapshotId, writeSnapshotId, type SnapshotId } from "./head.ts"

/**
 * Where the rows of a snapshot wait until all of them are there: a space of the engine that nobody reads
 * from and no hash counts. Key: group (8 bytes) · the row's own space (1 byte) · its key; the record of how
 * far reception has come stands at space 0 of the group, and is written in one batch with the rows it counts.
 */

/** How far a snapshot has been received. */
export type Staged = {
  /** Whose reception: what an earlier replica of the group left is not gone on with. */
  readonly replica: ReplicaId
  /** Who sent it last. */
  readonly sender: ReplicaId
  readonly id: SnapshotId
  /** The chunk wanted next. */
  readonly nextChunk: number
  /** Sum over the rows so far. */
  readonly hashHigh: number
  readonly hashLow: number
  readonly rowCount: number
  readonly last: Place
}

const RECORD_VERSION = 1
const GROUP_BYTES = 8

function recordKey(group: GroupId): string {
  return encodeUint64(group) + "\0"
}

export function stageRow(group: GroupId, row: Row): Write {
  const key = encodeUint64(group) + String.fromCharCode(row.space) + row.key
  return { space: SPACE_STAGING, type: "put", key, value: row.value }
}

export function stagedWrite(group: GroupId, staged: Staged): Write {
  const writer = new ByteWriter(64)
  writer.u8(RECORD_VERSION)
  writer.uint(staged.replica)
  writer.uint(staged.sender)
  writeSnapshotId(staged.id, writer)
  writer.uint(staged.nextChunk)
  writer.u32(staged.hashHigh)
  writer.u32(staged.hashLow)
  writer.uint(staged.rowCount)
  writer.u8(staged.last.space)
  writer.str(staged.last.key)
  return { space: SPACE_STAGING, type: "put", key: recordKey(group), value: writer.latin1() }
}

/** Null when nothing of a snapshot of this group is here. */
export function readStaged(view: ReadView, group: GroupId): Staged | null {
  const value = view.get(SPACE_STAGING, recordKey(group))
  if (value === null) return null
  const reader = new ByteReader(bytesFromLatin1(value))
  invariant(reader.u8() === RECORD_VERSION, "The record of a reception has an unknown version")
  const staged = {
    replica: reader.uint(),
    sender: reader.uint(),
    id: readSnapshotId(reader),
    nextChunk: reader.uint(),
    hashHigh: reader.u32(),
    hashLow: reader.u32(),
    rowCount: reader.uint(),
    last: { space: reader.u8(), key: reader.str() },
  }
  invariant(!reader.failed, "The record of a reception cannot be read")
  return staged
}

/** A walk over the rows that wait, in order; `row` is null behind the last. */
export type StagedWalk = { readonly row: Row | null; next(): void }

export function stagedRowsFrom(view: ReadView, group: GroupId): StagedWalk {
  const head = encodeUint64(group)
  const cursor = view.cursor(SPACE_STAGING, head + "\x01", encodeUint64(group + 1), false)
  const row = (): Row | null => {
    if (!cursor.valid) return null
    const space = cursor.key.charCodeAt(GROUP_BYTES) as Space
    return { space, key: cursor.key.slice(GROUP_BYTES + 1), value: cursor.value }
  }
  const walk = {
    row: row(),
    next: (): void => {
      cursor.next()
      walk.row = row()
    },
  }
  return walk
}

/** The rows that wait, each as a write to where it belongs. */
export function stagedRows(view: ReadView, group: GroupId): readonly Write[] {
  const writes: Write[] = []
  for (const walk = stagedRowsFrom(view, group); walk.row !== null; walk.next()) {
    const { space, key, value } = walk.row
    writes.push({ space, type: "put", key, value })
  }
  return writes
}

/** The rows that wait; null when they are not what was counted when they came: some were lost while they lay there. */
export function rowsAsCounted(view: ReadView, group: GroupId, staged: Staged): readonly Write[] | null {
  const rows = stagedRows(view, group)
  const counted = new StateHash()
  for (const { space, key, value } of rows) counted.add(space, key, value)
  return counted.high === staged.hashHigh && counted.low === staged.hashLow ? rows : null
}

/** Removes all that waits for this group. */
export function clearStaging(group: GroupId): Write {
  return {
    space: SPACE_STAGING,
    type: "clear",
    key: encodeUint64(group),
    value: encodeUint64(group + 1),
  }
}

/** Removes what nobody will go on with: `keeps` says so of what is here of a group. How many groups went. */
export function sweepStaging(engine: Engine, keeps: (group: GroupId, staged: Staged) => boolean): number {
  const gone: Write[] = []
  let from = ""
  for (;;) {
    const cursor = engine.cursor(SPACE_STAGING, from, "", false)
    if (!cursor.valid) break
    const group = decodeUint64(cursor.key, 0)
    invariant(group !== null, "A staged key names no group")
    const staged = readStaged(engine, group)
    if (staged === null || !keeps(group, staged)) gone.push(clearStaging(group))
    from = encodeUint64(group + 1)
  }
  if (gone.length > 0) engine.apply(gone)
  return gone.length
}
