import { readFileSync, readdirSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import fc from "fast-check"
import { assert, describe, test } from "vitest"
import { MemoryBase, type Base, type ReadView, type Space, type Write } from "#kernel"
import { OverlayEngine } from "#kernel/engine/overlay.ts"
import { DiskRig, inTempDir } from "../../support/disk-rig.ts"
import { EngineModel, walk, type Model } from "../../support/engine-model.ts"

const VOLUME = 1

const SPACES: readonly Space[] = [1, 2, 7]
const MODEL = new EngineModel(SPACES)

/** Bytes, zeros and lengths up to beyond what the kernel's longest key has. */
const key = fc.oneof(
  fc.string({ unit: fc.constantFrom("\0", "a", "b", "\xff"), maxLength: 3 }),
  fc.integer({ min: 1, max: 3 }).map((n) => "k".repeat(2_076 + n)),
)
const value = fc.oneof(
  fc.string({ unit: fc.constantFrom("\0", "x", "\xff"), maxLength: 6 }),
  fc.integer({ min: 0, max: 20_000 }).map((n) => "v".repeat(n)),
)
const write: fc.Arbitrary<Write> = fc.record({
  space: fc.constantFrom(...SPACES),
  type: fc.constantFrom("put", "put", "put", "delete", "clear"),
  key,
  value,
})
const bound = fc.string({ unit: fc.constantFrom("\0", "a", "b", "\xff"), maxLength: 2 })
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant("write" as const), writes: fc.array(write, { maxLength: 12 }) }),
  },
  { weight: 3, arbitrary: fc.constant({ type: "checkpoint" as const }) },
  { weight: 1, arbitrary: fc.constant({ type: "snapshot" as const }) },
  { weight: 1, arbitrary: fc.constant({ type: "reopen" as const }) },
)

async function openTenant(path: string): Promise<{ rig: DiskRig; base: Base }> {
  const rig = await DiskRig.open(path)
  const images = await rig.disk.images()
  return { rig, base: images.find(({ volume }) => volume === VOLUME)!.base }
}

async function synced(rig: DiskRig, checkpoint: number): Promise<void> {
  assert.deepEqual(await rig.next(), { type: "checkpointSynced", volume: VOLUME, checkpoint })
}

/** One checkpoint of these rows, by hand. */
async function checkpointed(path: string, checkpoint: number, writes: readonly Write[]): Promise<void> {
  const { rig, base } = await openTenant(path)
  const engine = new OverlayEngine(base)
  engine.apply(writes)
  rig.disk.checkpoint(VOLUME, checkpoint, engine.freeze(checkpoint))
  await synced(rig, checkpoint)
  engine.settle(checkpoint, base)
  await rig.disk.close()
}

function put(name: string, text: string): Write {
  return { space: 1, type: "put", key: name, value: text }
}

