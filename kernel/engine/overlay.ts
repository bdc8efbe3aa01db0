import type { ByteReader, Sink } from "../lib/bytes.ts"
import { invariant } from "../lib/invariant.ts"
import type { Base } from "./base.ts"
import { NO_DAMAGE, overlaps, readDamage, withoutDamage, writeDamage, type DamageList } from "./damage.ts"
import type { Cursor, Engine, ReadView, Space, Write } from "./engine.ts"
import {
  cursorLayered,
  emptyLayer,
  getLayered,
  layerOf,
  layerSize,
  LayeredView,
  snapshotLayer,
  SPACE_MAX,
  type Layer,
} from "./layers.ts"

const SAVE_VERSION = 2

/** The changes of one checkpoint on their way into the base. Immutable. */
export class FrozenOverlay {
  readonly checkpoint: number
  /** Keys put or deleted. */
  readonly count: number
  /** Damage of the base that was written anew: no longer any once this is in the base. */
  readonly cleared: DamageList
  readonly #layer: Layer

  constructor(checkpoint: number, layer: Layer, cleared: DamageList = NO_DAMAGE) {
    this.checkpoint = checkpoint
    this.count = layerSize(layer)
    this.cleared = cleared
    this.#layer = layer
  }

  get layer(): Layer {
    return this.#layer
  }

  /** Puts and deletes by (space, key) ascending, each key once. */
  *writes(): Generator<Write, void, undefined> {
    for (let space = 1; space <= SPACE_MAX; space++) {
      const cursor = this.#layer[space - 1]!.cursor("", "", false)
      for (; cursor.valid; cursor.next()) {
        const value = cursor.value
        yield value === null
          ? { space: space as Space, type: "delete", key: cursor.key, value: "" }
          : { space: space as Space, type: "put", key: cursor.key, value }
      }
    }
  }
}

/**
 * The engine of one volume: a layer that takes the writes, over a frozen one on its way to disk, over the
 * host's durable base. A deletion is an entry of its own, so what a layer says never depends on what lies
 * below it, and the moment the base takes a flush cannot be seen from above.
 */
export class OverlayEngine implements Engine {
  #active: Layer = emptyLayer()
  /** Spans cleared since the last freeze that lay over damage of the base: what is read there is known again. */
  #cleared: DamageList = NO_DAMAGE
  #frozen: FrozenOverlay | null = null
  #base: Base
  /** Kept until the next change, so that asking again costs nothing. */
  #snapshot: ReadView | null = null
  /** What `#damage` was counted from. */
  #damageOfBase: DamageList = NO_DAMAGE
  #damage: DamageList = NO_DAMAGE

  constructor(base: Base) {
    this.#base = base
  }

  /** The checkpoint under way; null when there is none. */
  get freezing(): number | null {
    return this.#frozen === null ? null : this.#frozen.checkpoint
  }

