import assert from "node:assert/strict"
import fc from "fast-check"
import { test } from "vitest"
import type { Frame, Input } from "#kernel"
import { Clock, sineUs, smearedUs, WALL_START } from "#sim/env/clock.ts"
import { classify, clockSpreadMax } from "#sim/faults/atlas.ts"
import { World } from "#sim/world.ts"
import { fault, plan } from "./support/plans.ts"
import { toyBuild } from "./support/toy-kernel.ts"

const SECOND = 1_000_000

function clockAt(now: number): Clock {
  const clock = new Clock()
  clock.boot(now, 5_000)
  return clock
}

test("a smear grows evenly, stays when it is complete, and is given back", () => {
  const clock = clockAt(0)
  clock.overlay(0, 1, { type: "smear", offsetUs: -1_000, overUs: 10_000 })
  const ahead = (now: number): number => clock.wall(now) - WALL_START - now
  assert.deepEqual([0, 5_000, 10_000, 60_000].map(ahead), [0, -500, -1_000, -1_000])
  assert.equal(clock.mono(60_000), 65_000)
  clock.lift(60_000, 1)
  assert.equal(ahead(60_001), 0)
})

test("a sine swings evenly to both sides, never further than it says, in whole microseconds", () => {
  assert.deepEqual(
    [0, 250, 500, 750, 1_000].map((at) => sineUs(80, 1_000, at)),
    [0, 80, 0, -80, 0],
  )
  const time = fc.nat(3_600_000_000)
  fc.assert(
    fc.property(time, time, time, (amplitude, period, elapsed) => {
      const ahead = sineUs(amplitude, period, elapsed)
      assert.ok(Number.isSafeInteger(ahead) && Math.abs(ahead) <= amplitude)
      const smeared = smearedUs(amplitude, Math.max(1, period), elapsed)
      assert.ok(Number.isSafeInteger(smeared) && smeared >= 0 && smeared <= amplitude)
    }),
  )
})

test("a clock that goes back at a start is right until then", () => {
  const clock = clockAt(0)
  clock.overlay(1_000, 1, { type: "bootOffset", offsetUs: -700 })
  assert.equal(clock.wall(2_000) - WALL_START, 2_000)
  assert.equal(clock.shows(2_000, 1), false)
  clock.boot(3_000, 9_000)
  assert.equal(clock.wall(3_000) - WALL_START, 2_300)
  assert.equal(clock.shows(3_000, 1), true)
})

test("a monotonic clock may run beside a wall clock that is right", () => {
  const clock = clockAt(0)
  clock.overlay(0, 1, { type: "monoDrift", ppm: 50_000 })
  assert.equal(clock.wall(1_000_000) - WALL_START, 1_000_000)
  assert.equal(clock.mono(1_000_000), 5_000 + 1_050_000)
  clock.lift(1_000_000, 1)
  assert.equal(clock.mono(2_000_000), 5_000 + 2_050_000)
})

test("wake-ups come too early at most once, or too late, by no more than a bad timer may", () => {
  const wakes: number[] = []
  const args = { earlyUs: 300_000, lateUs: 200_000 }
  const world = new World({
    plan: plan({ faults: [fault(1, "timerSkew", SECOND / 2, 9 * SECOND, { stores: [1] }, args)] }),
    build: toyBuild(3),
    clients: null,
    listener: null,
    checkers: [
      {
        name: "wakes",
        stepped(view, store, input) {
          if (store === 1 && input.type === "wake") wakes.push(view.now)
        },
      },
    ],
  })
  world.runUntil(9 * SECOND)
  // The toy asks for a wake-up a second after each.
  const waits = wakes.slice(1).map((at, index) => at - wakes[index]!)
  assert.ok(waits.every((wait) => wait >= 700_000 && wait <= 1_200_000 + 1_000))
  assert.ok(waits.some((wait) => wait < 990_000) && waits.some((wait) => wait > 1_010_000))
})

test("frames of the far future claim what the clock of their store does not show", () => {
  const century = 3_155_760_000_000_000
  const frames: Frame[] = []
  const walls: number[] = []
  const target = { stores: [1] }
  const world = new World({
    plan: plan({ faults: [fault(1, "clockFarFuture", 0, 9 * SECOND, target, { aheadUs: century })] }),
    build: toyBuild(3),
    clients: null,
    listener: null,
    checkers: [
      {
        name: "stamps",
        stepped(_view, store, input: Input) {
          if (store === 1) walls.push(input.wall)
          else if (input.type === "frame" && input.frame.header.fromStore === 1) frames.push(input.frame)
        },
      },
    ],
  })
  world.runUntil(5 * SECOND)
  assert.ok(frames.length > 0 && frames.every(({ header }) => header.wall > WALL_START + century))
  assert.ok(walls.length > 0 && walls.every((wall) => wall < WALL_START + 6 * SECOND))
})

test("the atlas counts each of them by what it may come to", () => {
  const on = (kind: Parameters<typeof fault>[1], args: Readonly<Record<string, number>>) =>
    plan({ faults: [fault(1, kind, SECOND, 9 * SECOND, { stores: [1] }, args)] })
  assert.equal(clockSpreadMax(on("clockSmear", { offsetUs: 900, overUs: SECOND })), 900)
  assert.equal(clockSpreadMax(on("clockSmear", { offsetUs: 1_600, overUs: 16 * SECOND })), 800)
  assert.equal(clockSpreadMax(on("clockSine", { amplitudeUs: 700, periodUs: SECOND })), 700)
  assert.equal(clockSpreadMax(on("clockBackAtBoot", { offsetUs: -600 })), 600)
  assert.equal(classify(on("clockFarFuture", { aheadUs: 3_600 * SECOND })), "detectable")
  assert.equal(classify(on("monoDrift", { ppm: 50_000 })), "within")
  assert.equal(classify(on("timerSkew", { lateUs: SECOND })), "within")
})
