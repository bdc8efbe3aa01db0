import type { GroupId, Incarnation, LogIndex, ReplicaId, StoreId, Term, VolumeId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { readEntry, writeEntry, type Entry } from "../raft/types.ts"
import { readDescriptor, writeDescriptor, type RangeDescriptor } from "../range/descriptor.ts"

/** What must be remembered of a group even when the frame that said it is damaged. DESIGN §5. */
export type Identifier = {
  readonly group: GroupId
  readonly lastIndex: LogIndex
  readonly lastTerm: Term
  readonly term: Term
  readonly votedFor: ReplicaId
  /** Digest of the last entry. */
  readonly checksum: number
}

/** One record in a frame. Within a volume the order of items is the order of events. */
export type WalItem =
  /** These entries, consecutive; what the log held from the first one's index on is replaced. */
  | { readonly type: "entries"; readonly group: GroupId; readonly entries: readonly Entry[] }
  /** `votedFor` 0 is "nobody". */
  | { readonly type: "hardState"; readonly group: GroupId; readonly term: Term; readonly votedFor: ReplicaId }
  /** The log of the group now starts after this entry, which a durable checkpoint contains. */
  | { readonly type: "logStart"; readonly group: GroupId; readonly index: LogIndex; readonly term: Term }
  | { readonly type: "identifiers"; readonly identifiers: readonly Identifier[] }
  /** This volume holds a replica of this group from here on. */
  | { readonly type: "replicaCreated"; readonly replica: ReplicaId; readonly descriptor: RangeDescriptor }
  | { readonly type: "replicaRemoved"; readonly group: GroupId; readonly replica: ReplicaId }
  /** System volume only, as are the three that follow. */
  | { readonly type: "identity"; readonly cluster: string; readonly store: StoreId; readonly incarnation: Incarnation }
  | { readonly type: "boot"; readonly boot: number }
  | { readonly type: "volume"; readonly volume: VolumeId; readonly incarnation: Incarnation }
  | { readonly type: "tombstone"; readonly group: GroupId; readonly replica: ReplicaId }

export function writeIdentifier(identifier: Identifier, sink: Sink): void {
  sink.uint(identifier.group)
  sink.uint(identifier.lastIndex)
  sink.uint(identifier.lastTerm)
  sink.uint(identifier.term)
  sink.uint(identifier.votedFor)
  sink.u32(identifier.checksum)
}

export function readIdentifier(reader: ByteReader): Identifier {
  return {
    group: reader.uint(),
    lastIndex: reader.uint(),
    lastTerm: reader.uint(),
    term: reader.uint(),
    votedFor: reader.uint(),
    checksum: reader.u32(),
  }
}

export function writeItem(item: WalItem, sink: Sink): void {
  switch (item.type) {
    case "entries":
      sink.u8(1)
      sink.uint(item.group)
      sink.uint(item.entries.length)
      for (const entry of item.entries) writeEntry(entry, sink)
      break
    case "hardState":
      sink.u8(2)
      sink.uint(item.group)
      sink.uint(item.term)
      sink.uint(item.votedFor)
      break
    case "logStart":
      sink.u8(3)
      sink.uint(item.group)
      sink.uint(item.index)
      sink.uint(item.term)
      break
    case "identifiers":
      sink.u8(4)
      sink.uint(item.identifiers.length)
      for (const identifier of item.identifiers) writeIdentifier(identifier, sink)
      break
    case "replicaCreated":
      sink.u8(5)
      sink.uint(item.replica)
      writeDescriptor(item.descriptor, sink)
      break
    case "replicaRemoved":
      sink.u8(6)
      sink.uint(item.group)
      sink.uint(item.replica)
      break
    case "identity":
      sink.u8(7)
      sink.str(item.cluster)
      sink.uint(item.store)
      sink.uint(item.incarnation)
      break
    case "boot":
      sink.u8(8)
      sink.uint(item.boot)
      break
    case "volume":
      sink.u8(9)
      sink.uint(item.volume)
      sink.uint(item.incarnation)
      break
    case "tombstone":
      sink.u8(10)
      sink.uint(item.group)
      sink.uint(item.replica)
      break
  }
}

/** Turns the reader `failed` when the bytes are no item. */
export function readItem(reader: ByteReader): WalItem {
  switch (reader.u8()) {
    case 1: {
      const group = reader.uint()
      const entries: Entry[] = []
      for (let left = reader.count(4); left > 0; left--) entries.push(readEntry(reader))
      return { type: "entries", group, entries }
    }
    case 2:
      return { type: "hardState", group: reader.uint(), term: reader.uint(), votedFor: reader.uint() }
    case 3:
      return { type: "logStart", group: reader.uint(), index: reader.uint(), term: reader.uint() }
    case 4: {
      const identifiers: Identifier[] = []
      for (let left = reader.count(9); left > 0; left--) identifiers.push(readIdentifier(reader))
      return { type: "identifiers", identifiers }
    }
    case 5:
      return { type: "replicaCreated", replica: reader.uint(), descriptor: readDescriptor(reader) }
    case 6:
      return { type: "replicaRemoved", group: reader.uint(), replica: reader.uint() }
    case 7:
      return { type: "identity", cluster: reader.str(), store: reader.uint(), incarnation: reader.uint() }
    case 8:
      return { type: "boot", boot: reader.uint() }
    case 9:
      return { type: "volume", volume: reader.uint(), incarnation: reader.uint() }
    case 10:
      return { type: "tombstone", group: reader.uint(), replica: reader.uint() }
    default:
      reader.fail()
      return { type: "boot", boot: 0 }
  }
}
