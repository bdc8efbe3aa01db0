import assert from "node:assert/strict"
import { test } from "vitest"
import type { Observation } from "#kernel"
import type { WorldView } from "#sim"
import { OrderMeter, ORDERS_MAX } from "#sim/coverage/order-meter.ts"

const world = {} as WorldView

type Role = Extract<Observation, { type: "roleChanged" }>["role"]

/** `[store, group, role]` in the order in which they were said. */
function ordersOf(said: readonly (readonly [store: number, group: number, role: Role])[]): readonly number[] {
  const meter = new OrderMeter()
  for (const [store, group, role] of said) {
    const observation = {
      type: "roleChanged",
      group,
      replica: store,
      term: 1,
      role,
    } as unknown as Observation
    meter.observed(world, store, observation)
  }
  return meter.orders()
}

test("three transitions of a group are an order, whatever group and stores it was, and what others do in between", () => {
  const one = ordersOf([
    [1, 1, "candidate"],
    [2, 1, "follower"],
    [1, 1, "leader"],
  ])
  assert.equal(one.length, 1)
  assert.deepEqual(
    ordersOf([
      [5, 7, "candidate"],
      [9, 8, "leader"],
      [3, 7, "follower"],
      [5, 7, "leader"],
    ]),
    one,
  )
})

test("another order, or another store that spoke, is another one", () => {
  const orders = [
    ordersOf([
      [1, 1, "candidate"],
      [2, 1, "follower"],
      [1, 1, "leader"],
    ]),
    ordersOf([
      [2, 1, "follower"],
      [1, 1, "candidate"],
      [1, 1, "leader"],
    ]),
    ordersOf([
      [1, 1, "candidate"],
      [1, 1, "follower"],
      [1, 1, "leader"],
    ]),
  ].flat()
  assert.equal(new Set(orders).size, 3)
})

test("a store that dies is a transition of each group it was in, and afterwards in none", () => {
  const meter = new OrderMeter()
  const say = (store: number, role: Role): void =>
    meter.observed(world, store, { type: "roleChanged", group: 1, role } as unknown as Observation)
  say(1, "leader")
  say(2, "follower")
  meter.storeCrashed(world, 1)
  assert.equal(meter.orders().length, 1)
  meter.storeCrashed(world, 1)
  assert.equal(meter.orders().length, 1)
})

test("a run has so many orders and no more", () => {
  const meter = new OrderMeter()
  for (let index = 0; index < 10_000; index++) {
    const observation = { type: `t${index}`, group: 1, replica: 1 } as unknown as Observation
    meter.observed(world, 1, observation)
  }
  assert.equal(meter.orders().length, ORDERS_MAX)
})
