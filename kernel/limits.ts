/**
 * Every bound of the kernel, with the sum behind it. Bytes unless the name says otherwise. What an
 * operator may tune lies in `node/config.ts`; these are part of the formats or of what we promise.
 */

/**
 * One user key. In the engine a key takes at most space 1 + tenant 8 + table 4 + 2 × 1024 (each zero byte
 * becomes two) + 2 + timestamp 8 = 2,071 bytes, below the 4,026 that LMDB takes with 8 KiB pages; an
 * idempotency record ends in client and sequence instead: 2,079.
 */
export const KEY_BYTES_MAX = 1024

/** One value. A quarter of a request, so a value fits four times into what one append may carry. */
export const VALUE_BYTES_MAX: number = 1 << 20

/** All keys and values of one request and 16 bytes for each op: the window of one follower is as large. */
export const REQUEST_BYTES_MAX: number = 4 << 20

/** What an op costs beside its bytes, so that a request of empty ops is bounded too: 262,144 of them. */
export const OP_BYTES = 16

/** All results of one request. With a token they travel in the log entry, next to 4 MiB of writes. */
export const REPLY_BYTES_MAX: number = 4 << 20

/** Rows one scan may ask for: at 16 bytes a row that is half of what a reply may hold. */
export const SCAN_ROWS_MAX = 100_000

/** One scan ends, with `more`, at the row that passes this: the greatest row still fits a reply twice. */
export const SCAN_BYTES_MAX: number = 1 << 20

/** Bytes of an outcome up to which its body is kept as long as the record: to drop it would cost more than it frees. */
export const TOKEN_BODY_SMALL_MAX = 256

/** Bodies of acknowledged outcomes dropped by one write. Each write adds one, so two would already catch up. */
export const TOKEN_BODIES_DROPPED_MAX = 16

/** Bodies a leader remembers so as to drop them once they are acknowledged; the others go with their records. */
export const TOKEN_BODIES_KNOWN_MAX = 1_024

/** How often the coordinator of a transaction that has a record says that it lives. */
export const TXN_HEARTBEAT_US = 1_000_000

/** After so long without a word of its coordinator a transaction may be decided by anyone: five heartbeats. */
export const TXN_ABANDONED_US: number = 5 * TXN_HEARTBEAT_US

/** Age at which versions that are written over may go, if nobody has said otherwise: a day. */
export const VERSION_TTL_US = 86_400_000_000

/** One intent with its history; beyond it a write is `tooLarge`. As much as a request: one put of each op of it fits. */
export const INTENT_BYTES_MAX: number = 4 << 20

/** Locks of one range, beside its intents; beyond them a request that wants more is `overloaded`. About 10 MiB. */
export const LOCKS_MAX = 65_536

/** Items of each list in what gateways and ranges say to each other: writes promised, spans read, keys resolved. */
export const TXN_ITEMS_MAX = 16_384

/** Tenants: eight bytes in a key, a safe integer in memory. */
export const TENANT_MAX: number = Number.MAX_SAFE_INTEGER

/** Tables and indexes: four bytes in a key. The last has none above it and is never given out. */
export const TABLE_MAX = 0xffff_fffe

/** Sessions below it are clients' of this store; a reply to one from here on goes to the store's own gateway. */
export const ASK_SESSION_FIRST: number = 0x10_0000_0000_0000

/** Transactions one session, and all sessions of one store, may have open. */
export const SESSION_TXNS_MAX = 64
export const STORE_TXNS_MAX = 16_384

/** Requests that wait behind one another in one transaction. */
export const TXN_QUEUE_MAX = 64

/** Rows one transaction may write; its keys travel once more with its end, in requests of a thousand. */
export const TXN_ROWS_MAX = 100_000

/** Bytes of keys and values that one transaction may write: sixteen requests. */
export const TXN_BYTES_MAX: number = 64 << 20

/** Spans a transaction remembers to have read; beyond it, neighbours become one that covers both. */
export const TXN_SPANS_MAX = 1_024

/** Writes that a record names as missing for its commit; with more, they are asked for first. */
export const TXN_PROMISED_MAX = 1_024

/** Savepoints one transaction may have, and the bytes of a name of one. */
export const SAVEPOINTS_MAX = 1_024
export const SAVEPOINT_NAME_BYTES_MAX = 64

/** Of a transaction nobody has spoken to: then it is rolled back. */
export const TXN_IDLE_US = 60_000_000

/** Requests to ranges that one gateway has under way, and those it serves for one other store. */
export const ASKS_MAX = 65_536
