import {
  Metadata,
  Server,
  status as Status,
  type MethodDefinition,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerUnaryCall,
} from "@grpc/grpc-js"
import {
  REQUEST_BYTES_MAX,
  type AdminReply,
  type AdminRequest,
  type GroupStatus,
  type KvReply,
  type StoreId,
  type TenantId,
} from "#kernel"
import type { AnswerDoor, RequestDoor } from "../host/ports.ts"
import { callerOf, refusalOf } from "./access.ts"
import {
  decodeAdminRequest,
  decodeLocateRequest,
  encodeAdminReply,
  encodeLocations,
  encodeStatus,
  type LocateRequest,
  type Location,
} from "./control-codec.ts"
import { METADATA, PATHS } from "./names.ts"
import { IN_FLIGHT_MAX, Session, type SessionKeeper } from "./session.ts"
import { serverCredentials, type TlsFiles } from "./tls.ts"

/** A request and what protobuf adds to it. */
const MESSAGE_BYTES_MAX: number = REQUEST_BYTES_MAX + (512 << 10)
const SESSIONS_MAX = 4_096
const ADMIN_TIMEOUT_MS = 10_000
const LOCATIONS_MAX = 10_000

/** What a store tells of itself: the groups for `Locate`, the whole for `Status`. */
export interface StatusSource {
  groups(): readonly GroupStatus[]
  /** Anything that JSON can say. */
  status(): object
}

export type ClientApiOptions = {
  readonly cluster: string
  readonly store: StoreId
  /** Tenants with a volume here. */
  readonly tenants: readonly TenantId[]
  readonly host: string
  /** 0 in tests: any that is free. */
  readonly port: number
  readonly tls: TlsFiles
  readonly door: RequestDoor
  readonly source: StatusSource
}

/** How long clients may take to let go of their connections. */
const CLOSE_MS_MAX = 500

