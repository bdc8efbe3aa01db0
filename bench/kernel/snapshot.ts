/**
 * How fast does a snapshot pass on one core? `node bench/kernel/snapshot.ts [--json]`. CPU time of this thread, the
 * best of five rounds; bytes are those of the chunks' rows. Each stage alone, then all of them: rows of a view
 * to chunks, chunks to the bytes of messages and back, into the staging space, the switch.
 */
import { MemoryBase } from "#kernel/engine/memory-base.ts"
import { OverlayEngine } from "#kernel/engine/overlay.ts"
import { ByteReader, ByteWriter } from "#kernel/lib/bytes.ts"
import { writeVersion } from "#kernel/mvcc/store.ts"
import { readMessage, writeMessage, type SnapshotChunk } from "#kernel/raft/message.ts"
import { makeEntry } from "#kernel/raft/types.ts"
import { StateMachine } from "#kernel/range/state-machine.ts"
import type { Chunk } from "#kernel/snapshot/chunk.ts"
import { SnapshotReceiver } from "#kernel/snapshot/receiver.ts"
import type { SnapshotSource } from "#kernel/snapshot/source.ts"
import { benchOptions } from "../support/report.ts"

benchOptions(import.meta.filename, {})
const ROWS = 200_000
const ROUNDS = 5
const CHUNK_BYTES = 256 << 10
const descriptor = { rangeId: 1, groupId: 1, tenant: 0, start: "", end: "", generation: 1 }
const configuration = { voters: [], outgoing: [], learners: [], promoting: [], nextReplica: 1 }
const lines: { readonly name: string; readonly mbPerSecond: number }[] = []
/** Results go here, so that nothing measured can be left out as unused. */
const kept: unknown[] = []

const engine = new OverlayEngine(MemoryBase.empty())
const machine = StateMachine.create(engine, descriptor, 1)
machine.apply(makeEntry(1, 1, { type: "bootstrap", bootstrap: { descriptor, configuration } }))
const value = "v".repeat(100)
for (let index = 2, at = 0; at < ROWS; index++) {
  const writes = []
  for (const end = at + 1_000; at < end; at++) {
    // A full-period walk: every key once, far apart.
    const key = `user${String((at * 7_919) % ROWS).padStart(8, "0")}`
    writes.push(writeVersion(0, key, 1 + index, value))
  }
  const batch = { generation: 1, leaseSequence: 0, closedTs: 0, minVersion: 1, writes }
  machine.apply(makeEntry(index, 1, { type: "batch", batch }))
}

function chunksOf(source: SnapshotSource): readonly Chunk[] {
  const chunks: Chunk[] = []
  for (let chunk = source.chunk(0); chunk !== null; chunk = source.chunk(chunks.length)) chunks.push(chunk)
  return chunks
}

const source = machine.pin(CHUNK_BYTES)
const { head } = source
const chunks = chunksOf(source)
const bytes = chunks.reduce((sum, { data }) => sum + data.length, 0)

function measure(name: string, prepare: () => unknown, run: (prepared: never) => unknown): void {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) {
    const prepared = prepare() as never
    const before = process.threadCpuUsage()
    kept[0] = run(prepared)
    const used = process.threadCpuUsage(before)
    best = Math.min(best, used.user + used.system)
  }
  lines.push({ name, mbPerSecond: Math.round(bytes / best) })
}

function messageOf(chunk: Chunk): SnapshotChunk {
  return { type: "snapshotChunk", group: 1, from: 1, to: 2, term: 1, id: head.id, chunk }
}

function cross(chunk: Chunk): Chunk {
  const writer = new ByteWriter(chunk.data.length + 64)
  writeMessage(messageOf(chunk), writer, true)
  const message = readMessage(new ByteReader(writer.take()))
  return (message as SnapshotChunk).chunk
}

type Side = { readonly machine: StateMachine; readonly receiver: SnapshotReceiver }

function receiving(): Side {
  const over = new OverlayEngine(MemoryBase.empty())
  const receiver = new SnapshotReceiver(over, 1, 2)
  receiver.begin(head, 1, 0, () => {})
  return { machine: StateMachine.create(over, descriptor, 2), receiver }
}

function stage({ receiver }: Side, list: readonly Chunk[]): string {
  let taken = "gap"
  for (const chunk of list) taken = receiver.take(head.id, chunk, 0, () => {})
  return taken
}

function switchOver({ machine: into, receiver }: Side): void {
  into.installSnapshot(head, receiver.rows!)
  receiver.installed()
}

measure(
  "rows to chunks",
  () => machine.pin(CHUNK_BYTES),
  (fresh: SnapshotSource) => chunksOf(fresh),
)
measure(
  "chunks to messages' bytes and back",
  () => null,
  () => chunks.map((chunk) => cross(chunk)),
)
measure("chunks to the staging space", receiving, (side: Side) => stage(side, chunks))
measure(
  "the switch",
  () => {
    const side = receiving()
    stage(side, chunks)
    return side
  },
  switchOver,
)
measure("all of it", receiving, (side: Side) => {
  const fresh = machine.pin(CHUNK_BYTES)
  for (let chunk = fresh.chunk(0), next = 1; chunk !== null; chunk = fresh.chunk(next++))
    stage(side, [cross(chunk)])
  switchOver(side)
  if (side.machine.hashLow !== machine.hashLow) throw new Error("The snapshot came to another state")
})

if (process.argv.includes("--json"))
  console.log(JSON.stringify({ bench: "kernel/snapshot", rows: ROWS, bytes, chunks: chunks.length, lines }))
else {
  console.log(`${ROWS} rows, ${(bytes / 1e6).toFixed(1)} MB in ${chunks.length} chunks; MB/s of one core`)
  console.table(Object.fromEntries(lines.map(({ name, mbPerSecond }) => [name, { mbPerSecond }])))
}
