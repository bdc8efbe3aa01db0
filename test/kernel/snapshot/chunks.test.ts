import fc from "fast-check"
import { assert, test } from "vitest"
import { SPACE_STAGING, SPACE_VERSIONS, type Space } from "#kernel/engine/engine.ts"
import { MemoryBase } from "#kernel/engine/memory-base.ts"
import { OverlayEngine } from "#kernel/engine/overlay.ts"
import { ByteReader, ByteWriter } from "#kernel/lib/bytes.ts"
import { KV_TABLE, userKeyPrefix } from "#kernel/mvcc/key.ts"
import { StateHash } from "#kernel/range/state-hash.ts"
import { BEFORE_FIRST, isWhole, makeChunk, readRows, type Chunk, type Row } from "#kernel/snapshot/chunk.ts"
import { ROW_SPACES, spanOf, type SnapshotHead, type SnapshotId } from "#kernel/snapshot/head.ts"
import { SnapshotReceiver } from "#kernel/snapshot/receiver.ts"
import { SnapshotSource } from "#kernel/snapshot/source.ts"
import { readStaged, stagedRows, stageRow, sweepStaging } from "#kernel/snapshot/staging.ts"
import { DiskBase } from "#sim/env/disk-base.ts"
import { bytesOf } from "../../support/kernel-arbitraries.ts"
import { configurationOf, DESCRIPTOR } from "../../support/raft-group.ts"

const row: fc.Arbitrary<Row> = fc.record({
  space: fc.constantFrom<Space>(...ROW_SPACES),
  key: fc.stringMatching(/^[a-f]{1,3}$/).map((key) => userKeyPrefix(0, KV_TABLE, key)),
  value: fc.string({ maxLength: 12, unit: "binary-ascii" }),
})
const rowsOf = (minLength: number): fc.Arbitrary<readonly Row[]> =>
  fc.uniqueArray(row, { selector: ({ space, key }) => `${space}${key}`, minLength, maxLength: 20 })

function engineOf(rows: readonly Row[]): OverlayEngine {
  const engine = new OverlayEngine(MemoryBase.empty())
  engine.apply(rows.map((each) => ({ ...each, type: "put" as const })))
  return engine
}

function headOf(rows: readonly Row[], chunkBytes: number, index = 9): SnapshotHead {
  const hash = new StateHash()
  for (const { space, key, value } of rows) hash.add(space, key, value)
  return {
    id: { index, term: 2, hashHigh: hash.high, hashLow: hash.low, chunkBytes },
    lowWater: 5,
    horizon: 4,
    leaseSequence: 0,
    descriptor: DESCRIPTOR,
    configuration: configurationOf([1, 2, 3]),
    configurationIndex: 1,
  }
}

function sourceOf(rows: readonly Row[], chunkBytes: number, index = 9): SnapshotSource {
  return new SnapshotSource(headOf(rows, chunkBytes, index), engineOf(rows).snapshot())
}

function chunksOf(source: SnapshotSource): readonly Chunk[] {
  const chunks: Chunk[] = []
  for (let chunk = source.chunk(0); chunk !== null; chunk = source.chunk(chunks.length)) chunks.push(chunk)
  return chunks
}

const ignore = (): void => {}

function receiverOver(engine: OverlayEngine, replica = 3): SnapshotReceiver {
  return new SnapshotReceiver(engine, 1, replica)
}

function stagedKey(row: Row): string {
  return stageRow(1, row).key
}

function sorted(rows: readonly Row[]): readonly Row[] {
  return rows.toSorted((a, b) => a.space - b.space || (a.key < b.key ? -1 : 1))
}

/** What waits in the staging space, as rows. */
function staged(engine: OverlayEngine): readonly Row[] {
  return stagedRows(engine, 1).map(({ space, key, value }) => ({ space, key, value }))
}

test("chunks hold all rows in order, are as large as asked, and only the last says so", () => {
  fc.assert(
    fc.property(rowsOf(0), fc.integer({ min: 1, max: 300 }), (rows, chunkBytes) => {
      const chunks = chunksOf(sourceOf(rows, chunkBytes))
      const read = chunks.flatMap(({ data }) => readRows(data, BEFORE_FIRST, spanOf(DESCRIPTOR))!)
      assert.deepEqual(read, sorted(rows))
      chunks.forEach((chunk, number) => {
        const isLast = number === chunks.length - 1
        assert.deepEqual([chunk.number, chunk.last], [number, isLast])
        if (!isLast) assert.isAtLeast(chunk.data.length, chunkBytes)
        if (chunks.length > 1) assert.isNotEmpty(chunk.data, "none for nothing")
      })
    }),
  )
})

