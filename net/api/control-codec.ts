import type { AdminReply, AdminRequest, KernelError, RangeDescriptor, StoreId } from "#kernel"
import { readDescriptor, readError, writeDescriptor, writeError } from "./answer-codec.ts"
import { BYTES, VARINT, WireReader, WireWriter } from "./wire.ts"

// Messages of the calls beside a session; each function reads or writes a whole one. Reading gives null for what is none.

const tag = (field: number, type: number): number => field * 8 + type

/** Where a range is, as one store knows it. `leader` is 0 when it does not. */
export type Location = {
  readonly range: RangeDescriptor
  readonly stores: readonly StoreId[]
  readonly leader: StoreId
}

export type LocateRequest = { readonly start: string; readonly limit: number }

export function encodeLocateRequest({ start, limit }: LocateRequest): Buffer {
  const writer = new WireWriter(64)
  writer.uint(tag(2, VARINT), limit)
  writer.latin1(tag(1, BYTES), start)
  return writer.finish()
}

export function decodeLocateRequest(message: Buffer): LocateRequest | null {
  const reader = new WireReader(message)
  let start = ""
  let limit = 0
  for (let field = reader.tag(); field !== 0; field = reader.tag()) {
    if (field === tag(1, BYTES)) start = reader.latin1()
    else if (field === tag(2, VARINT)) limit = reader.uint()
    else reader.skip(field)
  }
  return reader.failed ? null : { start, limit }
}

export function encodeLocations(locations: readonly Location[]): Buffer {
  const writer = new WireWriter()
  for (const { range, stores, leader } of locations.toReversed()) {
    const before = writer.length
    writer.uint(tag(3, VARINT), leader)
    for (const store of stores.toReversed()) writer.uintAlways(tag(2, VARINT), store)
    writeDescriptor(tag(1, BYTES), range, writer)
    writer.nest(tag(1, BYTES), before)
  }
  return writer.finish()
}

export function decodeLocations(message: Buffer): readonly Location[] | null {
  const reader = new WireReader(message)
  const locations: Location[] = []
  for (let field = reader.tag(); field !== 0; field = reader.tag()) {
    if (field !== tag(1, BYTES)) {
      reader.skip(field)
      continue
    }
    const location = readLocation(reader)
    if (location === null) return null
    locations.push(location)
  }
  return reader.failed ? null : locations
}

function readLocation(reader: WireReader): Location | null {
  const outer = reader.enter()
  let range: RangeDescriptor | null = null
  const stores: StoreId[] = []
  let leader = 0
  for (let field = reader.tag(); field !== 0; field = reader.tag()) {
    if (field === tag(1, BYTES)) range = readDescriptor(reader)
    else if (field === tag(2, VARINT)) stores.push(reader.uint())
    else if (field === tag(2, BYTES)) {
      // Packed, as other writers have it.
      const inner = reader.enter()
      while (reader.hasMore) stores.push(reader.uint())
      reader.leave(inner)
    } else if (field === tag(3, VARINT)) leader = reader.uint()
    else reader.skip(field)
  }
  reader.leave(outer)
  return range === null || reader.failed ? null : { range, stores, leader }
}

export function encodeStatus(json: string): Buffer {
  const writer = new WireWriter()
  writer.text(tag(1, BYTES), json)
  return writer.finish()
}

export function decodeStatus(message: Buffer): string | null {
  const reader = new WireReader(message)
  let json = ""
  for (let field = reader.tag(); field !== 0; field = reader.tag()) {
    if (field === tag(1, BYTES)) json = reader.text()
    else reader.skip(field)
  }
  return reader.failed ? null : json
}

const ACTIONS = [null, "addVoter", "addLearner", "removeReplica", "transferLeader"] as const

export function encodeAdminRequest({ group, action }: AdminRequest): Buffer {
  const writer = new WireWriter(64)
  if ("incarnation" in action) writer.uint(tag(4, VARINT), action.incarnation)
  writer.uint(tag(3, VARINT), action.store)
  writer.uint(tag(2, VARINT), ACTIONS.indexOf(action.type))
  writer.uint(tag(1, VARINT), group)
  return writer.finish()
}

/** With id 0: the call is answered, not a number. */
export function decodeAdminRequest(message: Buffer): AdminRequest | null {
  const reader = new WireReader(message)
  let group = 0
  let type = 0
  let store = 0
  let incarnation = 0
  for (let field = reader.tag(); field !== 0; field = reader.tag()) {
    if (field === tag(1, VARINT)) group = reader.uint()
    else if (field === tag(2, VARINT)) type = reader.uint()
    else if (field === tag(3, VARINT)) store = reader.uint()
    else if (field === tag(4, VARINT)) incarnation = reader.uint()
    else reader.skip(field)
  }
  const action = ACTIONS[type] ?? null
  if (reader.failed || action === null || group === 0 || store === 0) return null
  if (action === "addVoter" || action === "addLearner")
    return { id: 0, group, action: { type: action, store, incarnation } }
  return { id: 0, group, action: { type: action, store } }
}

export function encodeAdminReply(reply: AdminReply): Buffer {
  const writer = new WireWriter(256)
  if (reply.type === "error") writeError(tag(1, BYTES), reply.error, writer)
  return writer.finish()
}

export function decodeAdminReply(message: Buffer): AdminReply | null {
  const reader = new WireReader(message)
  let error: KernelError | null = null
  for (let field = reader.tag(); field !== 0; field = reader.tag()) {
    if (field === tag(1, BYTES)) error = readError(reader)
    else reader.skip(field)
  }
  if (reader.failed) return null
  return error === null ? { type: "accepted", id: 0 } : { type: "error", id: 0, error }
}
