import { parentPort } from "node:worker_threads"
import type { VolumeId } from "#kernel"
import { messageOf } from "../thrown.ts"
import { openForWriting, type WriterDatabase } from "./environment.ts"
import { codeOf } from "./errors.ts"
import { CHECKSUM_BYTES, checksumOf, META_KEY, putChecksum } from "./row.ts"
import type { Failure, KeySpan, WorkerAnswer, WorkerOrder } from "./worker-message.ts"

// The thread that writes bases: it may wait for the disk. One transaction a checkpoint, whole or not at all.

type Open = { readonly database: WriterDatabase; rows: Uint8Array[] }

const bases = new Map<VolumeId, Open>()
const port = parentPort

function answer(message: WorkerAnswer): void {
  port?.postMessage(message)
}

port?.on("message", (order: WorkerOrder) => {
  switch (order.type) {
    case "open":
      answer({
        type: "opened",
        volume: order.volume,
        failure: attempt(() => {
          bases.set(order.volume, { database: openForWriting(order.path), rows: [] })
        }),
      })
      break
    case "rows":
      bases.get(order.volume)?.rows.push(order.bytes)
      break
    case "commit":
      committed(order.volume, order.cleared, order.meta)
      break
    case "close":
      void close()
      break
  }
})

async function close(): Promise<void> {
  for (const { database } of bases.values()) await database.close()
  bases.clear()
  answer({ type: "closed" })
  port?.close()
}

function committed(volume: VolumeId, cleared: readonly KeySpan[], meta: Uint8Array): void {
  const base = bases.get(volume)
  const rows = base?.rows ?? []
  if (base !== undefined) base.rows = []
  const failure = attempt(() => {
    if (base === undefined) throw new Error(`The base of volume ${volume} is not open`)
    commit(base.database, rows, cleared, meta)
  })
  const buffers = rows.map(({ buffer }) => buffer as ArrayBuffer)
  const spent = buffers.map((buffer) => new Uint8Array(buffer))
  const message: WorkerAnswer = { type: "committed", volume, failure, spent }
  port?.postMessage(message, buffers)
}

function commit(
  database: WriterDatabase,
  rows: readonly Uint8Array[],
  cleared: readonly KeySpan[],
  meta: Uint8Array,
): void {
  database.transactionSync(() => {
    for (const span of cleared) removeAll(database, span)
    for (const bytes of rows) putRows(database, bytes)
    const key = Buffer.from(META_KEY, "latin1")
    const row = new Uint8Array(key.length + CHECKSUM_BYTES + meta.length)
    row.set(key)
    row.set(meta, key.length + CHECKSUM_BYTES)
    database.putSync(key, seal(row, 0, key.length, key.length, row.length))
  })
}

/** What lies in a span that was cleared, whether it can be read or not. */
function removeAll(database: WriterDatabase, span: KeySpan): void {
  const keys = [...database.getKeys({ start: span.from, end: span.to })]
  for (const key of keys) database.removeSync(key)
}

function putRows(database: WriterDatabase, bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at < bytes.length;) {
    const isPut = bytes[at] === 1
    const keyStart = at + 3
    const keyEnd = keyStart + view.getUint16(at + 1)
    const key = bytes.subarray(keyStart, keyEnd)
    at = keyEnd
    if (!isPut) {
      database.removeSync(key)
      continue
    }
    const start = keyEnd + 4
    const end = start + view.getUint32(keyEnd)
    database.putSync(key, seal(bytes, keyStart, keyEnd, start, end))
    at = end
  }
}

/** Puts the checksum into the room before the value, and gives both. */
function seal(bytes: Uint8Array, keyStart: number, keyEnd: number, start: number, end: number): Uint8Array {
  putChecksum(bytes, start, checksumOf(bytes, keyStart, keyEnd, start + CHECKSUM_BYTES, end))
  return bytes.subarray(start, end)
}

function attempt(deed: () => void): Failure | null {
  try {
    deed()
    return null
  } catch (error) {
    return { code: codeOf(error), message: messageOf(error) }
  }
}
