import assert from "node:assert/strict"
import fc from "fast-check"
import { test } from "vitest"
import { Intervals } from "#cli/campaign/intervals.ts"
import { parseJournal } from "#cli/campaign/journal.ts"
import type { Entry, Head, JournalKey, KeptRun } from "#cli/campaign/journal-entry.ts"
import { openLines, sealLine } from "#cli/campaign/journal-lines.ts"
import { JournalState } from "#cli/campaign/journal-state.ts"
import { jobAt, jobsOf, placeOf } from "#cli/campaign/schedule.ts"
import { UsageError } from "#cli/errors.ts"
import { possibleCells } from "#sim"

const key: JournalKey = {
  build: "0123456789abcdef",
  isDefault: false,
  shares: [
    { scenario: "campaign", weight: 3 },
    { scenario: "smoke", weight: 1 },
  ],
  firstSeed: 5,
  shard: null,
}
const head: Head = { journal: 1, version: "1", key }
const session: Entry = { type: "session", at: "2026-11-21T08:00:00.000Z", command: "run", runs: 100_000 }
const cells = possibleCells()

/** The run at a place, decided by it; one in `failsEvery` fails. */
function runAt(place: number, failsEvery = 10, saying = "it broke"): KeptRun {
  const isInvalid = place % failsEvery === failsEvery - 1
  const word = (salt: number): number => Math.imul(place + 1, 0x9e3779b1 + 2 * salt) >>> 0
  return {
    ...jobAt({ ...key, runs: null }, place),
    verified: place % 2 === 0,
    wallMs: 200 + (place % 7),
    result: {
      runClass: place % 40 === 0 ? "detectable" : "within",
      verdict: isInvalid ? "invalid" : place % 50 === 0 ? "unknown" : "valid",
      violation: isInvalid ? { oracle: `RAFT-${word(1) % 3}`, message: saying, at: 5, event: 6 } : null,
      traceHash: word(2).toString(16).padStart(16, "0"),
      stateHash: word(3).toString(16).padStart(16, "0"),
      events: 1_000 + place,
      simulatedUs: 60_000_000,
      operations: { invoked: 10, ok: 8, fail: 1, info: 1 },
      faults: { crash: { applied: 2, effective: 1 } },
      marks: { "raft.elected": 3, [`mark.${place % 200}`]: 1 },
      cells: Object.fromEntries([0, 1, 2, 3].map((salt) => [cells[word(salt) % cells.length]!, 1])),
      signature: { marks: word(4), faults: word(5), steps: [word(6), word(7), 1, 2] },
    },
  }
}

const runEntry = (place: number, failsEvery?: number, saying?: string): Entry => ({
  type: "run",
  run: runAt(place, failsEvery, saying),
  spent: { elapsedMs: place, cpuMs: 2 * place },
})

test("a set of intervals is a set", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(60), { maxLength: 80 }), fc.nat(60), (values, asked) => {
      const intervals = new Intervals()
      const set = new Set<number>()
      for (const value of values) {
        assert.equal(intervals.add(value), !set.has(value))
        set.add(value)
      }
      assert.equal(intervals.size, set.size)
      assert.equal(intervals.has(asked), set.has(asked))
      assert.equal(intervals.end, Math.max(-1, ...set) + 1)
      let unbroken = 0
      while (set.has(unbroken)) unbroken++
      assert.equal(intervals.unbroken, unbroken)
      const held = intervals.list.flatMap(([from, to]) =>
        Array.from({ length: to - from }, (_, index) => from + index),
      )
      assert.deepEqual(
        held,
        [...set].sort((a, b) => a - b),
      )
      assert.deepEqual(new Intervals(intervals.list).list, intervals.list)
    }),
  )
  for (const list of [
    [[1, 1]],
    [[3, 2]],
    [
      [0, 2],
      [1, 3],
    ],
    [
      [0, 2],
      [2, 3],
    ],
    [
      [4, 5],
      [1, 2],
    ],
  ] as const)
    assert.throws(() => new Intervals(list), RangeError)
})

test("the run at a place is the one the list has there", () => {
  for (const shard of [null, { index: 2, count: 3 }]) {
    const selection = { ...key, runs: 50, shard }
    for (const [place, job] of [...jobsOf(selection)].entries()) {
      assert.deepEqual(jobAt(selection, place), job)
      assert.equal(placeOf(job, shard), place)
    }
  }
})

