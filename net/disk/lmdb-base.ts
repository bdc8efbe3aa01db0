import type { Transaction } from "lmdb"
import {
  invariant,
  SPACE_MAX,
  withoutDamage,
  type Base,
  type Cursor,
  type Damage,
  type DamageList,
  type ReadView,
  type Space,
} from "#kernel"
import { fits, type ReaderDatabase } from "./environment.ts"
import { decodeMeta, META_KEY, openRow, rowKey, type Meta } from "./row.ts"

/** Above every key. */
const BEYOND = "\xff"
/** Most walks look at a row or two; long ones go on in larger steps. */
const STEP_ROWS_FIRST = 2
const STEP_ROWS_MAX = 256
/** A step ends once it holds this much. */
const STEP_CHARS = 256 << 10
/** Good rows are looked for on either side of a bad one; further than this the whole side is given up. */
const NEIGHBOURS_MAX = 256

/**
 * The base of one volume in LMDB. It reads by a transaction of its own that stands still until `advance`, so what it
 * answers changes on the loop's thread, when the checkpoint is durable, and never in between. Every value is checked
 * where it is read; a bad one is a span of damage, since with the value the key may be wrong too.
 */
export class LmdbBase implements Base {
  readonly #database: ReaderDatabase
  #checkpoint: number
  #damage: DamageList
  #version: Version

  constructor(database: ReaderDatabase, meta: Meta) {
    this.#database = database
    this.#checkpoint = meta.checkpoint
    this.#damage = meta.damage
    this.#version = new Version(database, (damage) => this.#found(damage))
  }

  /** What the base says of itself; null when it does not. */
  static readMeta(database: ReaderDatabase): Meta | null {
    const row = database.get(META_KEY)
    const value = row === undefined ? null : openRow(META_KEY, row)
    return value === null ? null : decodeMeta(Buffer.from(value, "latin1"))
  }

  get checkpoint(): number {
    return this.#checkpoint
  }

  get damage(): DamageList {
    return this.#damage
  }

  get(space: Space, key: string): string | null {
    return this.#version.get(space, key)
  }

  cursor(space: Space, start: string, end: string, reverse: boolean): Cursor {
    return this.#version.cursor(space, start, end, reverse)
  }

  /**
   * Stands on the transaction this base reads by now, which ends once neither this base nor any such view is held any
   * more: the kernel drops a view by forgetting it, so the collector of garbage says when.
   */
  snapshot(): ReadView {
    this.#version.isShared = true
    return this.#version
  }

