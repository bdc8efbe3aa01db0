import type { LogIndex, ReplicaId, Term, Timestamp } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { Digest } from "../lib/digest.ts"
import {
  readDescriptor,
  readMember,
  writeDescriptor,
  writeMember,
  type Member,
  type RangeDescriptor,
} from "../range/descriptor.ts"
import { readWrite, skimWrite, writeWrite, type Write } from "../engine/engine.ts"

/** Where a log ends. Raft (extended version), §5.4.1. */
export type LogEnd = { readonly term: Term; readonly index: LogIndex }

/**
 * Who takes part in a group. While `outgoing` is not empty the configuration is joint: elections and
 * commitment need a majority of `voters` and one of `outgoing`. Raft (extended version), §6.
 */
export type Configuration = {
  readonly voters: readonly Member[]
  readonly outgoing: readonly Member[]
  /** They receive the log and count for nothing. */
  readonly learners: readonly Member[]
  /** Learners that become voters as soon as they have caught up. */
  readonly promoting: readonly ReplicaId[]
  /** Every replica id below this one has been given away: one that is not a member was removed. */
  readonly nextReplica: ReplicaId
}

/**
 * What an entry does to the state machine, as physical writes its leader evaluated. `generation` and
 * `leaseSequence` are checked again at apply and an entry that fails is rejected alike everywhere.
 */
export type Batch = {
  readonly generation: number
  readonly leaseSequence: number
  readonly closedTs: Timestamp
  readonly minVersion: number
  readonly writes: readonly Write[]
}

/** Entry 1 of every group, identical everywhere: what the range is and who replicates it. */
export type Bootstrap = { readonly descriptor: RangeDescriptor; readonly configuration: Configuration }

export type Payload =
  | { readonly type: "batch"; readonly batch: Batch }
  | { readonly type: "configuration"; readonly configuration: Configuration }
  | { readonly type: "bootstrap"; readonly bootstrap: Bootstrap }

/**
 * One log entry. Immutable, so replicas in one process may share it. Its encoded length and digest are
 * taken once, when it is made or decoded.
 */
export type Entry = {
  readonly index: LogIndex
  readonly term: Term
  readonly payload: Payload
  /** Encoded bytes. */
  readonly length: number
  readonly digestHigh: number
  readonly digestLow: number
}

const ENTRY_VERSION = 1

export function makeEntry(index: LogIndex, term: Term, payload: Payload): Entry {
  const digest = new Digest()
  writeEntryFields(index, term, payload, digest)
  return { index, term, payload, length: digest.length, digestHigh: digest.high, digestLow: digest.low }
}

function writeEntryFields(index: LogIndex, term: Term, payload: Payload, sink: Sink): void {
  sink.u8(ENTRY_VERSION)
  sink.uint(index)
  sink.uint(term)
  switch (payload.type) {
    case "batch": {
      const batch = payload.batch
      sink.u8(1)
      sink.uint(batch.generation)
      sink.uint(batch.leaseSequence)
      sink.uint(batch.closedTs)
      sink.uint(batch.minVersion)
      sink.uint(batch.writes.length)
      for (const write of batch.writes) writeWrite(write, sink)
      break
    }
    case "configuration":
      sink.u8(2)
      writeConfiguration(payload.configuration, sink)
      break
    case "bootstrap":
      sink.u8(3)
      writeDescriptor(payload.bootstrap.descriptor, sink)
      writeConfiguration(payload.bootstrap.configuration, sink)
      break
  }
}

export function writeEntry(entry: Entry, sink: Sink): void {
  writeEntryFields(entry.index, entry.term, entry.payload, sink)
}

/** Turns the reader `failed` when the bytes are no entry. */
export function readEntry(reader: ByteReader): Entry {
  if (reader.u8() !== ENTRY_VERSION) reader.fail()
  const index = reader.uint()
  const term = reader.uint()
  return readEntryRest(reader, index, term, reader.u8())
}

