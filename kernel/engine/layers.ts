import { invariant } from "../lib/invariant.ts"
import type { Cursor, ReadView, Space } from "./engine.ts"
import { Tree, type TreeCursor } from "./tree.ts"

/** Spaces are numbered from 1 to this. */
export const SPACE_MAX = 7

/** What one layer says of a key: its value, or that it is deleted (null) whatever lies below. */
export type Slot = string | null

/** One tree for each space; the tree of space s is at s - 1. */
export type Layer = readonly Tree<Slot>[]

export function emptyLayer(): Layer {
  return Array.from({ length: SPACE_MAX }, () => new Tree<Slot>())
}

export function snapshotLayer(layer: Layer): Layer {
  return layer.map((tree) => tree.snapshot())
}

/** Entries of all spaces, deletions included. */
export function layerSize(layer: Layer): number {
  let size = 0
  for (const tree of layer) size += tree.size
  return size
}

export function layerOf(layer: Layer, space: Space): Tree<Slot> {
  const tree = layer[space - 1]
  invariant(tree !== undefined, "Cannot use a space: there is none of that number")
  return tree
}

/** The newest layer that knows the key decides. */
export function getLayered(
  active: Layer,
  frozen: Layer | null,
  base: ReadView,
  space: Space,
  key: string,
): string | null {
  const slot = layerOf(active, space).get(key)
  if (slot !== undefined) return slot
  if (frozen !== null) {
    const older = layerOf(frozen, space).get(key)
    if (older !== undefined) return older
  }
  return base.get(space, key)
}

export function cursorLayered(
  active: Layer,
  frozen: Layer | null,
  base: ReadView,
  space: Space,
  start: string,
  end: string,
  reverse: boolean,
): Cursor {
  const newer = layerOf(active, space)
  const older = frozen === null ? null : layerOf(frozen, space)
  const isNewer = newer.size > 0
  const isOlder = older !== null && older.size > 0
  const below = base.cursor(space, start, end, reverse)
  if (!isNewer && !isOlder) return below
  return new LayeredCursor(
    isNewer ? newer.cursor(start, end, reverse) : null,
    isOlder ? older.cursor(start, end, reverse) : null,
    below,
    reverse,
  )
}

/** The state of all layers at one moment. Nobody writes to these. */
export class LayeredView implements ReadView {
  readonly #active: Layer
  readonly #frozen: Layer | null
  readonly #base: ReadView

  constructor(active: Layer, frozen: Layer | null, base: ReadView) {
    this.#active = active
    this.#frozen = frozen
    this.#base = base
  }

  get(space: Space, key: string): string | null {
    return getLayered(this.#active, this.#frozen, this.#base, space, key)
  }

  cursor(space: Space, start: string, end: string, reverse: boolean): Cursor {
    return cursorLayered(this.#active, this.#frozen, this.#base, space, start, end, reverse)
  }
}

/** Three ordered walks as one: where they meet at a key the newest layer speaks, and what it deleted is passed over. */
class LayeredCursor implements Cursor {
  readonly #active: TreeCursor<Slot> | null
  readonly #frozen: TreeCursor<Slot> | null
  readonly #base: Cursor
  readonly #reverse: boolean
  #key = ""
  #value = ""
  /** Which walks stand on `#key`. */
  #isActive = false
  #isFrozen = false
  #isBase = false
  valid = false

  constructor(
    active: TreeCursor<Slot> | null,
    frozen: TreeCursor<Slot> | null,
    base: Cursor,
    reverse: boolean,
  ) {
    this.#active = active
    this.#frozen = frozen
    this.#base = base
    this.#reverse = reverse
    this.#take()
  }

  get key(): string {
    invariant(this.valid, "Cannot read a cursor: it has left its bounds")
    return this.#key
  }

  get value(): string {
    invariant(this.valid, "Cannot read a cursor: it has left its bounds")
    return this.#value
  }

  next(): void {
    invariant(this.valid, "Cannot move a cursor: it has left its bounds")
    this.#pass()
    this.#take()
  }

  /** Takes the next key that is not deleted. The walks that have it stay on it: most readers want one row. */
  #take(): void {
    const active = this.#active
    const frozen = this.#frozen
    const base = this.#base
    for (;;) {
      const activeKey = active !== null && active.valid ? active.key : null
      const frozenKey = frozen !== null && frozen.valid ? frozen.key : null
      const baseKey = base.valid ? base.key : null
      const key = this.#nearer(activeKey, this.#nearer(frozenKey, baseKey))
      if (key === null) {
        this.valid = false
        return
      }
      this.#isActive = activeKey === key
      this.#isFrozen = frozenKey === key
      this.#isBase = baseKey === key
      const slot = this.#isActive ? active!.value : this.#isFrozen ? frozen!.value : base.value
      if (slot !== null) {
        this.#key = key
        this.#value = slot
        this.valid = true
        return
      }
      this.#pass()
    }
  }

  /** Moves the walks that stand on the key last taken. */
  #pass(): void {
    if (this.#isActive) this.#active!.next()
    if (this.#isFrozen) this.#frozen!.next()
    if (this.#isBase) this.#base.next()
  }

  #nearer(a: string | null, b: string | null): string | null {
    if (a === null) return b
    if (b === null) return a
    return a < b !== this.#reverse ? a : b
  }
}
