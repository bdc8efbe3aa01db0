import type { GroupId, Incarnation, LogIndex, Lsn, ReplicaId, StoreId, Term, VolumeId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { invariant, unreachable } from "../lib/invariant.ts"
import type { Entry } from "../raft/types.ts"
import { readDescriptor, writeDescriptor, type RangeDescriptor } from "../range/descriptor.ts"
import { entryChecksum } from "./identifiers.ts"
import {
  readIdentifier,
  readMark,
  writeIdentifier,
  writeMark,
  type DamageMark,
  type Identifier,
  type WalItem,
} from "./item.ts"

const NO_IDENTIFIERS: readonly Identifier[] = []

/** Entries `first` to `last`, both included, are of this term. */
type Run = { readonly first: LogIndex; last: LogIndex; readonly term: Term }

/** One group as its items leave it. A `…Lsn` is the frame with the latest such record, 0 for none. */
export type GroupRecord = {
  readonly group: GroupId
  /** 0 until a `replicaCreated` is seen. */
  replica: ReplicaId
  descriptor: RangeDescriptor | null
  term: Term
  votedFor: ReplicaId
  startIndex: LogIndex
  startTerm: Term
  lastIndex: LogIndex
  lastTerm: Term
  checksum: number
  runs: Run[]
  mark: DamageMark | null
  replicaLsn: Lsn
  hardStateLsn: Lsn
  logStartLsn: Lsn
  markLsn: Lsn
}

export type SegmentRecord = {
  readonly sequence: number
  readonly sizeBytes: number
  /** Of the first frame in it; 0 while there is none. */
  firstLsn: Lsn
  /** Highest index of an entry here that is still part of its group's log. */
  readonly live: Map<GroupId, LogIndex>
}

/**
 * What a volume's log says and where: the state each group's items add up to, the records of the system volume, and
 * which segment is still needed by whom. The log notes every item it is given, recovery every item it reads, and both
 * arrive at the same ledger.
 */
export class Ledger {
  readonly groups: Map<GroupId, GroupRecord> = new Map()
  /** Those of `groups`, ascending; null since one came or went. */
  #sorted: readonly GroupRecord[] | null = null
  /** Ascending. */
  readonly segments: SegmentRecord[] = []
  /** Groups whose entries or hard state changed since `takeTouched`. */
  #touched: Set<GroupId> = new Set()
  /** Entries noted since `framed`: not yet in any segment. */
  #unframed: Map<GroupId, LogIndex> = new Map()

  identity: {
    readonly cluster: string
    readonly store: StoreId
    readonly incarnation: Incarnation
    readonly lsn: Lsn
  } | null = null
  boot: { readonly boot: number; readonly lsn: Lsn } | null = null
  readonly volumes: Map<VolumeId, { readonly incarnation: Incarnation; readonly lsn: Lsn }> = new Map()
  readonly tombstones: Map<GroupId, Map<ReplicaId, Lsn>> = new Map()
  readonly witnesses: Map<
    GroupId,
    { readonly volume: VolumeId; readonly identifier: Identifier; readonly lsn: Lsn }
  > = new Map()
  /** Volumes that may have forgotten replicas, and where that is said. */
  readonly forgetful: Map<VolumeId, Lsn> = new Map()

  /** Takes in one item that travels, or travelled, in frame `lsn`. Robust against any order of items. */
  note(item: WalItem, lsn: Lsn): void {
    switch (item.type) {
      case "entries":
        this.#entries(this.#group(item.group), item.entries)
        break
      case "hardState": {
        const record = this.#group(item.group)
        record.term = item.term
        record.votedFor = item.votedFor
        record.hardStateLsn = lsn
        this.#touched.add(item.group)
        break
      }
      case "logStart":
        this.#logStart(this.#group(item.group), item.index, item.term, lsn)
        break
      case "identifiers":
      case "released":
        break
      case "replicaCreated": {
        const old = this.groups.get(item.descriptor.groupId)
        // Said again at a release, a creation changes nothing; of another replica, it starts from nothing.
        if (old !== undefined && old.replica !== 0 && old.replica !== item.replica) this.#remove(old.group)
        const record = this.#group(item.descriptor.groupId)
        record.replica = item.replica
        record.descriptor = item.descriptor
        record.replicaLsn = lsn
        this.#touched.add(record.group)
        break
      }
      case "replicaRemoved":
        this.#remove(item.group)
        break
      case "damaged":
        for (const mark of item.marks) this.#mark(this.#group(mark.group), mark, lsn)
        break
      case "repaired": {
        const record = this.#group(item.group)
        record.mark = null
        record.markLsn = 0
        break
      }
      case "identity":
        this.identity = { cluster: item.cluster, store: item.store, incarnation: item.incarnation, lsn }
        break
      case "boot":
        this.boot = { boot: item.boot, lsn }
        break
      case "volume":
        this.#beginLife(item.volume, item.incarnation)
        this.volumes.set(item.volume, { incarnation: item.incarnation, lsn })
        break
      case "tombstone": {
        const replicas = this.tombstones.get(item.group) ?? new Map<ReplicaId, Lsn>()
        replicas.set(item.replica, lsn)
        this.tombstones.set(item.group, replicas)
        break
      }
      case "witness":
        for (const identifier of item.identifiers) {
          this.witnesses.set(identifier.group, { volume: item.volume, identifier, lsn })
        }
        break
      case "forgotten":
        this.forgetful.set(item.volume, lsn)
        break
      default:
        unreachable(item)
    }
  }

  /** A segment that frames may lie in from now on. */
  addSegment(sequence: number, sizeBytes: number): void {
    const last = this.segments.at(-1)
    invariant(
      last === undefined || last.sequence < sequence,
      "Cannot add a segment: its sequence is not the highest",
    )
    this.segments.push({ sequence, sizeBytes, firstLsn: 0, live: new Map() })
  }

  /** Everything noted since the last call now lies in frame `lsn` of this segment. */
  framed(sequence: number, lsn: Lsn): void {
    const segment = this.segments.find((candidate) => candidate.sequence === sequence)
    invariant(segment !== undefined, "Cannot frame: no such segment")
    if (segment.firstLsn === 0) segment.firstLsn = lsn
    for (const [group, index] of this.#unframed) {
      segment.live.set(group, Math.max(index, segment.live.get(group) ?? 0))
    }
    this.#unframed.clear()
  }

  dropSegmentsBelow(sequence: number): void {
    const kept = this.segments.filter((segment) => segment.sequence >= sequence)
    this.segments.splice(0, this.segments.length, ...kept)
  }

  /** Identifiers of the groups touched since the last call, ascending. */
  takeTouched(): readonly Identifier[] {
    if (this.#touched.size === 0) return NO_IDENTIFIERS
    const groups = [...this.#touched]
    if (groups.length > 1) groups.sort((a, b) => a - b)
    this.#touched.clear()
    return groups.map((group) => {
      const record = this.groups.get(group)
      return record === undefined ? removedIdentifier(group) : identifierOf(record)
    })
  }

  identifiersOf(groups: readonly GroupId[]): readonly Identifier[] {
    const identifiers: Identifier[] = []
    for (const group of groups.length > 1 ? groups.toSorted((a, b) => a - b) : groups) {
      const record = this.groups.get(group)
      if (record !== undefined) identifiers.push(identifierOf(record))
    }
    return identifiers
  }

  /**
   * Of every group, ascending, as it is at this moment: to be written at once and not kept. A volume of thousands
   * of groups says this whenever it goes idle, so nothing is copied or sorted for it.
   */
  identifiers(): readonly Identifier[] {
    this.#sorted ??= [...this.groups.values()].sort((a, b) => a.group - b.group)
    return this.#sorted
  }

  #group(group: GroupId): GroupRecord {
    let record = this.groups.get(group)
    if (record === undefined) {
      record = {
        group,
        replica: 0,
        descriptor: null,
        term: 0,
        votedFor: 0,
        startIndex: 0,
        startTerm: 0,
        lastIndex: 0,
        lastTerm: 0,
        checksum: 0,
        runs: [],
        mark: null,
        replicaLsn: 0,
        hardStateLsn: 0,
        logStartLsn: 0,
        markLsn: 0,
      }
      this.groups.set(group, record)
      this.#sorted = null
    }
    return record
  }

  /** What was witnessed of a volume that begins again is true of nobody any more. */
  #beginLife(volume: VolumeId, incarnation: Incarnation): void {
    const before = this.volumes.get(volume)
    if (before === undefined || before.incarnation === incarnation) return
    for (const [group, witness] of this.witnesses) if (witness.volume === volume) this.witnesses.delete(group)
  }

  #remove(group: GroupId): void {
    this.groups.delete(group)
    this.#sorted = null
    this.#touched.add(group)
    this.#unframed.delete(group)
    for (const segment of this.segments) segment.live.delete(group)
  }

  #entries(record: GroupRecord, entries: readonly Entry[]): void {
    const first = entries[0]!
    const last = entries[entries.length - 1]!
    if (first.index <= record.lastIndex) this.#cut(record, first.index - 1)
    for (const entry of entries) {
      const { index, term } = entry
      const run = record.runs.at(-1)
      if (run?.term !== term || run.last !== index - 1) record.runs.push({ first: index, last: index, term })
      else run.last = index
    }
    record.lastIndex = last.index
    record.lastTerm = last.term
    record.checksum = entryChecksum(last)
    this.#unframed.set(record.group, last.index)
    this.#touched.add(record.group)
  }

  #logStart(record: GroupRecord, index: LogIndex, term: Term, lsn: Lsn): void {
    record.logStartLsn = lsn
    this.#touched.add(record.group)
    if (index < record.startIndex) return
    const known = this.#termAt(record, index)
    // As Raft (extended version), §7: the suffix stays unless the entry at `index` is another than the checkpoint's. An
    // entry that was not read back lay in a released segment, and there is nothing to hold against it.
    if (index < record.lastIndex && (known === null || known === term)) {
      while (record.runs.length > 0 && record.runs[0]!.last <= index) record.runs.shift()
      const run = record.runs[0]
      if (run !== undefined && run.first <= index)
        record.runs[0] = { first: index + 1, last: run.last, term: run.term }
    } else {
      this.#cut(record, Math.min(index, record.lastIndex))
      record.runs = []
      record.lastIndex = index
      record.lastTerm = term
      record.checksum = 0
    }
    record.startIndex = index
    record.startTerm = term
  }

  #mark(record: GroupRecord, mark: DamageMark, lsn: Lsn): void {
    if (mark.keptIndex < record.lastIndex) this.#cut(record, mark.keptIndex)
    if (mark.keptIndex !== record.lastIndex || mark.keptTerm !== record.lastTerm) record.checksum = 0
    record.lastIndex = mark.keptIndex
    record.lastTerm = mark.keptTerm
    if (record.replica !== mark.replica) {
      record.replica = mark.replica
      record.descriptor = null
      record.replicaLsn = 0
    }
    record.mark = mark
    record.markLsn = lsn
    this.#touched.add(record.group)
  }

  /** The log now ends at `index`: what lies behind it, in any segment, is dead. */
  #cut(record: GroupRecord, index: LogIndex): void {
    while (record.runs.length > 0 && record.runs.at(-1)!.first > index) record.runs.pop()
    const run = record.runs.at(-1)
    if (run !== undefined && run.last > index) {
      record.runs[record.runs.length - 1] = { first: run.first, last: index, term: run.term }
    }
    for (const segment of this.segments) lower(segment.live, record.group, index)
    lower(this.#unframed, record.group, index)
  }

  #termAt(record: GroupRecord, index: LogIndex): Term | null {
    for (let i = record.runs.length - 1; i >= 0; i--) {
      const run = record.runs[i]!
      if (run.first <= index) return index <= run.last ? run.term : null
    }
    return null
  }

  save(sink: Sink): void {
    sink.uint(this.groups.size)
    for (const record of sorted(this.groups)) saveGroup(record[1], sink)
    sink.uint(this.segments.length)
    for (const segment of this.segments) {
      sink.uint(segment.sequence)
      sink.uint(segment.sizeBytes)
      sink.uint(segment.firstLsn)
      saveIndexes(segment.live, sink)
    }
    saveIndexes(this.#unframed, sink)
    sink.uint(this.#touched.size)
    for (const group of [...this.#touched].toSorted((a, b) => a - b)) sink.uint(group)
    sink.bool(this.identity !== null)
    if (this.identity !== null) {
      sink.str(this.identity.cluster)
      sink.uint(this.identity.store)
      sink.uint(this.identity.incarnation)
      sink.uint(this.identity.lsn)
    }
    sink.bool(this.boot !== null)
    if (this.boot !== null) {
      sink.uint(this.boot.boot)
      sink.uint(this.boot.lsn)
    }
    sink.uint(this.volumes.size)
    for (const [volume, record] of sorted(this.volumes)) {
      sink.uint(volume)
      sink.uint(record.incarnation)
      sink.uint(record.lsn)
    }
    sink.uint(this.tombstones.size)
    for (const [group, replicas] of sorted(this.tombstones)) {
      sink.uint(group)
      saveIndexes(replicas, sink)
    }
    sink.uint(this.witnesses.size)
    for (const [, record] of sorted(this.witnesses)) {
      sink.uint(record.volume)
      writeIdentifier(record.identifier, sink)
      sink.uint(record.lsn)
    }
    saveIndexes(this.forgetful, sink)
  }

  static load(reader: ByteReader): Ledger {
    const ledger = new Ledger()
    for (let left = reader.count(15); left > 0; left--) {
      const record = loadGroup(reader)
      ledger.groups.set(record.group, record)
    }
    for (let left = reader.count(4); left > 0; left--) {
      ledger.segments.push({
        sequence: reader.uint(),
        sizeBytes: reader.uint(),
        firstLsn: reader.uint(),
        live: loadIndexes(reader),
      })
    }
    ledger.#unframed = loadIndexes(reader)
    for (let left = reader.count(); left > 0; left--) ledger.#touched.add(reader.uint())
    if (reader.bool()) {
      ledger.identity = {
        cluster: reader.str(),
        store: reader.uint(),
        incarnation: reader.uint(),
        lsn: reader.uint(),
      }
    }
    if (reader.bool()) ledger.boot = { boot: reader.uint(), lsn: reader.uint() }
    for (let left = reader.count(3); left > 0; left--) {
      ledger.volumes.set(reader.uint(), { incarnation: reader.uint(), lsn: reader.uint() })
    }
    for (let left = reader.count(2); left > 0; left--)
      ledger.tombstones.set(reader.uint(), loadIndexes(reader))
    for (let left = reader.count(12); left > 0; left--) {
      const volume = reader.uint()
      const identifier = readIdentifier(reader)
      ledger.witnesses.set(identifier.group, { volume, identifier, lsn: reader.uint() })
    }
    for (const [volume, lsn] of loadIndexes(reader)) ledger.forgetful.set(volume, lsn)
    return ledger
  }
}

export function identifierOf(record: GroupRecord): Identifier {
  return {
    group: record.group,
    replica: record.replica,
    lastIndex: record.lastIndex,
    lastTerm: record.lastTerm,
    term: record.term,
    votedFor: record.votedFor,
    checksum: record.checksum,
    mark: record.mark,
  }
}

function removedIdentifier(group: GroupId): Identifier {
  return { group, replica: 0, lastIndex: 0, lastTerm: 0, term: 0, votedFor: 0, checksum: 0, mark: null }
}

function lower(live: Map<GroupId, LogIndex>, group: GroupId, index: LogIndex): void {
  const highest = live.get(group)
  if (highest === undefined || highest <= index) return
  if (index === 0) live.delete(group)
  else live.set(group, index)
}

/** Entries of a map by ascending key: the one order in which anything leaves the ledger. */
export function sorted<Value>(map: ReadonlyMap<number, Value>): readonly (readonly [number, Value])[] {
  return [...map].toSorted((a, b) => a[0] - b[0])
}

function saveIndexes(map: ReadonlyMap<number, number>, sink: Sink): void {
  sink.uint(map.size)
  for (const [key, value] of sorted(map)) {
    sink.uint(key)
    sink.uint(value)
  }
}

function loadIndexes(reader: ByteReader): Map<number, number> {
  const map = new Map<number, number>()
  for (let left = reader.count(2); left > 0; left--) map.set(reader.uint(), reader.uint())
  return map
}

function saveGroup(record: GroupRecord, sink: Sink): void {
  sink.uint(record.group)
  sink.uint(record.replica)
  sink.bool(record.descriptor !== null)
  if (record.descriptor !== null) writeDescriptor(record.descriptor, sink)
  sink.uint(record.term)
  sink.uint(record.votedFor)
  sink.uint(record.startIndex)
  sink.uint(record.startTerm)
  sink.uint(record.lastIndex)
  sink.uint(record.lastTerm)
  sink.u32(record.checksum)
  sink.uint(record.runs.length)
  for (const run of record.runs) {
    sink.uint(run.first)
    sink.uint(run.last)
    sink.uint(run.term)
  }
  sink.bool(record.mark !== null)
  if (record.mark !== null) writeMark(record.mark, sink)
  sink.uint(record.replicaLsn)
  sink.uint(record.hardStateLsn)
  sink.uint(record.logStartLsn)
  sink.uint(record.markLsn)
}

function loadGroup(reader: ByteReader): GroupRecord {
  const group = reader.uint()
  const replica = reader.uint()
  const descriptor = reader.bool() ? readDescriptor(reader) : null
  const term = reader.uint()
  const votedFor = reader.uint()
  const startIndex = reader.uint()
  const startTerm = reader.uint()
  const lastIndex = reader.uint()
  const lastTerm = reader.uint()
  const checksum = reader.u32()
  const runs: Run[] = []
  for (let left = reader.count(3); left > 0; left--) {
    runs.push({ first: reader.uint(), last: reader.uint(), term: reader.uint() })
  }
  const mark = reader.bool() ? readMark(reader) : null
  const replicaLsn = reader.uint()
  const hardStateLsn = reader.uint()
  const logStartLsn = reader.uint()
  const markLsn = reader.uint()
  return {
    group,
    replica,
    descriptor,
    term,
    votedFor,
    startIndex,
    startTerm,
    lastIndex,
    lastTerm,
    checksum,
    runs,
    mark,
    replicaLsn,
    hardStateLsn,
    logStartLsn,
    markLsn,
  }
}
