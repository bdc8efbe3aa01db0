/** Queues and tables stay under their stated limits. The world asks at times of its own choosing. */
import type { Effect, Input, Limits } from "#kernel"
import type { OnlineChecker, Violation, WorldView } from "./checker.ts"

/** What one store holds at this moment, as its host and its statuses tell. */
export type StoreLoad = {
  readonly store: number
  /** Inputs not yet handed over. */
  readonly inbox: number
  /** Effects whose barrier is not met. */
  readonly held: number
  /** Wake-ups and completions the scheduler keeps for this store. */
  readonly timers: number
  readonly groups: readonly GroupLoad[]
}

export type GroupLoad = {
  readonly group: number
  readonly waitingRequests: number
  /** Bytes of entries on their way from a leader, by store. */
  readonly sending: readonly { readonly store: number; readonly bytes: number }[]
  /** What the log holds in memory, both ends included. */
  readonly firstIndex: number
  readonly lastIndex: number
}

/** Bounds the host gives itself; those of the kernel are in its `Limits`. */
export type HostLimits = { readonly inboxMax: number; readonly heldMax: number; readonly timersMax: number }

export const DEFAULT_HOST_LIMITS: HostLimits = { inboxMax: 16_384, heldMax: 65_536, timersMax: 4_096 }

/** The smallest entry there is, as the log's bytes count it. */
const ENTRY_BYTES_MIN = 8
/** One entry, or what a leader sends to a store that has much to do. */
const APPEND_BYTES_SMALL = 16_384
/** A checkpoint starts at its limit and takes a while; log comes in meanwhile. */
const CHECKPOINT_SLACK = 4

export function checkLoad(
  now: number,
  event: number,
  load: StoreLoad,
  limits: Limits,
  host: HostLimits = DEFAULT_HOST_LIMITS,
): Violation | null {
  const bound = (oracle: string, what: string, actual: number, max: number): Violation | null =>
    actual <= max
      ? null
      : {
          oracle,
          message: `Store ${load.store} holds ${actual} ${what}; its limit is ${max}.`,
          at: now,
          event,
        }
  // A log entry that is kept has less than a checkpoint's worth of log behind it, or is one of the spares.
  const entriesMax =
    limits.logKeepEntries + Math.ceil((CHECKPOINT_SLACK * limits.checkpointLogBytes) / ENTRY_BYTES_MIN)
  let found =
    bound("RES-inbox", "inputs", load.inbox, host.inboxMax) ??
    bound("RES-held", "effects", load.held, host.heldMax) ??
    bound("RES-timers", "timers", load.timers, host.timersMax)
  // Over budget each group sends one small append more, and the last that was within it may have been a whole one.
  const sendingMax =
    limits.peerBytesMax + (load.groups.length + 1) * Math.max(limits.appendBytesMax, APPEND_BYTES_SMALL)
  const sending = new Map<number, number>()
  let waiting = 0
  for (const group of load.groups) {
    waiting += group.waitingRequests
    for (const { store, bytes } of group.sending) sending.set(store, (sending.get(store) ?? 0) + bytes)
  }
  found ??= bound("RES-store-requests", "requests of all groups", waiting, limits.storeRequestsMax)
  for (const [store, bytes] of sending)
    found ??= bound("RES-peer-bytes", `bytes of entries in flight to store ${store}`, bytes, sendingMax)
  for (const group of load.groups) {
    found ??=
      bound("RES-requests", `requests of group ${group.group}`, group.waitingRequests, limits.requestsMax) ??
      bound(
        "RES-log",
        `log entries of group ${group.group}`,
        group.lastIndex - group.firstIndex + 1,
        entriesMax,
      )
  }
  return found
}

/** One append carries no more than its limit, unless it is one entry. */
export class AppendSizeChecker implements OnlineChecker {
  readonly name = "append size"
  readonly #bytesMax: number

  constructor(limits: Limits) {
    this.#bytesMax = limits.appendBytesMax
  }

  stepped(world: WorldView, store: number, _input: Input, effects: readonly Effect[]): void {
    for (let i = 0; i < effects.length; i++) {
      const effect = effects[i]!
      if (effect.type !== "send" || effect.message.type !== "appendEntries") continue
      const entries = effect.message.entries
      if (entries.length < 2) continue
      let bytes = 0
      for (let j = 0; j < entries.length; j++) bytes += entries[j]!.length
      if (bytes > this.#bytesMax) {
        world.report(
          "RES-append-bytes",
          `Store ${store} sends ${bytes} bytes of entries in one append; its limit is ${this.#bytesMax}.`,
        )
      }
    }
  }
}
