import fc from "fast-check"
import { assert, test } from "vitest"
import { MemoryBase } from "#kernel/engine/memory-base.ts"
import { OverlayEngine } from "#kernel/engine/overlay.ts"
import { appliedWrite, clearMeta, readApplied, readShape, shapeWrite } from "#kernel/range/meta.ts"
import { configuration, descriptor } from "../../support/kernel-arbitraries.ts"

const uint = fc.oneof(fc.nat(300), fc.maxSafeNat())
const u32 = fc.nat(0xffff_ffff)
const applied = fc.record({
  replica: uint,
  appliedIndex: uint,
  appliedTerm: uint,
  lowWater: uint,
  horizon: uint,
  snapshotIndex: uint,
  leaseSequence: uint,
  hashHigh: u32,
  hashLow: u32,
})
const shape = fc.record({ descriptor, configurationIndex: uint, configuration })
const records = fc.array(
  fc.record({ group: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.maxSafeNat()), applied, shape }),
  {
    maxLength: 6,
  },
)

test("the records of every group are read back as they were written last, and nobody else's", () => {
  fc.assert(
    fc.property(records, (written) => {
      const engine = new OverlayEngine(MemoryBase.empty())
      const last = new Map<number, (typeof written)[number]>()
      for (const each of written) {
        engine.apply([appliedWrite(each.group, each.applied), shapeWrite(each.group, each.shape)])
        last.set(each.group, each)
      }
      for (const [group, each] of last) {
        assert.deepEqual(readApplied(engine, group), each.applied)
        assert.deepEqual(readShape(engine, group), each.shape)
      }
      const [gone] = last.keys()
      if (gone === undefined) return
      engine.apply(clearMeta(gone))
      assert.deepEqual([readApplied(engine, gone), readShape(engine, gone)], [null, null])
      for (const [group, each] of last)
        if (group !== gone) assert.deepEqual(readApplied(engine, group), each.applied)
    }),
    { numRuns: 200 },
  )
})

test("a record of an unknown version stops the store rather than be guessed at", () => {
  const engine = new OverlayEngine(MemoryBase.empty())
  const [sample] = fc.sample(applied, { seed: 1, numRuns: 1 })
  const write = appliedWrite(3, sample!)
  engine.apply([{ ...write, value: "\x02" + write.value.slice(1) }])
  assert.throws(() => readApplied(engine, 3), "unknown version")
  engine.apply([{ ...write, value: write.value.slice(0, 4) }])
  assert.throws(() => readApplied(engine, 3), "cannot be read")
})
