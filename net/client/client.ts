import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import {
  contains,
  invariant,
  plainRequest,
  SCAN_ROWS_MAX,
  type AdminReply,
  type AdminRequest,
  type KvOp,
  type KvReply,
  type KvRequest,
  type KvResult,
  type StoreId,
  type TenantId,
} from "#kernel"
import { accessCodeOf, type AccessCode } from "../api/access.ts"
import { readClientConfig } from "../cluster/config-file.ts"
import {
  decodeAdminReply,
  decodeLocations,
  decodeStatus,
  encodeAdminRequest,
  encodeLocateRequest,
} from "../api/control-codec.ts"
import { METADATA, PATHS } from "../api/names.ts"
import type { TlsFiles } from "../api/tls.ts"
import { Metadata, status as Status } from "@grpc/grpc-js"
import { OrreryError } from "./errors.ts"
import { Operation, type Outcome, type Shared } from "./operation.ts"
import { Router, type Route } from "./router.ts"
import { StoreSession } from "./store-session.ts"
import { bytesOf, latin1Of, type Bytes } from "./bytes.ts"
import { Tokens } from "./tokens.ts"

export type ClientStore = { readonly store: number; readonly host: string; readonly clientPort: number }

export type ConnectOptions = (
  | {
      /** The `client` directory of a cluster, as `orrery init` made it. */
      readonly config: string
    }
  | { readonly stores: readonly ClientStore[]; readonly tls: TlsFiles }
) & {
  /** 0 unless given. */
  readonly tenant?: TenantId
  /** How long an operation is tried, unless it says otherwise. 10,000 ms unless given. */
  readonly timeoutMs?: number
}

export type CallOptions = {
  readonly timeoutMs?: number
}

export type ReadOptions = CallOptions & {
  /** `timeline` may be some seconds old and never goes back; `eventual` is whatever the nearest replica has. */
  readonly read?: KvRequest["read"]
}

export type WriteOptions = CallOptions & {
  /** False: no token. It is sent once, and when its answer is lost nobody knows what became of it. */
  readonly exactlyOnce?: boolean
}

export type ScanOptions = ReadOptions & {
  readonly start?: Bytes
  /** Not part of the scan; absent is the end of the keys. */
  readonly end?: Bytes
  readonly limit?: number
  readonly reverse?: boolean
}

export type Row = { readonly key: Buffer; readonly value: Buffer }

/** One step of a batch; all of them lie in one range, are atomic and run in order. */
export type BatchOp =
  | { readonly type: "get"; readonly key: Bytes }
  | { readonly type: "put"; readonly key: Bytes; readonly value: Bytes }
  | { readonly type: "delete"; readonly key: Bytes }
  | { readonly type: "cas"; readonly key: Bytes; readonly expected: Bytes | null; readonly value: Bytes }
  | { readonly type: "increment"; readonly key: Bytes; readonly by: number }
  | { readonly type: "append"; readonly key: Bytes; readonly value: Bytes }

/** What a step gave: bytes or null for `get`, whether it wrote for `cas`, the new count for `increment`. */
export type BatchResult = Buffer | boolean | number | null

const TIMEOUT_MS = 10_000
const LOCATE_MS = 2_000
const SCAN_LIMIT = 1_000

/**
 * Finds the stores of a cluster when they are first needed: it does not wait for any, and does not fail without. Throws
 * `ClusterError` for a `client.json` that is none, and Node's own error for files beside it that cannot be read.
 */
export function connect(options: ConnectOptions): Client {
  const { stores, tls } = "config" in options ? readConfig(options.config) : options
  return new Client(stores, tls, options.tenant ?? 0, options.timeoutMs ?? TIMEOUT_MS)
}

function readConfig(directory: string): { readonly stores: readonly ClientStore[]; readonly tls: TlsFiles } {
  const read = (name: string): Buffer => readFileSync(join(directory, name))
  const { stores } = readClientConfig(directory)
  return { stores, tls: { ca: read("ca.pem"), cert: read("client.pem"), key: read("client.key") } }
}

/** A client of a cluster: many operations in flight over one session a store. Made by `connect`. */
export class Client implements Shared {
  readonly router: Router
  readonly tokens: Tokens
  readonly tenant: TenantId
  isClosed = false
  /** Why every store that was asked where a range is turned this client away; null when one did not. */
  refusal: AccessCode | null = null
  readonly #addresses: ReadonlyMap<StoreId, ClientStore>
  readonly #tls: TlsFiles
  readonly #timeoutMs: number
  readonly #metadata = new Metadata()
  readonly #sessions = new Map<StoreId, StoreSession>()
  #locating: (() => void)[] = []
  #timing: (() => void)[] = []
  #turn: number