  /** Keys the next checkpoint would write. */
  get changeCount(): number {
    return layerSize(this.#active)
  }

  get(space: Space, key: string): string | null {
    return getLayered(this.#active, this.#frozenLayer, this.#base, space, key)
  }

  cursor(space: Space, start: string, end: string, reverse: boolean): Cursor {
    return cursorLayered(this.#active, this.#frozenLayer, this.#base, space, start, end, reverse)
  }

  /** What of the base cannot be read and has not been cleared since. The same array as long as nothing changed. */
  get damage(): DamageList {
    if (this.#base.damage === this.#damageOfBase) return this.#damage
    this.#damageOfBase = this.#base.damage
    const older = this.#frozen === null ? NO_DAMAGE : this.#frozen.cleared
    this.#damage = withoutDamage(withoutDamage(this.#base.damage, older), this.#cleared)
    return this.#damage
  }

  apply(writes: readonly Write[], before: (string | null)[] | null = null): void {
    this.#snapshot = null
    for (let i = 0; i < writes.length; i++) {
      const { space, type, key, value } = writes[i]!
      if (type === "clear") {
        invariant(before === null, "Cannot tell what keys had before: a clear has no one key")
        this.#clear(space, key, value)
        continue
      }
      const slot = layerOf(this.#active, space).put(key, type === "delete" ? null : value)
      if (before === null) continue
      if (slot !== undefined) before.push(slot)
      else before.push(type === "insert" ? null : this.#below(space, key))
    }
  }

  snapshot(): ReadView {
    this.#snapshot ??= new LayeredView(snapshotLayer(this.#active), this.#frozenLayer, this.#base.snapshot())
    return this.#snapshot
  }

  /** Sets the changes since the last checkpoint aside for the base. One checkpoint at a time. */
  freeze(checkpoint: number): FrozenOverlay {
    invariant(this.#frozen === null, "Cannot freeze: a checkpoint is under way")
    invariant(checkpoint > this.#base.checkpoint, "Cannot freeze: the base already contains that checkpoint")
    const frozen = new FrozenOverlay(checkpoint, this.#active, this.#cleared)
    this.#frozen = frozen
    this.#active = emptyLayer()
    this.#cleared = NO_DAMAGE
    this.#snapshot = null
    return frozen
  }

  /** The checkpoint is durable and `base` contains it. Snapshots taken before go on with the base they know. */
  settle(checkpoint: number, base: Base): void {
    invariant(this.freezing === checkpoint, "Cannot settle: that checkpoint is not under way")
    invariant(base.checkpoint === checkpoint, "Cannot settle: the base does not contain that checkpoint")
    this.#frozen = null
    this.#base = base
    this.#snapshot = null
  }

  /** The checkpoint was refused: its changes wait for the next one. */
  thaw(): void {
    const frozen = this.#frozen
    invariant(frozen !== null, "Cannot thaw: no checkpoint is under way")
    // The frozen trees belong to the host as well: copies take the newer entries.
    const merged = snapshotLayer(frozen.layer)
    for (let i = 0; i < merged.length; i++) {
      const tree = merged[i]!
      const newer = this.#active[i]!.cursor("", "", false)
      for (; newer.valid; newer.next()) tree.put(newer.key, newer.value)
    }
    this.#active = merged
    if (frozen.cleared.length > 0) this.#cleared = [...frozen.cleared, ...this.#cleared]
    this.#frozen = null
    this.#snapshot = null
  }

  /** The layers above the base, in bytes that depend on their content alone. */
  save(sink: Sink): void {
    sink.u8(SAVE_VERSION)
    writeLayer(this.#active, sink)
    writeDamage(this.#cleared, sink)
    sink.bool(this.#frozen !== null)
    if (this.#frozen === null) return
    sink.uint(this.#frozen.checkpoint)
    writeLayer(this.#frozen.layer, sink)
    writeDamage(this.#frozen.cleared, sink)
  }

  /** Over the base it was saved over. The reader has `failed` when the bytes are not what `save` wrote. */
  static load(reader: ByteReader, base: Base): OverlayEngine {
    if (reader.u8() !== SAVE_VERSION) reader.fail()
    const engine = new OverlayEngine(base)
    engine.#active = readLayer(reader)
    engine.#cleared = readDamage(reader, SPACE_MAX)
    if (reader.bool()) {
      engine.#frozen = new FrozenOverlay(reader.uint(), readLayer(reader), readDamage(reader, SPACE_MAX))
    }
    return engine
  }

  get #frozenLayer(): Layer | null {
    return this.#frozen === null ? null : this.#frozen.layer
  }

  /** What lies under the layer that takes the writes. */
  #below(space: Space, key: string): string | null {
    const slot = this.#frozen === null ? undefined : layerOf(this.#frozen.layer, space).get(key)
    return slot === undefined ? this.#base.get(space, key) : slot
  }

  #clear(space: Space, start: string, end: string): void {
    const tree = layerOf(this.#active, space)
    // The cursor stands on what was there when it was opened: the deletions do not disturb it.
    for (const cursor = this.cursor(space, start, end, false); cursor.valid; cursor.next()) {
      tree.put(cursor.key, null)
    }
    if (!overlaps(this.damage, space, start, end)) return
    this.#cleared = [...this.#cleared, { space, from: start, to: end }]
    this.#damage = withoutDamage(this.#damage, this.#cleared)
  }
}

function writeLayer(layer: Layer, sink: Sink): void {
  for (const tree of layer) {
    sink.uint(tree.size)
    for (const cursor = tree.cursor("", "", false); cursor.valid; cursor.next()) {
      sink.str(cursor.key)
      const value = cursor.value
      sink.bool(value !== null)
      if (value !== null) sink.str(value)
    }
  }
}

function readLayer(reader: ByteReader): Layer {
  const layer = emptyLayer()
  for (const tree of layer) {
    let last: string | null = null
    for (let left = reader.count(2); left > 0 && !reader.failed; left--) {
      const key = reader.str()
      const value = reader.bool() ? reader.str() : null
      // One content has one spelling.
      if (last !== null && key <= last) reader.fail()
      if (!reader.failed) tree.put(key, value)
      last = key
    }
  }
  return layer
}
