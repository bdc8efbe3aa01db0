import assert from "node:assert/strict"
import fc from "fast-check"
import { describe, test } from "vitest"
import { effect, type MachineInput, type Next } from "orrery/sim"
import {
  counter,
  counterMachine,
  counterSystem,
  merge,
  type Answer,
  type Counts,
  type Request,
  type State,
} from "../../../docs/library/counter.ts"

test("the counter converges and loses nothing, whatever goes wrong", () => {
  const { failure, faults } = counter.hunt({ seeds: 6 })
  assert.equal(failure, null)
  // It was put to the test, too.
  assert.ok(faults["crash"]! > 0 && faults["partition"]! > 0)
})

describe("counts merge", () => {
  const tally = fc.record({ up: fc.nat(9), down: fc.nat(9) })
  const counts: fc.Arbitrary<Counts> = fc.dictionary(fc.constantFrom("1", "2", "3"), tally)

  test("in any order", () => {
    fc.assert(fc.property(counts, counts, (a, b) => assert.deepEqual(merge(a, b), merge(b, a))))
  })

  test("however they are grouped", () => {
    fc.assert(
      fc.property(counts, counts, counts, (a, b, c) =>
        assert.deepEqual(merge(merge(a, b), c), merge(a, merge(b, c))),
      ),
    )
  })

  test("however often", () => {
    fc.assert(fc.property(counts, counts, (a, b) => assert.deepEqual(merge(merge(a, b), b), merge(a, b))))
  })
})

describe("each of its checks has something to say", () => {
  type Step = typeof counterMachine.step
  const oracleOf = (step: Step): string | undefined => {
    const { failure } = counterSystem({ ...counterMachine, step }).hunt({ seeds: 30, guard: false })
    return failure?.violation?.oracle
  }
  const changed =
    (change: (next: Next<State, Counts, Answer>, input: MachineInput<Counts, Request>) => State): Step =>
    (state, input, dice) => {
      const next = counterMachine.step(state, input, dice)
      return { ...next, state: change(next, input) }
    }

  test("when a node is deaf", () => {
    const deaf: Step = (state, input, dice) =>
      input.type === "message" && state.node === 1
        ? { state, effects: [] }
        : counterMachine.step(state, input, dice)
    assert.equal(oracleOf(deaf), "CHECK-converges")
  })

  test("when a node tells what its disk does not have yet", () => {
    const hasty = changed(({ state }, input) =>
      input.type === "request"
        ? { ...state, counts: merge(state.counts, { [state.node]: state.own }) }
        : state,
    )
    assert.equal(oracleOf(hasty), "CHECK-keeps-what-it-tells")
  })

  test("when a node takes an addition for nothing", () => {
    const lazy: Step = (state, input, dice) =>
      input.type === "request" && input.request.op === "add" && input.request.by === 3
        ? { state, effects: [effect.reply(input.caller, 0)] }
        : counterMachine.step(state, input, dice)
    assert.equal(oracleOf(lazy), "CHECK-loses-nothing")
  })
})
