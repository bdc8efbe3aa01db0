import fc from "fast-check"
import { assert, test } from "vitest"
import type { Base } from "#kernel/engine/base.ts"
import type { Cursor, ReadView, Space, Write } from "#kernel/engine/engine.ts"
import { MemoryBase } from "#kernel/engine/memory-base.ts"
import { OverlayEngine, type FrozenOverlay } from "#kernel/engine/overlay.ts"
import { ByteReader, ByteWriter } from "#kernel/lib/bytes.ts"
import { EngineModel, type Model } from "../../support/engine-model.ts"

const SPACES: readonly Space[] = [1, 2, 5]
const MODEL = new EngineModel(SPACES)

/** A host whose base takes a flush at a moment of its own. */
class HostBase implements Base {
  inner: MemoryBase
  constructor(inner: MemoryBase) {
    this.inner = inner
  }
  get checkpoint(): number {
    return this.inner.checkpoint
  }
  get damage(): MemoryBase["damage"] {
    return this.inner.damage
  }
  get(space: Space, key: string): string | null {
    return this.inner.get(space, key)
  }
  cursor(space: Space, start: string, end: string, reverse: boolean): Cursor {
    return this.inner.cursor(space, start, end, reverse)
  }
  snapshot(): MemoryBase {
    return this.inner
  }
}

function reload(engine: OverlayEngine, base: Base): OverlayEngine {
  const writer = new ByteWriter()
  engine.save(writer)
  const bytes = writer.finish()
  const reader = new ByteReader(bytes)
  const loaded = OverlayEngine.load(reader, base)
  assert.isFalse(reader.failed)
  assert.equal(reader.remaining, 0)
  const again = new ByteWriter()
  loaded.save(again)
  assert.deepEqual(again.finish(), bytes)
  return loaded
}

const space = fc.constantFrom(...SPACES)
const key = fc
  .tuple(fc.constantFrom("a", "b", "\0", "ÿ"), fc.nat(25))
  .map(([a, n]) => a + String.fromCharCode(n))
const bound = fc.oneof(fc.constant(""), key)
const write: fc.Arbitrary<Write> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      space,
      type: fc.constant("put" as const),
      key,
      value: fc.string({ maxLength: 3 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ space, type: fc.constant("delete" as const), key, value: fc.constant("") }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ space, type: fc.constant("clear" as const), key: bound, value: bound }),
  },
)
const step = fc.oneof(
  { weight: 6, arbitrary: fc.array(write, { maxLength: 12 }) },
  {
    weight: 8,
    arbitrary: fc.constantFrom(
      ...([
        "snapshot",
        "freeze",
        "freeze",
        "baseTakes",
        "settle",
        "settle",
        "thaw",
        "crash",
        "reload",
      ] as const),
    ),
  },
)

test("an overlay engine is a sorted array, over freezes, flushes, refusals, crashes and reloads", () => {
  let settled = 0
  let thawed = 0
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 40, size: "max" }),
      fc.boolean(),
      bound,
      bound,
      (steps, inPlace, start, end) => {
        let host = new HostBase(MemoryBase.empty())
        let engine = new OverlayEngine(host)
        let model: Model = MODEL.nothing
        let durable: Model = MODEL.nothing
        let frozen: { overlay: FrozenOverlay; model: Model; taken: boolean } | null = null
        let checkpoint = 0
        let snapshots: { view: ReadView; model: Model; before: number }[] = []
        for (const step of steps) {
          if (typeof step !== "string") {
            engine.apply(step)
            model = MODEL.apply(model, step)
          } else if (step === "snapshot") {
            snapshots.push({ view: engine.snapshot(), model, before: checkpoint + 1 })
          } else if (step === "freeze" && frozen === null) {
            frozen = { overlay: engine.freeze(++checkpoint), model, taken: false }
          } else if (step === "baseTakes" && frozen !== null && !frozen.taken) {
            const flushed = host.inner.apply(frozen.overlay)
            durable = frozen.model
            frozen.taken = true
            if (inPlace) {
              // Such a host keeps no snapshot that is older than the freeze.
              host.inner = flushed
              snapshots = snapshots.filter(({ before }) => before > checkpoint)
            } else {
              host = new HostBase(flushed)
            }
          } else if (step === "settle" && frozen?.taken === true) {
            engine.settle(checkpoint, host)
            frozen = null
            settled++
          } else if (step === "thaw" && frozen?.taken === false) {
            engine.thaw()
            frozen = null
            thawed++
          } else if (step === "crash") {
            const recovered = MemoryBase.decode(host.inner.encode())
            assert.isNotNull(recovered)
            assert.deepEqual(recovered.encode(), host.inner.encode())
            host = new HostBase(recovered)
            engine = new OverlayEngine(host)
            checkpoint = host.checkpoint
            model = durable
            frozen = null
            snapshots = []
          } else if (step === "reload") {
            engine = reload(engine, host)
          }
          MODEL.assertAgree(engine, model, start, end)
        }
        for (const { view, model: then } of snapshots) MODEL.assertAgree(view, then, start, end)
      },
    ),
    { numRuns: 200 },
  )
  assert.isAbove(settled, 0)
  assert.isAbove(thawed, 0)
})

