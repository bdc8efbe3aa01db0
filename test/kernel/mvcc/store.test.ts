import fc from "fast-check"
import { assert, test } from "vitest"
import { SPACE_VERSIONS, type Write } from "#kernel/engine/engine.ts"
import { MemoryBase } from "#kernel/engine/memory-base.ts"
import { OverlayEngine } from "#kernel/engine/overlay.ts"
import { collectVersions } from "#kernel/mvcc/gc.ts"
import { readVersion, scanVersions, writeVersion, type OwnRow, type Rows } from "#kernel/mvcc/store.ts"
import { findNewer } from "#kernel/mvcc/newer.ts"
import type { TxnId } from "#kernel/txn/protocol.ts"
import { encodeVersion } from "#kernel/mvcc/version.ts"
import { SCAN_BYTES_MAX } from "#kernel/limits.ts"

type Put = { readonly key: string; readonly ts: number; readonly value: string | null }

const TENANT = 3
const key = fc.constantFrom("", "a", "a\0", "a\0\0", "a\x01", "ab", "b", "\xff", "\xff\xff")
const bound = fc.oneof(fc.constant(""), key)
const ts = fc.integer({ min: 1, max: 40 })
const put = fc.record({ key, ts, value: fc.option(fc.string({ maxLength: 3, unit: "binary-ascii" })) })
const history = fc.oneof(
  fc.array(put, { size: "max", maxLength: 60 }),
  // Long chains of one key, so that walks seek instead of stepping.
  fc.array(fc.record({ key: fc.constantFrom("a", "b"), ts, value: fc.option(fc.constant("v")) }), {
    size: "max",
    maxLength: 80,
  }),
)

/** A neighbour on either side, which nothing may see. */
function engineOf(puts: readonly Put[]): OverlayEngine {
  const engine = new OverlayEngine(MemoryBase.empty())
  const writes: Write[] = puts.map(({ key, ts, value }) => writeVersion(TENANT, key, ts, value))
  const others = [TENANT - 1, TENANT + 1].map((tenant) => writeVersion(tenant, "a", 5, "another tenant"))
  engine.apply([...writes, ...others])
  return engine
}

/** By hand: the last put of a (key, ts) counts, then the newest at or below `readTs`. */
function stateAt(puts: readonly Put[], readTs: number): Map<string, Put> {
  const state = new Map<string, Put>()
  for (const put of puts) {
    const known = state.get(put.key)
    if (put.ts <= readTs && (known === undefined || put.ts >= known.ts)) state.set(put.key, put)
  }
  return state
}

function modelScan(
  state: ReadonlyMap<string, string | null>,
  start: string,
  end: string,
  limit: number,
  reverse: boolean,
): Rows {
  const rows = [...state]
    .filter(
      (row): row is [string, string] => row[1] !== null && row[0] >= start && (end === "" || row[0] < end),
    )
    .sort(([a], [b]) => (a < b !== reverse ? -1 : 1))
  return { rows: rows.slice(0, limit), more: rows.length > limit }
}

test("a read sees the newest version at or below its timestamp, and a scan sees what reads see", () => {
  fc.assert(
    fc.property(
      history,
      ts,
      bound,
      bound,
      fc.nat(6),
      fc.boolean(),
      (puts, readTs, start, end, limit, reverse) => {
        const engine = engineOf(puts)
        const state = stateAt(puts, readTs)
        for (const { key } of puts) {
          const seen = state.get(key)
          assert.deepEqual(
            readVersion(engine, TENANT, key, readTs),
            seen === undefined ? { ts: 0, value: null } : { ts: seen.ts, value: seen.value },
          )
        }
        const values = new Map([...state].map(([key, put]) => [key, put.value]))
        const expected = modelScan(values, start, end, limit, reverse)
        assert.deepEqual(scanVersions(engine, TENANT, start, end, readTs, limit, reverse), expected)
      },
    ),
    { numRuns: 500 },
  )
})

test("rows of one's own lie over the store, deletions too", () => {
  fc.assert(
    fc.property(
      history,
      fc.uniqueArray(fc.tuple(key, fc.option(fc.constant("own"))), { selector: ([key]) => key }),
      ts,
      fc.nat(6),
      fc.boolean(),
      (puts, own, readTs, limit, reverse) => {
        const values = new Map([...stateAt(puts, readTs)].map(([key, put]) => [key, put.value]))
        for (const [key, value] of own) values.set(key, value)
        const ordered: OwnRow[] = [...own].sort(([a], [b]) => (a < b !== reverse ? -1 : 1))
        assert.deepEqual(
          scanVersions(engineOf(puts), TENANT, "", "", readTs, limit, reverse, ordered),
          modelScan(values, "", "", limit, reverse),
        )
      },
    ),
    { numRuns: 300 },
  )
})

