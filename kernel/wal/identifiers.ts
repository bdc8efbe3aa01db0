import type { LogIndex, Lsn, Term } from "../ids.ts"
import { ByteReader, ByteWriter } from "../lib/bytes.ts"
import { crc32c } from "../lib/crc32c.ts"
import type { Entry } from "../raft/types.ts"
import { putU32 } from "./frame.ts"
import { readIdentifiers, writeIdentifiers, type Identifier } from "./item.ts"
import { sameIdentity, type VolumeIdentity } from "./segment.ts"

/** What an identifier says of its last entry's content; 0 when the log is empty. */
export function entryChecksum(entry: Entry): number {
  return entry.digestLow
}

/** True when the identifier says that the group's replica was removed. */
export function isRemoved(identifier: Identifier): boolean {
  return identifier.replica === 0 && identifier.lastIndex === 0 && identifier.term === 0
}

/** A checksum of 0 says that the log ended at its start: by the log matching property nothing more need agree. */
export function sameEnd(
  identifier: Identifier,
  lastIndex: LogIndex,
  lastTerm: Term,
  checksum: number,
): boolean {
  const isSame = identifier.checksum === 0 || identifier.checksum === checksum
  return isSame && identifier.lastIndex === lastIndex && identifier.lastTerm === lastTerm
}

/**
 * The side slot of a volume, written when it goes idle: frame `lsn` was durable, it ended at `endOffset` of `segment`,
 * and this was the state of every group in the volume. So the loss of the very last frames, which no later frame can
 * tell of, is noticed, and what was lost is known.
 */
export type Witness = {
  readonly identity: VolumeIdentity
  readonly lsn: Lsn
  /** Checksum of frame `lsn`. */
  readonly checksum: number
  readonly segment: number
  readonly endOffset: number
  /** Of every group, ascending. */
  readonly identifiers: readonly Identifier[]
}

const MAGIC = "ORRYWIT\0"
const WITNESS_FORMAT = 1
/** Enough for most: what is before the identifiers, and one of them. */
const HEAD_BYTES_LIKELY = 128
const IDENTIFIER_BYTES_LIKELY = 24

export function encodeWitness(witness: Witness): Uint8Array {
  const writer = new ByteWriter(HEAD_BYTES_LIKELY + witness.identifiers.length * IDENTIFIER_BYTES_LIKELY)
  for (let i = 0; i < MAGIC.length; i++) writer.u8(MAGIC.charCodeAt(i))
  writer.u32(WITNESS_FORMAT)
  writer.str(witness.identity.cluster)
  writer.uint(witness.identity.store)
  writer.uint(witness.identity.incarnation)
  writer.uint(witness.identity.volume)
  writer.uint(witness.lsn)
  writer.u32(witness.checksum)
  writer.uint(witness.segment)
  writer.uint(witness.endOffset)
  writeIdentifiers(witness.identifiers, writer)
  const length = writer.length
  writer.u32(0)
  const bytes = writer.take()
  putU32(bytes, length, crc32c(bytes, 0, length))
  return bytes
}

/** Null when the slot was torn, damaged, of another format or of another volume's life: then nothing is witnessed. */
export function decodeWitness(bytes: Uint8Array): Witness | null {
  if (bytes.length < MAGIC.length + 8) return null
  const reader = new ByteReader(bytes, 0)
  for (let i = 0; i < MAGIC.length; i++) if (reader.u8() !== MAGIC.charCodeAt(i)) return null
  if (reader.u32() !== WITNESS_FORMAT) return null
  const identity: VolumeIdentity = {
    cluster: reader.str(),
    store: reader.uint(),
    incarnation: reader.uint(),
    volume: reader.uint(),
  }
  const witness: Witness = {
    identity,
    lsn: reader.uint(),
    checksum: reader.u32(),
    segment: reader.uint(),
    endOffset: reader.uint(),
    identifiers: readIdentifiers(reader),
  }
  const end = reader.offset
  // Whatever follows the checksum is left over from a longer slot written before.
  return reader.u32() === crc32c(bytes, 0, end) && !reader.failed ? witness : null
}

export function witnessOf(witness: Witness | null, identity: VolumeIdentity): Witness | null {
  return witness !== null && sameIdentity(witness.identity, identity) ? witness : null
}
