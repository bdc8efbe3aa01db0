import {
  InvariantError,
  MemoryBase,
  SPACE_MAX,
  overlaps,
  withoutDamage,
  type Base,
  type Cursor,
  type Damage,
  type DamageList,
  type FrozenOverlay,
  type ReadView,
  type Space,
} from "#kernel"
import type { Tally } from "./link-overlay.ts"

/** Spans of a base whose reads give an error while the fault `id` lasts. */
export type Brittle = { readonly id: number; spans: DamageList; readonly tally: Tally }

/**
 * The base that a running process reads. The content changes at the moment a checkpoint is durable. A read that comes
 * upon a brittle span finds it out: from then on it is named, and nothing lies there. The disk may be read again later,
 * but what was named stays so until it is written anew.
 */
export class DiskBase implements Base {
  current: MemoryBase
  /** Of the disk, and so of every process that reads it. */
  readonly brittle: Brittle[]

  constructor(current: MemoryBase = MemoryBase.empty(), brittle: Brittle[] = []) {
    this.current = current
    this.brittle = brittle
  }

  get checkpoint(): number {
    return this.current.checkpoint
  }

  get damage(): DamageList {
    return this.current.damage
  }

  get(space: Space, key: string): string | null {
    return this.brittle.length > 0 && this.finds(space, key) ? null : this.current.get(space, key)
  }

  cursor(space: Space, start: string, end: string, reverse: boolean): Cursor {
    const cursor = this.current.cursor(space, start, end, reverse)
    return this.brittle.length > 0 ? new DiskCursor(this, space, cursor) : cursor
  }

  snapshot(): ReadView {
    return new StandingView(this, this.current)
  }

  get rowCount(): number {
    let count = 0
    for (let space = 1; space <= SPACE_MAX; space++)
      for (const row = this.current.cursor(space as Space, "", "", false); row.valid; row.next()) count++
    return count
  }

  /** The keys of so many rows from the `first`-th on, counted through all spaces: fewer where a space ends. */
  stretch(first: number, rows: number): Damage {
    let left = first
    for (let space = 1; space <= SPACE_MAX; space++) {
      for (const row = this.current.cursor(space as Space, "", "", false); row.valid; row.next()) {
        if (left-- > 0) continue
        const from = row.key
        let last = from
        for (let more = rows; more > 0 && row.valid; more--, row.next()) last = row.key
        return { space: space as Space, from, to: last + "\0" }
      }
    }
    throw new InvariantError("Cannot cut a stretch: the base has fewer rows")
  }

  /** A checkpoint is durable. What it wrote anew lies elsewhere on the disk by now. */
  advance(changes: FrozenOverlay): void {
    this.current = this.current.apply(changes)
    for (const brittle of this.brittle) brittle.spans = withoutDamage(brittle.spans, changes.cleared)
  }

  /** Whether reading this key gives an error: then it is named, if it was not before. */
  finds(space: Space, key: string): boolean {
    let isFound = false
    for (const { spans, tally } of this.brittle) {
      for (const span of spans) {
        if (!overlaps([span], space, key, key + "\0")) continue
        isFound = true
        if (this.damage.some((known) => isSame(known, span))) continue
        tally.changes++
        this.current = this.current.without([span])
      }
    }
    return isFound
  }
}

function isSame(a: Damage, b: Damage): boolean {
  return a.space === b.space && a.from === b.from && a.to === b.to
}

/** Content that no checkpoint moves; the disk below it is the same. */
class StandingView implements ReadView {
  readonly #base: DiskBase
  readonly #content: MemoryBase

  constructor(base: DiskBase, content: MemoryBase) {
    this.#base = base
    this.#content = content
  }

  get(space: Space, key: string): string | null {
    return this.#base.brittle.length > 0 && this.#base.finds(space, key)
      ? null
      : this.#content.get(space, key)
  }

  cursor(space: Space, start: string, end: string, reverse: boolean): Cursor {
    const cursor = this.#content.cursor(space, start, end, reverse)
    return this.#base.brittle.length > 0 ? new DiskCursor(this.#base, space, cursor) : cursor
  }
}

/** Passes over what cannot be read, having named it. */
class DiskCursor implements Cursor {
  readonly #base: DiskBase
  readonly #space: Space
  readonly #rows: Cursor

  constructor(base: DiskBase, space: Space, rows: Cursor) {
    this.#base = base
    this.#space = space
    this.#rows = rows
    this.#settle()
  }

  get valid(): boolean {
    return this.#rows.valid
  }

  get key(): string {
    return this.#rows.key
  }

  get value(): string {
    return this.#rows.value
  }

  next(): void {
    this.#rows.next()
    this.#settle()
  }

  #settle(): void {
    while (this.#rows.valid && this.#base.finds(this.#space, this.#rows.key)) this.#rows.next()
  }
}