test("whether the base already has the frozen changes cannot be seen from above", () => {
  fc.assert(
    fc.property(
      fc.array(write),
      fc.array(write),
      fc.array(write),
      bound,
      bound,
      (first, second, third, start, end) => {
        const engines = [false, true].map((taken) => {
          const base = new OverlayEngine(MemoryBase.empty())
          base.apply(first)
          const host = new HostBase(MemoryBase.empty().apply(base.freeze(1)))
          const engine = new OverlayEngine(host)
          engine.apply(second)
          const frozen = engine.freeze(2)
          if (taken) host.inner = host.inner.apply(frozen)
          engine.apply(third)
          return engine
        })
        const model = MODEL.apply(MODEL.apply(MODEL.apply(MODEL.nothing, first), second), third)
        for (const engine of engines) MODEL.assertAgree(engine, model, start, end)
        const saves = engines.map((engine) => {
          const writer = new ByteWriter()
          engine.save(writer)
          return writer.finish()
        })
        assert.deepEqual(saves[0], saves[1])
      },
    ),
    { numRuns: 150 },
  )
})

test("the bytes of a save depend on content, not on the order in which the tree grew", () => {
  const keys = Array.from({ length: 500 }, (_, i) => `k${i}`)
  const puts = (order: readonly string[]): Write[] =>
    order.map((key) => ({ space: 1, type: "put", key, value: key }))
  const saves = [keys, [...keys].reverse(), [...keys].sort()].map((order) => {
    const engine = new OverlayEngine(MemoryBase.empty())
    engine.apply(puts(order))
    const writer = new ByteWriter()
    engine.save(writer)
    return writer.finish()
  })
  assert.deepEqual(saves[1], saves[0])
  assert.deepEqual(saves[2], saves[0])
})

test("frozen changes come by space and key, each key once, with its last word", () => {
  const engine = new OverlayEngine(MemoryBase.empty())
  engine.apply([
    { space: 5, type: "put", key: "b", value: "1" },
    { space: 1, type: "put", key: "z", value: "2" },
    { space: 1, type: "delete", key: "a", value: "" },
    { space: 1, type: "put", key: "z", value: "3" },
  ])
  const frozen = engine.freeze(1)
  assert.equal(frozen.count, 3)
  assert.deepEqual(
    [...frozen.writes()],
    [
      { space: 1, type: "delete", key: "a", value: "" },
      { space: 1, type: "put", key: "z", value: "3" },
      { space: 5, type: "put", key: "b", value: "1" },
    ],
  )
  assert.throws(() => engine.freeze(2), /under way/)
})

test("an insert does not look below the layer that takes the writes, and is a put in all else", () => {
  const asked: string[] = []
  const older = new OverlayEngine(MemoryBase.empty())
  older.apply([{ space: 1, type: "put", key: "old", value: "1" }])
  const base = new HostBase(MemoryBase.empty().apply(older.freeze(1)))
  const engine = new OverlayEngine(base)
  const get = base.get.bind(base)
  base.get = (space, key) => (asked.push(key), get(space, key))
  const before: (string | null)[] = []
  engine.apply(
    [
      { space: 1, type: "insert", key: "new", value: "a" },
      { space: 1, type: "put", key: "old", value: "b" },
      { space: 1, type: "insert", key: "new", value: "c" },
    ],
    before,
  )
  assert.deepEqual(before, [null, "1", "a"])
  assert.deepEqual(asked, ["old"])
  assert.deepEqual([engine.get(1, "new"), engine.get(1, "old")], ["c", "b"])
  assert.deepEqual(
    [...engine.freeze(2).writes()].map(({ type, key }) => `${type} ${key}`),
    ["put new", "put old"],
  )
})
