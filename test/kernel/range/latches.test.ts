import fc from "fast-check"
import { assert, test } from "vitest"
import { ByteReader } from "#kernel/lib/bytes.ts"
import type { Span } from "#kernel/mvcc/key.ts"
import { Latches } from "#kernel/range/latches.ts"
import { bytesOf } from "../../support/kernel-arbitraries.ts"

const KEYS = ["a", "b", "c", "d"]
const keys = fc.uniqueArray(fc.constantFrom(...KEYS), { minLength: 1, maxLength: 3 })
const span: fc.Arbitrary<Span> = fc.oneof(
  fc.constantFrom(...KEYS).map((key) => ({ start: key, end: key + "\0" })),
  fc
    .tuple(fc.constantFrom("", ...KEYS), fc.constantFrom("", ...KEYS, "z"))
    .map(([start, end]) => ({ start, end })),
)
const command = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant("write" as const), keys }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("whole" as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("read" as const),
      spans: fc.array(span, { minLength: 1, maxLength: 2 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ type: fc.constant("release" as const), pick: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("reload" as const) }) },
)

/** Everyone here, in the order they came, and whom each has to wait for: decided once, when it comes. */
type Waiter = { readonly id: number; readonly keys: readonly string[] | null; readonly waitsFor: Set<number> }

function inSpan(key: string, { start, end }: Span): boolean {
  return key >= start && (end === "" || key < end)
}

test("writers of a key go one after the other as they came, readers wait for earlier writers and for nobody else", () => {
  fc.assert(
    fc.property(fc.array(command, { size: "max", maxLength: 60 }), (commands) => {
      let latches = new Latches()
      let queue: Waiter[] = []
      const isReady = (waiter: Waiter): boolean =>
        ![...waiter.waitsFor].some((id) => queue.some((each) => each.id === id))
      const join = (
        id: number,
        held: readonly string[] | null,
        conflicts: (other: Waiter) => boolean,
      ): void => {
        const waitsFor = new Set(queue.filter((other) => conflicts(other)).map((other) => other.id))
        queue.push({ id, keys: held, waitsFor })
      }
      for (const step of commands) {
        if (step.type === "write") {
          join(
            latches.acquire(step.keys),
            step.keys,
            (other) => other.keys === null || other.keys.some((key) => step.keys.includes(key)),
          )
        } else if (step.type === "whole") join(latches.acquire(null), null, () => true)
        else if (step.type === "read") {
          join(
            latches.acquireRead(step.spans),
            [],
            (other) =>
              other.keys === null || other.keys.some((key) => step.spans.some((each) => inSpan(key, each))),
          )
        } else if (step.type === "reload") latches = Latches.load(new ByteReader(bytesOf(latches)))
        else {
          // Only who holds gives up: that is how the service uses it.
          const holders = queue.filter(isReady)
          const holder = holders[step.pick % Math.max(1, holders.length)]
          if (holder === undefined) continue
          const before = new Set(holders.map(({ id }) => id))
          queue = queue.filter(({ id }) => id !== holder.id)
          const expected = queue.filter((each) => isReady(each) && !before.has(each.id)).map(({ id }) => id)
          assert.deepEqual(latches.release(holder.id), expected, "in the order they came")
        }
        assert.equal(latches.size, queue.length)
        for (const waiter of queue)
          assert.equal(latches.isReady(waiter.id), isReady(waiter), `ticket ${waiter.id}`)
        const holding = queue.filter((each) => isReady(each) && (each.keys === null || each.keys.length > 0))
        for (const a of holding)
          for (const b of holding) {
            if (a.id >= b.id) continue
            const isShared = a.keys === null || b.keys === null || a.keys.some((key) => b.keys!.includes(key))
            assert.isFalse(isShared, "two hold one key")
          }
      }
      // Nobody waits for ever: releasing whoever holds empties the queue.
      for (let left = queue.length; left > 0; left--) {
        const holder = queue.find(isReady)
        assert.isDefined(holder)
        latches.release(holder!.id)
        queue = queue.filter(({ id }) => id !== holder!.id)
      }
      assert.equal(latches.size, 0)
    }),
    { numRuns: 500 },
  )
})

test("readers hold nothing: a writer that comes after one does not wait for it", () => {
  const latches = new Latches()
  const reader = latches.acquireRead([{ start: "a", end: "b" }])
  const writer = latches.acquire(["a"])
  assert.deepEqual([latches.isReady(reader), latches.isReady(writer)], [true, true])
})

test("who takes the whole range waits for all that are here, readers too, and all that come after wait for it", () => {
  const latches = new Latches()
  const reader = latches.acquireRead([{ start: "a", end: "b" }])
  const writer = latches.acquire(["x"])
  const whole = latches.acquire(null)
  const later = latches.acquire(["y"])
  const laterReader = latches.acquireRead([{ start: "z", end: "" }])
  assert.deepEqual([latches.release(writer), latches.release(reader)], [[], [whole]])
  assert.deepEqual([latches.isReady(later), latches.isReady(laterReader)], [false, false])
  assert.deepEqual(latches.release(whole), [later, laterReader])
})

test("a latch is given up once", () => {
  const latches = new Latches()
  const id = latches.acquire(["a"])
  latches.release(id)
  assert.throws(() => latches.release(id), "not held")
})

test("after all were cleared tickets go on with new numbers", () => {
  const latches = new Latches()
  const first = latches.acquire(["a"])
  latches.clear()
  const second = latches.acquire(["a"])
  assert.isAbove(second, first)
  assert.isTrue(latches.isReady(second))
})
