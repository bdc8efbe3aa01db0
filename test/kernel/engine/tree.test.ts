import fc from "fast-check"
import { assert, test } from "vitest"
import { Tree } from "#kernel/engine/tree.ts"

type Rows = [string, number][]

function rowsOf(tree: Tree<number>, start = "", end = "", reverse = false): Rows {
  const rows: Rows = []
  for (const cursor = tree.cursor(start, end, reverse); cursor.valid; cursor.next())
    rows.push([cursor.key, cursor.value])
  return rows
}

function sorted(model: ReadonlyMap<string, number>): Rows {
  return [...model].sort(([a], [b]) => (a < b ? -1 : 1))
}

function within(rows: Rows, start: string, end: string): Rows {
  return rows.filter(([key]) => key >= start && (end === "" || key < end))
}

const key = fc.nat(700).map((n) => `k${String(n).padStart(3, "0")}`)
const bound = fc.oneof(fc.constant(""), key)
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ type: fc.constant("put" as const), key }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("delete" as const), key }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constantFrom("ascend" as const, "descend" as const, "erase" as const),
      key,
      count: fc.nat(150),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("snapshot" as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("fork" as const) }) },
)

test("a tree is an ordered map, whatever is written, and its snapshots do not move", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), bound, bound, (steps, start, end) => {
      let tree = new Tree<number>()
      let model = new Map<string, number>()
      const kept: { tree: Tree<number>; rows: Rows }[] = []
      let stamp = 0
      const name = (n: number): string => `k${String(((n % 701) + 701) % 701).padStart(3, "0")}`
      for (const step of steps) {
        const first = "key" in step ? Number(step.key.slice(1)) : 0
        switch (step.type) {
          case "put":
            tree.put(step.key, ++stamp)
            model.set(step.key, stamp)
            break
          case "delete":
            assert.equal(tree.delete(step.key), model.delete(step.key))
            break
          case "ascend":
          case "descend":
            for (let i = 0; i < step.count; i++) {
              const at = name(step.type === "ascend" ? first + i : first - i)
              tree.put(at, ++stamp)
              model.set(at, stamp)
            }
            break
          case "erase":
            for (let i = 0; i < step.count; i++)
              assert.equal(tree.delete(name(first + i)), model.delete(name(first + i)))
            break
          case "snapshot":
            kept.push({ tree: tree.snapshot(), rows: sorted(model) })
            break
          case "fork": {
            // The copy is written to from here on, the original is the one that must not move.
            kept.push({ tree, rows: sorted(model) })
            tree = tree.snapshot()
            model = new Map(model)
            break
          }
        }
        assert.equal(tree.size, model.size)
      }
      const rows = sorted(model)
      assert.deepEqual(rowsOf(tree), rows)
      for (const [at, value] of rows) assert.equal(tree.get(at), value)
      assert.equal(tree.get("nowhere"), undefined)
      assert.deepEqual(rowsOf(tree, start, end), within(rows, start, end))
      assert.deepEqual(rowsOf(tree, start, end, true), within(rows, start, end).reverse())
      for (const { tree: old, rows: then } of kept) {
        assert.deepEqual(rowsOf(old), then)
        assert.equal(old.size, then.length)
      }
    }),
    { numRuns: 150 },
  )
})

test("an open cursor sees the tree as it was, while the tree goes on", () => {
  const tree = new Tree<number>()
  for (let i = 0; i < 500; i++) tree.put(`k${String(i).padStart(3, "0")}`, i)
  const before = rowsOf(tree)
  const cursor = tree.cursor("", "", false)
  const seen: Rows = []
  for (let i = 0; cursor.valid; i++, cursor.next()) {
    seen.push([cursor.key, cursor.value])
    tree.put(`k${String(499 - i).padStart(3, "0")}x`, -i)
    tree.delete(`k${String(i + 1).padStart(3, "0")}`)
  }
  assert.deepEqual(seen, before)
})

test("a walk within bounds sees the tree as it was, though every row of it changes under it", () => {
  const count = 300
  const name = (n: number): string => `k${String(n).padStart(3, "0")}`
  const walk = fc.record({ start: fc.nat(count), length: fc.nat(40), reverse: fc.boolean() })
  fc.assert(
    fc.property(fc.array(walk, { minLength: 1, maxLength: 20 }), (walks) => {
      const tree = new Tree<number>()
      for (let i = 0; i < count; i++) tree.put(name(i), 0)
      for (const [at, { start, length, reverse }] of walks.entries()) {
        const rows = within(rowsOf(tree), name(start), name(start + length))
        const cursor = tree.cursor(name(start), name(start + length), reverse)
        const seen: Rows = []
        for (; cursor.valid; cursor.next()) {
          seen.push([cursor.key, cursor.value])
          for (let i = start - 3; i < start + length + 3; i++) {
            if (i % 3 === at % 3) tree.delete(name(i))
            else tree.put(name(i) + (i % 2 === 0 ? "x" : ""), at + 1)
          }
        }
        assert.deepEqual(seen, reverse ? rows.reverse() : rows)
      }
    }),
    { numRuns: 100 },
  )
})

test("a tree of several levels, full to the brim, loses any runs of keys and nothing else", () => {
  // One key more than fills every leaf and branch: the right edge is as thin as it gets.
  const count = 33 * 32 * 32 + 1
  const name = (n: number): string => String(n).padStart(5, "0")
  const full = new Tree<number>()
  for (let i = 0; i < count; i++) full.put(name(i), i)
  const run = fc.record({
    start: fc.nat(count),
    length: fc.nat(3000),
    stride: fc.constantFrom(1, 1, 2, 31, 33),
  })
  fc.assert(
    fc.property(fc.array(run, { minLength: 1, maxLength: 8 }), fc.nat(1100), (runs, tail) => {
      const tree = full.snapshot()
      const gone = new Set<number>()
      const drop = (n: number): void => {
        if (n >= count) return
        assert.equal(tree.delete(name(n)), !gone.has(n))
        gone.add(n)
      }
      for (let i = 0; i < tail; i++) drop(count - 1 - i)
      for (const { start, length, stride } of runs) for (let i = 0; i < length; i++) drop(start + i * stride)
      let next = 0
      const expected = (): number => {
        while (gone.has(next)) next++
        return next++
      }
      for (const cursor = tree.cursor("", "", false); cursor.valid; cursor.next()) {
        const at = expected()
        if (cursor.value !== at || tree.get(name(at)) !== at)
          assert.fail(`${cursor.value} stands where ${at} belongs`)
      }
      assert.equal(expected(), count)
      assert.equal(tree.size, count - gone.size)
    }),
    { numRuns: 25 },
  )
  assert.equal(full.size, count)
  const tree = full.snapshot()
  for (let i = 0; i < count; i++) assert.isTrue(tree.delete(name((i * 7_919) % count)))
  assert.equal(tree.size, 0)
  assert.deepEqual(rowsOf(tree), [])
})

test("twenty thousand keys in ascending order are all there and in order", () => {
  const tree = new Tree<number>()
  for (let i = 0; i < 20_000; i++) tree.put(String(i).padStart(5, "0"), i)
  assert.equal(tree.size, 20_000)
  const rows = rowsOf(tree)
  assert.equal(rows.length, 20_000)
  for (const [at, [name, value]] of rows.entries()) assert.isTrue(value === at && Number(name) === at)
  assert.equal(rowsOf(tree, "05000", "05010").length, 10)
})