test("two replicas in one state make the same chunks, whatever they lived through, and so does one read back", () => {
  fc.assert(
    fc.property(rowsOf(1), rowsOf(0), fc.integer({ min: 1, max: 100 }), (rows, other, chunkBytes) => {
      const head = headOf(rows, chunkBytes)
      const engine = engineOf(other)
      engine.freeze(1)
      for (const { space, key } of other) engine.apply([{ space, type: "delete", key, value: "" }])
      engine.apply(rows.map((each) => ({ ...each, type: "put" as const })))
      const lived = new SnapshotSource(head, engine.snapshot())
      // Writers go on beside it.
      engine.apply(rows.map((each) => ({ ...each, type: "put" as const, value: "later" })))
      const plain = chunksOf(sourceOf(rows, chunkBytes))
      assert.deepEqual(chunksOf(lived), plain)
      const bytes = bytesOf(lived)
      const again = SnapshotSource.load(new ByteReader(bytes))
      assert.deepEqual(bytesOf(again), bytes)
      // Asked for from the end on.
      for (const chunk of plain.toReversed()) assert.deepEqual(again.chunk(chunk.number), chunk)
      assert.isNull(again.chunk(plain.length))
    }),
  )
})

test("a view below which a checkpoint came to its end still shows what it showed", () => {
  const rows: Row[] = [{ space: 1, key: userKeyPrefix(0, KV_TABLE, "a"), value: "old" }]
  let current = MemoryBase.empty()
  const base = {
    get checkpoint(): number {
      return current.checkpoint
    },
    damage: MemoryBase.empty().damage,
    get: (space: Space, key: string): string | null => current.get(space, key),
    cursor: (space: Space, start: string, end: string, reverse: boolean) =>
      current.cursor(space, start, end, reverse),
    snapshot: (): MemoryBase => current,
  }
  const engine = new OverlayEngine(base)
  engine.apply(rows.map((each) => ({ ...each, type: "put" as const })))
  const source = new SnapshotSource(headOf(rows, 64), engine.snapshot())
  const before = chunksOf(new SnapshotSource(source.head, engine.snapshot()))
  const more = { space: 1, type: "put", key: userKeyPrefix(0, KV_TABLE, "b"), value: "new" } as const
  engine.apply([{ ...more, key: rows[0]!.key }, more])
  current = current.apply(engine.freeze(1))
  engine.settle(1, base)
  assert.deepEqual(chunksOf(source), before)
})

test("any changed bit of a chunk, its number, its end or its snapshot is refused", () => {
  const rows: Row[] = ["a", "b", "c"].map((key) => ({
    space: 1,
    key: userKeyPrefix(0, KV_TABLE, key),
    value: "value",
  }))
  const source = sourceOf(rows, 30)
  const { id } = source.head
  for (const chunk of chunksOf(source)) {
    assert.isTrue(isWhole(id, chunk))
    for (let bit = 0; bit < chunk.data.length * 8; bit++) {
      const data = chunk.data.slice()
      data[bit >>> 3]! ^= 1 << (bit & 7)
      assert.isFalse(isWhole(id, { ...chunk, data }), `bit ${bit}`)
    }
    for (let bit = 0; bit < 32; bit++) {
      assert.isFalse(isWhole(id, { ...chunk, checksum: (chunk.checksum ^ (1 << bit)) >>> 0 }))
      assert.isFalse(isWhole(id, { ...chunk, number: chunk.number ^ (1 << bit) }))
      const others: SnapshotId[] = [
        { ...id, index: (id.index ^ (1 << bit)) >>> 0 },
        { ...id, term: (id.term ^ (1 << bit)) >>> 0 },
        { ...id, hashHigh: (id.hashHigh ^ (1 << bit)) >>> 0 },
        { ...id, hashLow: (id.hashLow ^ (1 << bit)) >>> 0 },
        { ...id, chunkBytes: (id.chunkBytes ^ (1 << bit)) >>> 0 },
      ]
      for (const other of others) assert.isFalse(isWhole(other, chunk))
    }
    assert.isFalse(isWhole(id, { ...chunk, last: !chunk.last }))
    assert.isFalse(isWhole(id, { ...chunk, data: chunk.data.slice(1) }))
  }
})

