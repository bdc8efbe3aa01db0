import type { GroupId, Incarnation, LogIndex, Lsn, ReplicaId, StoreId, Term, VolumeId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { unreachable } from "../lib/invariant.ts"
import { readEntry, skimEntry, writeEntry, type Entry, type EntryName } from "../raft/types.ts"
import { readDescriptor, writeDescriptor, type RangeDescriptor } from "../range/descriptor.ts"

/**
 * What must be remembered of a group even when the frame that said it is damaged. DESIGN §5. All zeros but the group:
 * its replica was removed.
 */
export type Identifier = {
  readonly group: GroupId
  readonly replica: ReplicaId
  readonly lastIndex: LogIndex
  readonly lastTerm: Term
  readonly term: Term
  readonly votedFor: ReplicaId
  /** Digest of the last entry. */
  readonly checksum: number
  /** What an earlier recovery found lost and nobody has repaired yet: the log ends there by that loss, not by itself. */
  readonly mark: DamageMark | null
}

/** Frames, both ends included. */
export type LsnRange = { readonly first: Lsn; readonly last: Lsn }

/**
 * What a recovery found wrong with one group's log, written down so that the next recovery need not guess.
 * The log was kept up to and including `keptIndex`. From `firstIndex` on something this replica may have
 * acknowledged is missing; the last of it is `endIndex` when `endKnown`. `hardKnown` is false when a vote or
 * a term may be missing as well.
 */
export type DamageMark = {
  readonly group: GroupId
  /** 0 when not even that is known. */
  readonly replica: ReplicaId
  readonly keptIndex: LogIndex
  readonly keptTerm: Term
  readonly firstIndex: LogIndex
  readonly endKnown: boolean
  readonly endIndex: LogIndex
  readonly endTerm: Term
  readonly hardKnown: boolean
}

/** One record in a frame. Within a volume the order of items is the order of events. */
export type WalItem =
  /** These entries, consecutive and at least one; what the log held from the first one's index on is replaced. */
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
  | {
      readonly type: "identity"
      readonly cluster: string
      readonly store: StoreId
      readonly incarnation: Incarnation
    }
  | { readonly type: "boot"; readonly boot: number }
  | { readonly type: "volume"; readonly volume: VolumeId; readonly incarnation: Incarnation }
  | { readonly type: "tombstone"; readonly group: GroupId; readonly replica: ReplicaId }
  /** What recovery made of the damage in the frames `settled`: these groups are concerned and no others. */
  | { readonly type: "damaged"; readonly settled: readonly LsnRange[]; readonly marks: readonly DamageMark[] }
  /** A leader has replaced everything the group's mark says is missing. */
  | { readonly type: "repaired"; readonly group: GroupId }
  /** Segments before `below`, which begins with frame `lsn`, are not needed and may be gone. */
  | { readonly type: "released"; readonly below: number; readonly lsn: Lsn }
  /** System volume only: what another volume said of its groups when it last was idle. */
  | { readonly type: "witness"; readonly volume: VolumeId; readonly identifiers: readonly Identifier[] }
  /** System volume only: that volume may have held replicas of which this store knows nothing any more. */
  | { readonly type: "forgotten"; readonly volume: VolumeId }

export function writeIdentifier(identifier: Identifier, sink: Sink): void {
  sink.uint(identifier.group)
  sink.uint(identifier.replica)
  sink.uint(identifier.lastIndex)
  sink.uint(identifier.lastTerm)
  sink.uint(identifier.term)
  sink.uint(identifier.votedFor)
  sink.u32(identifier.checksum)
  sink.bool(identifier.mark !== null)
  if (identifier.mark !== null) writeMark(identifier.mark, sink)
}

export function readIdentifier(reader: ByteReader): Identifier {
  return {
    group: reader.uint(),
    replica: reader.uint(),
    lastIndex: reader.uint(),
    lastTerm: reader.uint(),
    term: reader.uint(),
    votedFor: reader.uint(),
    checksum: reader.u32(),
    mark: reader.bool() ? readMark(reader) : null,
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
      writeIdentifiers(item.identifiers, sink)
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
    case "damaged":
      sink.u8(11)
      sink.uint(item.settled.length)
      for (const range of item.settled) {
        sink.uint(range.first)
        sink.uint(range.last)
      }
      writeMarks(item.marks, sink)
      break
    case "repaired":
      sink.u8(12)
      sink.uint(item.group)
      break
    case "released":
      sink.u8(13)
      sink.uint(item.below)
      sink.uint(item.lsn)
      break
    case "witness":
      sink.u8(14)
      sink.uint(item.volume)
      writeIdentifiers(item.identifiers, sink)
      break
    case "forgotten":
      sink.u8(15)
      sink.uint(item.volume)
      break
    default:
      unreachable(item)
  }
}

export function writeIdentifiers(identifiers: readonly Identifier[], sink: Sink): void {
  sink.uint(identifiers.length)
  for (const identifier of identifiers) writeIdentifier(identifier, sink)
}

export function readIdentifiers(reader: ByteReader): readonly Identifier[] {
  const identifiers: Identifier[] = []
  for (let left = reader.count(10); left > 0 && !reader.failed; left--)
    identifiers.push(readIdentifier(reader))
  return identifiers
}

export function writeMark(mark: DamageMark, sink: Sink): void {
  sink.uint(mark.group)
  sink.uint(mark.replica)
  sink.uint(mark.keptIndex)
  sink.uint(mark.keptTerm)
  sink.uint(mark.firstIndex)
  sink.bool(mark.endKnown)
  sink.uint(mark.endIndex)
  sink.uint(mark.endTerm)
  sink.bool(mark.hardKnown)
}

export function readMark(reader: ByteReader): DamageMark {
  return {
    group: reader.uint(),
    replica: reader.uint(),
    keptIndex: reader.uint(),
    keptTerm: reader.uint(),
    firstIndex: reader.uint(),
    endKnown: reader.bool(),
    endIndex: reader.uint(),
    endTerm: reader.uint(),
    hardKnown: reader.bool(),
  }
}

function writeMarks(marks: readonly DamageMark[], sink: Sink): void {
  sink.uint(marks.length)
  for (const mark of marks) writeMark(mark, sink)
}

function readMarks(reader: ByteReader): readonly DamageMark[] {
  const marks: DamageMark[] = []
  for (let left = reader.count(9); left > 0 && !reader.failed; left--) marks.push(readMark(reader))
  return marks
}

/** An item whose entries are only named: index, term and digest. */
export type SkimmedItem =
  | Exclude<WalItem, { readonly type: "entries" }>
  | { readonly type: "entries"; readonly group: GroupId; readonly entries: readonly EntryName[] }

/** As `readItem`, without what entries carry. */
export function skimItem(reader: ByteReader): SkimmedItem {
  if (reader.peek() !== 1) return readItem(reader)
  reader.u8()
  const group = reader.uint()
  const entries: EntryName[] = []
  for (let left = reader.count(4); left > 0 && !reader.failed; left--) entries.push(skimEntry(reader))
  return { type: "entries", group, entries }
}

/** Turns the reader `failed` when the bytes are no item. */
export function readItem(reader: ByteReader): WalItem {
  switch (reader.u8()) {
    case 1: {
      const group = reader.uint()
      const entries: Entry[] = []
      for (let left = reader.count(4); left > 0 && !reader.failed; left--) entries.push(readEntry(reader))
      // Checked here, at the edge, so that nothing behind it meets a log with an empty or a broken run in it.
      if (entries.length === 0 || entries[0]!.index === 0) reader.fail()
      for (let i = 1; i < entries.length; i++) if (entries[i]!.index !== entries[0]!.index + i) reader.fail()
      return { type: "entries", group, entries }
    }
    case 2:
      return { type: "hardState", group: reader.uint(), term: reader.uint(), votedFor: reader.uint() }
    case 3:
      return { type: "logStart", group: reader.uint(), index: reader.uint(), term: reader.uint() }
    case 4:
      return { type: "identifiers", identifiers: readIdentifiers(reader) }
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
    case 11: {
      const settled: LsnRange[] = []
      for (let left = reader.count(2); left > 0; left--)
        settled.push({ first: reader.uint(), last: reader.uint() })
      return { type: "damaged", settled, marks: readMarks(reader) }
    }
    case 12:
      return { type: "repaired", group: reader.uint() }
    case 13:
      return { type: "released", below: reader.uint(), lsn: reader.uint() }
    case 14:
      return { type: "witness", volume: reader.uint(), identifiers: readIdentifiers(reader) }
    case 15:
      return { type: "forgotten", volume: reader.uint() }
    default:
      reader.fail()
      return { type: "boot", boot: 0 }
  }
}
