import fc from "fast-check"
import { assert, test } from "vitest"
import { ByteReader, ByteWriter } from "#kernel/lib/bytes.ts"
import { RaftLog } from "#kernel/raft/log.ts"
import type { Entry, LogEnd } from "#kernel/raft/types.ts"
import { bytesOf } from "../../support/kernel-arbitraries.ts"
import { entriesOf, entry } from "../../support/raft-group.ts"

/** The plainest log there is: everything in one list, looked through from its start. */
class NaiveLog {
  start: LogEnd = { index: 0, term: 0 }
  rows: { readonly entry: Entry; readonly lsn: number }[] = []
  /** The greatest lsn that is durable. */
  durableLsn = 0

  get last(): LogEnd {
    const row = this.rows.at(-1)
    return row === undefined ? this.start : { index: row.entry.index, term: row.entry.term }
  }

  get durableIndex(): number {
    let index = this.start.index
    for (const row of this.rows) {
      if (row.lsn > this.durableLsn) break
      index = row.entry.index
    }
    return index
  }

  append(entries: readonly Entry[], lsn: number): void {
    this.rows = this.rows.filter((row) => row.entry.index < entries[0]!.index)
    for (const each of entries) this.rows.push({ entry: each, lsn })
  }

  compact(index: number): void {
    const row = this.rows.find((each) => each.entry.index === index)
    if (row === undefined) return
    this.start = { index, term: row.entry.term }
    this.rows = this.rows.filter((each) => each.entry.index > index)
  }

  isUpToDate(end: LogEnd): boolean {
    const { last } = this
    return end.term === last.term ? end.index >= last.index : end.term > last.term
  }

  lastWithTermAtMost(index: number, term: number): LogEnd {
    const found = this.rows.findLast((row) => row.entry.index <= index && row.entry.term <= term)
    return found === undefined ? this.start : { index: found.entry.index, term: found.entry.term }
  }
}

type Command =
  | { readonly type: "append"; readonly back: number; readonly count: number; readonly newTerm: boolean }
  | { readonly type: "sync"; readonly lag: number }
  | { readonly type: "compact"; readonly back: number }
  | { readonly type: "reset"; readonly ahead: number }
  | { readonly type: "reload" }

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("append" as const),
      back: fc.oneof(fc.constant(0), fc.nat(4)),
      count: fc.integer({ min: 1, max: 4 }),
      newTerm: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("sync" as const), lag: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("compact" as const), back: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("reset" as const), ahead: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("reload" as const) }) },
)

function assertAlike(log: RaftLog, naive: NaiveLog): void {
  assert.deepEqual(log.start, naive.start)
  assert.deepEqual({ index: log.lastIndex, term: log.lastTerm }, naive.last)
  assert.equal(log.firstIndex, naive.start.index + 1)
  assert.equal(log.length, naive.rows.length)
  assert.equal(log.durableIndex, naive.durableIndex)
  let bytes = 0
  for (const row of naive.rows) bytes += row.entry.length
  assert.equal(log.bytes, bytes)
  for (let index = naive.start.index - 1; index <= naive.last.index + 1; index++) {
    const row = naive.rows.find((each) => each.entry.index === index)
    assert.equal(
      log.termAt(index),
      index === naive.start.index ? naive.start.term : (row?.entry.term ?? null),
    )
    if (row !== undefined) assert.deepEqual([log.entryAt(index), log.lsnAt(index)], [row.entry, row.lsn])
  }
  for (const end of [naive.start, naive.last, { index: 1, term: naive.last.term }, { index: 99, term: 1 }]) {
    assert.equal(log.isUpToDate(end), naive.isUpToDate(end))
  }
  for (const index of [naive.start.index, naive.last.index - 1, naive.last.index, naive.last.index + 5]) {
    for (const term of [naive.start.term, naive.last.term - 1, naive.last.term]) {
      if (index < naive.start.index || term < naive.start.term) continue
      assert.deepEqual(log.lastIndexWithTermAtMost(index, term), naive.lastWithTermAtMost(index, term))
    }
  }
}

