import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { Digest } from "../lib/digest.ts"
import type { DamageList } from "./damage.ts"

/** Part of the keyspace. A range owns its span of keys in all but `system`. */
export type Space = 1 | 2 | 3 | 4 | 5 | 6 | 7
export const SPACE_VERSIONS: Space = 1
export const SPACE_INTENTS: Space = 2
export const SPACE_RECORDS: Space = 3
export const SPACE_IDEMPOTENCY: Space = 4
export const SPACE_META: Space = 5
export const SPACE_SYSTEM: Space = 6
/** Rows of a snapshot that is being received: part of no range, and in no write of an entry. */
export const SPACE_STAGING: Space = 7

/**
 * One physical write. Keys and values are byte strings: one char a byte, so `<` is byte order and
 * nothing shared can be changed. `insert` is a put of a key that holds nothing, which whoever wrote it
 * knows: nobody looks for what was there. `clear` removes every key in `[key, value)`; an empty `value`
 * there is unbounded.
 */
export type Write = {
  readonly space: Space
  readonly type: "put" | "insert" | "delete" | "clear"
  readonly key: string
  readonly value: string
}

/**
 * A place in an ordered walk. `valid` is false once the walk has left its bounds; `key` and `value` may
 * be read only while it is true. A cursor sees the state as it was when it was opened.
 */
export interface Cursor {
  readonly valid: boolean
  readonly key: string
  readonly value: string
  next(): void
}

/** A consistent state of all spaces. */
export interface ReadView {
  get(space: Space, key: string): string | null
  /** Keys in `[start, end)`, an empty `end` is unbounded; from the last to the first when `reverse`. */
  cursor(space: Space, start: string, end: string, reverse: boolean): Cursor
}

/**
 * The ordered store under one volume. Every call is synchronous and seen at once by the next; nothing
 * is durable before a checkpoint taken after it has completed. A crash goes back to the last durable
 * checkpoint, no more and no less.
 */
export interface Engine extends ReadView {
  /**
   * What is durable, not written anew since, and cannot be read, as far as is known by now: a read may add
   * to it. Reads there answer as if nothing lay there: look here after reading and before using what was
   * read. The same array as long as nothing changed. `clear` over a span makes it known again.
   */
  readonly damage: DamageList
  /**
   * All writes or none, in order. `before` is filled with what each key had, null for nothing: found on the
   * way, so that nobody who needs it has to look it up first. Only for writes of one key.
   */
  apply(writes: readonly Write[], before?: (string | null)[] | null): void
  /** The state now, unmoved by later writes. O(1). */
  snapshot(): ReadView
}

/** By the byte they have in an entry. */
const WRITE_TYPES = ["put", "delete", "clear", "insert"] as const

export function writeWrite(write: Write, sink: Sink): void {
  sink.u8(write.space)
  sink.u8(tagOf(write.type))
  sink.str(write.key)
  sink.str(write.value)
}

function tagOf(type: Write["type"]): number {
  switch (type) {
    case "put":
      return 0
    case "delete":
      return 1
    case "clear":
      return 2
    case "insert":
      return 3
  }
}

/** Into `digest` goes what `writeWrite` would put there. */
export function readWrite(reader: ByteReader, digest: Digest): Write {
  const space = reader.u8()
  const tag = reader.u8()
  digest.u8(space)
  digest.u8(tag)
  const type = WRITE_TYPES[tag]
  if (space < 1 || space > 6 || type === undefined) reader.fail()
  return {
    space: (reader.failed ? 1 : space) as Space,
    type: type ?? "put",
    key: reader.strDigested(digest),
    value: reader.strDigested(digest),
  }
}

/** `readWrite` for its digest alone. */
export function skimWrite(reader: ByteReader, digest: Digest): void {
  digest.u8(reader.u8())
  digest.u8(reader.u8())
  reader.strSkipped(digest)
  reader.strSkipped(digest)
}
