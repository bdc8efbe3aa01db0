import { SPACE_INTENTS, type ReadView, type Write } from "../engine/engine.ts"
import type { TenantId, Timestamp } from "../ids.ts"
import { ByteReader, ByteWriter } from "../lib/bytes.ts"
import { crc32c } from "../lib/crc32c.ts"
import { bytesFromLatin1 } from "../lib/latin1.ts"
import { decodeUserKey, KV_TABLE, tableSpan, userKeyPrefix } from "../mvcc/key.ts"
import { TXN_ID_BYTES } from "./protocol-codec.ts"
import type { Anchor, SeqSpan, TxnId } from "./protocol.ts"

/** A value as one op of the transaction left it; null is a deletion. */
export type IntentWrite = { readonly seq: number; readonly value: string | null }

/**
 * What a transaction that is not decided wrote to one key; it keeps every other writer out. All of its writes
 * are there, so that a savepoint is rolled back by not looking at some of them, and a request that comes again is
 * known.
 */
export type Intent = {
  readonly txn: TxnId
  readonly anchor: Anchor
  /** The transaction commits at or above it. */
  readonly writeTs: Timestamp
  /** Ascending by seq, never empty. */
  readonly history: readonly IntentWrite[]
}

const FORMAT_VERSION = 1
const CHECKSUM_BYTES = 4

export function encodeIntent(intent: Intent): string {
  const writer = new ByteWriter(128)
  writer.u32(0)
  writer.u8(FORMAT_VERSION)
  writer.str(intent.txn)
  writer.uint(intent.anchor.tenant)
  writer.uint(intent.anchor.rangeId)
  writer.str(intent.anchor.key)
  writer.uint(intent.writeTs)
  writer.uint(intent.history.length)
  for (const { seq, value } of intent.history) {
    writer.uint(seq)
    writer.bool(value !== null)
    writer.str(value ?? "")
  }
  writer.patchU32(0, writer.crc32c(CHECKSUM_BYTES))
  return writer.latin1()
}

/** Damaged: anything `encodeIntent` of this version did not write. */
export function decodeIntent(value: string): Intent | "damaged" {
  const bytes = bytesFromLatin1(value)
  const reader = new ByteReader(bytes)
  const checksum = reader.u32()
  if (reader.failed || checksum !== crc32c(bytes, CHECKSUM_BYTES, bytes.length)) return "damaged"
  if (reader.u8() !== FORMAT_VERSION) return "damaged"
  const txn = reader.str() as TxnId
  const anchor = { tenant: reader.uint(), rangeId: reader.uint(), key: reader.str() }
  const writeTs = reader.uint()
  const history: IntentWrite[] = []
  let last = -1
  for (let left = reader.count(3); left > 0; left--) {
    const seq = reader.uint()
    const present = reader.bool()
    const text = reader.str()
    if (seq <= last || (!present && text !== "")) reader.fail()
    last = seq
    history.push({ seq, value: present ? text : null })
  }
  if (reader.failed || reader.remaining > 0 || txn.length !== TXN_ID_BYTES || history.length === 0)
    return "damaged"
  return { txn, anchor, writeTs, history }
}

export function intentKey(tenant: TenantId, userKey: string): string {
  return userKeyPrefix(tenant, KV_TABLE, userKey)
}

export function readIntent(view: ReadView, tenant: TenantId, userKey: string): Intent | "damaged" | null {
  const value = view.get(SPACE_INTENTS, intentKey(tenant, userKey))
  return value === null ? null : decodeIntent(value)
}

export type IntentRow = { readonly key: string; readonly intent: Intent }

/** All intents of `[start, end)` in the order of their keys, an empty `end` unbounded. */
export function scanIntents(
  view: ReadView,
  tenant: TenantId,
  start: string,
  end: string,
): readonly IntentRow[] | "damaged" {
  const span = tableSpan(tenant, KV_TABLE, start, end)
  const rows: IntentRow[] = []
  const cursor = view.cursor(SPACE_INTENTS, span.start, span.end, false)
  for (; cursor.valid; cursor.next()) {
    const key = decodeUserKey(cursor.key)
    const intent = decodeIntent(cursor.value)
    if (key === null || intent === "damaged") return "damaged"
    rows.push({ key, intent })
  }
  return rows
}

/** `isNew`: the key has no intent, which whoever writes it has looked up. */
export function putIntent(tenant: TenantId, userKey: string, intent: Intent, isNew: boolean): Write {
  const type = isNew ? "insert" : "put"
  return { space: SPACE_INTENTS, type, key: intentKey(tenant, userKey), value: encodeIntent(intent) }
}

export function dropIntent(tenant: TenantId, userKey: string): Write {
  return { space: SPACE_INTENTS, type: "delete", key: intentKey(tenant, userKey), value: "" }
}

export function isRolledBack(seq: number, rolledBack: readonly SeqSpan[]): boolean {
  for (const { from, to } of rolledBack) if (seq >= from && seq <= to) return true
  return false
}

/** The newest write below `beforeSeq` that was not rolled back; undefined when there is none. */
export function visibleWrite(
  intent: Intent,
  beforeSeq: number,
  rolledBack: readonly SeqSpan[],
): IntentWrite | undefined {
  for (let i = intent.history.length - 1; i >= 0; i--) {
    const write = intent.history[i]!
    if (write.seq < beforeSeq && !isRolledBack(write.seq, rolledBack)) return write
  }
  return undefined
}

/** With these writes added, each seq once; the writes that are there already stay as they are. */
export function withWrites(
  history: readonly IntentWrite[],
  added: readonly IntentWrite[],
): readonly IntentWrite[] {
  const last = history.at(-1)
  if (last === undefined || last.seq < added[0]!.seq) return [...history, ...added]
  const known = new Set(history.map(({ seq }) => seq))
  const all = [...history, ...added.filter(({ seq }) => !known.has(seq))]
  return all.sort((a, b) => a.seq - b.seq)
}