test("whatever order chunks come in, how often and in how many lives, each is taken in once and the whole adds up", () => {
  const moves = fc.array(
    fc.oneof(
      { weight: 8, arbitrary: fc.record({ type: fc.constant("chunk" as const), at: fc.nat(30) }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant("crash" as const), at: fc.nat(2) }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant("checkpoint" as const), at: fc.nat(0) }) },
    ),
    { size: "max", maxLength: 60 },
  )
  fc.assert(
    fc.property(rowsOf(1), fc.integer({ min: 1, max: 80 }), moves, (rows, chunkBytes, steps) => {
      // Two leaders in one state.
      const sources = [sourceOf(rows, chunkBytes), sourceOf(rows, chunkBytes)] as const
      const { head } = sources[0]
      const chunks = chunksOf(sources[0])
      let base = MemoryBase.empty()
      let engine = new OverlayEngine(base)
      let receiver = receiverOver(engine)
      let next = receiver.begin(head, 1, 0, ignore)
      let checkpoints = 0
      const hand = (number: number): string => {
        const taken = receiver.take(head.id, chunks[number]!, 0, ignore)
        if (number > next) assert.equal(taken, "gap")
        else if (number === next) next++
        return taken
      }
      for (const step of steps) {
        if (next === chunks.length) break
        if (step.type === "chunk") hand(step.at % chunks.length)
        else if (step.type === "checkpoint") {
          base = base.apply(engine.freeze(++checkpoints))
          engine.settle(checkpoints, base)
        } else {
          engine = new OverlayEngine(base)
          receiver = receiverOver(engine)
          assert.equal(receiver.take(head.id, chunks[0]!, 0, ignore), "unknown", "nothing was offered yet")
          const resumed = receiver.begin(head, 1 + (step.at % 2), 0, ignore)
          assert.isAtMost(resumed, next, "at the last durable checkpoint")
          next = resumed
        }
        const so = readRows(joined(chunks.slice(0, next)), BEFORE_FIRST, spanOf(DESCRIPTOR))!
        assert.deepEqual(staged(engine), so, "exactly the rows of the chunks so far")
      }
      let last = "complete"
      while (next < chunks.length) last = hand(next)
      assert.equal(last, "complete")
      assert.deepEqual(staged(engine), sorted(rows))
    }),
    { numRuns: 200 },
  )
})

function joined(chunks: readonly Chunk[]): Uint8Array {
  const writer = new ByteWriter()
  for (const { data } of chunks) writer.raw(data)
  return writer.finish()
}

const LETTERS: readonly Row[] = ["a", "b", "c", "d"].map((key) => ({
  space: 1,
  key: userKeyPrefix(0, KV_TABLE, key),
  value: "value",
}))

test("rows that do not sum up to the snapshot's hash are thrown away, and it is begun again", () => {
  const source = sourceOf(LETTERS, 30)
  const lying = { ...source.head, id: { ...source.head.id, hashLow: source.head.id.hashLow ^ 1 } }
  const engine = new OverlayEngine(MemoryBase.empty())
  const receiver = receiverOver(engine)
  const marks: string[] = []
  receiver.begin(lying, 1, 0, ignore)
  const chunks = chunksOf(new SnapshotSource(lying, engineOf(LETTERS)))
  for (const chunk of chunks.slice(0, -1)) assert.equal(receiver.take(lying.id, chunk, 0, ignore), "taken")
  assert.equal(
    receiver.take(lying.id, chunks.at(-1)!, 0, (name) => marks.push(name)),
    "gap",
  )
  assert.deepEqual(marks, ["raft.snapshot.damaged"])
  assert.deepEqual([receiver.staged!.nextChunk, staged(engine)], [0, []])
})

test("a chunk of another snapshot is none of this one", () => {
  const source = sourceOf(LETTERS, 30)
  const newer = sourceOf(LETTERS, 30, 10)
  const receiver = receiverOver(new OverlayEngine(MemoryBase.empty()))
  receiver.begin(source.head, 1, 0, ignore)
  assert.equal(receiver.take(newer.head.id, newer.chunk(0)!, 0, ignore), "unknown")
  assert.equal(receiver.take(source.head.id, newer.chunk(0)!, 0, ignore), "gap", "by its checksum")
  assert.equal(receiver.staged!.nextChunk, 0)
})

