import fc from "fast-check"
import { assert, test } from "vitest"
import { overlaps } from "#kernel/engine/damage.ts"
import type { Space } from "#kernel/engine/engine.ts"
import { MemoryBase } from "#kernel/engine/memory-base.ts"
import { OverlayEngine } from "#kernel/engine/overlay.ts"

type Rows = readonly (readonly [Space, string, string])[]

function baseOf(rows: Rows): MemoryBase {
  const engine = new OverlayEngine(MemoryBase.empty())
  engine.apply(rows.map(([space, key, value]) => ({ space, type: "put", key, value })))
  return MemoryBase.empty().apply(engine.freeze(7))
}

/** Rows of about 1 KiB: three or four to a block. */
const ROWS: Rows = [
  [1, "k", "value"],
  [1, "k2", "x".repeat(70_000)],
  ...Array.from({ length: 20 }, (_, i) => [1, `r${String(i).padStart(2, "0")}`, "y".repeat(1_000)] as const),
  [4, "", ""],
  [4, "\0ÿ", "two spaces"],
]
const FILE = baseOf(ROWS).encode()

function flipped(bytes: Uint8Array, at: number, flip: number): Uint8Array {
  const changed = bytes.slice()
  changed[at] = changed[at]! ^ flip
  return changed
}

test("a checkpoint file has these bytes", () => {
  const file = baseOf([
    [1, "k", "v"],
    [4, "a", ""],
  ]).encode()
  const seed = "b7efc5f3"
  const header = "4f525259434b5054" + "02000000" + "07" // magic, version, checkpoint
  const blocks = "016b0176" + "016100" // two rows, a space each
  // space, rows, first key, last key, length, checksum
  const index = "02" + "0101016b016b" + "045eebd2aa" + "040101610161" + "03b1ce3a2a" + "00" // and no span lost
  const footer = "18000000" + "a0ac61e9"
  assert.equal(Buffer.from(file).toString("hex"), header + seed + blocks + index + footer)
})

test("what was encoded comes back, with its checkpoint", () => {
  const base = MemoryBase.decode(FILE)
  assert.isNotNull(base)
  assert.equal(base.checkpoint, 7)
  assert.deepEqual(base.damage, [])
  for (const [space, key, value] of ROWS) assert.equal(base.get(space, key), value)
  assert.deepEqual(base.encode(), FILE)
})

test("any changed byte costs the file or a named span of keys, and never shows another state", () => {
  fc.assert(
    fc.property(fc.nat(FILE.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const base = MemoryBase.decode(flipped(FILE, at, flip))
      if (base === null) return
      assert.equal(base.damage.length, 1)
      let lost = 0
      for (const [space, key, value] of ROWS) {
        const isLost = overlaps(base.damage, space, key, key + "\0")
        if (isLost) lost++
        assert.equal(base.get(space, key), isLost ? null : value)
      }
      assert.isAtLeast(lost, 1)
      assert.isBelow(lost, 6)
    }),
  )
})

test("a missing or added byte costs the whole file", () => {
  fc.assert(fc.property(fc.nat(FILE.length - 1), (at) => assert.isNull(MemoryBase.decode(FILE.slice(0, at)))))
  const longer = new Uint8Array(FILE.length + 1)
  longer.set(FILE)
  assert.isNull(MemoryBase.decode(longer))
})

test("a changed byte of the header, the index or the footer costs the whole file", () => {
  for (let at = 0; at < 17; at++) assert.isNull(MemoryBase.decode(flipped(FILE, at, 1)), `byte ${at}`)
  for (let back = 1; back <= 40; back++) {
    assert.isNull(MemoryBase.decode(flipped(FILE, FILE.length - back, 1)), `byte -${back}`)
  }
})

test("bytes that nobody wrote never throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => assert.isNull(MemoryBase.decode(bytes))),
  )
})

test("what was lost stays lost through checkpoints, until one clears it", () => {
  const at = 17 + 40_000
  const damaged = MemoryBase.decode(flipped(FILE, at, 1))
  assert.isNotNull(damaged)
  assert.deepEqual(damaged.damage, [{ space: 1, from: "k", to: "k2\0" }])
  const engine = new OverlayEngine(damaged)
  // A row written into the span is known; its neighbours are not.
  engine.apply([{ space: 1, type: "put", key: "k", value: "new" }])
  assert.deepEqual(engine.damage, damaged.damage)
  const next = MemoryBase.decode(damaged.apply(engine.freeze(8)).encode())
  assert.isNotNull(next)
  assert.deepEqual(next.damage, damaged.damage)
  assert.equal(next.get(1, "k"), "new")
  engine.settle(8, next)
  engine.apply([{ space: 1, type: "clear", key: "k2", value: "r" }])
  assert.deepEqual(engine.damage, [{ space: 1, from: "k", to: "k2" }])
  engine.apply([{ space: 1, type: "clear", key: "", value: "" }])
  assert.deepEqual(engine.damage, [])
  const frozen = engine.freeze(9)
  assert.deepEqual(engine.damage, [])
  const healed = next.apply(frozen)
  engine.settle(9, healed)
  assert.deepEqual(engine.damage, [])
  assert.deepEqual(healed.damage, [])
})

test("in the place of a file that says nothing everything may be lost, and what is cleared is known again", () => {
  const engine = new OverlayEngine(MemoryBase.unreadable())
  assert.equal(engine.get(1, "k"), null)
  for (const space of [1, 2, 3, 4, 5, 6] as const) assert.isTrue(overlaps(engine.damage, space, "k", "k\0"))
  engine.apply([{ space: 1, type: "clear", key: "a", value: "b" }])
  engine.freeze(1)
  engine.thaw()
  assert.isFalse(overlaps(engine.damage, 1, "a", "b"))
  assert.isTrue(overlaps(engine.damage, 1, "b", "c"))
  assert.isTrue(overlaps(engine.damage, 2, "a", "b"))
})
