import { join } from "node:path"
import {
  InvariantError,
  invariant,
  type FrozenOverlay,
  type Lsn,
  type VolumeId,
  type VolumeImage,
} from "#kernel"
import type { DiskCompletion, StoreDisk } from "../host/ports.ts"
import { releaseAll } from "../release-all.ts"
import { messageOf } from "../thrown.ts"
import { BaseWatch } from "./base-watch.ts"
import { BaseWriter } from "./base-writer.ts"
import { SYSTEM_CALLS, type DiskCalls } from "./calls.ts"
import { openDataDir, type DataDir, type DataDirOwner } from "./data-dir.ts"
import { codeOf, DataDirError } from "./errors.ts"
import type { LmdbBase } from "./lmdb-base.ts"
import { LogFiles } from "./log-files.ts"
import { openBase } from "./open-base.ts"

/** Of the system by name, of LMDB and of its thread by number: ENOSPC, EDQUOT, MDB_MAP_FULL. */
const FULL: ReadonlySet<string | number> = new Set(["ENOSPC", "EDQUOT", 28, 122, -30792])

type Volume = {
  readonly id: VolumeId
  readonly log: LogFiles
  readonly dataPath: string
  base: LmdbBase | null
  watch: BaseWatch | null
  appending: boolean
  checkpointing: boolean
  /** A write or sync of its log failed: what the disk holds is not known, and nothing more is promised of it. */
  hasFailed: boolean
  /** Orders to its directory other than appends, one after the other. */
  turn: Promise<void>
}

export type FileStoreDiskOptions = {
  readonly calls?: DiskCalls
  /** Told of what was put right or could not be done and stops nothing. */
  readonly warn?: (text: string) => void
}

/**
 * The volumes of one store in a data directory that this process holds. Appends go to the disk by the thread pool,
 * checkpoints by the thread of `BaseWriter`; the loop's thread waits for neither.
 */
export class FileStoreDisk implements StoreDisk {
  readonly #dir: DataDir
  readonly #calls: DiskCalls
  readonly #warn: (text: string) => void
  readonly #volumes: readonly Volume[]
  /** From the first reading on. */
  #writer: BaseWriter | null = null
  readonly #underWay = new Set<Promise<void>>()
  #listener: ((completion: DiskCompletion) => void) | null = null
  #isClosing = false

