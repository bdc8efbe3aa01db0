import { existsSync, mkdirSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { DIRECTORY_MODE, syncPath, type DiskCalls } from "./calls.ts"
import { openForReading, openForWriting, type ReaderDatabase } from "./environment.ts"
import { codeOf, DataDirError, messageOf } from "./errors.ts"
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

/** LMDB's own: written by another format of it than this build has. */
const MDB_VERSION_MISMATCH = -30794

/**
 * The base in a volume's directory `data`, synced before it is read; made when there is none. One that says nothing any
 * more is set aside as `data.mdb.damaged`, for whoever can still use it, and replaced by one in which everything is
 * damaged: what it held is not known, and must be fetched from others.
 */
export async function openBase(
  directory: string,
  calls: DiskCalls,
  warn: (text: string) => void,
): Promise<LmdbBase> {
  const file = join(directory, "data.mdb")
  const aside = `${file}.damaged`
  if (!existsSync(file)) {
    // Set aside, and the machine stopped before there was another: still nothing is known.
    const damage = existsSync(aside) ? allDamaged() : []
    await make(directory, file, { checkpoint: 0, damage }, calls)
  }
  await syncPath(calls, file)
  await syncPath(calls, directory)
  const opened = tryOpen(directory, file)
  if (opened.type === "open") return new LmdbBase(opened.database, opened.meta)
  warn(
    `${file} cannot be read (${opened.why}): set aside as ${aside}, and everything in it is to be repaired`,
  )
  await calls.rename(file, aside)
  await syncPath(calls, directory)
  await make(directory, file, { checkpoint: 0, damage: allDamaged() }, calls)
  const second = tryOpen(directory, file)
  if (second.type === "open") return new LmdbBase(second.database, second.meta)
  throw new DataDirError("dataDirUnusable", `Cannot open a new ${file}: ${second.why}`)
}

type Tried =
  | { readonly type: "open"; readonly database: ReaderDatabase; readonly meta: Meta }
  | { readonly type: "unreadable"; readonly why: string }

function tryOpen(directory: string, file: string): Tried {
  let database: ReaderDatabase
  // LMDB would make a new one of it.
  if (statSync(file).size < 2 * PAGE_BYTES) return { type: "unreadable", why: "it is too short" }
  try {
    database = openForReading(directory)
  } catch (error) {
    const code = codeOf(error)
    if (code === MDB_VERSION_MISMATCH)
      throw new DataDirError("dataDirFormat", `Cannot use ${file}: it is of another format of LMDB`)
    // Errors of the system are not the file's.
    if (typeof code === "string" ? code !== "" : code > 0)
      throw new DataDirError("dataDirUnusable", `Cannot open ${file}: ${messageOf(error)}`)
    return { type: "unreadable", why: messageOf(error) }
  }
  const why = shortness(database, file)
  const meta = why === null ? metaOf(database) : null
  if (meta !== null) return { type: "open", database, meta }
  void database.close()
  return { type: "unreadable", why: why ?? "it does not say what it is" }
}

/** A page beyond the end of the file would end the process, not give an error. */
function shortness(database: ReaderDatabase, file: string): string | null {
  const { lastPageNumber, pageSize } = database.getStats() as {
    readonly lastPageNumber: number
    readonly pageSize?: number
  }
  const needed = (lastPageNumber + 1) * (pageSize ?? PAGE_BYTES)
  const { size } = statSync(file)
  return size < needed ? `it has ${size} bytes of ${needed}` : null
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