  constructor(stores: readonly ClientStore[], tls: TlsFiles, tenant: TenantId, timeoutMs: number) {
    invariant(stores.length > 0, "Cannot connect: no stores were named")
    const chance = randomBytes(8)
    this.tokens = new Tokens((chance.readUInt32LE(0) & 0x1f_ffff) * 0x1_0000_0000 + chance.readUInt32LE(4))
    this.#turn = chance[3]!
    this.router = new Router(this.#turn)
    this.tenant = tenant
    this.#addresses = new Map(stores.map((one) => [one.store, one]))
    this.#tls = tls
    this.#timeoutMs = timeoutMs
    this.#metadata.set(METADATA.tenant, String(tenant))
  }

  async get(key: Bytes, options: ReadOptions = {}): Promise<Buffer | null> {
    const { results } = await this.#run([{ type: "get", key: latin1Of(key) }], options)
    return valueOf(results[0]!) as Buffer | null
  }

  async put(key: Bytes, value: Bytes, options: WriteOptions = {}): Promise<void> {
    await this.#run([{ type: "put", key: latin1Of(key), value: latin1Of(value) }], options)
  }

  async delete(key: Bytes, options: WriteOptions = {}): Promise<void> {
    await this.#run([{ type: "delete", key: latin1Of(key) }], options)
  }

  /** Writes `value` if the current one is `expected`, null being "absent"; gives whether it did. */
  async cas(key: Bytes, expected: Bytes | null, value: Bytes, options: WriteOptions = {}): Promise<boolean> {
    const op = toOp({ type: "cas", key, expected, value })
    const { results } = await this.#run([op], options)
    return valueOf(results[0]!) as boolean
  }

  /** Adds to a safe integer kept as decimal text, absent being 0; gives the sum. */
  async increment(key: Bytes, by = 1, options: WriteOptions = {}): Promise<number> {
    const { results } = await this.#run([{ type: "increment", key: latin1Of(key), by }], options)
    return valueOf(results[0]!) as number
  }

  /** Appends to the current bytes, absent being none. */
  async append(key: Bytes, value: Bytes, options: WriteOptions = {}): Promise<void> {
    await this.#run([{ type: "append", key: latin1Of(key), value: latin1Of(value) }], options)
  }

  /** All or nothing, in order. The keys must lie in one range. */
  async batch(ops: readonly BatchOp[], options: WriteOptions & ReadOptions = {}): Promise<BatchResult[]> {
    if (ops.length === 0) return []
    const { results } = await this.#run(ops.map(toOp), options)
    return results.map(valueOf)
  }

  /**
   * Rows in the order of their keys' bytes. Ranges are read one after the other: a scan over several of them is no
   * snapshot. `more` says that the limit cut it short.
   */
  async scan(options: ScanOptions = {}): Promise<{ readonly rows: Row[]; readonly more: boolean }> {
    const { reverse = false, limit = SCAN_LIMIT } = options
    let start = latin1Of(options.start ?? "")
    let end = latin1Of(options.end ?? "")
    const rows: Row[] = []
    if (end !== "" && end <= start) return { rows, more: false }
    while (rows.length < limit) {
      const left = Math.min(limit - rows.length, SCAN_ROWS_MAX)
      const { results, range } = await this.#run(
        [{ type: "scan", start, end, limit: left, reverse }],
        options,
      )
      const result = results[0]!
      invariant(result.type === "rows", "A scan is answered with rows")
      for (const [key, value] of result.rows) rows.push({ key: bytesOf(key), value: bytesOf(value) })
      const lastRow = result.rows.at(-1)
      if (result.more && lastRow !== undefined) {
        if (reverse) end = lastRow[0]
        else start = `${lastRow[0]}\0`
      } else if (reverse) {
        if (range.start <= start) return { rows, more: false }
        end = range.start
      } else {
        if (range.end === "" || (end !== "" && end <= range.end)) return { rows, more: false }
        start = range.end
      }
    }
    return { rows, more: true }
  }

