import { MemoryBase, type VolumeId } from "#kernel"
import { below, draw, PURPOSE } from "../draws.ts"
import type { Tally } from "./link-overlay.ts"
import { SECTOR_BYTES, settle, type SettleKey } from "./sectors.ts"

const NO_BYTES = new Uint8Array(0)

/**
 * A sync that says ok and makes nothing durable: of all it is asked for, or of directories alone. Whoever
 * lies is counted when a power loss takes what the lie had promised, not before.
 */
export type Lie = { readonly id: number; readonly directoriesOnly: boolean; readonly tally: Tally }

/**
 * One file: what a read of it shows and, where a sync has lied, what the platter still holds. Sectors may
 * refuse to be read until they are written again: a disk writes whole sectors, and the page cache has the
 * rest of each.
 */
export class DiskFile {
  /** Of a segment its sequence, of a checkpoint its number. */
  readonly number: number
  #bytes: Uint8Array | null
  /** A checkpoint is encoded when someone first looks at its bytes; from then on they are the truth. */
  readonly #make: (() => Uint8Array) | null
  #platter: Uint8Array | null = null
  /** What the whole file was before it was last written anew. */
  #previous: Uint8Array | null = null
  /** Offsets of the writes so far, oldest first. */
  readonly #writes: number[] = []
  /** Numbers of sectors. */
  readonly latent: Set<number> = new Set()
  /** No write reached further. */
  usedBytes = 0

  constructor(number: number, content: Uint8Array | (() => Uint8Array)) {
    this.number = number
    this.#bytes = typeof content === "function" ? null : content
    this.#make = typeof content === "function" ? content : null
  }