function readEntryRest(reader: ByteReader, index: LogIndex, term: Term, kind: number): Entry {
  switch (kind) {
    case 1: {
      const digest = batchDigest(index, term)
      const batch = readBatch(reader, digest)
      const { length, high: digestHigh, low: digestLow } = digest
      return { index, term, payload: { type: "batch", batch }, length, digestHigh, digestLow }
    }
    case 2:
      return makeEntry(index, term, { type: "configuration", configuration: readConfiguration(reader) })
    case 3: {
      const descriptor = readDescriptor(reader)
      const bootstrap = { descriptor, configuration: readConfiguration(reader) }
      return makeEntry(index, term, { type: "bootstrap", bootstrap })
    }
    default:
      reader.fail()
      return makeEntry(index, term, { type: "batch", batch: NO_BATCH })
  }
}

const NO_BATCH: Batch = { generation: 0, leaseSequence: 0, closedTs: 0, minVersion: 0, writes: [] }

/** What `writeEntryFields` says before the fields of a batch. */
function batchDigest(index: LogIndex, term: Term): Digest {
  const digest = new Digest()
  digest.u8(ENTRY_VERSION)
  digest.uint(index)
  digest.uint(term)
  digest.u8(1)
  return digest
}

/** Digested as it is read, from the bytes: a second walk over the strings would cost as much again. */
function readBatch(reader: ByteReader, digest: Digest): Batch {
  const generation = reader.uint()
  const leaseSequence = reader.uint()
  const closedTs = reader.uint()
  const minVersion = reader.uint()
  const count = reader.count(4)
  digestBatchHead(generation, leaseSequence, closedTs, minVersion, count, digest)
  const writes: Write[] = []
  for (let left = count; left > 0; left--) writes.push(readWrite(reader, digest))
  return { generation, leaseSequence, closedTs, minVersion, writes }
}

function digestBatchHead(
  generation: number,
  leaseSequence: number,
  closedTs: number,
  minVersion: number,
  count: number,
  digest: Digest,
): void {
  digest.uint(generation)
  digest.uint(leaseSequence)
  digest.uint(closedTs)
  digest.uint(minVersion)
  digest.uint(count)
}

/** What names an entry: two that agree in it are one. */
export type EntryName = Pick<Entry, "index" | "term" | "digestLow">

/** As `readEntry`, for those who want to know which entry it is and not what it does. */
export function skimEntry(reader: ByteReader): EntryName {
  if (reader.u8() !== ENTRY_VERSION) reader.fail()
  const index = reader.uint()
  const term = reader.uint()
  const kind = reader.u8()
  if (kind !== 1) return readEntryRest(reader, index, term, kind)
  const digest = batchDigest(index, term)
  const generation = reader.uint()
  const leaseSequence = reader.uint()
  const closedTs = reader.uint()
  const minVersion = reader.uint()
  const count = reader.count(4)
  digestBatchHead(generation, leaseSequence, closedTs, minVersion, count, digest)
  for (let left = count; left > 0; left--) skimWrite(reader, digest)
  return { index, term, digestLow: digest.low }
}

export function writeConfiguration(configuration: Configuration, sink: Sink): void {
  writeMembers(configuration.voters, sink)
  writeMembers(configuration.outgoing, sink)
  writeMembers(configuration.learners, sink)
  sink.uint(configuration.promoting.length)
  for (const replica of configuration.promoting) sink.uint(replica)
  sink.uint(configuration.nextReplica)
}

export function readConfiguration(reader: ByteReader): Configuration {
  const voters = readMembers(reader)
  const outgoing = readMembers(reader)
  const learners = readMembers(reader)
  const promoting: ReplicaId[] = []
  for (let left = reader.count(); left > 0; left--) promoting.push(reader.uint())
  return { voters, outgoing, learners, promoting, nextReplica: reader.uint() }
}

function writeMembers(members: readonly Member[], sink: Sink): void {
  sink.uint(members.length)
  for (const member of members) writeMember(member, sink)
}

function readMembers(reader: ByteReader): readonly Member[] {
  const members: Member[] = []
  for (let left = reader.count(3); left > 0; left--) members.push(readMember(reader))
  return members
}
