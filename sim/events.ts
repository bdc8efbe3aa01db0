/** Kinds of events of the scheduler: who is called when one happens. */
export const EVENT = {
  /** A frame reaches a store. a: link, b: destination endpoint. */
  frame: 1,
  /** A client's request reaches a store. a: link, b: destination endpoint. */
  request: 2,
  /** A reply reaches a client. a: link, b: destination endpoint. */
  reply: 3,
  /** A process drains its inbox. a: store. */
  turn: 4,
  /** The wake-up a kernel asked for. a: store. */
  wake: 5,
  /** The disk has done something. a: store, payload: the operation. */
  disk: 6,
  /** A process starts again. a: store. */
  restart: 7,
  /** a: index of the fault in the plan. */
  faultBegins: 8,
  faultEnds: 9,
  /** A fault with several acts goes on. a: index of the fault, b: which act. */
  faultActs: 10,
  /** A part of a round begins. b: 0 faults, 1 quiet. */
  phase: 11,
  /** a: client. */
  clientTimer: 12,
  /** The wake-up of an old process. a: store. */
  zombieWake: 13,
} as const