test("whatever is appended, replaced, synced, compacted, reset and reloaded, the log is the plain list it stands for", () => {
  fc.assert(
    fc.property(fc.array(command, { size: "max", maxLength: 40 }), (commands) => {
      let log = new RaftLog({ index: 0, term: 0 })
      const naive = new NaiveLog()
      let lsn = 0
      for (const step of commands) {
        if (step.type === "append") {
          const first = Math.max(naive.start.index, naive.last.index - step.back) + 1
          const before =
            naive.rows.find((row) => row.entry.index === first - 1)?.entry.term ?? naive.start.term
          const term = (first <= naive.last.index ? naive.last.term : before) + (step.newTerm ? 1 : 0)
          const entries = Array.from({ length: step.count }, (_, i) => entry(first + i, term, "v".repeat(i)))
          lsn++
          log.append(entries, lsn)
          naive.append(entries, lsn)
        } else if (step.type === "sync") {
          naive.durableLsn = Math.max(naive.durableLsn, lsn - step.lag)
          log.synced(naive.durableLsn)
        } else if (step.type === "compact") {
          // Only what is durable is ever in a durable checkpoint's past.
          const index = naive.durableIndex - step.back
          log.compact(Math.max(index, 0))
          naive.compact(index)
        } else if (step.type === "reset") {
          const start = { index: naive.last.index + step.ahead, term: naive.last.term + 1 }
          log.reset(start)
          naive.start = start
          naive.rows = []
        } else log = RaftLog.load(new ByteReader(bytesOf(log)))
        assertAlike(log, naive)
      }
    }),
    { numRuns: 300 },
  )
})

test("an entry that was overwritten is not made durable by the sync of what it overwrote", () => {
  const log = new RaftLog({ index: 0, term: 0 })
  log.append(entriesOf([1, 1, 1]), 1)
  log.append([entry(2, 2)], 2)
  log.synced(1)
  assert.deepEqual([log.durableIndex, log.lastIndex], [1, 2])
  log.append([entry(2, 3)], 3)
  log.synced(2)
  assert.equal(log.durableIndex, 1, "index 2 is another entry by now")
  log.synced(3)
  assert.equal(log.durableIndex, 2)
})

test("a replaced suffix leaves nothing behind, however long it was", () => {
  const log = new RaftLog({ index: 0, term: 0 })
  log.append(entriesOf([1, 1, 1, 1, 1]), 1)
  log.append([entry(2, 2)], 2)
  assert.deepEqual([log.lastIndex, log.lastTerm, log.termAt(3)], [2, 2, null])
})

test("a slice holds as many entries as fit, and one that alone is too large all the same", () => {
  const log = new RaftLog({ index: 0, term: 0 })
  const entries = [entry(1, 1, "a".repeat(50)), entry(2, 1, "b".repeat(500)), entry(3, 1, "c".repeat(50))]
  log.append(entries, 1)
  const indexes = (from: number, bytesMax: number): readonly number[] =>
    log.slice(from, bytesMax).map(({ index }) => index)
  assert.deepEqual(indexes(1, 0), [1])
  assert.deepEqual(indexes(2, 100), [2])
  assert.deepEqual(indexes(1, entries[0]!.length + entries[1]!.length), [1, 2])
  assert.deepEqual(indexes(1, entries[0]!.length + entries[1]!.length - 1), [1])
  assert.deepEqual(indexes(1, Infinity), [1, 2, 3])
  assert.deepEqual(indexes(4, 100), [])
})

test("gaps, terms that go back and what was compacted away are refused", () => {
  const log = new RaftLog({ index: 3, term: 2 })
  log.append([entry(4, 2), entry(5, 3)], 1)
  assert.throws(() => log.append([], 2), "Cannot append nothing")
  assert.throws(() => log.append([entry(7, 3)], 2), "a gap in the log")
  assert.throws(() => log.append([entry(3, 3)], 2), "a gap in the log")
  assert.throws(() => log.append([entry(6, 3), entry(8, 3)], 2), "not consecutive")
  const other = new RaftLog({ index: 3, term: 2 })
  assert.throws(() => other.append([entry(4, 1)], 1), "terms go back")
  assert.throws(() => other.slice(3, 1), "compacted away")
  assert.throws(() => other.compact(9), "beyond the end")
})

test("a saved log is read back to the same bytes", () => {
  const log = new RaftLog({ index: 3, term: 2 })
  log.append([entry(4, 2), entry(5, 3)], 7)
  const bytes = bytesOf(log)
  const reader = new ByteReader(bytes)
  const again = new ByteWriter()
  RaftLog.load(reader).save(again)
  assert.deepEqual([again.finish(), reader.failed, reader.remaining], [bytes, false, 0])
})
