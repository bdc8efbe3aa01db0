import type { StoreId, Wall } from "../ids.ts"
import { encodeUint64 } from "../mvcc/key.ts"
import type { Token } from "../range/request.ts"
import type { TxnId } from "../txn/protocol.ts"

/** The store of a gateway, which of its processes it is, and when that began by its clock. */
export type Self = { readonly store: StoreId; readonly nonce: number; readonly begunWall: Wall }

/** Whose a transaction is: its gateway's store, and the low word of the nonce of that store's process. */
export function gatewayOf(id: TxnId): { readonly store: StoreId; readonly nonce: number } {
  return { store: wordAt(id, 8), nonce: wordAt(id, 12) }
}

export function nonceWord(nonce: number): number {
  return nonce % 0x1_0000_0000
}

function wordAt(id: TxnId, at: number): number {
  let word = 0
  for (let i = 0; i < 4; i++) word = word * 256 + id.charCodeAt(at + i)
  return word
}

/** Where the outcomes of a client's transactions lie that are more than one request: somewhere among all keys. */
export function homeKey({ client }: Token): string {
  let mixed = client
  for (let round = 0; round < 4; round++) mixed = Math.imul((mixed ^ (mixed >>> 15)) | 1, 0x2c1b_3c6d) >>> 0
  return (
    String.fromCharCode(mixed >>> 24, (mixed >>> 16) & 0xff, (mixed >>> 8) & 0xff, mixed & 0xff) +
    encodeUint64(client)
  )
}
