/**
 * Your own state machine: the types of what goes in and what comes out. It is to a node of the simulated
 * world what the kernel is to a store: everything that happens to it is an input, everything it does is an
 * effect, and it decides nothing else by itself.
 *
 * `M` are the messages of nodes, `Q` the requests of clients and `A` their answers: plain data of yours.
 */

/** Who is to be answered. Keep it with what you do for the request; it is plain data. */
export type Caller = {
  readonly client: number
  /** Of the operation in the plan: a repeat of the same operation has the same. */
  readonly id: number
  /** 0 at first, then 1 for the first repeat, and so on. */
  readonly attempt: number
}

/** What is on a node's disk for sure. */
export type Durable = {
  /** By key, in ascending order of keys. */
  readonly values: Readonly<Record<string, unknown>>
  readonly log: readonly unknown[]
}

/** Times in microseconds: `now` of a clock that only goes on and starts anew with the process, `wall` of the day. */
type Stamp = { readonly now: number; readonly wall: number }

export type MachineInput<M, Q> = Stamp &
  (
    | {
        /** The first input of a process: `boot` 1 is its birth, and every later one finds what was durable. */
        readonly type: "started"
        readonly boot: number
        readonly durable: Durable
      }
    | { readonly type: "message"; readonly from: number; readonly message: M }
    | { readonly type: "request"; readonly caller: Caller; readonly request: Q }
    | { readonly type: "timer"; readonly timer: string }
    /** The write of this name is durable. Writes complete in the order they were asked for. */
    | { readonly type: "written"; readonly write: string }
    /**
     * It is not known to be durable: after a failed sync it may still be found after a restart, on a full
     * disk it never will.
     */
    | { readonly type: "writeFailed"; readonly write: string; readonly reason: "syncError" | "diskFull" }
  )

export type MachineEffect<M, A> =
  | { readonly type: "send"; readonly to: number; readonly message: M }
  | { readonly type: "reply"; readonly caller: Caller; readonly answer: A }
  /** The request certainly had no effect. A client that may repeat itself asks `tryNode` next, or another node. */
  | {
      readonly type: "refuse"
      readonly caller: Caller
      readonly reason: string
      readonly tryNode: number | null
    }
  /** Replaces the timer of this name. It fires once, by the node's own clock. */
  | { readonly type: "setTimer"; readonly timer: string; readonly afterUs: number }
  | { readonly type: "clearTimer"; readonly timer: string }
  /** All of it or nothing becomes durable; until `written` comes, a crash may take it. */
  | {
      readonly type: "write"
      readonly write: string
      /** Null takes a key away. */
      readonly set: Readonly<Record<string, unknown>>
      /** Cuts the log to this length first; null leaves it. */
      readonly truncate: number | null
      readonly append: readonly unknown[]
    }
  /** A rare path was taken: counted by name, over all runs. */
  | { readonly type: "mark"; readonly name: string }
  /** Something for checks to see, which nobody else does. */
  | { readonly type: "observe"; readonly what: unknown }
  /** The process ends itself, as after a failed sync, and is started again a moment later. */
  | { readonly type: "stop"; readonly reason: string }

/** Dice whose throws depend on the seed, the node and the step alone: the same step again throws the same. */
export interface Dice {
  /** A whole number of [0, bound), bound up to 2^32. */
  below(bound: number): number
  /** A whole number of [min, max]. */
  between(min: number, max: number): number
  /** True this many times in a hundred. */
  percent(ratio: number): boolean
  pick<T>(values: readonly T[]): T
}

/** What a node knows before anything has happened to it. */
export type NodeEnv = {
  /** Its own number, from 1. */
  readonly node: number
  /** All nodes, itself too, ascending. */
  readonly nodes: readonly number[]
}

export type Next<S, M, A> = { readonly state: S; readonly effects: readonly MachineEffect<M, A>[] }

/**
 * A machine as a pure function: `step` changes nothing, reads no clock, throws no dice but those it is
 * given. Its state is plain data, or `save` makes plain data of it and `load` a state again.
 */
export interface Machine<S, M = unknown, Q = unknown, A = unknown> {
  readonly name: string
  /** Yours: capsules name it, and say so when they are replayed by another. */
  readonly version: string
  init(env: NodeEnv): S
  step(state: S, input: MachineInput<M, Q>, dice: Dice): Next<S, M, A>
  /** With both, a state may be anything. */
  readonly save?: (state: S) => unknown
  readonly load?: (saved: unknown, env: NodeEnv) => S
  /** `step` changes the state it is given, as a class does. Needs `save` and `load`. */
  readonly inPlace?: boolean
  /** Whether this node leads: then faults that strike leaders know whom. */
  readonly leads?: (state: S) => boolean
  /** Messages as bytes. With it, faults flip bits in them and runs send them as bytes; without it, corruption is loss. */
  readonly codec?: MessageCodec<M>
}

export interface MessageCodec<M> {
  encode(message: M): Uint8Array
  /** Null when these bytes are no message. */
  decode(bytes: Uint8Array): M | null
}

/** A machine as an object that keeps its state to itself. */
export interface MachineObject<M, Q, A> {
  step(input: MachineInput<M, Q>, dice: Dice): readonly MachineEffect<M, A>[]
  /** Everything it knows, as plain data. */
  save(): unknown
}

/** A machine of objects that change: `create` and `load` make them. */
export function machineOfObjects<O extends MachineObject<M, Q, A>, M, Q, A>(spec: {
  readonly name: string
  readonly version: string
  create(env: NodeEnv): O
  load(saved: unknown, env: NodeEnv): O
  readonly leads?: (object: O) => boolean
  readonly codec?: MessageCodec<M>
}): Machine<O, M, Q, A> {
  const { name, version, leads, codec } = spec
  return {
    name,
    version,
    init: (env) => spec.create(env),
    step: (object, input, dice) => ({ state: object, effects: object.step(input, dice) }),
    save: (object) => object.save(),
    load: (saved, env) => spec.load(saved, env),
    inPlace: true,
    ...(leads !== undefined && { leads }),
    ...(codec !== undefined && { codec }),
  }
}

/** Effects, a function each. */
export const effect = {
  send<M>(to: number, message: M): MachineEffect<M, never> {
    return { type: "send", to, message }
  },
  reply<A>(caller: Caller, answer: A): MachineEffect<never, A> {
    return { type: "reply", caller, answer }
  },
  refuse(caller: Caller, reason: string, tryNode: number | null = null): MachineEffect<never, never> {
    return { type: "refuse", caller, reason, tryNode }
  },
  setTimer(timer: string, afterUs: number): MachineEffect<never, never> {
    return { type: "setTimer", timer, afterUs }
  },
  clearTimer(timer: string): MachineEffect<never, never> {
    return { type: "clearTimer", timer }
  },
  write(
    write: string,
    what: {
      readonly set?: Readonly<Record<string, unknown>>
      readonly append?: readonly unknown[]
      readonly truncate?: number
    },
  ): MachineEffect<never, never> {
    const { set = {}, append = [], truncate = null } = what
    return { type: "write", write, set, truncate, append }
  },
  mark(name: string): MachineEffect<never, never> {
    return { type: "mark", name }
  },
  observe(what: unknown): MachineEffect<never, never> {
    return { type: "observe", what }
  },
  stop(reason: string): MachineEffect<never, never> {
    return { type: "stop", reason }
  },
} as const
