import { effect, system, type Caller, type Check, type Machine, type System } from "orrery/sim"

// A counter that every node counts on by itself, up and down (a PN-counter: Shapiro and others, 2011). Nodes
// tell each other what they know now and then, and merge it: in whatever order, and however often.

export type Tally = { readonly up: number; readonly down: number }
/** What each node has counted, by its number. */
export type Counts = Readonly<Record<string, Tally>>

export type Request = { readonly op: "add"; readonly by: number } | { readonly op: "read" }
/** The counter's value as the node knows it. */
export type Answer = number

const NOTHING: Tally = { up: 0, down: 0 }

export function merge(a: Counts, b: Counts): Counts {
  const nodes = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort()
  return Object.fromEntries(
    nodes.map((node) => {
      const [x, y] = [a[node] ?? NOTHING, b[node] ?? NOTHING]
      return [node, { up: Math.max(x.up, y.up), down: Math.max(x.down, y.down) }]
    }),
  )
}

export function valueOf(counts: Counts): number {
  return Object.values(counts).reduce((sum, { up, down }) => sum + up - down, 0)
}

export type State = {
  readonly node: number
  readonly nodes: readonly number[]
  /** What others may know: of this node, only what is durable. */
  readonly counts: Counts
  /** What this node has counted, durable or not yet. */
  readonly own: Tally
  /** The last request of each client: a late copy of one must not count twice. */
  readonly seen: Readonly<Record<string, number>>
  /** Writes under way, by name: whom they answer, and what is durable with them. */
  readonly waiting: Readonly<Record<string, { readonly caller: Caller; readonly own: Tally }>>
  readonly writes: number
}

const GOSSIP_US = 200_000

export const counterMachine: Machine<State, Counts, Request, Answer> = {
  name: "pn-counter",
  version: "1",
  init: ({ node, nodes }) => ({
    node,
    nodes,
    counts: {},
    own: NOTHING,
    seen: {},
    waiting: {},
    writes: 0,
  }),
  step(state, input, dice) {
    const { node, nodes, counts } = state
    switch (input.type) {
      case "started": {
        const { own = NOTHING, seen = {} } = input.durable.values as Partial<State>
        const known = own === NOTHING ? counts : merge(counts, { [node]: own })
        return {
          state: { ...state, own, seen, counts: known },
          effects: [effect.setTimer("gossip", GOSSIP_US)],
        }
      }
      case "message":
        return { state: { ...state, counts: merge(counts, input.message) }, effects: [] }
      case "timer": {
        const others = nodes.filter((other) => other !== node)
        const told = others.length === 0 ? [] : [effect.send(dice.pick(others), counts)]
        return { state, effects: [...told, effect.setTimer("gossip", GOSSIP_US)] }
      }
      case "request": {
        const { caller, request } = input
        if (request.op === "read") return { state, effects: [effect.reply(caller, valueOf(counts))] }
        if (caller.id <= (state.seen[caller.client] ?? 0)) return { state, effects: [] }
        const { up, down } = state.own
        const own = request.by > 0 ? { up: up + request.by, down } : { up, down: down - request.by }
        const seen = { ...state.seen, [caller.client]: caller.id }
        const write = `w${state.writes}`
        const waiting = { ...state.waiting, [write]: { caller, own } }
        return {
          state: { ...state, own, seen, waiting, writes: state.writes + 1 },
          effects: [effect.write(write, { set: { own, seen } })],
        }
      }
      case "written": {
        const { [input.write]: done, ...waiting } = state.waiting
        if (done === undefined) return { state, effects: [] }
        const known = merge(counts, { [node]: done.own })
        return {
          state: { ...state, waiting, counts: known },
          effects: [effect.reply(done.caller, valueOf(known))],
        }
      }
      case "writeFailed":
        return { state, effects: [effect.stop(input.reason)] }
    }
  },
}

/** At the end of a quiet part all nodes know the same. */
const converges: Check<State, Request, Answer> = {
  name: "converges",
  when: "quiet",
  check: ({ nodes }) => {
    const known = new Set(
      nodes.map(({ state }) => (state === null ? "down" : JSON.stringify(merge({}, state.counts)))),
    )
    return known.size === 1 ? null : `The nodes know different counts: ${[...known].join(" and ")}`
  },
}

/** At any moment, nobody knows more of a node than that node's disk does: else a crash makes it count anew. */
const keepsWhatItTells: Check<State, Request, Answer> = {
  name: "keeps-what-it-tells",
  when: "always",
  check: ({ nodes }) => {
    for (const { node: own, durable } of nodes.map((view) => ({
      node: view.node,
      durable: view.durable(),
    }))) {
      const { up, down } = (durable.values["own"] as Tally | undefined) ?? NOTHING
      for (const { node, state } of nodes) {
        const told = state?.counts[own] ?? NOTHING
        if (told.up > up || told.down > down) {
          return `Node ${node} knows of ${told.up} up and ${told.down} down of node ${own}, whose disk has ${up} and ${down}`
        }
      }
    }
    return null
  },
}

/** In the end the counter stands at what was acknowledged, and perhaps what nobody heard the end of. */
const losesNothing: Check<State, Request, Answer> = {
  name: "loses-nothing",
  when: "end",
  check: ({ nodes, history }) => {
    let [least, most] = [0, 0]
    for (const { request, outcome } of history) {
      if (request.op === "read" || outcome === "fail") continue
      if (outcome === "ok" || request.by < 0) least += request.by
      if (outcome === "ok" || request.by > 0) most += request.by
    }
    const value = valueOf(nodes[0]!.state!.counts)
    return value >= least && value <= most
      ? null
      : `The counter stands at ${value}, not in [${least}, ${most}]`
  },
}

export function counterSystem(
  machine: Machine<State, Counts, Request, Answer>,
): System<State, Request, Answer> {
  return system({
    name: "counter",
    machine,
    nodes: [2, 5],
    workload: {
      clients: [2, 5],
      operations: [50, 150],
      draw: (dice) => (dice.percent(20) ? { op: "read" } : { op: "add", by: dice.pick([1, 2, 3, -1, -2]) }),
    },
    checks: [converges, keepsWhatItTells, losesNothing],
  })
}

export const counter: System<State, Request, Answer> = counterSystem(counterMachine)
