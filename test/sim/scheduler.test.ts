import assert from "node:assert/strict"
import fc from "fast-check"
import { test } from "vitest"
import { NO_EVENT, Scheduler } from "#sim/scheduler.ts"

function drain(scheduler: Scheduler, until: number): readonly (readonly [number, number])[] {
  const seen: (readonly [number, number])[] = []
  while (scheduler.next(until)) seen.push([scheduler.now, scheduler.a])
  return seen
}

test("events happen by time, those of one moment in the order they were asked for", () => {
  const scheduler = new Scheduler()
  scheduler.schedule(20, 1, 1, 0, null)
  scheduler.schedule(10, 1, 2, 0, null)
  scheduler.schedule(20, 1, 3, 0, null)
  scheduler.schedule(10, 1, 4, 0, null)
  assert.deepEqual(drain(scheduler, 100), [
    [10, 2],
    [10, 4],
    [20, 1],
    [20, 3],
  ])
})

test("time stops at the limit, and later events wait for the next call", () => {
  const scheduler = new Scheduler()
  scheduler.schedule(10, 1, 1, 0, null)
  scheduler.schedule(30, 1, 2, 0, null)
  assert.deepEqual(drain(scheduler, 20), [[10, 1]])
  assert.equal(scheduler.now, 20)
  assert.deepEqual(drain(scheduler, 30), [[30, 2]])
})

test("a cancelled event does not happen, and its handle cannot cancel the next user of its slot", () => {
  const scheduler = new Scheduler()
  const first = scheduler.schedule(10, 1, 1, 0, null)
  assert.equal(scheduler.cancel(first), true)
  assert.equal(scheduler.cancel(first), false)
  assert.equal(scheduler.pending, 0)
  assert.deepEqual(drain(scheduler, 10), [])
  scheduler.schedule(20, 1, 2, 0, null)
  assert.equal(scheduler.cancel(first), false)
  assert.equal(scheduler.cancel(NO_EVENT), false)
  assert.deepEqual(drain(scheduler, 20), [[20, 2]])
})

test("nothing can be asked for in the past", () => {
  const scheduler = new Scheduler()
  scheduler.next(50)
  assert.throws(() => scheduler.schedule(49, 1, 0, 0, null), /Cannot schedule at 49/)
})

test("whatever is scheduled and cancelled, the order is that of a stable sort", () => {
  const step = fc.record({ at: fc.nat(50), cancel: fc.boolean(), take: fc.nat(3) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 3_000, size: "max" }), (steps) => {
      const scheduler = new Scheduler()
      let model: { at: number; id: number }[] = []
      const handles: number[] = []
      steps.forEach(({ at, cancel, take }, id) => {
        handles.push(scheduler.schedule(scheduler.now + at, 1, id, 0, null))
        model.push({ at: scheduler.now + at, id })
        if (cancel) {
          const victim = (id * 7) % handles.length
          const present = model.some((event) => event.id === victim)
          assert.equal(scheduler.cancel(handles[victim]!), present)
          model = model.filter((event) => event.id !== victim)
        }
        for (let i = 0; i < take; i++) {
          model.sort((x, y) => x.at - y.at || x.id - y.id)
          const expected = model.shift()
          assert.equal(
            scheduler.next(scheduler.now + 100) && scheduler.a,
            expected === undefined ? false : expected.id,
          )
          if (expected === undefined) return
        }
      })
      assert.equal(scheduler.pending, model.length)
    }),
    { numRuns: 100 },
  )
})
