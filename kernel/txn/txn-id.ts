import type { StoreId, Timestamp } from "../ids.ts"
import { decodeUint64, encodeUint64 } from "../mvcc/key.ts"
import { TXN_ID_BYTES } from "./protocol-codec.ts"
import type { TxnId } from "./protocol.ts"

/** An id of this form; begin timestamps of one process only grow, so it is given once. */
export function makeTxnId(begin: Timestamp, store: StoreId, nonceLow: number): TxnId {
  return encodeUint64(begin) + encodeUint64(store).slice(4) + encodeUint64(nonceLow).slice(4)
}

/** When the transaction began; null in bytes that are no id. */
export function beginOf(id: TxnId): Timestamp | null {
  return id.length === TXN_ID_BYTES ? decodeUint64(id, 0) : null
}
