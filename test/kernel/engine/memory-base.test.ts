import fc from "fast-check"
import { assert, test } from "vitest"
import { MemoryBase } from "#kernel/engine/memory-base.ts"
import { OverlayEngine } from "#kernel/engine/overlay.ts"

function baseOf(rows: readonly (readonly [1 | 4, string, string])[]): MemoryBase {
  const engine = new OverlayEngine(MemoryBase.empty())
  engine.apply(rows.map(([space, key, value]) => ({ space, type: "put", key, value })))
  return MemoryBase.empty().apply(engine.freeze(7))
}

const FILE = baseOf([
  [1, "k", "value"],
  [4, "", ""],
  [1, "k2", "x".repeat(70_000)],
  [4, "\0ÿ", "two blocks"],
]).encode()

test("a checkpoint file has these bytes", () => {
  const file = baseOf([
    [1, "k", "v"],
    [4, "a", ""],
  ]).encode()
  const header = "4f525259434b5054" + "01000000" + "07" + "01" + "01000001000000" // magic, version, checkpoint, blocks, rows
  const block = "09000000" + "66d4caa5" + "01016b0176" + "04016100" // length, checksum, two rows
  assert.equal(Buffer.from(file).toString("hex"), header + "0752c34d" + block)
})

test("what was encoded comes back, with its checkpoint", () => {
  const base = MemoryBase.decode(FILE)
  assert.isNotNull(base)
  assert.equal(base.checkpoint, 7)
  assert.equal(base.get(1, "k"), "value")
  assert.equal(base.get(4, ""), "")
  assert.equal(base.get(1, "k2")!.length, 70_000)
  assert.deepEqual(base.encode(), FILE)
})

test("any changed, missing or added byte is damage, never another state", () => {
  fc.assert(
    fc.property(fc.nat(FILE.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = FILE.slice()
      changed[at] = changed[at]! ^ flip
      assert.isNull(MemoryBase.decode(changed))
      assert.isNull(MemoryBase.decode(FILE.slice(0, at)))
    }),
  )
  for (let at = 0; at < 200; at++) {
    const changed = FILE.slice()
    changed[at] = changed[at]! ^ 1
    assert.isNull(MemoryBase.decode(changed), `byte ${at}`)
  }
  const longer = new Uint8Array(FILE.length + 1)
  longer.set(FILE)
  assert.isNull(MemoryBase.decode(longer))
})

test("bytes that nobody wrote never throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => assert.isNull(MemoryBase.decode(bytes))),
  )
})
