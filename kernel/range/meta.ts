import { overlaps, type DamageList } from "../engine/damage.ts"
import { SPACE_META, type ReadView, type Write } from "../engine/engine.ts"
import type { GroupId, LogIndex, ReplicaId, Term, Timestamp } from "../ids.ts"
import { ByteReader, ByteWriter } from "../lib/bytes.ts"
import { invariant } from "../lib/invariant.ts"
import { bytesFromLatin1 } from "../lib/latin1.ts"
import { readConfiguration, writeConfiguration, type Configuration } from "../raft/types.ts"
import { readDescriptor, writeDescriptor, type RangeDescriptor } from "./descriptor.ts"

/**
 * What the engine keeps of a group beside its rows, written in the same batch as the data they speak
 * of: an applied index apart from its data is how replicas drift apart (etcd 3.5).
 */

/** Changes with every batch. */
export type AppliedRecord = {
  /** Whose state this is: a replica that came after one that was removed must not take it for its own. */
  readonly replica: ReplicaId
  readonly appliedIndex: LogIndex
  readonly appliedTerm: Term
  /** Nothing at or below it will be assigned any more. */
  readonly lowWater: Timestamp
  /** Tokens born before it are forgotten. */
  readonly horizon: Timestamp
  /** Where the last installed snapshot ended: only there may the log begin anew. 0: none was installed. */
  readonly snapshotIndex: LogIndex
  readonly leaseSequence: number
  readonly hashHigh: number
  readonly hashLow: number
}

/** Changes with configurations and descriptors. */
export type ShapeRecord = {
  readonly descriptor: RangeDescriptor
  readonly configurationIndex: LogIndex
  readonly configuration: Configuration
}

const META_VERSION = 1

function metaKey(kind: "a" | "s", group: GroupId): string {
  if (group < 0x80) return kind + String.fromCharCode(group)
  const writer = new ByteWriter(16)
  writer.uint(group)
  return kind + writer.latin1()
}

export function appliedWrite(group: GroupId, record: AppliedRecord): Write {
  const writer = new ByteWriter(64)
  writer.u8(META_VERSION)
  writer.uint(record.replica)
  writer.uint(record.appliedIndex)
  writer.uint(record.appliedTerm)
  writer.uint(record.lowWater)
  writer.uint(record.horizon)
  writer.uint(record.snapshotIndex)
  writer.uint(record.leaseSequence)
  writer.u32(record.hashHigh)
  writer.u32(record.hashLow)
  return { space: SPACE_META, type: "put", key: metaKey("a", group), value: writer.latin1() }
}

export function shapeWrite(group: GroupId, record: ShapeRecord): Write {
  const writer = new ByteWriter(128)
  writer.u8(META_VERSION)
  writeDescriptor(record.descriptor, writer)
  writer.uint(record.configurationIndex)
  writeConfiguration(record.configuration, writer)
  return { space: SPACE_META, type: "put", key: metaKey("s", group), value: writer.latin1() }
}

/** Removes both, also where what was there cannot be read. */
export function clearMeta(group: GroupId): readonly Write[] {
  return (["a", "s"] as const).map((kind) => {
    const key = metaKey(kind, group)
    return { space: SPACE_META, type: "clear", key, value: key + "\0" }
  })
}

/** Whether one of the two may have been lost. */
export function isMetaDamaged(damage: DamageList, group: GroupId): boolean {
  return (["a", "s"] as const).some((kind) => {
    const key = metaKey(kind, group)
    return overlaps(damage, SPACE_META, key, key + "\0")
  })
}

export function readApplied(view: ReadView, group: GroupId): AppliedRecord | null {
  const value = view.get(SPACE_META, metaKey("a", group))
  return value === null ? null : decodeApplied(value)
}

export function decodeApplied(value: string): AppliedRecord {
  const reader = new ByteReader(bytesFromLatin1(value))
  invariant(reader.u8() === META_VERSION, "The applied record has an unknown version")
  const record = {
    replica: reader.uint(),
    appliedIndex: reader.uint(),
    appliedTerm: reader.uint(),
    lowWater: reader.uint(),
    horizon: reader.uint(),
    snapshotIndex: reader.uint(),
    leaseSequence: reader.uint(),
    hashHigh: reader.u32(),
    hashLow: reader.u32(),
  }
  invariant(!reader.failed, "The applied record cannot be read")
  return record
}

export function readShape(view: ReadView, group: GroupId): ShapeRecord | null {
  const value = view.get(SPACE_META, metaKey("s", group))
  return value === null ? null : decodeShape(value)
}

export function decodeShape(value: string): ShapeRecord {
  const reader = new ByteReader(bytesFromLatin1(value))
  invariant(reader.u8() === META_VERSION, "The shape record has an unknown version")
  const record = {
    descriptor: readDescriptor(reader),
    configurationIndex: reader.uint(),
    configuration: readConfiguration(reader),
  }
  invariant(!reader.failed, "The shape record cannot be read")
  return record
}