test("rows out of order, twice, of an unknown space or outside the range are refused with a right checksum too", () => {
  const source = sourceOf(LETTERS, 1)
  const { id } = source.head
  const [first] = chunksOf(source)
  const rowBytes = (space: number, key: string): Uint8Array => {
    const writer = new ByteWriter()
    writer.u8(space)
    writer.str(key)
    writer.str("x")
    return writer.finish()
  }
  const inside = userKeyPrefix(0, KV_TABLE, "b")
  for (const data of [
    first!.data,
    rowBytes(1, userKeyPrefix(0, KV_TABLE, "A")),
    rowBytes(0, inside),
    rowBytes(5, inside),
    rowBytes(7, inside),
    rowBytes(2, userKeyPrefix(0, KV_TABLE + 1, "b")),
    rowBytes(2, userKeyPrefix(1, KV_TABLE, "b")),
    rowBytes(2, inside).slice(0, -1),
  ]) {
    const receiver = receiverOver(new OverlayEngine(MemoryBase.empty()))
    receiver.begin(source.head, 1, 0, ignore)
    assert.equal(receiver.take(id, first!, 0, ignore), "taken")
    assert.equal(receiver.take(id, makeChunk(id, 1, false, data), 0, ignore), "gap")
    assert.equal(receiver.staged!.nextChunk, 1)
    assert.equal(receiver.take(id, makeChunk(id, 1, false, rowBytes(1, inside)), 0, ignore), "taken")
  }
})

test("a newer snapshot takes the place of one half received, and one of an earlier replica is not gone on with", () => {
  const engine = new OverlayEngine(MemoryBase.empty())
  const old = sourceOf(LETTERS, 30)
  const receiver = receiverOver(engine, 3)
  receiver.begin(old.head, 1, 0, ignore)
  receiver.take(old.head.id, old.chunk(0)!, 0, ignore)
  assert.equal(receiverOver(engine, 4).begin(old.head, 1, 0, ignore), 0)
  receiver.begin(old.head, 1, 0, ignore)
  receiver.take(old.head.id, old.chunk(0)!, 0, ignore)
  const marks: string[] = []
  const newer = sourceOf(LETTERS, 30, 12)
  assert.equal(
    receiver.begin(newer.head, 2, 0, (name) => marks.push(name)),
    0,
  )
  assert.deepEqual([marks, staged(engine)], [["raft.snapshot.superseded"], []])
})

test("what nobody goes on with is swept away, and the rest is left alone", () => {
  const engine = new OverlayEngine(MemoryBase.empty())
  for (const group of [1, 2, 300]) {
    const source = sourceOf(LETTERS, 30)
    const receiver = new SnapshotReceiver(engine, group, 3)
    receiver.begin(source.head, 1, 0, ignore)
    receiver.take(source.head.id, source.chunk(0)!, 0, ignore)
  }
  assert.equal(
    sweepStaging(engine, (group, { replica }) => group === 2 && replica === 3),
    2,
  )
  assert.deepEqual(
    [1, 2, 300].map((group) => readStaged(engine, group)?.nextChunk ?? null),
    [null, 1, null],
  )
  assert.isTrue(engine.cursor(SPACE_STAGING, "", "", false).valid)
  sweepStaging(engine, () => false)
  assert.isFalse(engine.cursor(SPACE_STAGING, "", "", false).valid)
})

test("staged rows that cannot be read back are no snapshot: it is asked for again from its first chunk", () => {
  const rows = Array.from({ length: 30 }, (_, i) => ({
    space: SPACE_VERSIONS,
    key: `${spanOf(DESCRIPTOR).start}${String(i).padStart(2, "0")}`,
    value: "v".repeat(20),
  }))
  const source = sourceOf(rows, 100)
  const chunks = chunksOf(source)
  const base = new DiskBase()
  const engine = new OverlayEngine(base)
  const receiver = receiverOver(engine)
  const { id } = source.head
  receiver.begin(source.head, 1, 0, ignore)
  for (const chunk of chunks.slice(0, -1)) assert.equal(receiver.take(id, chunk, 0, ignore), "taken")
  base.advance(engine.freeze(1))
  engine.settle(1, base)
  const some = { space: SPACE_STAGING, from: stagedKey(rows[4]!), to: stagedKey(rows[7]!) }
  base.brittle.push({ id: 1, spans: [some], tally: { changes: 0 } })
  const marks: string[] = []
  assert.equal(
    receiver.take(id, chunks.at(-1)!, 0, (name) => marks.push(name)),
    "gap",
  )
  assert.deepEqual([marks, receiver.staged!.nextChunk], [["raft.snapshot.stagingLost"], 0])
  assert.deepEqual(engine.damage, [], "what is staged next is known again")
  for (const chunk of chunks.slice(0, -1)) assert.equal(receiver.take(id, chunk, 0, ignore), "taken")
  assert.equal(receiver.take(id, chunks.at(-1)!, 0, ignore), "complete")
  assert.deepEqual(
    receiver.rows!.map(({ space, key, value }) => ({ space, key, value })),
    rows,
  )
})
