import assert from "node:assert/strict"
import * as fc from "fast-check"
import { describe, test } from "vitest"
import { dropProbability, drops, sightingOf, type Sighting } from "./sensitivity.ts"

const seen = (detections: number, seeds: number): Sighting => ({ detections, seeds, isOpen: false })
const open = (detections: number, seeds: number): Sighting => ({ detections, seeds, isOpen: true })

describe("how likely so many seeds are by chance", () => {
  test("as counted by hand", () => {
    // One find each, 5 seeds in all: 1+4, 2+3, 3+2, 4+1 are equally likely.
    assert.ok(Math.abs(dropProbability(seen(1, 4), seen(1, 1)) - 1) < 1e-12)
    assert.ok(Math.abs(dropProbability(seen(1, 2), seen(1, 3)) - 2 / 4) < 1e-12)
    assert.ok(Math.abs(dropProbability(seen(1, 1), seen(1, 4)) - 1 / 4) < 1e-12)
    // Two before, one now, 5 seeds: the finds of `before` may lie at (2 of 2), (1 or 2, 3), (1, 2 or 3, 4): 1 + 2 + 3 ways.
    assert.ok(Math.abs(dropProbability(seen(2, 2), seen(1, 3)) - 1 / 6) < 1e-12)
    assert.ok(Math.abs(dropProbability(seen(2, 3), seen(1, 2)) - 3 / 6) < 1e-12)
  })

  test("as counted over every way to place the finds", () => {
    const small = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 6 }))
    fc.assert(
      fc.property(small, small, ([k1, more1], [k2, more2]) => {
        const [n1, n2] = [k1 + more1, k2 + more2]
        const expected = byCounting(k1, k2, n1 + n2, n2)
        assert.ok(Math.abs(dropProbability(seen(k1, n1), seen(k2, n2)) - expected) < 1e-9)
      }),
    )
  })

  test("what was never found before cannot be found less often, and nothing run says nothing", () => {
    assert.equal(dropProbability(open(0, 1_000), open(0, 5_000)), 1)
    assert.equal(dropProbability(seen(5, 5), seen(0, 0)), 1)
  })

  test("a find that is still to come is taken to come next", () => {
    assert.equal(dropProbability(seen(3, 30), open(0, 400)), dropProbability(seen(3, 30), seen(1, 401)))
    assert.equal(dropProbability(seen(3, 30), open(2, 400)), dropProbability(seen(3, 30), seen(3, 401)))
    // What came before is held to what it found.
    assert.equal(dropProbability(open(3, 30), seen(3, 40)), dropProbability(seen(3, 30), seen(3, 40)))
  })

  test("more seeds for as many finds are never more likely", () => {
    const sighting = fc
      .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 0, max: 2_000 }))
      .map(([k, more]) => seen(k, k + more))
    fc.assert(
      fc.property(sighting, sighting, (before, now) => {
        const worse = { ...now, seeds: now.seeds + 10 }
        assert.ok(dropProbability(before, worse) <= dropProbability(before, now) + 1e-12)
      }),
    )
  })
})

describe("a drop in sensitivity", () => {
  test("is none where the same was found again", () => {
    const same = ["R01", "W03", "I04"].map((id, i) => ({
      id,
      before: seen(3, 3 * 10 ** i),
      now: seen(3, 3 * 10 ** i),
    }))
    assert.deepEqual(
      drops(same).map(({ isDrop }) => isDrop),
      [false, false, false],
    )
  })

  test("is one where a bug that every seed showed takes a hundred", () => {
    const [drop] = drops([{ id: "R01", before: seen(3, 3), now: seen(3, 300) }])
    assert.ok(drop!.isDrop)
  })

  test("is judged by how many were compared", () => {
    const one = { id: "R01", before: seen(3, 6), now: seen(3, 60) }
    const alone = drops([one])[0]!
    const others = Array.from({ length: 49 }, (_, i) => ({
      id: `X${i}`,
      before: seen(3, 30),
      now: seen(3, 30),
    }))
    const among = drops([...others, one]).find(({ id }) => id === "R01")!
    assert.ok(alone.isDrop && !among.isDrop)
    assert.ok(Math.abs(among.probability - 50 * alone.probability) < 1e-12)
  })

  test("a new mutant, and one that was not hunted, are held against nothing", () => {
    assert.deepEqual(drops([{ id: "R01", before: seen(0, 0), now: open(0, 500) }]), [])
    assert.deepEqual(drops([{ id: "R01", before: seen(3, 9), now: seen(0, 0) }]), [])
  })

  test("windows behind each other are one stretch of seeds", () => {
    const windows = [
      { seeds: 7, found: {} },
      { seeds: 1_000, found: null },
    ]
    assert.deepEqual(sightingOf(windows), open(1, 1_007))
    assert.deepEqual(sightingOf(windows.toReversed()), seen(1, 1_007))
  })
})

/** Of all ways to place k1 + k2 finds in n seeds, the last one a find, those in which the last k2 take `n2` or more. */
function byCounting(k1: number, k2: number, n: number, n2: number): number {
  let all = 0
  let asFar = 0
  const place = (from: number, left: number, places: readonly number[]): void => {
    if (left === 0) {
      all++
      const end = places[k1 - 1]!
      if (n - end >= n2) asFar++
      return
    }
    for (let at = from; at <= n - 1; at++) place(at + 1, left - 1, [...places, at])
  }
  place(1, k1 + k2 - 1, [])
  return asFar / all
}
