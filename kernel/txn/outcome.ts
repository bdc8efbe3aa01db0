import type { Timestamp } from "../ids.ts"
import { ByteReader, ByteWriter, type Sink } from "../lib/bytes.ts"
import { crc32c } from "../lib/crc32c.ts"
import { bytesFromLatin1 } from "../lib/latin1.ts"
import type { OpError } from "../range/evaluate.ts"
import type { KvResult } from "../range/request.ts"

/** What a request came to: what is answered again when it comes again. */
export type OutcomeBody =
  | { readonly type: "results"; readonly results: readonly KvResult[] }
  | { readonly type: "error"; readonly error: OpError }
  /** Somebody who had lost the answer asked, and there was none: there will be none. */
  | { readonly type: "prevented" }

/** `birth` is the token's: below the horizon the record may go. */
export type Outcome = { readonly birth: Timestamp; readonly commitTs: Timestamp; readonly body: OutcomeBody }

/** An outcome as stored; `body` null once the client has said it needs it no more. */
export type OutcomeRecord = Omit<Outcome, "body"> & { readonly body: OutcomeBody | null }

const FORMAT_VERSION = 1
const CHECKSUM_BYTES = 4
const BODY_DROPPED = 0
const BODY_RESULTS = 1
const BODY_ERROR = 2
const BODY_PREVENTED = 3

/**
 * A byte string: checksum u32 (CRC-32C of what follows) · format version u8 · birth uint · commit
 * timestamp uint · kind of body u8 · body.
 */
export function encodeOutcome(record: OutcomeRecord): string {
  const writer = new ByteWriter(64)
  writer.u32(0)
  writer.u8(FORMAT_VERSION)
  writer.uint(record.birth)
  writer.uint(record.commitTs)
  const body = record.body
  if (body === null) writer.u8(BODY_DROPPED)
  else if (body.type === "results") {
    writer.u8(BODY_RESULTS)
    writer.uint(body.results.length)
    for (const result of body.results) writeResult(result, writer)
  } else if (body.type === "error") {
    writer.u8(BODY_ERROR)
    writeOpError(body.error, writer)
  } else writer.u8(BODY_PREVENTED)
  writer.patchU32(0, writer.crc32c(CHECKSUM_BYTES))
  return writer.latin1()
}

/** Damaged: anything `encodeOutcome` of this version did not write. */
export function decodeOutcome(value: string): OutcomeRecord | "damaged" {
  const bytes = bytesFromLatin1(value)
  const reader = new ByteReader(bytes)
  const checksum = reader.u32()
  if (reader.failed || checksum !== crc32c(bytes, CHECKSUM_BYTES, bytes.length)) return "damaged"
  if (reader.u8() !== FORMAT_VERSION) return "damaged"
  const birth = reader.uint()
  const commitTs = reader.uint()
  const body = readBody(reader)
  return reader.failed || reader.remaining > 0 ? "damaged" : { birth, commitTs, body }
}

function readBody(reader: ByteReader): OutcomeBody | null {
  switch (reader.u8()) {
    case BODY_DROPPED:
      return null
    case BODY_RESULTS: {
      const results: KvResult[] = []
      for (let left = reader.count(); left > 0; left--) results.push(readResult(reader))
      return { type: "results", results }
    }
    case BODY_ERROR:
      return { type: "error", error: readOpError(reader) }
    case BODY_PREVENTED:
      return { type: "prevented" }
    default:
      reader.fail()
      return null
  }
}

export function writeResult(result: KvResult, sink: Sink): void {
  switch (result.type) {
    case "done":
      sink.u8(0)
      break
    case "value":
      sink.u8(1)
      sink.bool(result.value !== null)
      if (result.value !== null) sink.str(result.value)
      break
    case "swapped":
      sink.u8(2)
      sink.bool(result.swapped)
      break
    case "count":
      sink.u8(3)
      sink.int(result.value)
      break
    case "rows":
      sink.u8(4)
      sink.uint(result.rows.length)
      for (const row of result.rows) {
        sink.str(row[0])
        sink.str(row[1])
      }
      sink.bool(result.more)
      break
  }
}

export function readResult(reader: ByteReader): KvResult {
  switch (reader.u8()) {
    case 0:
      return { type: "done" }
    case 1:
      return { type: "value", value: reader.bool() ? reader.str() : null }
    case 2:
      return { type: "swapped", swapped: reader.bool() }
    case 3:
      return { type: "count", value: reader.int() }
    case 4: {
      const rows: (readonly [string, string])[] = []
      for (let left = reader.count(2); left > 0; left--) rows.push([reader.str(), reader.str()])
      return { type: "rows", rows, more: reader.bool() }
    }
    default:
      reader.fail()
      return { type: "done" }
  }
}

function writeOpError(error: OpError, sink: Sink): void {
  switch (error.code) {
    case "notAnInteger":
      sink.u8(0)
      sink.str(error.key)
      break
    case "tooLarge":
      sink.u8(1)
      sink.uint(error.limit)
      sink.uint(error.actual)
      break
  }
}

function readOpError(reader: ByteReader): OpError {
  switch (reader.u8()) {
    case 0:
      return { code: "notAnInteger", key: reader.str() }
    case 1:
      return { code: "tooLarge", limit: reader.uint(), actual: reader.uint() }
    default:
      reader.fail()
      return { code: "notAnInteger", key: "" }
  }
}
