import * as fs from "node:fs"
import { promisify } from "node:util"

const { constants } = fs

/** Flags of an open file. */
export const READ: number = constants.O_RDONLY
export const MAKE: number = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC
/** A write is on the disk when it returns: data, and what of the metadata finding it needs. */
export const WRITE_THROUGH: number = constants.O_WRONLY | constants.O_DSYNC

export const FILE_MODE = 0o600
export const DIRECTORY_MODE = 0o700

/**
 * The system calls a disk is made of, each on the thread pool and never on the loop's thread. They reject with Node's
 * error, whose `code` is the name of the errno. A parameter of the disk, so that a test can let one of them fail.
 */
export type DiskCalls = {
  open(path: string, flags: number, mode: number): Promise<number>
  /** Gives how many bytes were written: fewer than asked for is not an error. */
  write(file: number, bytes: Uint8Array, offset: number, length: number, position: number): Promise<number>
  /** Gives how many bytes were read; 0 at the end. */
  read(file: number, bytes: Uint8Array, offset: number, length: number, position: number): Promise<number>
  size(file: number): Promise<number>
  sync(file: number): Promise<void>
  dataSync(file: number): Promise<void>
  close(file: number): Promise<void>
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  list(directory: string): Promise<readonly string[]>
}

export const SYSTEM_CALLS: DiskCalls = {
  open: promisify(fs.open),
  write: (file, bytes, offset, length, position) =>
    new Promise((resolve, reject) => {
      fs.write(file, bytes, offset, length, position, (error, count) => {
        if (error === null) resolve(count)
        else reject(error)
      })
    }),
  read: (file, bytes, offset, length, position) =>
    new Promise((resolve, reject) => {
      fs.read(file, bytes, offset, length, position, (error, count) => {
        if (error === null) resolve(count)
        else reject(error)
      })
    }),
  size: async (file) => (await promisify(fs.fstat)(file)).size,
  sync: promisify(fs.fsync),
  dataSync: promisify(fs.fdatasync),
  close: promisify(fs.close),
  rename: promisify(fs.rename),
  unlink: promisify(fs.unlink),
  list: (directory) => fs.promises.readdir(directory),
}

/** All of `bytes` at `position`, however many writes it takes. */
export async function writeAll(
  calls: DiskCalls,
  file: number,
  bytes: Uint8Array,
  position: number,
): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    done += await calls.write(file, bytes, done, bytes.length - done, position + done)
  }
}

/** With the file open for as long as `use` takes. */
export async function withFile<Result>(
  calls: DiskCalls,
  path: string,
  flags: number,
  use: (file: number) => Promise<Result>,
): Promise<Result> {
  const file = await calls.open(path, flags, FILE_MODE)
  try {
    return await use(file)
  } finally {
    await calls.close(file)
  }
}

/** A file, or the names in a directory, on the disk itself. */
export function syncPath(calls: DiskCalls, path: string): Promise<void> {
  return withFile(calls, path, READ, (file) => calls.sync(file))
}

/** Everything that the disk gave. Where it gave an error, zeros stand, and the span is named. */
export type FileImage = {
  readonly bytes: Uint8Array
  readonly unreadable: readonly { readonly start: number; readonly end: number }[]
}

const READ_BYTES = 4 << 20
const SECTOR_BYTES = 512

/** A whole file, synced before it is read: bytes that only the page cache has could still be lost to a power loss. */
export function readSynced(calls: DiskCalls, path: string): Promise<FileImage> {
  return withFile(calls, path, READ, async (file) => {
    await calls.sync(file)
    const bytes = new Uint8Array(await calls.size(file))
    const unreadable: { start: number; end: number }[] = []
    for (let at = 0; at < bytes.length; at += READ_BYTES) {
      await readSpan(calls, file, bytes, at, Math.min(at + READ_BYTES, bytes.length), unreadable)
    }
    return { bytes, unreadable }
  })
}

/** Halves a span that gives an error until what cannot be read is known to the sector. */
async function readSpan(
  calls: DiskCalls,
  file: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  unreadable: { start: number; end: number }[],
): Promise<void> {
  try {
    for (let at = start; at < end;) {
      const count = await calls.read(file, bytes, at, end - at, at)
      // Shorter than it was a moment ago: what is missing is what no write ever reached.
      if (count === 0) return
      at += count
    }
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error) || error.code !== "EIO") throw error
    if (end - start > SECTOR_BYTES) {
      const middle = start + Math.ceil((end - start) / 2 / SECTOR_BYTES) * SECTOR_BYTES
      await readSpan(calls, file, bytes, start, middle, unreadable)
      await readSpan(calls, file, bytes, middle, end, unreadable)
      return
    }
    bytes.fill(0, start, end)
    const last = unreadable.at(-1)
    if (last !== undefined && last.end === start) last.end = end
    else unreadable.push({ start, end })
  }
}

/** `path` has either its old content or all of `bytes`, whatever happens: written beside it, synced, renamed over it. */
export async function replaceFile(
  calls: DiskCalls,
  directory: string,
  path: string,
  bytes: Uint8Array,
): Promise<void> {
  const beside = `${path}.new`
  await withFile(calls, beside, MAKE, async (file) => {
    await writeAll(calls, file, bytes, 0)
    await calls.sync(file)
  })
  await calls.rename(beside, path)
  await syncPath(calls, directory)
}
