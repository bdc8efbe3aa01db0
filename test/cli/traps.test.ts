import assert from "node:assert/strict"
import { test } from "vitest"
import { Traps } from "#cli/campaign/traps.ts"

const LEAKS: Readonly<Record<string, () => unknown>> = {
  "Math.random": () => Math.random(),
  "Math.pow": () => Math.pow(2, 0.5),
  "Math.log": () => Math.log(2),
  "Date.now": () => Date.now(),
  Date: () => new Date(),
  "performance.now": () => performance.now(),
  "performance.timeOrigin": () => performance.timeOrigin,
  setTimeout: () => setTimeout(() => {}, 0),
  setInterval: () => setInterval(() => {}, 1_000),
  setImmediate: () => setImmediate(() => {}),
  queueMicrotask: () => queueMicrotask(() => {}),
  "process.nextTick": () => process.nextTick(() => {}),
  "process.hrtime.bigint": () => process.hrtime.bigint(),
  "process.env": () => process.env["HOME"],
  "process.memoryUsage": () => process.memoryUsage(),
  "crypto.randomUUID": () => crypto.randomUUID(),
  "crypto.getRandomValues": () => crypto.getRandomValues(new Uint8Array(1)),
  "Promise.resolve": () => Promise.resolve(1),
  "Promise.then": () => settled.then(() => 2),
  Intl: () => new Intl.Collator(),
  "String.localeCompare": () => "a".localeCompare("b"),
  "Number.toLocaleString": () => (1).toLocaleString(),
  WeakRef: () => new WeakRef({}),
}
const settled = Promise.resolve(1)

for (const [name, leak] of Object.entries(LEAKS)) {
  test(`a run that asks for ${name} is caught, and the answer is there again afterwards`, () => {
    const traps = new Traps()
    const outcome = traps.around(leak)
    assert.equal(outcome.type, "leaked")
    assert.equal(outcome.type === "leaked" && outcome.name, name)
    if (!name.startsWith("set")) assert.doesNotThrow(leak)
  })
}

test("a run that swallows the error is caught all the same", () => {
  const outcome = new Traps().around(() => {
    try {
      return Math.random()
    } catch {
      return 4
    }
  })
  assert.equal(outcome.type, "leaked")
})

test("a run that asks for nothing returns its value, and one that throws, its error", () => {
  const traps = new Traps()
  assert.deepEqual(
    traps.around(() => Math.imul(6, 7) + [3, 1].sort((a, b) => a - b).length),
    { type: "returned", value: 44 },
  )
  const thrown = new Error("mine")
  assert.deepEqual(
    traps.around(() => {
      throw thrown
    }),
    { type: "threw", thrown },
  )
})
