import { linkSync, openSync, closeSync, renameSync, statSync, unlinkSync } from "node:fs"
import { connect, createServer, type Server } from "node:net"
import { join } from "node:path"
import { releaseAll } from "../release-all.ts"
import { messageOf } from "../thrown.ts"
import type { DiskCalls } from "./calls.ts"
import { codeOf, DataDirError } from "./errors.ts"

/** How long whoever holds the lock has to say its number. It may stand still, and holds the lock none the less. */
const ANSWER_MS = 500
const TAKEOVER_TRIES = 100
/** Takes begun by this process, so that no two listen at one name. */
let takes = 0
/** A socket's name has room for 107 bytes. */
const NAME_BYTES_MAX = 100

/**
 * One process a data directory, for as long as it lives: it listens on the socket `lock` in it and tells whoever asks
 * its process number. The system ends the listening with the process, however that ends, so a socket that refuses was
 * left behind and is taken over. A name comes into being by `link`, which only one process can do; nobody removes a
 * dead `lock` but who holds the socket `lock.takeover`, so that no process can remove the lock of one that was faster.
 */
export class DirectoryLock {
  readonly #server: Server
  readonly #path: string
  readonly #inode: number

  readonly #calls: DiskCalls

  private constructor(server: Server, path: string, calls: DiskCalls) {
    this.#server = server
    this.#path = path
    this.#calls = calls
    this.#inode = statSync(path).ino
  }

  /** Rejects with `dataDirLocked` when another process that lives has it. */
  static async take(directory: string, calls: DiskCalls): Promise<DirectoryLock> {
    const own = join(directory, `lock.${process.pid}.${takes++}`)
    const path = join(directory, "lock")
    const server = await listen(directory, own)
    try {
      for (let tries = 0; tries < TAKEOVER_TRIES; tries++) {
        if (claim(own, path)) return new DirectoryLock(server, path, calls)
        const holder = await ask(directory, path)
        if (holder.type === "alive") throw lockedBy(directory, holder.pid)
        if (holder.type === "dead") await takeOver(directory, own, path)
      }
      throw new DataDirError("dataDirLocked", `Too many processes want ${directory} at once: try again`)
    } catch (error) {
      server.close()
      throw error
    } finally {
      remove(own)
    }
  }

  /**
   * Last of all: from here on another process may begin. Rejects when the name could not be removed: the listening ends
   * all the same, and a name that nobody listens at is taken over.
   */
  release(): Promise<void> {
    return releaseAll([
      async () => {
        if (inodeOf(this.#path) === this.#inode) await this.#calls.unlink(this.#path)
      },
      () => new Promise<void>((resolve) => this.#server.close(() => resolve())),
    ])
  }
}

type Holder =
  | { readonly type: "alive"; readonly pid: number | null }
  /** The socket is there, and nobody listens. */
  | { readonly type: "dead" }
  | { readonly type: "gone" }

function lockedBy(directory: string, pid: number | null): DataDirError {
  const who = pid === null ? "another process, which does not answer," : `process ${pid}`
  return new DataDirError("dataDirLocked", `Cannot use ${directory}: ${who} is running on it`)
}

/** Removes a lock whose process is dead, unless somebody else is at it. */
async function takeOver(directory: string, own: string, path: string): Promise<void> {
  const guard = join(directory, "lock.takeover")
  if (!claim(own, guard)) {
    const inode = inodeOf(guard)
    const holder = await ask(directory, guard)
    // It died between two system calls. Moved aside first: what is moved is looked at before it is removed.
    if (holder.type === "dead" && inode !== null) removeExactly(guard, inode, own)
    return
  }
  try {
    const holder = await ask(directory, path)
    if (holder.type === "dead") remove(path)
  } finally {
    remove(guard)
  }
}

function removeExactly(path: string, inode: number, own: string): void {
  const aside = `${own}.aside`
  try {
    renameSync(path, aside)
  } catch (error) {
    if (codeOf(error) === "ENOENT") return
    throw error
  }
  if (inodeOf(aside) !== inode) claim(aside, path)
  remove(aside)
}

/** False when there is something of that name. */
function claim(own: string, path: string): boolean {
  try {
    linkSync(own, path)
    return true
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false
    throw new DataDirError("dataDirUnusable", `Cannot lock the data directory: ${messageOf(error)}`)
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error
  }
}

function inodeOf(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? null
}

function listen(directory: string, path: string): Promise<Server> {
  // What an earlier process of this number left.
  remove(path)
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy())
    socket.end(`${process.pid}\n`)
  })
  // The lock alone keeps no process alive.
  server.unref()
  return named(
    directory,
    path,
    (name) =>
      new Promise((resolve, reject) => {
        server.once("error", (error) => {
          reject(new DataDirError("dataDirUnusable", `Cannot lock ${directory}: ${error.message}`))
        })
        server.listen({ path: name }, () => resolve(server))
      }),
  )
}

function ask(directory: string, path: string): Promise<Holder> {
  return named(
    directory,
    path,
    (name) =>
      new Promise((resolve) => {
        let text = ""
        const socket = connect({ path: name })
        const answer = (holder: Holder): void => {
          clearTimeout(timer)
          socket.destroy()
          resolve(holder)
        }
        const timer = setTimeout(() => answer({ type: "alive", pid: null }), ANSWER_MS)
        socket.setEncoding("latin1")
        socket.on("data", (part) => {
          text = (text + part).slice(0, 16)
        })
        socket.on("end", () => answer({ type: "alive", pid: Number.parseInt(text, 10) || null }))
        socket.on("error", (error) => {
          const code = codeOf(error)
          // Whoever closes while we ask has it still; what refuses, or is no socket, is nobody's.
          if (code === "ENOENT") answer({ type: "gone" })
          else
            answer(
              code === "ECONNREFUSED" || code === "ENOTSOCK"
                ? { type: "dead" }
                : { type: "alive", pid: null },
            )
        })
      }),
  )
}

/** A socket's name is short: one that is too long goes by way of an open directory, where the system has such a way. */
async function named<Result>(
  directory: string,
  path: string,
  use: (name: string) => Promise<Result>,
): Promise<Result> {
  if (Buffer.byteLength(path) <= NAME_BYTES_MAX) return use(path)
  if (process.platform !== "linux")
    throw new DataDirError("dataDirUnusable", `The path of ${directory} is too long for a socket in it`)
  const open = openSync(directory, "r")
  try {
    return await use(join(`/proc/self/fd/${open}`, path.slice(directory.length)))
  } finally {
    closeSync(open)
  }
}
