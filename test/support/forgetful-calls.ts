import {
  existsSync,
  ftruncateSync,
  openSync,
  closeSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs"
import { dirname } from "node:path"
import { MAKE, SYSTEM_CALLS, WRITE_THROUGH, type DiskCalls } from "#net/disk/calls.ts"

type File = { path: string; readonly isThrough: boolean }

/**
 * System calls over a page cache that a power cut empties: what was written and not synced is taken back by `cut`, names
 * that were changed and whose directory was not synced too. Afterwards every call is refused. With `skips` a file that is
 * opened to write through is not: its writes are as forgettable as any.
 */
export class ForgetfulCalls implements DiskCalls {
  readonly #skips: boolean
  readonly #open = new Map<number, File>()
  /** How to take back what is not on the disk, by the path that has to be synced for it; oldest first. */
  #forgettable: { readonly path: string; readonly undo: () => void }[] = []
  #isCut = false

  constructor(skips: boolean) {
    this.#skips = skips
  }

  cut(): void {
    this.#isCut = true
    for (const { undo } of this.#forgettable.toReversed()) undo()
    this.#forgettable = []
  }

  async open(path: string, flags: number, mode: number): Promise<number> {
    this.#refuseIfCut()
    if (flags === MAKE && !existsSync(path)) this.#note(dirname(path), () => rmSync(path, { force: true }))
    const file = await SYSTEM_CALLS.open(path, flags, mode)
    this.#open.set(file, { path, isThrough: flags === WRITE_THROUGH && !this.#skips })
    return file
  }

  async write(
    file: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<number> {
    this.#refuseIfCut()
    const { path, isThrough } = this.#open.get(file)!
    if (!isThrough) this.#note(path, undoWrite(path, position, length))
    return SYSTEM_CALLS.write(file, bytes, offset, length, position)
  }

  async sync(file: number): Promise<void> {
    this.#refuseIfCut()
    const { path } = this.#open.get(file)!
    await SYSTEM_CALLS.sync(file)
    this.#forgettable = this.#forgettable.filter((one) => one.path !== path)
  }

  dataSync(file: number): Promise<void> {
    return this.sync(file)
  }

  async rename(from: string, to: string): Promise<void> {
    this.#refuseIfCut()
    const before = existsSync(to) ? readFileSync(to) : null
    await SYSTEM_CALLS.rename(from, to)
    // What is known of the file goes with it to its new name.
    this.#forgettable = this.#forgettable.filter(({ path }) => path !== from && path !== to)
    for (const file of this.#open.values()) if (file.path === from) file.path = to
    this.#note(dirname(to), () => (before === null ? rmSync(to, { force: true }) : writeFileSync(to, before)))
  }

  async read(...parameters: Parameters<DiskCalls["read"]>): Promise<number> {
    this.#refuseIfCut()
    return SYSTEM_CALLS.read(...parameters)
  }

  size(file: number): Promise<number> {
    return SYSTEM_CALLS.size(file)
  }

  async close(file: number): Promise<void> {
    this.#open.delete(file)
    await SYSTEM_CALLS.close(file)
  }

  async unlink(path: string): Promise<void> {
    this.#refuseIfCut()
    await SYSTEM_CALLS.unlink(path)
    this.#forgettable = this.#forgettable.filter((one) => one.path !== path)
  }

  list(directory: string): Promise<readonly string[]> {
    return SYSTEM_CALLS.list(directory)
  }

  #note(path: string, undo: () => void): void {
    this.#forgettable.push({ path, undo })
  }

  #refuseIfCut(): void {
    if (this.#isCut) throw Object.assign(new Error("EIO: the power is gone"), { code: "EIO" })
  }
}

/** The bytes that stand there now, put back; and the length. */
function undoWrite(path: string, position: number, length: number): () => void {
  const { size } = statSync(path)
  const before = readFileSync(path).subarray(position, position + length)
  return () => {
    if (!existsSync(path)) return
    const file = openSync(path, "r+")
    writeSync(file, before, 0, before.length, position)
    ftruncateSync(file, size)
    closeSync(file)
  }
}