describe("a base in LMDB", () => {
  test("agrees with a sorted array and with a base in memory, through checkpoints, snapshots and starts", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 14 }), bound, bound, (steps, start, end) =>
        inTempDir(async (path) => {
          let { rig, base } = await openTenant(path)
          let engine = new OverlayEngine(base)
          let memory = MemoryBase.empty()
          let model = MODEL.nothing
          let durable = MODEL.nothing
          let checkpoint = 0
          let snapshots: { readonly view: ReadView; readonly model: Model }[] = []
          for (const move of [...steps, { type: "reopen" as const }]) {
            switch (move.type) {
              case "write":
                engine.apply(move.writes)
                model = MODEL.apply(model, move.writes)
                break
              case "snapshot":
                snapshots.push({ view: engine.snapshot(), model })
                break
              case "checkpoint": {
                const frozen = engine.freeze(++checkpoint)
                memory = memory.apply(frozen)
                rig.disk.checkpoint(VOLUME, checkpoint, frozen)
                MODEL.assertAgree(engine, model, start, end)
                await synced(rig, checkpoint)
                // The base has taken it, the engine has not heard of it: nobody can tell.
                MODEL.assertAgree(engine, model, start, end)
                engine.settle(checkpoint, base)
                durable = model
                break
              }
              case "reopen":
                await rig.disk.close()
                ;({ rig, base } = await openTenant(path))
                engine = new OverlayEngine(base)
                model = durable
                snapshots = []
                MODEL.assertAgree(memory, durable, start, end)
                break
            }
            assert.equal(base.checkpoint, checkpoint)
            MODEL.assertAgree(engine, model, start, end)
            MODEL.assertAgree(base, durable, start, end)
            for (const { view, model: then } of snapshots) MODEL.assertAgree(view, then, start, end)
          }
          assert.deepEqual(base.damage, [])
          await rig.disk.close()
        }),
      ),
      { numRuns: 6 },
    )
  })

  test("holds several times what an overlay held", () =>
    inTempDir(async (path) => {
      const { rig, base } = await openTenant(path)
      const engine = new OverlayEngine(base)
      for (let checkpoint = 1; checkpoint <= 6; checkpoint++) {
        const writes = Array.from({ length: 2_000 }, (_, i) =>
          put(`${String(i).padStart(6, "0")}-${checkpoint}`, `${checkpoint}`.repeat(300)),
        )
        engine.apply(writes)
        rig.disk.checkpoint(VOLUME, checkpoint, engine.freeze(checkpoint))
        await synced(rig, checkpoint)
        engine.settle(checkpoint, base)
        assert.equal(engine.changeCount, 0)
      }
      const rows = walk(engine.cursor(1, "", "", false))
      assert.equal(rows.length, 12_000)
      assert.isTrue(rows.every(([name], i) => i === 0 || rows[i - 1]![0] < name))
      await rig.disk.close()
    }))

  test("a value whose bytes changed is damage from the good row before it to the one after, until it is cleared", () =>
    inTempDir(async (path) => {
      await checkpointed(path, 1, [put("a", "1"), put("m", "find me here"), put("x", "3")])
      const file = join(path, "tenants/0/data/data.mdb")
      const bytes = readFileSync(file)
      const at = bytes.indexOf("find me here")
      assert.isAbove(at, 0)
      bytes[at + 5]! ^= 1
      writeFileSync(file, bytes)

      let { rig, base } = await openTenant(path)
      assert.deepEqual(base.damage, [])
      assert.equal(base.get(1, "m"), null)
      assert.deepEqual(base.damage, [{ space: 1, from: "a\0", to: "x" }])
      const known = base.damage
      assert.deepEqual(walk(base.cursor(1, "", "", false)), [
        ["a", "1"],
        ["x", "3"],
      ])
      assert.strictEqual(base.damage, known, "found again, it is nothing new")

      const engine = new OverlayEngine(base)
      engine.apply([put("b", "other")])
      rig.disk.checkpoint(VOLUME, 2, engine.freeze(2))
      await synced(rig, 2)
      engine.settle(2, base)
      await rig.disk.close()

      // Known to the next start, though nobody has read it.
      ;({ rig, base } = await openTenant(path))
      assert.deepEqual(base.damage, [{ space: 1, from: "a\0", to: "x" }])
      const repaired = new OverlayEngine(base)
      repaired.apply([{ space: 1, type: "clear", key: "a\0", value: "x" }, put("m", "good")])
      rig.disk.checkpoint(VOLUME, 3, repaired.freeze(3))
      await synced(rig, 3)
      repaired.settle(3, base)
      await rig.disk.close()

      ;({ rig, base } = await openTenant(path))
      assert.deepEqual(walk(base.cursor(1, "", "", false)), [
        ["a", "1"],
        ["m", "good"],
        ["x", "3"],
      ])
      assert.deepEqual(base.damage, [])
      await rig.disk.close()
    }))

  for (const [name, spoil] of [
    ["one that was cut short", (file: string) => truncateSync(file, 3 * 8192)],
    ["an empty one", (file: string) => truncateSync(file, 0)],
    ["one that is something else", (file: string) => writeFileSync(file, Buffer.alloc(1 << 16, 7))],
  ] as const)
    test(`${name} is set aside, and everything in it is damaged until it is cleared`, () =>
      inTempDir(async (path) => {
        const rows = Array.from({ length: 500 }, (_, i) => put(`k${i}`, "v".repeat(200)))
        await checkpointed(path, 1, rows)
        spoil(join(path, "tenants/0/data/data.mdb"))
        const { rig, base } = await openTenant(path)
        assert.equal(base.checkpoint, 0)
        assert.deepEqual(base.damage, MemoryBase.unreadable().damage)
        assert.equal(base.get(1, "k1"), null)
        assert.include(readdirSync(join(path, "tenants/0/data")), "data.mdb.damaged")
        await rig.disk.close()
        // Nothing was repaired: the next start knows as little.
        const again = await openTenant(path)
        assert.deepEqual(again.base.damage, MemoryBase.unreadable().damage)
        await again.rig.disk.close()
      }))
})
