import type { FrozenOverlay, VolumeImage } from "#kernel"
import type { Base } from "#kernel/engine/base.ts"
import type { Cursor, Space } from "#kernel/engine/engine.ts"
import { MemoryBase } from "#kernel/engine/memory-base.ts"
import type { DiskCompletion, StoreDisk } from "#net/host/ports.ts"

/** Its content changes when a checkpoint is taken in, as in a host. */
class LiveBase implements Base {
  current: MemoryBase = MemoryBase.empty()

  get checkpoint(): number {
    return this.current.checkpoint
  }
  get damage(): MemoryBase["damage"] {
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

type Volume = { readonly segments: Map<number, Uint8Array>; witness: Uint8Array | null; base: LiveBase }

/** What outlives a process: the bytes that were synced, and how far each log was. */
export class Platter {
  readonly volumes: ReadonlyMap<number, Volume>
  readonly durableLsn: Map<number, number> = new Map()
  appends = 0

  constructor(volumes: readonly number[]) {
    this.volumes = new Map(
      volumes.map((id) => [id, { segments: new Map(), witness: null, base: new LiveBase() }]),
    )
  }
}

/**
 * Volumes in memory behind the port of a disk: whatever is ordered is done `syncMs` later, or as soon as the thread is
 * free, and is on the platter then and not before. A process that is killed leaves what was under way undone.
 */
export class MemoryStoreDisk implements StoreDisk {
  readonly #platter: Platter
  readonly #syncMs: number
  #listener: ((completion: DiskCompletion) => void) | null = null
  #isKilled = false
  #underWay = 0
  #idle: (() => void) | null = null

  constructor(platter: Platter, syncMs = 0) {
    this.#platter = platter
    this.#syncMs = syncMs
  }

  images(): Promise<readonly VolumeImage[]> {
    this.#platter.durableLsn.clear()
    const images = [...this.#platter.volumes].map(([volume, files]) => {
      // The process before this one may still read through its own.
      const base = new LiveBase()
      base.current = files.base.current
      files.base = base
      const segments = [...files.segments].map(([sequence, bytes]) => ({ sequence, bytes: bytes.slice() }))
      return { volume, segments, witness: files.witness, base }
    })
    return Promise.resolve(images)
  }

  append(volume: number, lsn: number, segment: number, offset: number, bytes: Uint8Array): void {
    this.#later(() => {
      const file = this.#volume(volume).segments.get(segment)
      if (file === undefined) throw new Error(`Volume ${volume} has no segment ${segment}`)
      file.set(bytes, offset)
      this.#platter.appends++
      this.#platter.durableLsn.set(volume, lsn)
      return { type: "appendSynced", volume, lsn }
    })
  }

  createSegment(volume: number, segment: number, sizeBytes: number, header: Uint8Array): void {
    this.#later(() => {
      const file = new Uint8Array(sizeBytes)
      file.set(header)
      this.#volume(volume).segments.set(segment, file)
      return { type: "segmentCreated", volume, segment }
    })
  }

  releaseSegments(volume: number, below: number): void {
    const { segments } = this.#volume(volume)
    for (const segment of segments.keys()) if (segment < below) segments.delete(segment)
  }

  writeWitness(volume: number, bytes: Uint8Array): void {
    this.#volume(volume).witness = bytes
  }

  checkpoint(volume: number, checkpoint: number, changes: FrozenOverlay): void {
    this.#later(() => {
      const { base } = this.#volume(volume)
      base.current = base.current.apply(changes)
      return { type: "checkpointSynced", volume, checkpoint }
    })
  }

  onCompletion(listener: (completion: DiskCompletion) => void): void {
    this.#listener = listener
  }

  /** Tells of something that did not come from here. */
  tell(completion: DiskCompletion): void {
    if (!this.#isKilled) this.#listener?.(completion)
  }

  close(): Promise<void> {
    if (this.#underWay === 0) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#idle = resolve
    return promise
  }

  kill(): void {
    this.#isKilled = true
  }

  #later(done: () => DiskCompletion): void {
    this.#underWay++
    const complete = (): void => {
      this.#underWay--
      if (this.#isKilled) return
      this.#listener?.(done())
      if (this.#underWay === 0) this.#idle?.()
    }
    if (this.#syncMs > 0) setTimeout(complete, this.#syncMs)
    else setImmediate(complete)
  }

  #volume(id: number): Volume {
    const volume = this.#platter.volumes.get(id)
    if (volume === undefined) throw new Error(`This disk has no volume ${id}`)
    return volume
  }
}
