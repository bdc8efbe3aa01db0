import fc from "fast-check"
import { assert, test } from "vitest"
import { Timers } from "#kernel/node/timers.ts"

const command = fc.oneof(
  fc.record({ type: fc.constant("atLatest" as const), key: fc.nat(6), time: fc.nat(30) }),
  fc.record({ type: fc.constant("forget" as const), key: fc.nat(6) }),
  fc.record({ type: fc.constant("pop" as const), now: fc.nat(30) }),
)

test("whatever is scheduled, moved forward, forgotten and popped, timers are a plain map looked through for its least", () => {
  fc.assert(
    fc.property(fc.array(command, { size: "max", maxLength: 80 }), (commands) => {
      const timers = new Timers()
      const naive = new Map<number, number>()
      const least = (): readonly [number, number] | undefined =>
        [...naive].sort((a, b) => a[1] - b[1] || a[0] - b[0])[0]
      for (const step of commands) {
        if (step.type === "atLatest") {
          timers.atLatest(step.key, step.time)
          naive.set(step.key, Math.min(step.time, naive.get(step.key) ?? Infinity))
        } else if (step.type === "forget") {
          timers.forget(step.key)
          naive.delete(step.key)
        } else {
          const due = least()
          const isDue = due !== undefined && due[1] <= step.now
          assert.equal(timers.popDue(step.now), isDue ? due[0] : null)
          if (isDue) naive.delete(due[0])
        }
        assert.equal(timers.earliest, least()?.[1] ?? null)
        assert.deepEqual(
          timers.entries(),
          [...naive].sort((a, b) => a[0] - b[0]),
        )
        for (let key = 0; key <= 6; key++) assert.equal(timers.scheduledAt(key), naive.get(key))
      }
    }),
    { numRuns: 500 },
  )
})

test("a deadline that moves later keeps its old time, and whoever is woken early asks again", () => {
  const timers = new Timers()
  timers.atLatest(1, 10)
  timers.atLatest(1, 20)
  assert.equal(timers.earliest, 10)
  assert.equal(timers.popDue(10), 1)
  assert.equal(timers.earliest, null)
})

test("of two that are due at one time the lower key comes first, however they were scheduled", () => {
  for (const keys of [
    [3, 1, 2],
    [2, 3, 1],
    [1, 2, 3],
  ]) {
    const timers = new Timers()
    for (const key of keys) timers.atLatest(key, 7)
    assert.deepEqual(
      [timers.popDue(7), timers.popDue(7), timers.popDue(7), timers.popDue(7)],
      [1, 2, 3, null],
    )
  }
})