test("a scan that grows too large stops and says that there is more", () => {
  const big = "x".repeat(SCAN_BYTES_MAX / 2)
  const engine = engineOf(["a", "b", "c", "d"].map((key) => ({ key, ts: 1, value: big })))
  const result = scanVersions(engine, TENANT, "", "", 9, 100, false)
  assert.isTrue(result !== "damaged" && result.more && result.rows.length === 2)
})

test("a damaged version is an error for whoever needs it, and for nobody else", () => {
  const engine = engineOf([{ key: "a", ts: 1, value: "one" }])
  const write = writeVersion(TENANT, "a", 5, "two")
  engine.apply([{ ...write, value: write.value.slice(0, -1) + "x" }])
  assert.equal(readVersion(engine, TENANT, "a", 9), "damaged")
  assert.equal(scanVersions(engine, TENANT, "", "", 9, 10, false), "damaged")
  assert.equal(scanVersions(engine, TENANT, "", "", 9, 10, true), "damaged")
  assert.deepEqual(readVersion(engine, TENANT, "a", 4), { ts: 1, value: "one" })
  engine.apply([{ space: SPACE_VERSIONS, type: "put", key: "\0\0\0\0\0\0\0\x03\0\0\0\0", value: "" }])
  assert.equal(scanVersions(engine, TENANT, "", "", 4, 10, false), "damaged")
})

test("garbage collection, in calls of any size, changes no read at or above its threshold and ends", () => {
  fc.assert(
    fc.property(history, ts, fc.integer({ min: 2, max: 30 }), (puts, threshold, limit) => {
      const engine = engineOf(puts)
      let resume = ""
      let calls = 0
      do {
        const { writes, resume: next } = collectVersions(engine, TENANT, "", "", threshold, resume, limit)
        assert.isAtMost(writes.length, limit + 1)
        engine.apply(writes)
        for (let readTs = threshold; readTs <= 41; readTs += 5) {
          for (const [key, put] of stateAt(puts, readTs)) {
            const seen = readVersion(engine, TENANT, key, readTs)
            assert.isTrue(seen !== "damaged" && seen.value === put.value)
          }
        }
        resume = next
        assert.isBelow(++calls, 200)
      } while (resume !== "")
      let kept = 0
      for (const cursor = engine.cursor(SPACE_VERSIONS, "", "", false); cursor.valid; cursor.next()) kept++
      const needed = new Set(puts.filter((put) => put.ts > threshold).map((put) => `${put.key}@${put.ts}`))
        .size
      const visible = [...stateAt(puts, threshold).values()].filter((put) => put.value !== null).length
      assert.equal(kept, needed + visible + 2)
    }),
    { numRuns: 300 },
  )
})

test("what is newer is found by key, but for what was first written above a limit", () => {
  fc.assert(
    fc.property(
      history,
      bound,
      bound,
      ts,
      ts,
      ts,
      fc.nat(3),
      (puts, start, end, after, upTo, local, every) => {
        const engine = engineOf(puts)
        const stored = new Map<
          string,
          { readonly key: string; readonly ts: number; readonly writeTs: number }
        >()
        for (const { key, ts } of puts) stored.set(`${ts} ${key}`, { key, ts, writeTs: ts })
        // Some of them were intents, of one transaction.
        const txnId = "sixteen bytes id" as TxnId
        for (const [name, { key, ts }] of stored) {
          if (ts % (every + 2) !== 0) continue
          const writeTs = Math.ceil(ts / 2)
          stored.set(name, { key, ts, writeTs })
          const { key: at, space } = writeVersion(TENANT, key, ts, "v")
          engine.apply([
            { space, type: "put", key: at, value: encodeVersion("v", 0, { id: txnId, writeTs }) },
          ])
        }
        const found = [...stored.values()]
          .filter((row) => row.key >= start && (end === "" || row.key < end))
          .filter((row) => row.ts > after && row.ts <= upTo && row.writeTs <= local)
          .sort((a, b) => (a.key === b.key ? b.ts - a.ts : a.key < b.key ? -1 : 1))[0]
        const expected = found === undefined ? null : { key: found.key, ts: found.ts }
        if (end !== "" && end < start) return
        assert.deepEqual(findNewer(engine, TENANT, start, end, after, upTo, local), expected)
      },
    ),
    { numRuns: 1000 },
  )
})