type Unary = (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => void

const bytes = (message: Buffer): Buffer => message

function method(path: string, isStream: boolean): MethodDefinition<Buffer, Buffer> {
  return {
    path,
    requestStream: isStream,
    responseStream: isStream,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  }
}

/** The service `orrery.v1.Orrery` of one store, over TLS 1.3 with a certificate of the cluster on both sides. */
export class ClientApi implements AnswerDoor, SessionKeeper {
  readonly #options: ClientApiOptions
  readonly #server: Server
  readonly #sessions = new Map<number, Session>()
  readonly #admins = new Map<number, (reply: AdminReply) => void>()
  #port = 0
  #dirty: Session[] = []
  /** Numbers of sessions and of orders, never used again. */
  #next = 1

  private constructor(options: ClientApiOptions) {
    this.#options = options
    this.#server = new Server({
      "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
      "grpc.max_send_message_length": -1,
      "grpc.keepalive_time_ms": 10_000,
      "grpc.keepalive_timeout_ms": 5_000,
    })
    const locate: Unary = (call, callback) => this.#locate(call, callback)
    const status: Unary = (call, callback) => this.#status(call, callback)
    const admin: Unary = (call, callback) => this.#admin(call, callback)
    this.#server.addService(
      {
        session: method(PATHS.session, true),
        locate: method(PATHS.locate, false),
        status: method(PATHS.status, false),
        admin: method(PATHS.admin, false),
      },
      { session: (call: ServerDuplexStream<Buffer, Buffer>) => this.#begin(call), locate, status, admin },
    )
  }

  /** Rejects when the address cannot be bound. */
  static async listen(options: ClientApiOptions): Promise<ClientApi> {
    const api = new ClientApi(options)
    const { host, port, tls } = options
    const address = `${host.includes(":") ? `[${host}]` : host}:${port}`
    api.#port = await new Promise<number>((resolve, reject) => {
      api.#server.bindAsync(address, serverCredentials(tls), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      )
    })
    return api
  }

  /** Where it listens. */
  get port(): number {
    return this.#port
  }

  /** Sessions that are open. */
  get sessions(): readonly Session[] {
    return [...this.#sessions.values()]
  }

  reply(session: number, reply: KvReply): void {
    this.#sessions.get(session)?.answer(reply)
  }

  adminReply(session: number, reply: AdminReply): void {
    this.#admins.get(session)?.(reply)
  }

  dirty(session: Session): void {
    if (session.isDirty) return
    session.isDirty = true
    // What is released in this turn of the loop, to whomever, leaves when the turn is over.
    if (this.#dirty.length === 0) process.nextTick(this.#flush)
    this.#dirty.push(session)
  }

  readonly #flush = (): void => {
    const dirty = this.#dirty
    this.#dirty = []
    for (const session of dirty) {
      session.isDirty = false
      session.flush()
    }
  }

  /** Ends every session after the answers it has; clients learn nothing of what was in flight. */
  async close(): Promise<void> {
    this.#flush()
    for (const session of this.#sessions.values()) session.end()
    this.#sessions.clear()
    const { promise: gone, resolve } = Promise.withResolvers<void>()
    const cut = (): void => {
      this.#server.forceShutdown()
      resolve()
    }
    const timer = setTimeout(cut, CLOSE_MS_MAX)
    this.#server.tryShutdown(() => resolve())
    await gone
    clearTimeout(timer)
  }

  #begin(call: ServerDuplexStream<Buffer, Buffer>): void {
    const caller = callerOf(call, this.#options.cluster, "client")
    if (typeof caller === "string") {
      call.emit("error", refusalOf(caller))
      return
    }
    const tenant = this.#tenantOf(call.metadata)
    if (tenant === null) {
      call.emit("error", { code: Status.PERMISSION_DENIED, details: "badRequest: no such tenant here" })
      return
    }
    if (this.#sessions.size >= SESSIONS_MAX) {
      call.emit("error", { code: Status.RESOURCE_EXHAUSTED, details: "overloaded: too many sessions" })
      return
    }
    const session = new Session(this.#next++, tenant, caller.name, call, this.#options.door, this)
    this.#sessions.set(session.number, session)
    const end = (): void => {
      session.end()
      this.#sessions.delete(session.number)
    }
    call.on("cancelled", end)
    call.on("error", end)
    call.on("close", end)
    const metadata = new Metadata()
    metadata.set(METADATA.cluster, this.#options.cluster)
    metadata.set(METADATA.store, String(this.#options.store))
    metadata.set(METADATA.inFlightMax, String(IN_FLIGHT_MAX))
    call.sendMetadata(metadata)
  }

  #tenantOf(metadata: Metadata): TenantId | null {
    const [text] = metadata.get(METADATA.tenant)
    const tenant = text === undefined ? 0 : Number(text)
    return this.#options.tenants.includes(tenant) ? tenant : null
  }

  #locate(call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>): void {
    const caller = callerOf(call, this.#options.cluster, "client")
    if (typeof caller === "string") {
      callback(refusalOf(caller))
      return
    }
    const request = decodeLocateRequest(call.request)
    const tenant = this.#tenantOf(call.metadata)
    if (request === null || tenant === null) {
      callback({ code: Status.INVALID_ARGUMENT, details: "badRequest: not a LocateRequest of a tenant here" })
      return
    }
    callback(null, encodeLocations(locationsOf(this.#options.source.groups(), tenant, request)))
  }

  #status(call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>): void {
    const caller = callerOf(call, this.#options.cluster, "client")
    if (typeof caller === "string") {
      callback(refusalOf(caller))
      return
    }
    callback(null, encodeStatus(JSON.stringify(this.#options.source.status())))
  }

  #admin(call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>): void {
    const caller = callerOf(call, this.#options.cluster, "operator")
    if (typeof caller === "string") {
      callback(refusalOf(caller))
      return
    }
    const request: AdminRequest | null = decodeAdminRequest(call.request)
    if (request === null) {
      callback({ code: Status.INVALID_ARGUMENT, details: "badRequest: not an AdminRequest of orrery.v1" })
      return
    }
    const session = this.#next++
    const answer = (reply: AdminReply): void => {
      clearTimeout(timer)
      this.#admins.delete(session)
      callback(null, encodeAdminReply(reply))
    }
    const timer = setTimeout(
      () => answer({ type: "error", id: 0, error: { code: "deadlineExceeded" } }),
      ADMIN_TIMEOUT_MS,
    )
    timer.unref()
    this.#admins.set(session, answer)
    this.#options.door.admin(session, request)
  }
}

/** By start key, from the range that holds the start of the request on. */
function locationsOf(
  groups: readonly GroupStatus[],
  tenant: TenantId,
  { start, limit }: LocateRequest,
): readonly Location[] {
  const most = limit === 0 ? LOCATIONS_MAX : Math.min(limit, LOCATIONS_MAX)
  return groups
    .filter(({ descriptor: { tenant: its, end } }) => its === tenant && (end === "" || end > start))
    .toSorted((a, b) => (a.descriptor.start < b.descriptor.start ? -1 : 1))
    .slice(0, most)
    .map(({ descriptor, configuration, leader }) => {
      const { voters, outgoing, learners } = configuration
      const members = [...voters, ...outgoing, ...learners]
      return {
        range: descriptor,
        stores: [...new Set([...voters, ...outgoing].map(({ store }) => store))],
        leader: members.find(({ replica }) => replica === leader)?.store ?? 0,
      }
    })
}