  get bytes(): Uint8Array {
    return (this.#bytes ??= this.#make?.() ?? NO_BYTES)
  }

  get isCached(): boolean {
    return this.#platter !== null
  }

  /** `isDurable` false leaves it in a cache that a power loss empties. */
  write(offset: number, bytes: Uint8Array, isDurable: boolean): void {
    if (!isDurable) this.#platter ??= this.bytes.slice()
    this.#touch(offset, bytes.length)
    this.bytes.set(bytes, offset)
  }

  /** The write of a machine that stopped: each of its sectors is old or new. */
  settle(offset: number, bytes: Uint8Array, key: SettleKey): void {
    this.#touch(offset, bytes.length)
    settle(this.bytes, offset, bytes, key)
  }

  /** In place and from the beginning, whatever was there. */
  rewrite(bytes: Uint8Array, isDurable: boolean): void {
    const old = this.bytes
    if (!isDurable) this.#platter ??= old
    this.#previous = old
    this.#bytes = bytes
    this.latent.clear()
  }

  /** As `rewrite`, by a machine that stopped in it. */
  settleRewrite(bytes: Uint8Array, key: SettleKey): void {
    const old = this.bytes
    this.#previous = old
    this.#bytes = mixed(old, bytes, key)
  }

  /** An honest sync: all of it is on the platter. */
  flush(): void {
    this.#platter = null
  }

  /** The cache is lost: each sector is what the platter had or what was to be. True when anything is. */
  losePower(key: SettleKey): boolean {
    const old = this.#platter
    if (old === null) return false
    this.#platter = null
    const left = mixed(old, this.bytes, key)
    if (sameBytes(left, this.bytes)) return false
    this.#bytes = left
    return true
  }

  /** One bit at rest turns over, wherever the byte is kept. */
  flip(at: number, bit: number): void {
    // A witness is the kernel's own array until here: what rots is the disk's copy.
    const bytes = this.bytes.slice()
    bytes[at] = bytes[at]! ^ (1 << bit)
    this.#bytes = bytes
    if (this.#platter !== null && at < this.#platter.length) {
      const platter = this.#platter.slice()
      platter[at] = platter[at]! ^ (1 << bit)
      this.#platter = platter
    }
  }

  /** Where the write began that reached furthest. */
  get lastOffset(): number {
    return this.#writes.reduce((last, offset) => Math.max(last, offset), 0)
  }

  /** It ends here, whatever it had behind. */
  shorten(length: number): void {
    this.#bytes = this.bytes.slice(0, length)
    if (this.#platter !== null) this.#platter = this.#platter.slice(0, length)
    this.usedBytes = Math.min(this.usedBytes, length)
  }

  /** Bytes at rest are others, wherever they are kept. */
  patch(at: number, content: Uint8Array): void {
    const over = (bytes: Uint8Array): Uint8Array => {
      const copy = bytes.slice()
      copy.set(content, at)
      return copy
    }
    this.#bytes = over(this.bytes)
    if (this.#platter !== null) this.#platter = over(this.#platter)
  }

  /**
   * What [start, end) held before one of the writes that touched it, the `back`-th from the last: of an
   * appended file all from there on was still zero. Null when it has no earlier version.
   */
  older(start: number, end: number, back: number): Uint8Array | null {
    if (this.#previous !== null) {
      const old = new Uint8Array(end - start)
      old.set(this.#previous.subarray(start, end))
      return old
    }
    const touching = this.#writes.filter((offset) => offset < end)
    const from = touching.at(-1 - (back % Math.max(1, touching.length)))
    if (from === undefined) return null
    const old = this.bytes.slice(start, end)
    old.fill(0, Math.max(0, from - start))
    return old
  }

  /** Its content, as a copy of its own. */
  copy(): DiskFile {
    const made = this.#bytes === null ? this.#make! : this.#bytes.slice()
    const file = new DiskFile(this.number, made)
    file.usedBytes = this.usedBytes
    file.#writes.push(...this.#writes)
    return file
  }

  #touch(offset: number, length: number): void {
    if (this.latent.size > 0) {
      const last = Math.floor((offset + length - 1) / SECTOR_BYTES)
      for (let sector = Math.floor(offset / SECTOR_BYTES); sector <= last; sector++)
        this.latent.delete(sector)
    }
    this.#writes.push(offset)
    if (offset + length > this.usedBytes) this.usedBytes = offset + length
  }
}

/** The names a directory has: what a power loss may bring back as it was. */
export type Directory = { readonly segments: readonly DiskFile[]; readonly checkpoint: DiskFile }

/** Written, but not yet synced, by a process that has died since. */
export type Unsynced = { readonly segment: number; readonly offset: number; readonly bytes: Uint8Array }

/**
 * One volume's directory as its disk holds it: log segments, a checkpoint, a side slot. Every change is
 * durable when it is done, but for the lies in force: what they promised waits in a cache for the next
 * honest sync, or for a power loss.
 */
export class VolumeFiles {
  readonly id: VolumeId
  directory: Directory = { segments: [], checkpoint: checkpointFile(MemoryBase.empty()) }
  /** The checkpoint before the one that is there, for a disk that answers with it. */
  previousCheckpoint: DiskFile | null = null
  /** Empty when it was never written. */
  readonly witness: DiskFile = new DiskFile(0, NO_BYTES)
  unsynced: Unsynced[] = []
  /** What the directory was before each change that no sync has made durable, oldest first. */
  #before: Directory[] = []
  /** Directories were not synced although files were: only a sync of a directory makes that good. */
  #isDirectoryDropped = false
  #isCached = false
  readonly #liars: Set<Tally> = new Set()

  constructor(id: VolumeId) {
    this.id = id
  }

  /** By sequence, ascending. */
  get segments(): readonly DiskFile[] {
    return this.directory.segments
  }

  segment(sequence: number): DiskFile | null {
    return this.segments.find((file) => file.number === sequence) ?? null
  }

  /** Written and synced into `file` of this or another volume. */
  write(file: DiskFile, offset: number, bytes: Uint8Array, lies: readonly Lie[]): void {
    file.write(offset, bytes, this.#isHonest(lies))
    this.synced(lies, false)
  }

  writeWitness(bytes: Uint8Array, lies: readonly Lie[]): void {
    this.witness.rewrite(bytes, this.#isHonest(lies))
    for (const lie of lies) if (!lie.directoriesOnly) this.#liars.add(lie.tally)
  }

  /** A new file, or one that replaces what a crash left under its name. */
  addSegment(sequence: number, header: Uint8Array, sizeBytes: number, lies: readonly Lie[]): void {
    const file = new DiskFile(sequence, new Uint8Array(sizeBytes))
    if (header.length > 0) file.write(0, header, this.#isHonest(lies))
    const others = this.segments.filter((other) => other.number !== sequence)
    this.#change({ ...this.directory, segments: [...others, file] }, lies)
  }

  releaseSegments(below: number, lies: readonly Lie[]): void {
    this.unsynced = this.unsynced.filter((write) => write.segment >= below)
    const segments = this.segments.filter((file) => file.number >= below)
    if (segments.length < this.segments.length) this.#change({ ...this.directory, segments }, lies)
  }

  /** It is gone, and nobody was asked. */
  drop(file: DiskFile): void {
    this.directory = { ...this.directory, segments: this.segments.filter((other) => other !== file) }
  }

  /** A file beside the old one, renamed over it. */
  replaceCheckpoint(base: MemoryBase, lies: readonly Lie[]): void {
    this.previousCheckpoint = this.directory.checkpoint
    this.#change({ ...this.directory, checkpoint: checkpointFile(base) }, lies)
  }

  /** A start finds what a dead process had handed over, writes it out and syncs files and directory. */
  takeOver(witness: Uint8Array | null, lies: readonly Lie[]): void {
    const isHonest = this.#isHonest(lies)
    for (const write of this.unsynced) this.segment(write.segment)?.write(write.offset, write.bytes, isHonest)
    this.unsynced = []
    if (witness !== null) this.writeWitness(witness, lies)
    this.synced(lies, true)
  }

  /** A sync of the volume's files, and of its directory where `ofDirectory`, is said to be done. */
  synced(lies: readonly Lie[], ofDirectory: boolean): void {
    if (lies.length === 0 && this.#liars.size === 0) return
    for (const lie of lies) if (ofDirectory || !lie.directoriesOnly) this.#liars.add(lie.tally)
    if (!this.#isHonest(lies)) return
    if (this.#isCached) for (const file of this.#files()) file.flush()
    this.#isCached = false
    if (lies.length > 0 || (this.#isDirectoryDropped && !ofDirectory)) return
    this.#before = []
    this.#isDirectoryDropped = false
    this.#liars.clear()
  }

  /** A file system commits its journal within seconds, asked or not: what no longer is kept from it is durable. */
  commitJournal(lies: readonly Lie[]): void {
    if (lies.some((lie) => lie.directoriesOnly)) return
    this.#isDirectoryDropped = false
    if (this.#isCached || lies.length > 0) return
    this.#before = []
    this.#liars.clear()
  }

  /** Whatever only a cache had may be gone. Draws are made under keys of `key`. */
  losePower(key: () => SettleKey): void {
    let isLost = false
    if (this.#before.length > 0) {
      // Directories are journaled: what survives is a prefix of their changes.
      const { seed, volume, count } = key()
      const kept = below(draw(seed, PURPOSE.directoryFate, volume, 0, count), this.#before.length + 1)
      const directory = this.#before[kept]
      if (directory !== undefined) {
        this.directory = directory
        isLost = true
      }
    }
    if (this.#isCached) for (const file of this.#files()) if (file.losePower(key())) isLost = true
    if (isLost) for (const tally of this.#liars) tally.changes++
    this.#before = []
    this.#isDirectoryDropped = false
    this.#isCached = false
    this.#liars.clear()
  }

  /** What a backup of this moment holds: all that is in files, whether durable or not. */
  copy(): VolumeFiles {
    const files = new VolumeFiles(this.id)
    files.directory = {
      segments: this.segments.map((file) => file.copy()),
      checkpoint: this.directory.checkpoint.copy(),
    }
    if (this.witness.bytes.length > 0) files.witness.rewrite(this.witness.bytes, true)
    return files
  }

  #change(next: Directory, lies: readonly Lie[]): void {
    if (lies.length > 0) {
      this.#before.push(this.directory)
      if (lies.some((lie) => lie.directoriesOnly)) this.#isDirectoryDropped = true
    }
    this.directory = next
    this.synced(lies, true)
  }

  #isHonest(lies: readonly Lie[]): boolean {
    const isHonest = lies.every((lie) => lie.directoriesOnly)
    if (!isHonest) this.#isCached = true
    return isHonest
  }

  /** All that is there, and what a power loss may bring back. */
  #files(): ReadonlySet<DiskFile> {
    const files = new Set<DiskFile>([this.witness])
    for (const { segments, checkpoint } of [this.directory, ...this.#before]) {
      for (const file of segments) files.add(file)
      files.add(checkpoint)
    }
    return files
  }
}

function checkpointFile(base: MemoryBase): DiskFile {
  return new DiskFile(base.checkpoint, () => base.encode())
}

/** What a power loss makes of `old` that was being overwritten by `next`. */
function mixed(old: Uint8Array, next: Uint8Array, key: SettleKey): Uint8Array {
  const bytes = new Uint8Array(Math.max(old.length, next.length))
  bytes.set(old)
  settle(bytes, 0, next, key)
  return bytes
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at])
}