test("runs in any order, with checkpoints anywhere between them, come to the same", () => {
  const summed = (state: JournalState): unknown => {
    const { failed, spent: _, before: __, sessions: ___, ...rest } = state.checkpoint
    return { ...rest, failed: [...failed].sort((a, b) => a.run.index - b.run.index) }
  }
  const plain = new JournalState(key)
  for (const entry of [session, ...Array.from({ length: 60 }, (_, place) => runEntry(place))])
    plain.apply(entry)
  const places = fc.shuffledSubarray(
    Array.from({ length: 60 }, (_, place) => place),
    { minLength: 60 },
  )
  fc.assert(
    fc.property(places, fc.uniqueArray(fc.nat(59), { maxLength: 5 }), (order, cuts) => {
      let state = new JournalState(key)
      state.apply(session)
      for (const [index, place] of order.entries()) {
        state.apply(runEntry(place))
        if (!cuts.includes(index)) continue
        const text = sealLine(head) + sealLine(state.checkpoint) + sealLine(session)
        state = parseJournal("journal", text).state
      }
      assert.deepEqual(summed(state), summed(plain))
      assert.equal(state.sessions, 1 + cuts.length)
    }),
    { numRuns: 40 },
  )
})

const text = [head, session, ...Array.from({ length: 12 }, (_, place) => runEntry(place, 4))]
  .map(sealLine)
  .join("")

test("cut at any byte, a journal holds the runs whose lines are whole", () => {
  const [headLine, sessionLine] = text.split("\n")
  const begun = (headLine?.length ?? 0) + (sessionLine?.length ?? 0) + 2
  for (let bytes = 0; bytes <= text.length; bytes += bytes < begun + 10 ? 1 : 13) {
    const cut = text.slice(0, bytes)
    if (bytes < begun) assert.throws(() => parseJournal("journal", cut), UsageError)
    else assert.equal(parseJournal("journal", cut).state.done.size, cut.split("\n").length - 3)
  }
})

test("a flipped bit is damage, or the end of what was written", () => {
  const bytes = Buffer.from(text)
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(7), (at, bit) => {
      const flipped = Buffer.from(bytes)
      flipped[at]! ^= 1 << bit
      try {
        const { done } = parseJournal("journal", flipped.toString("utf8")).state
        assert.ok(at >= text.lastIndexOf("\n", text.length - 2) && done.size === 11, `${done.size}`)
      } catch (thrown) {
        assert.ok(thrown instanceof UsageError, String(thrown))
      }
    }),
    { numRuns: 500 },
  )
})

test("whatever stands in a sealed line, it is read or refused", () => {
  const lines = openLines(text)
  assert.ok("objects" in lines)
  const state = parseJournal("journal", text).state
  const entries = [...lines.objects, state.checkpoint]
  const paths = entries.map((entry) => leaves(entry, []))
  fc.assert(
    fc.property(fc.nat(entries.length - 1), fc.nat(), fc.jsonValue(), (which, leaf, value) => {
      const path = paths[which]![leaf % paths[which]!.length]!
      const entry = structuredClone(entries[which])
      put(entry, path, value)
      const first = which === 0 ? entry : head
      const rest =
        which === 0
          ? lines.objects.slice(1)
          : which === entries.length - 1
            ? []
            : lines.objects.slice(1, which)
      const whole = [first, ...rest, ...(which === 0 ? [] : [entry])] as object[]
      try {
        void parseJournal("journal", whole.map(sealLine).join("")).state.checkpoint
      } catch (thrown) {
        assert.ok(thrown instanceof UsageError, String((thrown as Error).stack))
      }
    }),
    { numRuns: 1_000 },
  )
})

function leaves(value: unknown, path: readonly string[]): (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [path]
  return [path, ...Object.entries(value).flatMap(([name, inner]) => leaves(inner, [...path, name]))].filter(
    ({ length }) => length > 0,
  )
}

function put(into: unknown, path: readonly string[], value: unknown): void {
  const [name = "", ...rest] = path
  const record = into as Record<string, unknown>
  if (rest.length === 0) record[name] = value
  else put(record[name], rest, value)
}

test("a hundred thousand runs, of which a tenth fails, take less than 5 MB", () => {
  const state = new JournalState(key)
  state.apply(session)
  const saying = "x".repeat(1_000)
  for (let place = 0; place < 100_000; place++) state.apply(runEntry(place, 10, saying))
  assert.equal(state.done.size, 100_000)
  assert.equal(state.waiting.length + state.unlisted, 10_000)
  const size = sealLine(state.checkpoint).length
  // Beside it: the newest runs, at most half a MiB and one line.
  assert.ok(size < 4_300_000, `${size}`)
})
