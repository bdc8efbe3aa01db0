import { readdir, stat, statfs } from "node:fs/promises"
import { join } from "node:path"
import { codeOf } from "./errors.ts"

/** What a data directory takes of its file system, and what anybody may still take there. */
export type DiskBytes = { readonly usedBytes: number; readonly freeBytes: number }

/** A reading older than this is taken anew by whoever asks, for the next one who asks. */
const FRESH_MS = 1_000
/** Of `st_blocks`, whatever the file system's own are. */
const BLOCK_BYTES = 512

/** How full a disk is. It is asked often and on the loop, so it tells the last reading and takes the next one behind it. */
export class DiskUsage {
  readonly #path: string
  #last: DiskBytes | null = null
  #takenAt = Number.NEGATIVE_INFINITY
  #isTaking = false

  constructor(path: string) {
    this.#path = path
    this.read()
  }

  /** Null until the first reading is there, and while it cannot be taken. */
  read(): DiskBytes | null {
    if (!this.#isTaking && performance.now() - this.#takenAt >= FRESH_MS) void this.#take()
    return this.#last
  }

  async #take(): Promise<void> {
    this.#isTaking = true
    try {
      const { bavail, bsize } = await statfs(this.#path)
      this.#last = { usedBytes: await usedBelow(this.#path), freeBytes: bavail * bsize }
    } catch {
      // A disk that does not even say this is told of by the store that writes to it.
      this.#last = null
    } finally {
      this.#takenAt = performance.now()
      this.#isTaking = false
    }
  }
}

/** Blocks and not lengths: the file of a base has holes. What goes away while it is counted is not there. */
async function usedBelow(directory: string): Promise<number> {
  let used = 0
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    try {
      if (entry.isDirectory()) used += await usedBelow(path)
      else if (entry.isFile()) used += (await stat(path)).blocks * BLOCK_BYTES
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error
    }
  }
  return used
}
