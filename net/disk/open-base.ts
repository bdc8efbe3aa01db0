import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
} from "node:fs"
import { join } from "node:path"
import { messageOf } from "../thrown.ts"
import { DIRECTORY_MODE, syncPath, type DiskCalls } from "./calls.ts"
import { openForReading, openForWriting, type ReaderDatabase } from "./environment.ts"
import { DataDirError } from "./errors.ts"
import { LmdbBase } from "./lmdb-base.ts"
import {
  allDamaged,
  CHECKSUM_BYTES,
  checksumOf,
  encodeMeta,
  META_KEY,
  PAGE_BYTES,
  putChecksum,
  type Meta,
} from "./row.ts"

/**
 * The base in a volume's directory `data`, synced before it is read; made when there is none. One that says nothing any
 * more is set aside as `data.mdb.damaged`, for whoever can still use it, and replaced by one in which everything is
 * damaged: what it held is not known, and must be fetched from others.
 */
export async function openBase(
  directory: string,
  hasLog: boolean,
  calls: DiskCalls,
  warn: (text: string) => void,
): Promise<LmdbBase> {
  const file = join(directory, "data.mdb")
  const aside = `${file}.damaged`
  if (!existsSync(file)) {
    // Set aside, and the machine stopped before there was another: still nothing is known.
    const isAside = existsSync(aside)
    const damage = isAside ? allDamaged() : []
    // There was one before the log's first segment. Where the log still has everything nothing is lost; else the kernel
    // sees that it begins behind what is here, and takes the state from a peer.
    if (hasLog && !isAside)
      warn(`${file} is missing beside a log: what the log does not have is to be repaired`)
    await make(directory, file, { checkpoint: 0, damage }, calls)
  }
  await syncPath(calls, file)
  await syncPath(calls, directory)
  const opened = tryOpen(directory, file, warn)
  if (opened.type === "open") return new LmdbBase(opened.database, opened.meta)
  warn(
    `${file} cannot be read (${opened.why}): set aside as ${aside}, and everything in it is to be repaired`,
  )
  await calls.rename(file, aside)
  await syncPath(calls, directory)
  await make(directory, file, { checkpoint: 0, damage: allDamaged() }, calls)
  const second = tryOpen(directory, file, warn)
  if (second.type === "open") return new LmdbBase(second.database, second.meta)
  throw new DataDirError("dataDirUnusable", `Cannot open a new ${file}: ${second.why}`)
}

type Tried =
  | { readonly type: "open"; readonly database: ReaderDatabase; readonly meta: Meta }
  | { readonly type: "unreadable"; readonly why: string }

function tryOpen(directory: string, file: string, warn: (text: string) => void): Tried {
  const why = readHeads(file, warn)
  if (why !== null) return { type: "unreadable", why }
  let database: ReaderDatabase
  try {
    database = openForReading(directory)
  } catch (error) {
    throw new DataDirError("dataDirUnusable", `Cannot open ${file}: ${messageOf(error)}`)
  }
  const meta = metaOf(database)
  if (meta !== null) return { type: "open", database, meta }
  void database.close()
  return { type: "unreadable", why: "it does not say what it is" }
}

/**
 * Looks at LMDB's two head pages before LMDB does: it takes their word for where everything lies, and a page that lies
 * beyond the end of the file would end the process. Gives why the file is unreadable.
 */
function readHeads(file: string, warn: (text: string) => void): string | null {
  const descriptor = openSync(file, "r+")
  try {
    const { size } = fstatSync(descriptor)
    const bytes = Buffer.alloc(2 * PAGE_BYTES)
    // LMDB would make a new one of an empty file.
    if (readSync(descriptor, bytes, 0, bytes.length, 0) < bytes.length) return "it is too short"
    const heads = [0, 1].map((number) => headAt(bytes, number))
    if (heads.some((head) => head?.version !== undefined && head.version !== LMDB_FORMAT))
      throw new DataDirError("dataDirFormat", `Cannot use ${file}: it is of another format of LMDB`)
    let needed = 0
    for (const head of heads) {
      if (head === null || head.pageBytes !== PAGE_BYTES) return "a head page is damaged"
      if (head.roots.some((root) => root !== NO_PAGE && (Number(root) + 1) * PAGE_BYTES > size))
        return "it was cut short"
      needed = Math.max(needed, (Number(head.lastPage) + 1) * PAGE_BYTES)
    }
    if (needed > size) {
      // Its last pages may have been free and never written: zeros stand for them, and a row among them is found damaged.
      warn(`${file} has ${size} bytes of ${needed}: filled up with zeros`)
      ftruncateSync(descriptor, needed)
      fsyncSync(descriptor)
    }
    return null
  } finally {
    closeSync(descriptor)
  }
}

const LMDB_MAGIC = 0xbeef_c0de
const LMDB_FORMAT = 2
/** A flag of a page. */
const IS_HEAD = 0x08
/** The root of a tree that is empty. */
const NO_PAGE = 0xffff_ffff_ffff_ffffn

type Head = {
  readonly version: number
  readonly pageBytes: number
  /** Of the list of free pages, and of the rows. */
  readonly roots: readonly bigint[]
  readonly lastPage: bigint
}

/** `MDB_meta` of LMDB's mdb.c on a machine of 64 bits, little endian; null when it is not one. */
function headAt(bytes: Buffer, number: number): Head | null {
  const at = number * PAGE_BYTES
  const isHead = bytes.readBigUInt64LE(at) === BigInt(number) && (bytes.readUInt16LE(at + 18) & IS_HEAD) !== 0
  if (!isHead || bytes.readUInt32LE(at + 24) !== LMDB_MAGIC) return null
  return {
    version: bytes.readUInt32LE(at + 28) & 0xffff,
    pageBytes: bytes.readUInt32LE(at + 48),
    roots: [bytes.readBigUInt64LE(at + 88), bytes.readBigUInt64LE(at + 136)],
    lastPage: bytes.readBigUInt64LE(at + 144),
  }
}

function metaOf(database: ReaderDatabase): Meta | null {
  try {
    return LmdbBase.readMeta(database)
  } catch {
    return null
  }
}

/** Under another name first: a base is there whole or not at all. */
async function make(directory: string, file: string, meta: Meta, calls: DiskCalls): Promise<void> {
  const beside = join(directory, "new")
  rmSync(beside, { recursive: true, force: true })
  mkdirSync(beside, { mode: DIRECTORY_MODE })
  const database = openForWriting(beside)
  const key = Buffer.from(META_KEY, "latin1")
  const bytes = encodeMeta(meta)
  const row = Buffer.concat([key, Buffer.alloc(CHECKSUM_BYTES), bytes])
  putChecksum(row, key.length, checksumOf(row, 0, key.length, key.length + CHECKSUM_BYTES, row.length))
  database.putSync(key, row.subarray(key.length))
  await database.close()
  const made = join(beside, "data.mdb")
  await syncPath(calls, made)
  await calls.rename(made, file)
  await syncPath(calls, directory)
  rmSync(beside, { recursive: true, force: true })
}
