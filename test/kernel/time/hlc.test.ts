import fc from "fast-check"
import { assert, test } from "vitest"
import { aheadUs, fromWall, Hlc, logical, LOGICAL_PER_MS, wallMs } from "#kernel/time/hlc.ts"
import { ByteReader, ByteWriter } from "#kernel/lib/bytes.ts"

/** Microseconds until the end of the year 2108. */
const wall = fc.nat(Date.UTC(2109, 0, 1) * 1000)
const ts = fc.nat(Number.MAX_SAFE_INTEGER - 1_000_000)
const step = fc.oneof(
  fc.record({ now: wall }),
  fc.record({ observe: ts }),
  fc.record({ reload: fc.constant(true) }),
)

test("a timestamp is milliseconds and a logical part, for as long as we promise", () => {
  const lastDay = Date.UTC(2109, 4, 15)
  assert.isTrue(Number.isSafeInteger(lastDay * LOGICAL_PER_MS + LOGICAL_PER_MS - 1))
  assert.equal(fromWall(1_700_000_000_123_999), 1_700_000_000_123 * 2048)
  fc.assert(
    fc.property(ts, (ts) => {
      assert.equal(wallMs(ts) * LOGICAL_PER_MS + logical(ts), ts)
      assert.isTrue(logical(ts) >= 0 && logical(ts) < LOGICAL_PER_MS)
    }),
  )
})

test("whatever the wall clock does, timestamps ascend and never lie behind it", () => {
  fc.assert(
    fc.property(fc.array(step, { size: "max", maxLength: 50 }), (steps) => {
      let clock = new Hlc()
      let greatest = 0
      for (const step of steps) {
        if ("now" in step) {
          const given = clock.now(step.now)
          assert.isAbove(given, greatest)
          assert.isAtLeast(wallMs(given), Math.floor(step.now / 1000))
          greatest = given
        } else if ("observe" in step) {
          clock.observe(step.observe)
          greatest = Math.max(greatest, step.observe)
        } else {
          const writer = new ByteWriter()
          clock.save(writer)
          clock = Hlc.load(new ByteReader(writer.finish()))
        }
        assert.equal(clock.last, greatest)
      }
    }),
  )
})

test("a full logical part carries into the milliseconds, and counts as being ahead", () => {
  const clock = new Hlc()
  const wall = 5_000_400
  for (let i = 0; i < LOGICAL_PER_MS; i++) assert.equal(clock.now(wall), fromWall(wall) + i)
  const carried = clock.now(wall)
  assert.equal(wallMs(carried), 5001)
  assert.equal(logical(carried), 0)
  assert.equal(aheadUs(carried, wall), 600)
  assert.equal(aheadUs(carried, 5_001_000), 0)
  assert.equal(aheadUs(carried, 9_000_000), 0)
})
