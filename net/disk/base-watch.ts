import { stat } from "node:fs/promises"
import { messageOf } from "../thrown.ts"
import { codeOf } from "./errors.ts"

const LOOK_MS = 1_000

/**
 * Looks whether the file of a base that is open is still the one that was opened, and no shorter: LMDB maps it and would
 * read behind its end, which ends the process, or go on in a file without a name, which no start finds again. It never
 * makes a file shorter itself. A second may pass unseen.
 */
export class BaseWatch {
  readonly #file: string
  readonly #told: (why: string) => void
  #timer: NodeJS.Timeout | null = null
  #inode = 0
  #bytes = 0

  private constructor(file: string, told: (why: string) => void) {
    this.#file = file
    this.#told = told
  }

  /** `told` hears once, and why. Rejects with the system's error when there is no such file. */
  static async begin(file: string, told: (why: string) => void): Promise<BaseWatch> {
    const watch = new BaseWatch(file, told)
    const { ino, size } = await stat(file)
    watch.#inode = ino
    watch.#bytes = size
    watch.#timer = setInterval(() => void watch.#look(), LOOK_MS)
    watch.#timer.unref()
    return watch
  }

  end(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  async #look(): Promise<void> {
    const why = await this.#why()
    if (why === null || this.#timer === null) return
    this.end()
    this.#told(why)
  }

  async #why(): Promise<string | null> {
    try {
      const { ino, size } = await stat(this.#file)
      if (ino !== this.#inode) return `another file was put in the place of ${this.#file}`
      if (size < this.#bytes) return `${this.#file} was cut short: ${size} bytes of ${this.#bytes}`
      this.#bytes = size
      return null
    } catch (error) {
      return codeOf(error) === "ENOENT" ? `${this.#file} was removed` : messageOf(error)
    }
  }
}
