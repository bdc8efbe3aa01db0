import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { KeySpan, TxnId } from "./protocol.ts"
import { readItems, readKeySpan, readTxnId, writeItems, writeKeySpan, writeTxnId } from "./protocol-codec.ts"

/** What happens to locks and intents when what was proposed is applied. */
export type Aftermath = {
  /** Keys at which intents were announced to those who wait: if it is void, they never come. */
  readonly announced: readonly string[]
  /** Keys whose intents go. */
  readonly gone: readonly string[]
  /** Locks that go; `spans` null: all of the transaction's. */
  readonly release: { readonly txn: TxnId; readonly spans: readonly KeySpan[] | null } | null
}

export function saveAftermath({ announced, gone, release }: Aftermath, sink: Sink): void {
  for (const keys of [announced, gone]) writeItems(keys, sink, (key) => sink.str(key))
  sink.bool(release !== null)
  if (release === null) return
  writeTxnId(release.txn, sink)
  sink.bool(release.spans !== null)
  writeItems(release.spans ?? [], sink, writeKeySpan)
}

export function loadAftermath(reader: ByteReader): Aftermath {
  const announced = readItems(reader, 1, (each) => each.str())
  const gone = readItems(reader, 1, (each) => each.str())
  if (!reader.bool()) return { announced, gone, release: null }
  const txn = readTxnId(reader)
  const hasSpans = reader.bool()
  const spans = readItems(reader, 2, readKeySpan)
  return { announced, gone, release: { txn, spans: hasSpans ? spans : null } }
}
