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
  clock.frameReceived(2, WALL + FENCE + 1, 0)
  clock.frameReceived(3, WALL, 0)
  assert.isFalse(clock.check(0, WALL), "half of them is no majority")
  clock.frameReceived(3, WALL + FENCE + 1, 0)
  assert.isTrue(clock.check(0, WALL))
})

test("one peer with a bad clock fences nobody", () => {
  for (const ahead of [10 * BOUND, -10 * BOUND]) {
    const clock = guard()
    clock.answerReceived(2, WALL + ahead, 1_000, 0)
    clock.answerReceived(3, WALL, 1_000, 0)
    clock.answerReceived(4, WALL, 1_000, 0)
    assert.isFalse(clock.check(0, WALL))
  }
})

test("a frame proves nothing about who is behind: it may have been long on its way", () => {
  const clock = guard()
  for (const peer of [2, 3, 4]) clock.frameReceived(peer, WALL - 3_600_000_000, 0)
  assert.isFalse(clock.check(0, WALL))
})

test("an answer proves who is behind, less the round trip", () => {
  const clock = guard()
  for (const peer of [2, 3]) clock.answerReceived(peer, WALL - FENCE - 1_000, 1_000, 0)
  assert.isFalse(clock.check(0, WALL), "it may have been on its way for that long")
  for (const peer of [2, 3]) clock.answerReceived(peer, WALL - FENCE - 1_001, 1_000, 0)
  assert.isTrue(clock.check(0, WALL))
})

test("what was heard more than ten seconds ago says nothing any more", () => {
  const clock = guard()
  for (const peer of [2, 3]) clock.answerReceived(peer, WALL + 2 * BOUND, 0, 0)
  assert.isTrue(clock.check(10_000_000, WALL + 10_000_000))
  assert.isTrue(clock.isFenced)
  assert.isTrue(clock.check(10_000_001, WALL + 10_000_001))
  assert.isFalse(clock.isFenced)
})

/** Fenced by a step of an hour at 1 s; its clock is an hour ahead of its anchor from then on, and right. */
const HOUR = 3_600_000_000
function stepped(): ClockGuard {
  const clock = guard()
  clock.check(1_000_000, WALL + 1_000_000 + HOUR)
  return clock
}

/** What a peer's clock shows when all but this store's anchor are right. */
function rightly(mono: number): number {
  return WALL + mono + HOUR
}

test("a store whose clock most of its peers confirm from both sides trusts it from then on, and its next jump is seen", () => {
  const clock = stepped()
  clock.answerReceived(2, rightly(2_000_000) - 500, 1_000, 2_000_000)
  clock.frameReceived(3, rightly(2_000_000) - 500, 2_000_000)
  assert.isFalse(clock.check(2_000_000, rightly(2_000_000)), "one of two is not most of them")
  clock.answerReceived(3, rightly(2_000_000) - 500, 1_000, 2_000_000)
  assert.isTrue(clock.check(2_000_000, rightly(2_000_000)))
  assert.isFalse(clock.isFenced)
  assert.isFalse(clock.check(90_000_000, rightly(90_000_000)))
  assert.isTrue(clock.check(90_000_001, WALL + 90_000_001), "the old clock is the wrong one now")
})

test("frames alone do not bring a store back: they bound it from one side", () => {
  const clock = stepped()
  for (let mono = 2_000_000; mono < 60_000_000; mono += 100_000) {
    for (const peer of [2, 3, 4]) clock.frameReceived(peer, rightly(mono), mono)
    assert.isFalse(clock.check(mono, rightly(mono)))
  }
})

test("an answer that was long on its way, or shows another clock, does not bring a store back", () => {
  for (const [off, roundTrip] of [
    [0, FENCE + 1],
    [-FENCE, 2 * FENCE + 1],
    [-FENCE - 1, 1],
    [FENCE, 1],
    [-HOUR, 0],
  ] as const) {
    const clock = stepped()
    for (const peer of [2, 3]) clock.answerReceived(peer, rightly(2_000_000) + off, roundTrip, 2_000_000)
    assert.isFalse(clock.check(2_000_000, rightly(2_000_000)), `${off} µs, ${roundTrip} µs`)
    assert.isTrue(clock.isFenced)
  }
})

test("what was measured before a store was fenced, or more than ten seconds ago, does not bring it back", () => {
  const early = guard()
  for (const peer of [2, 3]) early.answerReceived(peer, rightly(999_999), 0, 999_999)
  early.check(1_000_000, rightly(1_000_000))
  assert.isFalse(early.check(1_000_001, rightly(1_000_001)))
  assert.isTrue(early.isFenced)

  for (const [mono, isTrusted] of [
    [12_000_000, true],
    [12_000_001, false],
  ] as const) {
    const late = stepped()
    for (const peer of [2, 3]) {
      late.answerReceived(peer, rightly(2_000_000), 0, 2_000_000)
      late.frameReceived(peer, rightly(11_000_000), 11_000_000)
    }
    assert.equal(late.check(mono, rightly(mono)), isTrusted)
  }
})

test("without peers no jump is forgiven", () => {
  const clock = stepped()
  assert.isFalse(clock.check(100_000_000, rightly(100_000_000)))
  assert.isTrue(clock.isFenced)
})

test("a jump is told before it is forgiven, however many peers confirm the clock", () => {
  const clock = guard()
  for (const peer of [2, 3]) clock.answerReceived(peer, rightly(1_000_000), 0, 1_000_000)
  assert.isTrue(clock.check(1_000_000, rightly(1_000_000)))
  assert.isTrue(clock.isFenced)
  assert.isTrue(clock.check(1_000_000, rightly(1_000_000)), "and the next step is another one")
  assert.isFalse(clock.isFenced)
})

test("a store whose peers are right trusts no clock that is off by more than twice the fence, whatever happens to it", () => {
  const moment = fc.record({
    jump: fc.oneof(
      { weight: 3, arbitrary: fc.constant(0) },
      fc.integer({ min: -3 * FENCE, max: 3 * FENCE }),
      fc.constantFrom(HOUR, -HOUR),
    ),
    right: fc.boolean(),
    peers: fc.array(fc.record({ way: fc.nat(100_000), back: fc.nat(100_000), isAnswer: fc.boolean() }), {
      maxLength: 4,
    }),
  })
  fc.assert(
    fc.property(fc.array(moment, { size: "max", maxLength: 40 }), (moments) => {
      let clock = guard()
      let mono = 0
      let off = 0
      for (const { jump, right, peers } of moments) {
        mono += 700_000
        off = right ? 0 : off + jump
        for (const [n, { way, back, isAnswer }] of peers.entries()) {
          const theirs = WALL + mono - back
          if (isAnswer) clock.answerReceived(n + 2, theirs, way + back, mono)
          else clock.frameReceived(n + 2, theirs, mono)
        }
        clock.check(mono, WALL + mono + off)
        if (!clock.isFenced) assert.isAtMost(Math.abs(off), 2 * FENCE)
        clock = ClockGuard.load(new ByteReader(bytesOf(clock)), BOUND)
      }
    }),
    { numRuns: 500 },
  )
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
          if (isAnswer) clock.answerReceived(peer, sentAt, 2 * way, mono)
          else clock.frameReceived(peer, sentAt, mono)
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
        if (isAnswer) clock.answerReceived(peer, WALL + skew, way, n)
        else clock.frameReceived(peer, WALL + skew, n)
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
