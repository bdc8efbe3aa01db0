import { SPACE_RECORDS, type ReadView, type Write } from "../engine/engine.ts"
import type { TenantId, Timestamp } from "../ids.ts"
import { ByteReader, ByteWriter } from "../lib/bytes.ts"
import { crc32c } from "../lib/crc32c.ts"
import { bytesFromLatin1 } from "../lib/latin1.ts"
import { KV_TABLE, userKeyPrefix } from "../mvcc/key.ts"
import type { Promised, SeqSpan, TxnId, TxnStatus } from "./protocol.ts"

/** What decides a transaction: one row, at its anchor. */
export type TxnRecord = {
  readonly status: TxnStatus
  /** Committed or staging: at which timestamp. Pending: it will not commit below. Aborted: 0. */
  readonly ts: Timestamp
  /** When its coordinator was last heard of, by the clock of the leader. */
  readonly heartbeat: Timestamp
  /** Of a staging one: empty in any other. */
  readonly promised: readonly Promised[]
  /** Of a staging or committed one: what of its intents is not to be made versions. */
  readonly rolledBack: readonly SeqSpan[]
  /** Every intent of it is resolved: it may go once nobody can take it for one that was never made. */
  readonly isForgotten: boolean
}

const FORMAT_VERSION = 1
const CHECKSUM_BYTES = 4
/** By the byte they have. */
const STATUSES: readonly TxnStatus[] = ["pending", "staging", "committed", "aborted"]

/** Prefix of the anchor · id. */
export function txnRecordKey(tenant: TenantId, anchorKey: string, txn: TxnId): string {
  return userKeyPrefix(tenant, KV_TABLE, anchorKey) + txn
}

export function encodeTxnRecord(record: TxnRecord): string {
  const writer = new ByteWriter(64)
  writer.u32(0)
  writer.u8(FORMAT_VERSION)
  writer.u8(STATUSES.indexOf(record.status))
  writer.uint(record.ts)
  writer.uint(record.heartbeat)
  writer.uint(record.promised.length)
  for (const { rangeId, key, seq } of record.promised) {
    writer.uint(rangeId)
    writer.str(key)
    writer.uint(seq)
  }
  writer.uint(record.rolledBack.length)
  for (const { from, to } of record.rolledBack) {
    writer.uint(from)
    writer.uint(to)
  }
  writer.bool(record.isForgotten)
  writer.patchU32(0, writer.crc32c(CHECKSUM_BYTES))
  return writer.latin1()
}

/** Damaged: anything `encodeTxnRecord` of this version did not write. */
export function decodeTxnRecord(value: string): TxnRecord | "damaged" {
  const bytes = bytesFromLatin1(value)
  const reader = new ByteReader(bytes)
  const checksum = reader.u32()
  if (reader.failed || checksum !== crc32c(bytes, CHECKSUM_BYTES, bytes.length)) return "damaged"
  if (reader.u8() !== FORMAT_VERSION) return "damaged"
  const status = STATUSES[reader.u8()]
  const ts = reader.uint()
  const heartbeat = reader.uint()
  const promised: Promised[] = []
  for (let left = reader.count(3); left > 0; left--)
    promised.push({ rangeId: reader.uint(), key: reader.str(), seq: reader.uint() })
  const rolledBack: SeqSpan[] = []
  for (let left = reader.count(2); left > 0; left--)
    rolledBack.push({ from: reader.uint(), to: reader.uint() })
  const isForgotten = reader.bool()
  if (reader.failed || reader.remaining > 0 || status === undefined) return "damaged"
  return { status, ts, heartbeat, promised, rolledBack, isForgotten }
}

export function readTxnRecord(
  view: ReadView,
  tenant: TenantId,
  anchorKey: string,
  txn: TxnId,
): TxnRecord | "damaged" | null {
  const value = view.get(SPACE_RECORDS, txnRecordKey(tenant, anchorKey, txn))
  return value === null ? null : decodeTxnRecord(value)
}

export function putTxnRecord(tenant: TenantId, anchorKey: string, txn: TxnId, record: TxnRecord): Write {
  const key = txnRecordKey(tenant, anchorKey, txn)
  return { space: SPACE_RECORDS, type: "put", key, value: encodeTxnRecord(record) }
}

/** Where the floor of a range lies: below the first record that a range beginning at `start` can have. */
function floorKey(tenant: TenantId, start: string): string {
  return userKeyPrefix(tenant, KV_TABLE, start)
}

/** No record of a transaction that began at or below it is made anew here: it may have been one that was collected. */
export function readFloor(view: ReadView, tenant: TenantId, start: string): Timestamp | "damaged" {
  const value = view.get(SPACE_RECORDS, floorKey(tenant, start))
  return value === null ? 0 : decodeStamp(value)
}

export function floorWrite(tenant: TenantId, start: string, floor: Timestamp): Write {
  return { space: SPACE_RECORDS, type: "put", key: floorKey(tenant, start), value: encodeStamp(floor) }
}

/** A row that says one timestamp. */
export function encodeStamp(ts: Timestamp): string {
  const writer = new ByteWriter(16)
  writer.u32(0)
  writer.u8(FORMAT_VERSION)
  writer.uint(ts)
  writer.patchU32(0, writer.crc32c(CHECKSUM_BYTES))
  return writer.latin1()
}

export function decodeStamp(value: string): Timestamp | "damaged" {
  const bytes = bytesFromLatin1(value)
  const reader = new ByteReader(bytes)
  const checksum = reader.u32()
  if (reader.failed || checksum !== crc32c(bytes, CHECKSUM_BYTES, bytes.length)) return "damaged"
  const version = reader.u8()
  const ts = reader.uint()
  return version !== FORMAT_VERSION || reader.failed || reader.remaining > 0 ? "damaged" : ts
}

export function dropTxnRecord(tenant: TenantId, anchorKey: string, txn: TxnId): Write {
  return { space: SPACE_RECORDS, type: "delete", key: txnRecordKey(tenant, anchorKey, txn), value: "" }
}
