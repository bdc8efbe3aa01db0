import { effect, system, type Check, type Machine, type System } from "orrery/sim"

// A race that needs two orders at once. Node 1 starts three messengers at one moment, all on their way to node 5: one
// goes there directly, the others go to and fro a few times first. The longer the way, the later: only who holds up
// both shorter ones, each for longer than a whole chain of messages takes, sees them come in the other order.

type Message = { readonly round: number; readonly by: number; readonly left: number }
type State = { readonly arrived: Readonly<Record<string, readonly number[]>> }
type Request = { readonly round: number }

const SINK = 5
const HOPS: Readonly<Record<number, number>> = { 2: 0, 3: 4, 4: 12 }

const relay: Machine<State, Message, Request, number> = {
  name: "relay",
  version: "1",
  init: () => ({ arrived: {} }),
  step(state, input) {
    if (input.type === "request") {
      const { round } = input.request
      const sent = Object.entries(HOPS).map(([by, left]) =>
        effect.send(Number(by), { round, by: Number(by), left }),
      )
      return { state, effects: [...sent, effect.reply(input.caller, round)] }
    }
    if (input.type !== "message") return { state, effects: [] }
    const { from, message } = input
    const { round, by, left } = message
    if (left > 0) {
      const to = from === 1 ? SINK : from
      return { state, effects: [effect.send(to, { ...message, left: left - 1 })] }
    }
    // Who has gone to and fro for long enough delivers: at the other end for good.
    if (from !== by) return { state, effects: [effect.send(SINK, message)] }
    const before = state.arrived[round] ?? []
    return { state: { arrived: { ...state.arrived, [round]: [...before, by] } }, effects: [] }
  },
}

const inOrder: Check<State, Request, number> = {
  name: "in-order",
  when: "always",
  check({ nodes }) {
    const { arrived = {} } = nodes[SINK - 1]!.state ?? {}
    for (const [round, by] of Object.entries(arrived))
      if (by.join() === "4,3,2") return `Round ${round} arrived in reverse`
    return null
  },
}

/** The race under everything that a swarm does to links and processes. */
export const race: System<State, Request, number> = system({
  name: "race",
  machine: relay,
  nodes: 5,
  workload: {
    clients: 1,
    operations: 120,
    askNodes: [1],
    draw: (_dice, { index }) => ({ round: index }),
  },
  faults: { swarm: ["delay", "hold", "drop", "clog", "partition", "swizzle", "capacity"] },
  checks: [inOrder],
})