  /** That checkpoint is durable: from here on this is what is read. `cleared` is known again. */
  advance(checkpoint: number, cleared: DamageList): void {
    invariant(checkpoint > this.#checkpoint, "Cannot advance a base: it contains that checkpoint")
    const old = this.#version
    this.#database.resetReadTxn()
    this.#version = new Version(this.#database, (damage) => this.#found(damage))
    this.#checkpoint = checkpoint
    this.#damage = withoutDamage(this.#damage, cleared)
    if (old.isShared) old.leave()
    else old.close()
  }

  /** Views still held give an error from now on. */
  async close(): Promise<void> {
    this.#version.close()
    Version.closeAll(this.#database)
    await this.#database.close()
  }

  #found(damage: Damage): void {
    if (this.#damage.some((known) => covers(known, damage))) return
    this.#damage = [...this.#damage, damage]
  }
}

function covers(known: Damage, damage: Damage): boolean {
  if (known.space !== damage.space || known.from > damage.from) return false
  return known.to === "" || (damage.to !== "" && damage.to <= known.to)
}

/** Ends the transaction of a version nobody holds any more. Holds the transaction, never the version. */
const forgotten = new FinalizationRegistry((open: OpenTransaction) => endTransaction(open))

type OpenTransaction = {
  readonly database: ReaderDatabase
  readonly transaction: Transaction
  isOpen: boolean
}

/** Of versions that a base has left behind while views stood on them. */
const left = new Map<ReaderDatabase, Set<OpenTransaction>>()

function endTransaction(open: OpenTransaction): void {
  left.get(open.database)?.delete(open)
  if (!open.isOpen) return
  open.isOpen = false
  open.transaction.done()
}

/** The content as it was when this was made. */
class Version implements ReadView {
  /** A view was given out. */
  isShared = false
  readonly #open: OpenTransaction
  readonly #found: (damage: Damage) => void

  constructor(database: ReaderDatabase, found: (damage: Damage) => void) {
    this.#open = { database, transaction: database.useReadTransaction(), isOpen: true }
    this.#found = found
  }

  get(space: Space, key: string): string | null {
    const full = rowKey(space, key)
    // What is longer was never put.
    if (!fits(full)) return null
    const { database, transaction } = this.#reading
    let row: string | undefined
    try {
      row = database.get(full, { transaction })
    } catch {
      this.#found({ space, from: key, to: `${key}\0` })
      return null
    }
    if (row === undefined) return null
    const value = openRow(full, row)
    if (value === null) this.#found(this.#around(space, full))
    return value
  }

  cursor(space: Space, start: string, end: string, reverse: boolean): Cursor {
    return new LmdbCursor(this, space, start, end, reverse)
  }

  /**
   * Rows from `from` on, `from` included, in that direction and while their keys, the space included, lie in
   * [lower, upper): as many as are asked for, or fewer when they are large. A bad one has no value.
   */
  rows(
    from: string,
    lower: string,
    upper: string,
    reverse: boolean,
    count: number,
  ): { readonly rows: readonly Row[]; readonly isEnd: boolean } {
    const { database, transaction } = this.#reading
    const rows: Row[] = []
    let chars = 0
    let last: string | null = null
    // LMDB is told where the walk ends, so that it gives out no row behind: most find one or none. Bounds are looked at
    // below all the same, since a walk backwards begins at its upper one and keys that are too long were cut.
    const start = clip(from)
    const range = reverse
      ? database.getRange({ start, end: clip(lower), inclusiveEnd: true, reverse, transaction })
      : database.getRange({ start, end: fits(upper) ? upper : BEYOND, transaction })
    for (const { key, value: row } of range) {
      if (reverse ? key >= upper : key < from) continue
      if (reverse ? key < lower : key >= upper) return { rows, isEnd: true }
      // A page that is in the place of another one, or leads back: no walk over it comes to an end that means anything.
      if (last !== null && (reverse ? key >= last : key <= last))
        throw new Error("Rows of a base are out of order")
      last = key
      const value = openRow(key, row)
      rows.push({ key, value })
      chars += row.length
      if (rows.length >= count || chars >= STEP_CHARS) return { rows, isEnd: false }
    }
    return { rows, isEnd: true }
  }

  found(damage: Damage): void {
    this.#found(damage)
  }

  /** Between the good rows on either side: where the key of a bad row belongs, nobody can say more exactly. */
  around(space: Space, full: string): Damage {
    return this.#around(space, full)
  }

  close(): void {
    endTransaction(this.#open)
  }

  /** The base goes on without it; views may still read. */
  leave(): void {
    const { database } = this.#open
    const set = left.get(database) ?? new Set()
    left.set(database, set)
    set.add(this.#open)
    forgotten.register(this, this.#open)
  }

  static closeAll(database: ReaderDatabase): void {
    for (const open of left.get(database) ?? []) endTransaction(open)
    left.delete(database)
  }

  get #reading(): OpenTransaction {
    invariant(this.#open.isOpen, "Cannot read a base: it is closed")
    return this.#open
  }

  #around(space: Space, full: string): Damage {
    const lower = rowKey(space, "")
    const upper = String.fromCharCode(space + 1)
    try {
      const before = this.rows(full, lower, upper, true, NEIGHBOURS_MAX).rows
      const after = this.rows(full, lower, upper, false, NEIGHBOURS_MAX).rows
      const low = before.find(({ key, value }) => value !== null && key < full)
      const high = after.find(({ key, value }) => value !== null && key > full)
      return {
        space,
        from: low === undefined ? "" : `${low.key.slice(1)}\0`,
        to: high === undefined ? "" : high.key.slice(1),
      }
    } catch {
      return { space, from: "", to: "" }
    }
  }
}

/** `value` null: its checksum is wrong. */
type Row = { readonly key: string; readonly value: string | null }

/** LMDB cannot search for more. It is below what it stands for, and the walk passes over what lies between. */
function clip(key: string): string {
  return fits(key) ? key : key.slice(0, 2048)
}

/**
 * A walk that holds nothing open: it reads a few rows ahead, and a walk that is given up costs nothing. Its version
 * stands still, so that going on later shows the same content.
 */
class LmdbCursor implements Cursor {
  readonly #version: Version
  readonly #space: Space
  readonly #lower: string
  readonly #upper: string
  readonly #reverse: boolean
  #rows: readonly Row[] = []
  #at = 0
  #isEnd = false
  #step = STEP_ROWS_FIRST
  #last: string | null = null
  valid = false

  constructor(version: Version, space: Space, start: string, end: string, reverse: boolean) {
    invariant(space >= 1 && space <= SPACE_MAX, "Cannot walk a base: there is no such space")
    this.#version = version
    this.#space = space
    this.#lower = rowKey(space, start)
    this.#upper = end === "" ? String.fromCharCode(space + 1) : rowKey(space, end)
    this.#reverse = reverse
    if (this.#lower >= this.#upper) this.#isEnd = true
    else this.#read(reverse ? this.#upper : this.#lower)
    this.#settle()
  }

  get key(): string {
    return this.#row.key.slice(1)
  }

  get value(): string {
    return this.#row.value!
  }

  next(): void {
    invariant(this.valid, "Cannot move a cursor: it has left its bounds")
    this.#at++
    this.#settle()
  }

  get #row(): Row {
    invariant(this.valid, "Cannot read a cursor: it has left its bounds")
    return this.#rows[this.#at]!
  }

  /** On to the next row that can be read. */
  #settle(): void {
    for (;;) {
      if (this.#at === this.#rows.length) {
        if (this.#isEnd) {
          this.valid = false
          return
        }
        this.#step = Math.min(this.#step * 8, STEP_ROWS_MAX)
        this.#read(this.#reverse ? this.#last! : `${this.#last}\0`)
        continue
      }
      const { key, value } = this.#rows[this.#at]!
      if (value !== null) {
        this.valid = true
        return
      }
      this.#version.found(this.#version.around(this.#space, key))
      this.#at++
    }
  }

  #read(from: string): void {
    this.#at = 0
    try {
      const upper = this.#reverse ? from : this.#upper
      const { rows, isEnd } = this.#version.rows(from, this.#lower, upper, this.#reverse, this.#step)
      this.#rows = rows
      this.#isEnd = isEnd
      this.#last = rows.at(-1)?.key ?? this.#last
    } catch {
      // What LMDB cannot walk over is lost as far as the walk would have gone.
      this.#rows = []
      this.#isEnd = true
      const [from, to] = this.#reverse
        ? [this.#lower, this.#last ?? this.#upper]
        : [this.#last ?? this.#lower, this.#upper]
      const end = to.charCodeAt(0) === this.#space ? to.slice(1) : ""
      this.#version.found({ space: this.#space, from: from.slice(1), to: end })
    }
  }
}
