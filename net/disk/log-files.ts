import { join } from "node:path"
import {
  MAKE,
  readSynced,
  syncPath,
  withFile,
  WRITE_THROUGH,
  writeAll,
  FILE_MODE,
  type DiskCalls,
} from "./calls.ts"
import { releaseAll } from "../release-all.ts"
import { codeOf } from "./errors.ts"

const SEGMENT_NAME = /^(\d{12})\.seg$/
const ZEROS = new Uint8Array(1 << 20)
/** Zeros on their way to the disk at one time: an append must not wait behind a whole segment. */
const ZEROS_UNSYNCED_MAX = 8 << 20
/** A witness is on the platter within this, and a moment for the write. */
const WITNESS_MS = 500

/** What a start reads of a log. */
export type LogImage = {
  readonly segments: readonly {
    readonly sequence: number
    readonly bytes: Uint8Array
    readonly unreadable?: readonly { readonly start: number; readonly end: number }[]
  }[]
  /** Null when it was never written or cannot be read. */
  readonly witness: Uint8Array | null
}

/**
 * The directory `wal` of one volume: segments, and the witness. Every promise is kept on the disk itself, names
 * included; a rejection is the system's error as it came.
 */
export class LogFiles {
  readonly #path: string
  readonly #calls: DiskCalls
  /** Open for writing through, by sequence. */
  readonly #open = new Map<number, number>()
  /** What is to be the witness; null when the last one was written. */
  #witness: Uint8Array | null = null
  #witnessUnderWay: Promise<void> | null = null
  #witnessTimer: NodeJS.Timeout | null = null

  constructor(path: string, calls: DiskCalls) {
    this.#path = path
    this.#calls = calls
  }

  /** Everything that is there, each file and the directory synced first. What a crash left unfinished is removed. */
  async read(): Promise<LogImage> {
    const calls = this.#calls
    const names = (await calls.list(this.#path)).toSorted()
    for (const name of names) if (name.endsWith(".new")) await calls.unlink(join(this.#path, name))
    await syncPath(calls, this.#path)
    const segments: LogImage["segments"][number][] = []
    for (const name of names) {
      const match = SEGMENT_NAME.exec(name)
      if (match === null) continue
      const { bytes, unreadable } = await readSynced(calls, join(this.#path, name))
      const sequence = Number(match[1])
      segments.push(unreadable.length === 0 ? { sequence, bytes } : { sequence, bytes, unreadable })
    }
    if (!names.includes("witness")) return { segments, witness: null }
    const { bytes, unreadable } = await readSynced(calls, join(this.#path, "witness"))
    return { segments, witness: unreadable.length === 0 && bytes.length > 0 ? bytes : null }
  }

  /** One write, on the disk when it resolves. */
  async append(segment: number, offset: number, bytes: Uint8Array): Promise<void> {
    let file = this.#open.get(segment)
    if (file === undefined) {
      file = await this.#calls.open(this.#segmentPath(segment), WRITE_THROUGH, FILE_MODE)
      this.#open.set(segment, file)
    }
    await writeAll(this.#calls, file, bytes, offset)
  }

  /**
   * Header and zeros under another name, synced, renamed, and the directory synced: a crash leaves no file or all of
   * it, and an append changes no more than bytes that are there.
   */
  async create(segment: number, sizeBytes: number, header: Uint8Array): Promise<void> {
    const calls = this.#calls
    const path = this.#segmentPath(segment)
    const beside = `${path}.new`
    try {
      await withFile(calls, beside, MAKE, async (file) => {
        await writeAll(calls, file, header, 0)
        let unsynced = header.length
        for (let at = header.length; at < sizeBytes; at += ZEROS.length) {
          const zeros = ZEROS.subarray(0, Math.min(ZEROS.length, sizeBytes - at))
          await writeAll(calls, file, zeros, at)
          unsynced += zeros.length
          if (unsynced < ZEROS_UNSYNCED_MAX) continue
          await calls.dataSync(file)
          unsynced = 0
        }
        await calls.sync(file)
      })
      await calls.rename(beside, path)
      await syncPath(calls, this.#path)
      this.#open.set(segment, await calls.open(path, WRITE_THROUGH, FILE_MODE))
    } catch (error) {
      // A disk that is full needs the room it took; the next start removes what stays.
      await calls.unlink(beside).catch(() => undefined)
      throw error
    }
  }

  /** Removes the segments before this one. */
  async release(below: number): Promise<void> {
    const calls = this.#calls
    for (const [segment, file] of this.#open) {
      if (segment >= below) continue
      this.#open.delete(segment)
      await calls.close(file)
    }
    let isChanged = false
    for (const name of await calls.list(this.#path)) {
      const match = SEGMENT_NAME.exec(name)
      if (match === null || Number(match[1]) >= below) continue
      await calls.unlink(join(this.#path, name)).catch((error: unknown) => {
        if (codeOf(error) !== "ENOENT") throw error
      })
      isChanged = true
    }
    if (isChanged) await syncPath(calls, this.#path)
  }

  /**
   * The side slot, replaced whole, half a second after it was asked for: of those that come meanwhile the last is written.
   * Nobody waits for it, and a log that is idle between any two requests asks for one with each of them.
   */
  writeWitness(bytes: Uint8Array, failed: (error: unknown) => void): void {
    this.#witness = bytes
    this.#witnessTimer ??= setTimeout(() => {
      this.#witnessTimer = null
      this.#beginWitness(failed)
    }, WITNESS_MS).unref()
  }

  /** Writes the witness that waits; every other order has been waited for. */
  async close(): Promise<void> {
    if (this.#witnessTimer !== null) clearTimeout(this.#witnessTimer)
    this.#witnessTimer = null
    // A help, not a promise: where it cannot be written, the next start finds an older one or none.
    this.#beginWitness(() => undefined)
    await this.#witnessUnderWay
    const files = [...this.#open.values()]
    this.#open.clear()
    await releaseAll(files.map((file) => () => this.#calls.close(file)))
  }

  #beginWitness(failed: (error: unknown) => void): void {
    this.#witnessUnderWay ??= this.#writeWitnesses()
      .catch(failed)
      .finally(() => {
        this.#witnessUnderWay = null
      })
  }

  /** Synced before it has its name: an old slot gives way to a whole one. */
  async #writeWitnesses(): Promise<void> {
    const calls = this.#calls
    const path = join(this.#path, "witness")
    while (this.#witness !== null) {
      const bytes = this.#witness
      this.#witness = null
      await withFile(calls, `${path}.new`, MAKE, async (file) => {
        await writeAll(calls, file, bytes, 0)
        await calls.sync(file)
      })
      await calls.rename(`${path}.new`, path)
    }
  }

  #segmentPath(segment: number): string {
    return join(this.#path, `${String(segment).padStart(12, "0")}.seg`)
  }
}
