import { open, type RootDatabase, type RootDatabaseOptions } from "lmdb"
import { KEY_BYTES_MAX, PAGE_BYTES } from "./row.ts"
import { FILE_MODE } from "./calls.ts"

/** Address space kept for one volume; LMDB doubles it when the data outgrow it. The file is only as large as its data. */
const MAP_BYTES = 256 * 2 ** 30
/** Versions of one base that are read at the same time. */
const READERS_MAX = 1024

/**
 * Of the writer: bytes in and out. A commit returns once it is durable: pages are written and synced, then the page that
 * makes them the content is, so that a crash at any point leaves the last commit whole. `overlappingSync`, lmdb-js's
 * default, would show a commit before it is durable; nothing here may be read that a power loss can take back, and the
 * one writer has a thread of its own to wait on. With it there is nothing for `safeRestore` to choose between.
 */
const SETTINGS = {
  noSubdir: false,
  pageSize: PAGE_BYTES,
  mapSize: MAP_BYTES,
  maxReaders: READERS_MAX,
  maxDbs: 1,
  overlappingSync: false,
  permissionsMode: FILE_MODE,
  cache: false,
} as const

export type WriterDatabase = RootDatabase<Uint8Array, Uint8Array>

export function openForWriting(path: string): WriterDatabase {
  return open<Uint8Array, Uint8Array>(path, { ...SETTINGS, encoding: "binary", keyEncoding: "binary" })
}

export type ReaderDatabase = RootDatabase<string, string>

/** Of the loop: keys and values are the kernel's byte strings, one char a byte, and no copy is made in between. */
export function openForReading(path: string): ReaderDatabase {
  const encoder = {
    encode: (value: string) => Buffer.from(value, "latin1"),
    // What is given is a buffer that the next read uses again, or the map itself.
    decode: (bytes: Uint8Array) => latin1(bytes),
  }
  const keyEncoder = {
    writeKey: (key: string, target: Buffer, start: number) => start + target.write(key, start, "latin1"),
    readKey: (source: Buffer, start: number, end: number) => source.toString("latin1", start, end),
  }
  // The types of lmdb-js know an encoder only as a class, and no key encoder at all.
  const options: object = { ...SETTINGS, encoder, keyEncoder }
  return open<string, string>(path, options as RootDatabaseOptions)
}

function latin1(bytes: Uint8Array): string {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  return buffer.toString("latin1", 0, bytes.length)
}

/** What LMDB takes as a key. */
export function fits(key: string): boolean {
  return key.length <= KEY_BYTES_MAX
}
