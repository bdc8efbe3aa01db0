import assert from "node:assert/strict"
import fc from "fast-check"
import { test } from "vitest"
import { below, between, chancePpm, draw, exponential, PURPOSE } from "#sim/draws.ts"

test("a draw depends on its key alone, and on every part of it", () => {
  const drawn = draw(1, PURPOSE.latency, 2, 3, 4)
  assert.equal(draw(1, PURPOSE.latency, 2, 3, 4), drawn)
  const others = [
    draw(2, PURPOSE.latency, 2, 3, 4),
    draw(1 + 2 ** 40, PURPOSE.latency, 2, 3, 4),
    draw(1, PURPOSE.drop, 2, 3, 4),
    draw(1, PURPOSE.latency, 3, 3, 4),
    draw(1, PURPOSE.latency, 2, 4, 4),
    draw(1, PURPOSE.latency, 2, 3, 5),
  ]
  for (const other of others) assert.notEqual(other, drawn)
})

test("draws are fixed for good: a plan means the same in every build", () => {
  assert.deepEqual(
    [draw(7, PURPOSE.latency, 1, 2, 3), draw(2 ** 53 - 1, PURPOSE.misrouteTo, 0, 0, 0)],
    [468113087, 1102539265],
  )
})

test("a number below n is never n, for every n", () => {
  const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
  fc.assert(
    fc.property(
      fc.oneof(u32, fc.constant(2 ** 32 - 1)),
      fc.integer({ min: 1, max: 2 ** 32 - 1 }),
      (drawn, n) => {
        const value = below(drawn, n)
        return Number.isInteger(value) && value >= 0 && value < n
      },
    ),
  )
  assert.equal(between(0, 5, 9), 5)
  assert.equal(between(2 ** 32 - 1, 5, 9), 9)
  assert.equal(chancePpm(2 ** 32 - 1, 1_000_000), true)
  assert.equal(chancePpm(0, 0), false)
})

test("exponential draws are whole, follow the logarithm, and have the mean they are asked for", () => {
  let sum = 0
  for (let i = 0; i < 100_000; i++) {
    const drawn = draw(3, PURPOSE.latency, 0, 0, i)
    const value = exponential(drawn, 10_000)
    const exact = -Math.log((drawn === 0 ? 1 : drawn) / 2 ** 32) * 10_000
    assert.ok(Number.isInteger(value) && value >= 0)
    assert.ok(Math.abs(value - exact) < 3, `${value} for ${exact}`)
    sum += value
  }
  assert.ok(Math.abs(sum / 100_000 - 10_000) < 150)
})
