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
import { readWrite, writeWrite, type Write } from "../engine/engine.ts"

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
  return makeEntry(index, term, readPayload(reader))
}

function readPayload(reader: ByteReader): Payload {
  switch (reader.u8()) {
    case 1: {
      const generation = reader.uint()
      const leaseSequence = reader.uint()
      const closedTs = reader.uint()
      const minVersion = reader.uint()
      const writes: Write[] = []
      for (let left = reader.count(4); left > 0; left--) writes.push(readWrite(reader))
      return { type: "batch", batch: { generation, leaseSequence, closedTs, minVersion, writes } }
    }
    case 2:
      return { type: "configuration", configuration: readConfiguration(reader) }
    case 3: {
      const descriptor = readDescriptor(reader)
      return { type: "bootstrap", bootstrap: { descriptor, configuration: readConfiguration(reader) } }
    }
    default:
      reader.fail()
      return {
        type: "batch",
        batch: { generation: 0, leaseSequence: 0, closedTs: 0, minVersion: 0, writes: [] },
      }
  }
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
