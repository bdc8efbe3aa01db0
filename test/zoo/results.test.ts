import assert from "node:assert/strict"
import { describe, test } from "vitest"
import type { Window } from "./hunt.ts"
import { mutantOf } from "./mutants.ts"
import { goingOn, newResult, nextSeed, parseResults, windowsLeft, type MutantResult } from "./results.ts"
import { curve, isCaught, promises, seedsOf } from "./score.ts"

/** Windows behind each other; a negative number is one in which so many seeds were run in vain. */
function resultOf(id: string, ...lengths: readonly number[]): MutantResult {
  let from = 1
  const windows = lengths.map((length): Window => {
    const seeds = Math.abs(length)
    const window: Window = {
      from,
      seeds,
      found: length < 0 ? null : { oracle: "RAFT-one-vote", seed: from + seeds - 1, message: "Twice." },
      firstSeed: length < 0 ? 0 : from + seeds - 1,
      others: {},
      void: [],
      wallSeconds: 2,
      cpuSeconds: 1,
      hash: "0",
    }
    from += seeds
    return window
  })
  return { ...newResult(mutantOf(id)!), windows }
}

const START = { version: 2, build: "b", scenario: "campaign", from: 1, seedsMax: 1_000 } as const

describe("what a hunt goes on from", () => {
  const known = { ...START, mutants: [resultOf("R01", 4)] }
  const mutants = [mutantOf("R01")!, mutantOf("R04")!]

  test("is kept for the same build, and written as it is read", () => {
    const results = goingOn(parseResults(JSON.parse(JSON.stringify(known)), "f"), START, mutants)
    assert.deepEqual(
      results.mutants.map(({ windows }) => windows.length),
      [1, 0],
    )
    assert.equal(nextSeed(results.mutants[0]!, 1), 5)
    assert.equal(nextSeed(results.mutants[1]!, 7), 7)
  })

  test("is nothing for another build, scenario, strategy, bound or edit", () => {
    const others = [
      { build: "c" },
      { scenario: "smoke" },
      { strategy: "guided" },
      { seedsMax: 5 },
      { from: 2 },
    ] as const
    for (const other of others)
      assert.deepEqual(goingOn(known, { ...START, ...other }, mutants).mutants[0]!.windows, [])
    // What says nothing of a strategy is a swarm's.
    assert.equal(goingOn(known, { ...START, strategy: "swarm" }, mutants).mutants[0]!.windows.length, 1)
    const edited = { ...known, mutants: [{ ...known.mutants[0]!, patch: "other" }] }
    assert.deepEqual(goingOn(edited, START, mutants).mutants[0]!.windows, [])
  })

  test("says how many windows are left: none once one was in vain", () => {
    assert.equal(windowsLeft(resultOf("R01"), 3), 3)
    assert.equal(windowsLeft(resultOf("R01", 4, 2), 3), 1)
    assert.equal(windowsLeft(resultOf("R01", 4, -1_000), 3), 0)
  })

  test("is refused when it is something else", () => {
    const window = { ...known.mutants[0]!.windows[0]!, cpuSeconds: "1" }
    for (const [json, why] of [
      [null, /no object/],
      [{ ...known, version: 1 }, /version 1/],
      [{ ...known, build: 7 }, /"build"/],
      [{ ...known, seedsMax: -1 }, /"seedsMax"/],
      [{ ...known, mutants: {} }, /no list/],
      [{ ...known, mutants: [{ id: "R01" }] }, /without an id or windows/],
      [{ ...known, mutants: [{ ...known.mutants[0], windows: [window] }] }, /a window of R01/],
    ] as const) {
      assert.throws(() => parseResults(json, "f"), why)
    }
  })
})

describe("the score", () => {
  test("of a mutant is the median of its windows, if it was found in all of them", () => {
    assert.equal(seedsOf(resultOf("R01", 9, 1, 4)), 4)
    assert.equal(seedsOf(resultOf("R01", 9, 2)), 5.5)
    assert.equal(seedsOf(resultOf("R01", 9, -1_000)), null)
    assert.equal(seedsOf(resultOf("R01")), null)
  })

  test("asks more of tier A", () => {
    assert.ok(isCaught(resultOf("R01", 1_000)) && !isCaught(resultOf("R01", 1, 1_001)))
    assert.ok(isCaught(resultOf("R04", 1_001)) && !isCaught(resultOf("R04", -20_000)))
  })

  test("keeps each promise or breaks it", () => {
    const kept = promises([resultOf("R01", 1), resultOf("R04", 30), resultOf("R07", 3)])
    assert.deepEqual(
      kept.map(({ isKept }) => isKept),
      [true, true, true, true, true],
    )
    const broken = promises([resultOf("R01", -1_000), resultOf("R04", 30)])
    assert.match(
      broken.map(({ text }) => text).join("\n"),
      /0 of 1 \(not R01\)[^]*1 of 2 \(not R01\)[^]*median seeds: 30/,
    )
    assert.ok(broken.filter(({ isKept }) => !isKept).length >= 3)
  })

  test("grows along its curve up to the share that was found", () => {
    const points = curve([resultOf("R01", 1), resultOf("R04", 30), resultOf("R07", -1_000), resultOf("R09")])
    assert.deepEqual(points, [
      { seeds: 1, share: 1 / 3 },
      { seeds: 30, share: 2 / 3 },
    ])
  })
})
