import {
  SPACE_IDEMPOTENCY,
  SPACE_INTENTS,
  SPACE_RECORDS,
  SPACE_VERSIONS,
  type Space,
} from "../engine/engine.ts"
import type { LogIndex, Term, Timestamp } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { KV_TABLE, tableSpan } from "../mvcc/key.ts"
import { readConfiguration, writeConfiguration, type Configuration } from "../raft/types.ts"
import { readDescriptor, writeDescriptor, type RangeDescriptor } from "../range/descriptor.ts"

/** The spaces of which a range owns its span, in the order in which a snapshot lists them. */
export const ROW_SPACES: readonly Space[] = [SPACE_VERSIONS, SPACE_INTENTS, SPACE_RECORDS, SPACE_IDEMPOTENCY]

/**
 * What a snapshot is known by: its content. At one applied index every replica holds the same rows, and where
 * they are cut depends on `chunkBytes` alone: whoever offers this id has the same chunks.
 */
export type SnapshotId = {
  /** The last entry in it. */
  readonly index: LogIndex
  readonly term: Term
  /** Sum over all rows, as the range itself keeps it. */
  readonly hashHigh: number
  readonly hashLow: number
  /** A chunk is closed by the row that brings it to this many bytes. */
  readonly chunkBytes: number
}

/** All of a snapshot but its rows. */
export type SnapshotHead = {
  readonly id: SnapshotId
  readonly lowWater: Timestamp
  readonly horizon: Timestamp
  readonly leaseSequence: number
  readonly descriptor: RangeDescriptor
  readonly configuration: Configuration
  /** Index of the entry `configuration` came from. */
  readonly configurationIndex: LogIndex
}

export function isSameSnapshot(a: SnapshotId, b: SnapshotId): boolean {
  return (
    a.index === b.index &&
    a.term === b.term &&
    a.hashHigh === b.hashHigh &&
    a.hashLow === b.hashLow &&
    a.chunkBytes === b.chunkBytes
  )
}

/** The keys of a range, in each of its spaces. */
export function spanOf(range: RangeDescriptor): ReturnType<typeof tableSpan> {
  return tableSpan(range.tenant, KV_TABLE, range.start, range.end)
}

export function writeSnapshotId(id: SnapshotId, sink: Sink): void {
  sink.uint(id.index)
  sink.uint(id.term)
  sink.u32(id.hashHigh)
  sink.u32(id.hashLow)
  sink.uint(id.chunkBytes)
}

export function readSnapshotId(reader: ByteReader): SnapshotId {
  return {
    index: reader.uint(),
    term: reader.uint(),
    hashHigh: reader.u32(),
    hashLow: reader.u32(),
    chunkBytes: reader.uint(),
  }
}

export function writeSnapshotHead(head: SnapshotHead, sink: Sink): void {
  writeSnapshotId(head.id, sink)
  sink.uint(head.lowWater)
  sink.uint(head.horizon)
  sink.uint(head.leaseSequence)
  writeDescriptor(head.descriptor, sink)
  writeConfiguration(head.configuration, sink)
  sink.uint(head.configurationIndex)
}

export function readSnapshotHead(reader: ByteReader): SnapshotHead {
  return {
    id: readSnapshotId(reader),
    lowWater: reader.uint(),
    horizon: reader.uint(),
    leaseSequence: reader.uint(),
    descriptor: readDescriptor(reader),
    configuration: readConfiguration(reader),
    configurationIndex: reader.uint(),
  }
}
