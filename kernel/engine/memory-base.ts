import { invariant } from "../lib/invariant.ts"
import type { Base } from "./base.ts"
import { decodeCheckpoint, encodeCheckpoint } from "./checkpoint-file.ts"
import { NO_DAMAGE, withoutDamage, type DamageList } from "./damage.ts"
import type { Cursor, Space } from "./engine.ts"
import { SPACE_MAX } from "./layers.ts"
import type { FrozenOverlay } from "./overlay.ts"
import { Tree } from "./tree.ts"

/**
 * A base in memory whose durable form is one file (checkpoint-file.ts). It never changes: a checkpoint
 * gives a new one that shares what did not change. What could not be read when it was opened stays
 * damaged, through any number of checkpoints, until one clears it.
 */
export class MemoryBase implements Base {
  readonly checkpoint: number
  readonly damage: DamageList
  readonly #trees: readonly Tree<string>[]

  private constructor(checkpoint: number, trees: readonly Tree<string>[], damage: DamageList) {
    this.checkpoint = checkpoint
    this.damage = damage
    this.#trees = trees
  }

  /** Checkpoint 0: nothing in it. */
  static empty(): MemoryBase {
    return new MemoryBase(0, emptyTrees(), NO_DAMAGE)
  }

  /** Over trees that are its own from now on. */
  static of(checkpoint: number, trees: readonly Tree<string>[], damage: DamageList): MemoryBase {
    return new MemoryBase(checkpoint, trees, damage)
  }

  /** In the place of a file that says nothing any more: everything may have been there. */
  static unreadable(): MemoryBase {
    const damage = emptyTrees().map((_, i) => ({ space: (i + 1) as Space, from: "", to: "" }))
    return new MemoryBase(0, emptyTrees(), damage)
  }

  get(space: Space, key: string): string | null {
    return this.#trees[space - 1]!.get(key) ?? null
  }

  cursor(space: Space, start: string, end: string, reverse: boolean): Cursor {
    return this.#trees[space - 1]!.cursor(start, end, reverse)
  }

  /** It never changes. */
  snapshot(): MemoryBase {
    return this
  }

  /** The base that also contains these changes; this one stays as it is. */
  apply(changes: FrozenOverlay): MemoryBase {
    invariant(
      changes.checkpoint > this.checkpoint,
      "Cannot apply changes: the base is already past their checkpoint",
    )
    const trees = this.#trees.map((tree) => tree.snapshot())
    for (const write of changes.writes()) {
      const tree = trees[write.space - 1]!
      if (write.type === "put") tree.put(write.key, write.value)
      else tree.delete(write.key)
    }
    return new MemoryBase(changes.checkpoint, trees, withoutDamage(this.damage, changes.cleared))
  }

  /** The base of which a read found that these spans cannot be read: what lay there is gone, and named. */
  without(lost: DamageList): MemoryBase {
    const trees = this.#trees.map((tree) => tree.snapshot())
    for (const { space, from, to } of lost) {
      const tree = trees[space - 1]!
      for (const row = this.cursor(space, from, to, false); row.valid; row.next()) tree.delete(row.key)
    }
    return new MemoryBase(this.checkpoint, trees, [...this.damage, ...lost])
  }

  /** The same content and checkpoint give the same bytes. */
  encode(): Uint8Array {
    return encodeCheckpoint(this.checkpoint, this.damage, (space) => this.cursor(space, "", "", false))
  }

  /**
   * With `damage` for the blocks that are not as `encode` wrote them; null when the header or the index is
   * not: then use `unreadable`, or an older file.
   */
  static decode(bytes: Uint8Array): MemoryBase | null {
    const trees = emptyTrees()
    const file = decodeCheckpoint(bytes, (space, key, value) => trees[space - 1]!.put(key, value))
    return file === null ? null : new MemoryBase(file.checkpoint, trees, file.damage)
  }
}

/** A base put together row by row, from wherever another one's rows were kept. */
export class MemoryBaseBuilder {
  readonly #trees = emptyTrees()

  put(space: Space, key: string, value: string): void {
    this.#trees[space - 1]!.put(key, value)
  }

  /** The builder is done for. */
  finish(checkpoint: number, damage: DamageList): MemoryBase {
    return MemoryBase.of(checkpoint, this.#trees, damage)
  }
}

/** What a kernel reads whose base is in memory: the content changes at the moment a checkpoint is durable. */
export class LiveBase implements Base {
  current: MemoryBase

  constructor(current: MemoryBase = MemoryBase.empty()) {
    this.current = current
  }

  get checkpoint(): number {
    return this.current.checkpoint
  }

  get damage(): DamageList {
    return this.current.damage
  }

  get(space: Space, key: string): string | null {
    return this.current.get(space, key)
  }

  cursor(space: Space, start: string, end: string, reverse: boolean): Cursor {
    return this.current.cursor(space, start, end, reverse)
  }

  snapshot(): MemoryBase {
    return this.current
  }
}

function emptyTrees(): readonly Tree<string>[] {
  return Array.from({ length: SPACE_MAX }, () => new Tree<string>())
}
