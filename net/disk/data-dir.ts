import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { SYSTEM_VOLUME, volumeOfTenant, type StoreId, type TenantId, type VolumeId } from "#kernel"
import { messageOf } from "../thrown.ts"
import { DIRECTORY_MODE, FILE_MODE, replaceFile, syncPath, type DiskCalls } from "./calls.ts"
import { codeOf, DataDirError } from "./errors.ts"
import { DirectoryLock } from "./lock.ts"

/** Of `format.json`, and so of everything below it. */
const DATA_FORMAT = 1
/** Bits that let others in. */
const OTHERS = 0o077

/** Whose directory it is to be. */
export type DataDirOwner = {
  readonly cluster: string
  readonly store: StoreId
  readonly tenants: readonly TenantId[]
}

/** One volume's two directories. */
export type VolumePaths = { readonly volume: VolumeId; readonly wal: string; readonly data: string }

/** A data directory that this process holds: locked, of a known format, its own, and closed to others. */
export type DataDir = {
  readonly path: string
  /** Ascending by volume, the system volume first. */
  readonly volumes: readonly VolumePaths[]
  readonly lock: DirectoryLock
}

/**
 * Opens a data directory, and makes it what it should be if it holds nothing yet. Rejects with `DataDirError`, and
 * lets go of the lock then. `warn` is told of what was put right: modes that let others in.
 */
export async function openDataDir(
  path: string,
  owner: DataDirOwner,
  calls: DiskCalls,
  warn: (text: string) => void,
): Promise<DataDir> {
  return usable(path, async () => {
    mkdirSync(path, { recursive: true, mode: DIRECTORY_MODE })
    tighten(path, DIRECTORY_MODE, warn)
    const lock = await DirectoryLock.take(path, calls)
    try {
      await settleFormat(path, owner, calls)
      const volumes = volumesOf(path, owner.tenants)
      for (const { wal, data } of volumes) {
        mkdirSync(wal, { recursive: true, mode: DIRECTORY_MODE })
        mkdirSync(data, { recursive: true, mode: DIRECTORY_MODE })
      }
      for (const name of ["format.json", "system", "tenants"]) tightenAll(join(path, name), warn)
      for (const directory of parentsOf(path, volumes)) await syncPath(calls, directory)
      return { path, volumes, lock }
    } catch (error) {
      await lock.release()
      throw error
    }
  })
}

function volumesOf(path: string, tenants: readonly TenantId[]): readonly VolumePaths[] {
  const place = (volume: VolumeId, directory: string): VolumePaths => ({
    volume,
    wal: join(directory, "wal"),
    data: join(directory, "data"),
  })
  return [
    place(SYSTEM_VOLUME, join(path, "system")),
    ...tenants.map((tenant) => place(volumeOfTenant(tenant), join(path, "tenants", String(tenant)))),
  ].toSorted((x, y) => x.volume - y.volume)
}

/** Directories that hold the names of others: a name is durable once its directory is synced. */
function parentsOf(path: string, volumes: readonly VolumePaths[]): readonly string[] {
  const parents = volumes.map(({ wal }) => join(wal, ".."))
  const tenants = join(path, "tenants")
  return [...parents, ...(existsSync(tenants) ? [tenants] : []), path]
}

/** Before anything else is made: whatever holds data says in what format and whose it is. */
async function settleFormat(path: string, owner: DataDirOwner, calls: DiskCalls): Promise<void> {
  const file = join(path, "format.json")
  if (!existsSync(file)) {
    const found = ["system", "tenants"].filter((name) => existsSync(join(path, name)))
    if (found.length > 0)
      throw new DataDirError(
        "dataDirFormat",
        `Cannot use ${path}: it holds ${found.join(" and ")} but no format.json, which says what they are`,
      )
    const { cluster, store } = owner
    const text = `${JSON.stringify({ format: DATA_FORMAT, cluster, store }, null, 2)}\n`
    await replaceFile(calls, path, file, Buffer.from(text, "utf8"))
    return
  }
  const { format, cluster, store } = readFormat(file)
  if (format !== DATA_FORMAT)
    throw new DataDirError(
      "dataDirFormat",
      `Cannot use ${path}: its format is ${String(format)}, and this build knows ${DATA_FORMAT}`,
    )
  if (cluster !== owner.cluster || store !== owner.store)
    throw new DataDirError(
      "dataDirIdentity",
      `Cannot use ${path}: it belongs to store ${String(store)} of cluster ${String(cluster)}, ` +
        `and this is store ${owner.store} of cluster ${owner.cluster}`,
    )
}

type Format = { readonly format?: unknown; readonly cluster?: unknown; readonly store?: unknown }

function readFormat(file: string): Format {
  try {
    const read: unknown = JSON.parse(readFileSync(file, "utf8"))
    if (typeof read === "object" && read !== null) return read
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new DataDirError("dataDirFormat", `Cannot use the data directory: ${file} cannot be understood`)
}

/** All below `path`, links not followed. */
function tightenAll(path: string, warn: (text: string) => void): void {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined || found.isSymbolicLink()) return
  tighten(path, found.isDirectory() ? DIRECTORY_MODE : FILE_MODE, warn)
  if (found.isDirectory()) for (const name of readdirSync(path)) tightenAll(join(path, name), warn)
}

/**
 * What lets others in is closed, and said: a volume that an orchestrator mounts, or a copy put back from a backup, comes
 * with modes nobody chose, and a node that stays down for them helps nobody. What it may not close it refuses.
 */
function tighten(path: string, mode: number, warn: (text: string) => void): void {
  const found = lstatSync(path).mode & 0o777
  if ((found & OTHERS) === 0) return
  const shown = `${path} has mode ${found.toString(8).padStart(4, "0")}`
  try {
    chmodSync(path, mode)
  } catch (error) {
    throw new DataDirError("dataDirModes", `Others may open it: ${shown}, and ${messageOf(error)}`)
  }
  warn(`${shown}, which lets others in: it is now ${mode.toString(8).padStart(4, "0")}`)
}

async function usable<Result>(path: string, use: () => Promise<Result>): Promise<Result> {
  try {
    return await use()
  } catch (error) {
    if (error instanceof DataDirError || codeOf(error) === "") throw error
    throw new DataDirError("dataDirUnusable", `Cannot use ${path}: ${messageOf(error)}`)
  }
}
