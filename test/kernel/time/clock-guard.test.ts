import fc from "fast-check"
import { assert, test } from "vitest"
import { ByteReader } from "#kernel/lib/bytes.ts"
import { ClockGuard } from "#kernel/time/clock-guard.ts"
import { bytesOf } from "../../support/kernel-arbitraries.ts"

const BOUND = 250_000
/** 80 % of the bound. */
const FENCE = 200_000
const WALL = 1_700_000_000_000_000

function guard(): ClockGuard {
  return new ClockGuard(BOUND, 0, WALL)
}

test("a clock that goes along with the monotonic one is trusted", () => {
  const clock = guard()
  for (let mono = 0; mono < 100_000_000; mono += 1_000_000) assert.isFalse(clock.check(mono, WALL + mono))
  assert.isFalse(clock.isFenced)
})

test("a step forwards or backwards beyond the fence is seen at once, one within it is not", () => {
  for (const step of [FENCE + 1, -FENCE - 1, 3_600_000_000, -3_600_000_000]) {
    const clock = guard()
    clock.check(1_000, WALL + 1_000)
    assert.isTrue(clock.check(2_000, WALL + 2_000 + step), `${step} µs`)
    assert.isTrue(clock.isFenced)
  }
  for (const step of [FENCE, -FENCE, 0]) {
    const clock = guard()
    assert.isFalse(clock.check(2_000, WALL + 2_000 + step))
    assert.isFalse(clock.isFenced)
  }
})

test("a clock that stands still is fenced once it has lost more than the fence", () => {
  const clock = guard()
  assert.isFalse(clock.check(FENCE, WALL))
  assert.isTrue(clock.check(FENCE + 1, WALL))
})

test("a drift adds up: small steps are seen when their sum leaves the bound", () => {
  const clock = guard()
  const driftPerSecond = 500
  let seconds = 0
  while (!clock.isFenced && seconds < 1_000) {
    seconds++
    clock.check(seconds * 1_000_000, WALL + seconds * (1_000_000 + driftPerSecond))
  }
  assert.equal(seconds, FENCE / driftPerSecond + 1)
})

test("a clock that comes back is trusted again, and each change is told once", () => {
  const clock = guard()
  assert.isTrue(clock.check(1_000, WALL + 1_000 + 400_000))
  assert.isFalse(clock.check(2_000, WALL + 2_000 + 400_000), "no news")
  assert.isTrue(clock.check(3_000, WALL + 3_000))
  assert.isFalse(clock.isFenced)
})

test("a store that a majority of its peers is provably ahead of fences itself", () => {
  const clock = guard()
  clock.frameReceived(2, WALL + FENCE + 1, 0, WALL)
  clock.frameReceived(3, WALL, 0, WALL)
  assert.isFalse(clock.check(0, WALL), "half of them is no majority")
  clock.frameReceived(3, WALL + FENCE + 1, 0, WALL)
  assert.isTrue(clock.check(0, WALL))
})

test("one peer with a bad clock fences nobody", () => {
  for (const ahead of [10 * BOUND, -10 * BOUND]) {
    const clock = guard()
    clock.answerReceived(2, WALL + ahead, 1_000, 0, WALL)
    clock.answerReceived(3, WALL, 1_000, 0, WALL)
    clock.answerReceived(4, WALL, 1_000, 0, WALL)
    assert.isFalse(clock.check(0, WALL))
  }
})

test("a frame proves nothing about who is behind: it may have been long on its way", () => {
  const clock = guard()
  for (const peer of [2, 3, 4]) clock.frameReceived(peer, WALL - 3_600_000_000, 0, WALL)
  assert.isFalse(clock.check(0, WALL))
})

test("an answer proves who is behind, less the round trip", () => {
  const clock = guard()
  for (const peer of [2, 3]) clock.answerReceived(peer, WALL - FENCE - 1_000, 1_000, 0, WALL)
  assert.isFalse(clock.check(0, WALL), "it may have been on its way for that long")
  for (const peer of [2, 3]) clock.answerReceived(peer, WALL - FENCE - 1_001, 1_000, 0, WALL)
  assert.isTrue(clock.check(0, WALL))
})

test("what was heard more than ten seconds ago says nothing any more", () => {
  const clock = guard()
  for (const peer of [2, 3]) clock.answerReceived(peer, WALL + 2 * BOUND, 0, 0, WALL)
  assert.isTrue(clock.check(10_000_000, WALL + 10_000_000))
  assert.isTrue(clock.isFenced)
  assert.isTrue(clock.check(10_000_001, WALL + 10_000_001))
  assert.isFalse(clock.isFenced)
})

test("a candidate whose clock runs ahead of ours by more than the fence is one that must not lead", () => {
  const clock = guard()
  assert.isTrue(clock.isAhead(WALL + FENCE + 1, WALL))
  assert.isFalse(clock.isAhead(WALL + FENCE, WALL))
  assert.isFalse(clock.isAhead(WALL - 10 * BOUND, WALL))
})

const event = fc.record({
  peer: fc.integer({ min: 2, max: 5 }),
  skew: fc.integer({ min: -200_000, max: 200_000 }),
  way: fc.nat(50_000),
  isAnswer: fc.boolean(),
})

test("clocks that are all within the fence of each other fence nobody, whatever the network does to their frames", () => {
  fc.assert(
    fc.property(
      fc.array(event, { size: "max", maxLength: 60 }),
      fc.array(fc.integer({ min: -50_000, max: 50_000 }), { minLength: 6, maxLength: 6 }),
      (events, skews) => {
        let clock = guard()
        let mono = 0
        for (const [n, { peer, way, isAnswer }] of events.entries()) {
          mono += 100_000
          const wall = WALL + mono
          const sentAt = wall + skews[peer]! - way
          if (isAnswer) clock.answerReceived(peer, sentAt, 2 * way, mono, wall)
          else clock.frameReceived(peer, sentAt, mono, wall)
          assert.isFalse(clock.check(mono, wall))
          if (n % 7 === 0) clock = ClockGuard.load(new ByteReader(bytesOf(clock)), BOUND)
        }
      },
    ),
    { numRuns: 300 },
  )
})

test("a saved guard is read back to the same bytes", () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 20 }), (events) => {
      const clock = guard()
      for (const [n, { peer, skew, way, isAnswer }] of events.entries()) {
        if (isAnswer) clock.answerReceived(peer, WALL + skew, way, n, WALL + n)
        else clock.frameReceived(peer, WALL + skew, n, WALL + n)
        clock.check(n, WALL + n)
      }
      const bytes = bytesOf(clock)
      const reader = new ByteReader(bytes)
      const again = ClockGuard.load(reader, BOUND)
      assert.deepEqual([bytesOf(again), reader.failed, reader.remaining], [bytes, false, 0])
      assert.equal(again.isFenced, clock.isFenced)
    }),
    { numRuns: 200 },
  )
})
