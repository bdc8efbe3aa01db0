import { overlaps, type DamageList } from "../engine/damage.ts"
import type { Engine, Space } from "../engine/engine.ts"
import type { LogIndex } from "../ids.ts"
import { decodeUserKey, type Span } from "../mvcc/key.ts"
import type { RaftLog } from "../raft/log.ts"
import { ROW_SPACES } from "../snapshot/head.ts"
import { stagedRowsFrom } from "../snapshot/staging.ts"

/**
 * What of a state that was given up is another thing than in the one that takes its place: a row that is not there, one
 * that should not be, one with another value, or one that could not be read.
 */
export type Difference = {
  readonly space: Space
  /** As it stands in the engine. */
  readonly key: string
  readonly kind: "missing" | "extra" | "changed" | "unreadable"
}

/** Bytes of a key that are shown to people. */
const SHOWN_BYTES_MAX = 64
/** Names of the spaces a range has rows in, by their numbers. */
const SPACE_NAMES: readonly string[] = ["", "versions", "intents", "records", "tokens"]

/**
 * The first row, in the order of spaces and keys, at which what the engine holds of a range differs from the snapshot
 * that waits in staging for its place; null when there is none. Looked for at the switch, when all of the new state is
 * here and nothing of the old one is gone: one walk over both side by side, which ends where they part.
 *
 * The other way would be to ask a peer for the hashes of ever smaller spans. That takes a round trip for each halving,
 * messages of their own, and a peer that stands still meanwhile at one applied index; and the repair waits, or the
 * answer is lost with the leader who knew it. Here nothing is sent, nothing waits and nothing is kept between two
 * turns: the walk takes no more rows than the switch writes in the same step, and those in `since`.
 *
 * `since` are rows that were written between the old state and the new one, as keys of `writtenSince`: of those it is no
 * wonder that they differ.
 */
export function firstDifference(
  engine: Engine,
  group: number,
  span: Span,
  since: ReadonlySet<string>,
): Difference | null {
  const fresh = stagedRowsFrom(engine, group)
  for (const space of ROW_SPACES) {
    const old = engine.cursor(space, span.start, span.end, false)
    for (;;) {
      const row = fresh.row
      const newKey = row !== null && row.space === space ? row.key : null
      const oldKey = old.valid ? old.key : null
      if (newKey === null && oldKey === null) break
      const key = oldKey === null || (newKey !== null && newKey < oldKey) ? newKey! : oldKey
      const isSame = newKey === oldKey && row!.value === old.value
      if (!isSame && !since.has(rowName(space, key))) {
        const kind =
          oldKey !== key ? missingKind(engine.damage, space, key) : newKey !== key ? "extra" : "changed"
        return { space, key, kind }
      }
      if (oldKey === key) old.next()
      if (newKey === key) fresh.next()
    }
  }
  return null
}

/** What cannot be read is answered as if nothing lay there. */
function missingKind(damage: DamageList, space: Space, key: string): Difference["kind"] {
  return overlaps(damage, space, key, key + "\0") ? "unreadable" : "missing"
}

function rowName(space: Space, key: string): string {
  return String.fromCharCode(space) + key
}

/**
 * Rows that the entries after `from` up to `to` write, as far as this log has them; `isWhole` when it has them all. The
 * entry right after `from` counts in any case: it may be the one whose rows were half written when the state was found
 * damaged.
 */
export function writtenSince(
  log: RaftLog,
  from: LogIndex,
  to: LogIndex,
): { readonly rows: ReadonlySet<string>; readonly isWhole: boolean } {
  const rows = new Set<string>()
  const last = Math.min(Math.max(to, from + 1), log.lastIndex)
  for (let index = Math.max(from + 1, log.firstIndex); index <= last; index++) {
    const { payload } = log.entryAt(index)
    if (payload.type !== "batch") continue
    for (const write of payload.batch.writes) rows.add(rowName(write.space, write.key))
  }
  return { rows, isWhole: log.start.index <= from && log.lastIndex >= to }
}

/** The space and the user's key of a row for people: bytes that no terminal shows are escaped, a long key is cut. */
export function shownRow(space: Space, key: string): { readonly space: string; readonly key: string } {
  const whole = userKeyOf(key)
  const cut = whole.slice(0, SHOWN_BYTES_MAX)
  const shown = cut.replaceAll(
    /[^\x20-\x5b\x5d-\x7e]/g,
    (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, "0")}`,
  )
  return { space: SPACE_NAMES[space] ?? `${space}`, key: cut.length < whole.length ? `${shown}…` : shown }
}

/** Tenant and table before the user's key. */
const TABLE_BYTES = 12

/** Without what the engine puts around it; all of it where that cannot be told apart. */
function userKeyOf(key: string): string {
  const end = key.indexOf("\0\0", TABLE_BYTES)
  return (end < 0 ? null : decodeUserKey(key.slice(0, end + 2))) ?? key
}
