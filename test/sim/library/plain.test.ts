import assert from "node:assert/strict"
import fc from "fast-check"
import { describe, test } from "vitest"
import { copyPlain, freezePlain, notJson, NotPlainError, plainText } from "#sim/library/plain.ts"

/** Anything plain: JSON, and what JSON has not. */
const plain = fc.anything({
  maxDepth: 2,
  withBigInt: true,
  withMap: true,
  withSet: true,
  withDate: false,
  withTypedArray: false,
  withNullPrototype: false,
  values: [
    fc.string(),
    fc.double(),
    fc.boolean(),
    fc.constantFrom(null, undefined, -0, Number.NaN),
    fc.uint8Array({ maxLength: 4 }),
  ],
})

describe("plain data", () => {
  test("has one text, and its copy the same, and shares nothing with it", () => {
    fc.assert(
      fc.property(plain, (value) => {
        const copy = copyPlain(value, "v")
        assert.equal(plainText(copy, "v"), plainText(value, "v"))
        assert.deepEqual(copy, value)
        if (typeof value === "object" && value !== null) assert.notEqual(copy, value)
      }),
    )
  })

  test("of two kinds has two texts", () => {
    const values = [
      0,
      -0,
      "0",
      0n,
      null,
      undefined,
      "null",
      [],
      {},
      [[]],
      [{}],
      { a: undefined },
      { a: 1 },
      { b: 1 },
      { a: 1, b: 1 },
      { b: 1, a: 1 },
      new Map(),
      new Set(),
      new Map([["a", 1]]),
      new Set(["a"]),
      new Uint8Array(),
      new Uint8Array([1]),
      [1],
      [1, 2],
      ["1,2"],
      "[1,2]",
      true,
      "true",
      Number.NaN,
      "NaN",
      [null],
      [undefined],
    ]
    assert.equal(new Set(values.map((value) => plainText(value, "v"))).size, values.length)
  })

  test("of one structure and two contents has two texts", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 2 }), fc.jsonValue({ maxDepth: 2 }), (a, b) => {
        assert.equal(plainText(a, "v") === plainText(b, "v"), exactly(a) === exactly(b))
      }),
    )
  })

  test("is frozen all the way down", () => {
    const value = freezePlain({ a: [{ b: 1 }], m: new Map([["k", { c: 1 }]]) })
    assert.throws(() => {
      value.a[0]!.b = 2
    }, TypeError)
    assert.throws(() => {
      value.m.get("k")!.c = 2
    }, TypeError)
  })

  test("that is none is refused with its place", () => {
    class Own {
      readonly held = 1
    }
    const circle: { in?: unknown } = {}
    circle.in = circle
    for (const [value, path] of [
      [{ a: [0, () => 1] }, "v.a[1]"],
      [{ a: new Own() }, "v.a"],
      [new Map([["k", Symbol("s")]]), 'v.get("k")'],
    ] as const) {
      assert.throws(
        () => plainText(value, "v"),
        (error) => error instanceof NotPlainError && error.path === path,
      )
      assert.throws(() => copyPlain(value, "v"), NotPlainError)
    }
    assert.throws(() => plainText(circle, "v"), /in a circle/)
    assert.throws(() => copyPlain(circle, "v"), /in a circle/)
    assert.throws(() => plainText({ [Symbol("s")]: 1 }, "v"), NotPlainError)
  })

  test("is JSON when JSON gives it back", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 2 }), (value) => {
        if (notJson(value, "v") === null) assert.deepEqual(JSON.parse(JSON.stringify(value)), value)
      }),
    )
    for (const value of [
      undefined,
      -0,
      Number.NaN,
      1n,
      new Map(),
      { a: undefined },
      [new Set()],
      new Uint8Array(),
    ]) {
      assert.notEqual(notJson(value, "v"), null)
    }
    assert.equal(notJson({ a: [{ b: 1n }] }, "v"), "v.a[0].b")
  })
})

/** JSON forgets the sign of zero. */
function exactly(value: unknown): string {
  return JSON.stringify(value, (_, held: unknown) => (Object.is(held, -0) ? { minus: 0 } : held))
}