  /** The session with one store, for callers that route and retry for themselves. */
  session(store: StoreId): StoreSession {
    const known = this.#sessions.get(store)
    if (known !== undefined) return known
    const address = this.#addresses.get(store)
    // A store that joined since: it is not in the list this client was given.
    if (address === undefined) return this.session(this.#nextStore())
    const session = new StoreSession(address, this.#tls, this.tenant)
    this.#sessions.set(store, session)
    return session
  }

  isDown(store: StoreId): boolean {
    if (!this.#addresses.has(store)) return true
    return this.#sessions.get(store)?.isDown ?? false
  }

  /** What a store says of itself. Rejects with an `OrreryError` when it cannot be reached. */
  async status(store: StoreId, { timeoutMs = this.#timeoutMs }: CallOptions = {}): Promise<unknown> {
    const json = decodeStatus(await this.#call(store, PATHS.status, Buffer.alloc(0), timeoutMs))
    if (json === null) throw new OrreryError("unavailable", null, 0)
    return JSON.parse(json)
  }

  /** An order to the store that leads the group; it is not repeated, and not sent on to another. */
  async admin(store: StoreId, order: Omit<AdminRequest, "id">): Promise<AdminReply> {
    const reply = decodeAdminReply(
      await this.#call(store, PATHS.admin, encodeAdminRequest({ id: 0, ...order }), this.#timeoutMs),
    )
    if (reply === null) throw new OrreryError("outcomeUnknown", null, 0)
    return reply
  }

  #call(store: StoreId, path: string, message: Buffer, timeoutMs: number): Promise<Buffer> {
    const { channel } = this.session(store)
    const options = { deadline: Date.now() + timeoutMs }
    return new Promise((resolve, reject) => {
      channel.makeUnaryRequest<Buffer, Buffer>(
        path,
        bytes,
        bytes,
        message,
        this.#metadata,
        options,
        (error, reply) => {
          if (reply !== undefined) resolve(reply)
          else if (accessCodeOf(error) !== null) reject(new OrreryError(accessCodeOf(error)!, null, 0))
          else if (error?.code === Status.INVALID_ARGUMENT)
            reject(new OrreryError("badRequest", { code: "badRequest", reason: error.details }, 0))
          else reject(new OrreryError("unavailable", null, 0, error?.details))
        },
      )
    })
  }

  /** Ends every operation under way with `closed`, or `outcomeUnknown` where a write was sent. */
  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    for (const session of this.#sessions.values()) session.close()
    this.#sessions.clear()
  }

  /** One question at a time: those who ask meanwhile share its answer. */
  locate(key: string, then: () => void): void {
    this.#locating.push(then)
    if (this.#locating.length > 1) return
    let left = this.#addresses.size
    let refusal: AccessCode | null = null
    let wasHeard = false
    const done = (): void => {
      this.refusal = wasHeard ? null : refusal
      const waiting = this.#locating
      this.#locating = []
      for (const one of waiting) one()
    }
    const ask = (): void => {
      if (left-- === 0 || this.isClosed) {
        done()
        return
      }
      this.session(this.#nextStore()).channel.makeUnaryRequest<Buffer, Buffer>(
        PATHS.locate,
        bytes,
        bytes,
        encodeLocateRequest({ start: key, limit: 0 }),
        this.#metadata,
        { deadline: Date.now() + LOCATE_MS },
        (error, message) => {
          refusal ??= accessCodeOf(error)
          const locations = message === undefined ? null : decodeLocations(message)
          wasHeard ||= locations !== null
          for (const location of locations ?? []) this.router.learn(location)
          // A store that has just started, or one that holds no replica of it, knows nothing.
          if (locations === null || !locations.some(({ range }) => contains(range, key))) ask()
          else done()
        },
      )
    }
    ask()
  }

  /** A request without operations, for its timestamp alone: any replica may answer it. */
  askTime(route: Route, then: () => void): void {
    this.#timing.push(then)
    if (this.#timing.length > 1) return
    const done = (): void => {
      const waiting = this.#timing
      this.#timing = []
      for (const one of waiting) one()
    }
    const request = plainRequest(route.descriptor, [], {
      tenant: this.tenant,
      deadlineUs: LOCATE_MS * 1_000,
      read: "eventual",
    })
    let left = 2 * route.stores.length
    const ask = (): void => {
      if (left-- === 0 || this.isClosed) {
        done()
        return
      }
      const store = this.router.storeFor({ ...route, leader: 0 }, (one) => this.isDown(one))
      const answered = (reply: KvReply): void => {
        if (reply.type === "error") {
          ask()
          return
        }
        this.tokens.heard(reply.commitTs, performance.now())
        done()
      }
      this.session(store).send(request, { answered, lost: ask }, LOCATE_MS)
    }
    ask()
  }

  #nextStore(): StoreId {
    const stores = [...this.#addresses.keys()]
    return stores[this.#turn++ % stores.length]!
  }

  #run(ops: readonly KvOp[], options: WriteOptions & ReadOptions): Promise<Outcome> {
    const isWriting = ops.some(({ type }) => type !== "get" && type !== "scan")
    const what = {
      ops,
      read: options.read ?? "strong",
      readTs: 0,
      isWriting,
      exactlyOnce: options.exactlyOnce ?? true,
      timeoutMs: options.timeoutMs ?? this.#timeoutMs,
    }
    return new Promise((resolve, reject) => {
      new Operation(this, what, resolve, reject).attempt()
    })
  }
}

const bytes = (message: Buffer): Buffer => message

function toOp(op: BatchOp): KvOp {
  const key = latin1Of(op.key)
  switch (op.type) {
    case "get":
    case "delete":
      return { type: op.type, key }
    case "put":
    case "append":
      return { type: op.type, key, value: latin1Of(op.value) }
    case "cas": {
      const expected = op.expected === null ? null : latin1Of(op.expected)
      return { type: "cas", key, expected, value: latin1Of(op.value) }
    }
    case "increment":
      return { type: "increment", key, by: op.by }
  }
}

function valueOf(result: KvResult): BatchResult {
  switch (result.type) {
    case "value":
      return result.value === null ? null : bytesOf(result.value)
    case "swapped":
      return result.swapped
    case "count":
      return result.value
    case "done":
    case "rows":
      return null
  }
}