  private constructor(dir: DataDir, calls: DiskCalls, warn: (text: string) => void) {
    this.#dir = dir
    this.#calls = calls
    this.#warn = warn
    this.#volumes = dir.volumes.map(({ volume, wal, data }) => ({
      id: volume,
      log: new LogFiles(wal, calls),
      dataPath: data,
      base: null,
      watch: null,
      appending: false,
      checkpointing: false,
      hasFailed: false,
      turn: Promise.resolve(),
    }))
  }

  /** Takes the directory for this process. Rejects with `DataDirError`. */
  static async open(
    path: string,
    owner: DataDirOwner,
    { calls = SYSTEM_CALLS, warn = () => undefined }: FileStoreDiskOptions = {},
  ): Promise<FileStoreDisk> {
    return new FileStoreDisk(await openDataDir(path, owner, calls, warn), calls, warn)
  }

  async images(): Promise<readonly VolumeImage[]> {
    const images: VolumeImage[] = []
    this.#writer ??= new BaseWriter()
    for (const volume of this.#volumes) {
      invariant(volume.base === null, "Cannot read a disk again: its bases are open")
      const { segments, witness } = await volume.log.read()
      const base = await openBase(volume.dataPath, segments.length > 0, this.#calls, this.#warn)
      volume.base = base
      await this.#writer.open(volume.id, volume.dataPath)
      // What it no longer has is not known to the log, which has let go of it: the store ends, and the next start repairs.
      volume.watch = await BaseWatch.begin(join(volume.dataPath, "data.mdb"), (why) =>
        this.#failed(volume, 0, new Error(why)),
      )
      images.push({ volume: volume.id, segments, witness, base })
    }
    return images
  }

  onCompletion(listener: (completion: DiskCompletion) => void): void {
    invariant(this.#listener === null, "Cannot listen to a disk: somebody does")
    this.#listener = listener
  }

  append(id: VolumeId, lsn: Lsn, segment: number, offset: number, bytes: Uint8Array): void {
    const volume = this.#volume(id)
    invariant(!volume.appending, "Cannot append: an append of this volume is under way")
    volume.appending = true
    this.#begin(async () => {
      try {
        if (volume.hasFailed) await Promise.reject(new Error("An earlier write of this log failed"))
        await volume.log.append(segment, offset, bytes)
      } catch (error) {
        this.#failed(volume, lsn, error)
        return
      } finally {
        volume.appending = false
      }
      this.#tell({ type: "appendSynced", volume: id, lsn })
    })
  }

  createSegment(id: VolumeId, segment: number, sizeBytes: number, header: Uint8Array): void {
    const volume = this.#volume(id)
    invariant(header.length <= sizeBytes, "Cannot create a segment: its header does not fit")
    this.#inTurn(volume, async () => {
      try {
        await volume.log.create(segment, sizeBytes, header)
      } catch (error) {
        if (FULL.has(codeOf(error))) {
          const detail = messageOf(error)
          this.#tell({ type: "segmentRefused", volume: id, segment, code: "diskFull", detail })
        } else this.#failed(volume, 0, error)
        return
      }
      this.#tell({ type: "segmentCreated", volume: id, segment })
    })
  }

  releaseSegments(id: VolumeId, below: number): void {
    const volume = this.#volume(id)
    this.#inTurn(volume, async () => {
      try {
        await volume.log.release(below)
      } catch (error) {
        // What stays is released again after the next start.
        this.#warn(`Cannot remove segments of volume ${id}: ${messageOf(error)}`)
      }
    })
  }

  writeWitness(id: VolumeId, bytes: Uint8Array): void {
    this.#volume(id).log.writeWitness(bytes, (error) => {
      this.#warn(`Cannot write the witness of volume ${id}: ${messageOf(error)}`)
    })
  }

  checkpoint(id: VolumeId, checkpoint: number, changes: FrozenOverlay): void {
    const volume = this.#volume(id)
    const { base } = volume
    const writer = this.#writer
    invariant(base !== null && writer !== null, "Cannot checkpoint: the base was not read")
    invariant(!volume.checkpointing, "Cannot checkpoint: a checkpoint of this volume is under way")
    volume.checkpointing = true
    this.#begin(async () => {
      try {
        await writer.write(id, changes, base.damage)
        base.advance(checkpoint, changes.cleared)
      } catch (error) {
        const detail = messageOf(error)
        volume.checkpointing = false
        if (FULL.has(codeOf(error)))
          this.#tell({ type: "checkpointRefused", volume: id, checkpoint, code: "diskFull", detail })
        else this.#tell({ type: "checkpointFailed", volume: id, checkpoint, detail })
        return
      }
      volume.checkpointing = false
      this.#tell({ type: "checkpointSynced", volume: id, checkpoint })
    })
  }

  /** Rejects with `DataDirError` when something could not be closed; everything else is, and the directory is free. */
  async close(): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    for (const { watch } of this.#volumes) watch?.end()
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
    try {
      await releaseAll([
        () => this.#writer?.close(),
        ...this.#volumes.flatMap(({ log, base }) => [() => log.close(), () => base?.close()]),
        () => this.#dir.lock.release(),
      ])
    } catch (error) {
      throw new DataDirError(
        "dataDirUnusable",
        `Cannot close ${this.#dir.path} as it should be: ${messageOf(error)}`,
      )
    }
  }

  #inTurn(volume: Volume, deed: () => Promise<void>): void {
    this.#begin(() => {
      volume.turn = volume.turn.then(deed)
      return volume.turn
    })
  }

  /** `deed` does not reject. */
  #begin(deed: () => Promise<void>): void {
    invariant(!this.#isClosing, "Cannot use a disk: it is closed")
    const underWay = deed().finally(() => this.#underWay.delete(underWay))
    this.#underWay.add(underWay)
  }

  /** A log that cannot be written to or synced is the end of the store, whichever step it was. */
  #failed(volume: Volume, lsn: Lsn, error: unknown): void {
    volume.hasFailed = true
    this.#tell({ type: "appendFailed", volume: volume.id, lsn, detail: messageOf(error) })
  }

  #tell(completion: DiskCompletion): void {
    this.#listener?.(completion)
  }

  #volume(id: VolumeId): Volume {
    const volume = this.#volumes.find((candidate) => candidate.id === id)
    if (volume === undefined)
      throw new InvariantError(`Cannot use volume ${id}: this store has no such volume`)
    return volume
  }
}
