import { effect, linearizable, system, type Caller, type Machine, type Model, type System } from "orrery/sim"

// A lock service: one server that says who holds a lock, and keeps it on disk, for locks outlive processes.

export type Request = { readonly op: "acquire" | "release"; readonly lock: string; readonly owner: number }
export type Answer = "granted" | "held" | "released" | "not yours"

type State = {
  readonly holders: Readonly<Record<string, number>>
  /** The last request of each client: an older one is a late copy, and is nobody's wish any more. */
  readonly seen: Readonly<Record<string, number>>
  /** Answers that wait for a write, by its name. */
  readonly answers: Readonly<Record<string, { readonly caller: Caller; readonly answer: Answer }>>
  readonly writes: number
}

const EMPTY: State = { holders: {}, seen: {}, answers: {}, writes: 0 }

/** What the lock says, and who holds it then. */
function decide(holder: number | null, { op, owner }: Request): { answer: Answer; holder: number | null } {
  if (op === "release") {
    return holder === owner ? { answer: "released", holder: null } : { answer: "not yours", holder }
  }
  return holder === null || holder === owner
    ? { answer: "granted", holder: owner }
    : { answer: "held", holder }
}

/** `careful` answers when what it answers is durable. The other one answers when it has asked for the write. */
function lockServer(name: string, careful: boolean): Machine<State, never, Request, Answer> {
  return {
    name,
    version: "1",
    init: () => EMPTY,
    step(state, input) {
      switch (input.type) {
        case "started": {
          const { holders = {}, seen = {} } = input.durable.values as Partial<State>
          return { state: { ...EMPTY, holders, seen }, effects: [] }
        }
        case "request": {
          const { caller, request } = input
          if (caller.id <= (state.seen[caller.client] ?? 0)) return { state, effects: [] }
          const { answer, holder } = decide(state.holders[request.lock] ?? null, request)
          const { [request.lock]: _before, ...others } = state.holders
          const holders = holder === null ? others : { ...others, [request.lock]: holder }
          const seen = { ...state.seen, [caller.client]: caller.id }
          const write = `w${state.writes}`
          const answers = careful ? { ...state.answers, [write]: { caller, answer } } : state.answers
          return {
            state: { holders, seen, answers, writes: state.writes + 1 },
            effects: [
              effect.write(write, { set: { holders, seen } }),
              ...(careful ? [] : [effect.reply(caller, answer)]),
            ],
          }
        }
        case "written": {
          const { [input.write]: waiting, ...answers } = state.answers
          if (waiting === undefined) return { state, effects: [] }
          return { state: { ...state, answers }, effects: [effect.reply(waiting.caller, waiting.answer)] }
        }
        case "writeFailed":
          // What is on the disk now only the disk knows: start again, and read it.
          return { state, effects: [effect.mark("lock.write-failed"), effect.stop(input.reason)] }
        default:
          return { state, effects: [] }
      }
    },
  }
}

/** One lock, as its users think of it: who holds it. */
const lock: Model<number | null, Request, Answer> = {
  init: null,
  part: (request) => request.lock,
  step(holder, request, answer) {
    const expected = decide(holder, request)
    return answer === undefined || answer === expected.answer ? { state: expected.holder } : null
  },
}

function lockSystem(machine: Machine<State, never, Request, Answer>): System<State, Request, Answer> {
  return system({
    name: "locks",
    machine,
    nodes: 1,
    faults: { swarm: ["crash", "crashLoop", "pause", "slowDisk", "syncError", "diskFull", "duplicate"] },
    // A disk as slow as they come: what is not yet durable is so for long.
    host: { syncUsMean: 20_000 },
    workload: {
      clients: [2, 5],
      operations: [200, 400],
      draw: (dice, { client }) => ({
        op: dice.percent(60) ? "acquire" : "release",
        lock: dice.pick(["a", "b"]),
        owner: client,
      }),
    },
    checks: [linearizable(lock)],
    marks: ["lock.write-failed"],
  })
}

export const hasty: System<State, Request, Answer> = lockSystem(lockServer("hasty-lock", false))
export const careful: System<State, Request, Answer> = lockSystem(lockServer("careful-lock", true))
