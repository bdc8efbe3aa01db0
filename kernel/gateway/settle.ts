import type { TenantId, Timestamp } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import {
  readAnchor,
  readItems,
  readKeySpan,
  readSeqSpan,
  readTxnId,
  writeAnchor,
  writeItems,
  writeKeySpan,
  writeSeqSpan,
  writeTxnId,
} from "../txn/protocol-codec.ts"
import type { Anchor, KeySpan, SeqSpan, TxnCommand, TxnId, TxnState } from "../txn/protocol.ts"
import { command, keySpan, type Course, type Steps } from "./course.ts"
import { scatter } from "./scatter.ts"

/** What is left to be done for a transaction that is decided: nobody waits for it. */
export type Settlement = {
  readonly txn: TxnId
  readonly tenant: TenantId
  readonly anchor: Anchor
  /** Null: aborted. */
  readonly commitTs: Timestamp | null
  /** What its record still has to be told. */
  readonly record: "nothing" | "commit" | "abort"
  /** Whether its record may go once all is resolved: not for one who does not know all there is. */
  readonly isWhole: boolean
  readonly rolledBack: readonly SeqSpan[]
  readonly keys: readonly string[]
  readonly spans: readonly KeySpan[]
}

/** Gives whether it has come to its end. If not, whoever meets what is left goes on with it. */
export function* settle(course: Course, settlement: Settlement): Steps<boolean> {
  const { txn, tenant, anchor, record, rolledBack } = settlement
  let { commitTs } = settlement
  if (record !== "nothing") {
    const decided = yield* askRecord(
      course,
      tenant,
      record === "commit"
        ? { type: "commit", txn, anchor, commitTs: commitTs! }
        : { type: "abort", txn, anchor, ifStagedAt: null },
    )
    if (decided === null || (decided.status !== "committed" && decided.status !== "aborted")) return false
    // Somebody may have found every write there before it was given up.
    commitTs = decided.status === "committed" ? decided.ts : null
  }
  const keys = settlement.keys.map((key) => ({ ...keySpan(key), key: key as string | null }))
  const spans = settlement.spans.map((span) => ({ ...span, key: null }))
  const resolved = yield* scatter(course, tenant, [...keys, ...spans], (things) => [
    command({
      type: "resolve",
      txn,
      commitTs,
      rolledBack,
      keys: things.flatMap(({ key }) => (key === null ? [] : [key])),
      spans: things.flatMap(({ start, end, key }) => (key === null ? [{ start, end }] : [])),
    }),
  ])
  if ("error" in resolved) return false
  if (!settlement.isWhole) return true
  const forgotten = yield* course.askKey(tenant, anchor.key, command({ type: "forget", txn, anchor }))
  return forgotten.type === "ok"
}

export type RecordCommand = Extract<TxnCommand, { readonly type: "commit" | "abort" | "push" | "heartbeat" }>

/** What a record says; null when nobody answers. */
export function* askRecord(course: Course, tenant: TenantId, asked: RecordCommand): Steps<TxnState | null> {
  const reply = yield* course.askKey(tenant, asked.anchor.key, command(asked))
  return reply.type === "ok" && reply.answer?.type === "state" ? reply.answer.state : null
}

const RECORDS = ["nothing", "commit", "abort"] as const

export function writeSettlement(settlement: Settlement, sink: Sink): void {
  writeTxnId(settlement.txn, sink)
  sink.uint(settlement.tenant)
  writeAnchor(settlement.anchor, sink)
  sink.bool(settlement.commitTs !== null)
  sink.uint(settlement.commitTs ?? 0)
  sink.u8(RECORDS.indexOf(settlement.record))
  sink.bool(settlement.isWhole)
  writeItems(settlement.rolledBack, sink, writeSeqSpan)
  sink.uint(settlement.keys.length)
  for (const key of settlement.keys) sink.str(key)
  writeItems(settlement.spans, sink, writeKeySpan)
}

export function readSettlement(reader: ByteReader): Settlement {
  const [txn, tenant, anchor] = [readTxnId(reader), reader.uint(), readAnchor(reader)]
  const [isCommitted, ts] = [reader.bool(), reader.uint()]
  return {
    txn,
    tenant,
    anchor,
    commitTs: isCommitted ? ts : null,
    record: RECORDS[reader.u8()]!,
    isWhole: reader.bool(),
    rolledBack: readItems(reader, 2, readSeqSpan),
    keys: readItems(reader, 1, (from) => from.str()),
    spans: readItems(reader, 2, readKeySpan),
  }
}
