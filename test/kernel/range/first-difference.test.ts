import fc from "fast-check"
import { assert, test } from "vitest"
import type { Space, Write } from "#kernel/engine/engine.ts"
import { MemoryBase } from "#kernel/engine/memory-base.ts"
import { OverlayEngine } from "#kernel/engine/overlay.ts"
import { KV_TABLE, tableSpan, userKeyPrefix, versionKey } from "#kernel/mvcc/key.ts"
import { RaftLog } from "#kernel/raft/log.ts"
import { makeEntry } from "#kernel/raft/types.ts"
import { firstDifference, shownRow, writtenSince } from "#kernel/range/first-difference.ts"
import { stageRow } from "#kernel/snapshot/staging.ts"

const SPAN = tableSpan(0, KV_TABLE, "", "")
const GROUP = 7

const name = fc.constantFrom("a", "aa", "b", "\0", "\0\xff", "zz")
const space = fc.constantFrom<Space>(1, 2, 3, 4)
const value = fc.constantFrom("one", "two")
const row = fc.record({ space, name, value })
const rows = fc.uniqueArray(row, { selector: (each) => `${each.space} ${each.name}`, maxLength: 12 })

type Named = { readonly space: Space; readonly name: string; readonly value: string }

function keyOf(each: Named): string {
  return userKeyPrefix(0, KV_TABLE, each.name)
}

function mapOf(list: readonly Named[]): Map<string, string> {
  return new Map(list.map((each) => [String.fromCharCode(each.space) + keyOf(each), each.value]))
}

function engineWith(old: readonly Named[], fresh: readonly Named[]): OverlayEngine {
  const engine = new OverlayEngine(MemoryBase.empty())
  engine.apply(
    old.map((each): Write => ({ space: each.space, type: "put", key: keyOf(each), value: each.value })),
  )
  for (const group of [GROUP - 1, GROUP, GROUP + 1]) {
    // What waits for other groups is no business of this one.
    const list = group === GROUP ? fresh : [{ space: 1 as Space, name: "other", value: "x" }]
    engine.apply(list.map((each) => stageRow(group, { ...each, key: keyOf(each) })))
  }
  return engine
}

test("the first difference is the one a comparison of everything finds, and rows written since are passed over", () => {
  fc.assert(
    fc.property(rows, rows, fc.array(fc.record({ space, name, value })), (old, fresh, since) => {
      const [before, after] = [mapOf(old), mapOf(fresh)]
      const written = new Set(mapOf(since).keys())
      const differing = [...new Set([...before.keys(), ...after.keys()])]
        .filter((key) => before.get(key) !== after.get(key) && !written.has(key))
        .sort((a, b) => (a < b ? -1 : 1))
      const found = firstDifference(engineWith(old, fresh), GROUP, SPAN, written)
      const [first] = differing
      if (first === undefined) return assert.isNull(found)
      assert.equal(String.fromCharCode(found!.space) + found!.key, first)
      assert.equal(found!.kind, !before.has(first) ? "missing" : after.has(first) ? "changed" : "extra")
    }),
    { numRuns: 500 },
  )
})

test("rows written since are those of the entries in between, and of the one after them that may be half there", () => {
  const log = new RaftLog({ index: 4, term: 1 })
  const entryAt = (index: number): ReturnType<typeof makeEntry> => {
    const writes = [{ space: 1, type: "put", key: `k${index}`, value: "" } as const]
    const batch = { generation: 1, leaseSequence: 0, closedTs: 0, minVersion: 1, writes }
    return makeEntry(index, 1, { type: "batch", batch })
  }
  log.append([5, 6, 7, 8, 9].map(entryAt), 1)
  const names = (from: number, to: number): readonly unknown[] => {
    const { rows: written, isWhole } = writtenSince(log, from, to)
    return [[...written].map((each) => each.slice(1)), isWhole]
  }
  assert.deepEqual(names(5, 7), [["k6", "k7"], true])
  assert.deepEqual(names(7, 7), [["k8"], true])
  assert.deepEqual(names(9, 9), [[], true])
  assert.deepEqual(names(4, 5), [["k5"], true])
  // What this log does not have may have been written as well.
  assert.deepEqual(names(8, 12), [["k9"], false])
  assert.deepEqual(names(2, 5), [["k5"], false])
})

test("a key is shown as the user wrote it, escaped and cut", () => {
  const version = (userKey: string): string => versionKey(userKeyPrefix(3, KV_TABLE, userKey), 1 << 20)
  assert.deepEqual(shownRow(1, version("user/42")), { space: "versions", key: "user/42" })
  assert.deepEqual(shownRow(1, version('a\0b\n"\\\x80')), {
    space: "versions",
    key: 'a\\x00b\\x0a"\\x5c\\x80',
  })
  const long = shownRow(1, version("k".repeat(1_000)))
  assert.deepEqual(long, { space: "versions", key: "k".repeat(64) + "…" })
  assert.deepEqual(shownRow(4, userKeyPrefix(3, KV_TABLE, "anchor") + "\0".repeat(16)), {
    space: "tokens",
    key: "anchor",
  })
  assert.deepEqual(shownRow(2, "odd"), { space: "intents", key: "odd" })
})
