import { SYSTEM_VOLUME, type Lsn, type StoreId } from "../ids.ts"
import type { Heartbeat } from "../raft/message.ts"
import type { Effect } from "./effect.ts"
import type { Phase } from "./phase.ts"
import type { Process } from "./process.ts"

/** What a store says for itself, and not for one of its replicas. Nothing it says so rests on its disk. */

/** A leader speaks to one that is not here, and will not be under that name. */
export function sayAbsent({ group, from, to, term, sentMono }: Heartbeat, store: StoreId): Effect {
  return {
    type: "send",
    to: store,
    lane: "liveness",
    barrier: null,
    message: { type: "absent", group, from: to, to: from, term, sentMono },
  }
}

/** Mostly the process that is told so is gone, and the one in its place knows better; but it may be an old image. */
export function sayOutdated(store: StoreId, { incarnation, boot, nonce }: Process): Effect {
  return {
    type: "send",
    to: store,
    lane: "liveness",
    barrier: null,
    message: { type: "outdated", incarnation, boot, nonce },
  }
}

/** A store that has not started coordinates nothing. */
export function sayNotYet(session: number, id: number, phaseLsn: Lsn): Effect {
  const error = { code: "recovering" } as const
  const barrier = { volume: SYSTEM_VOLUME, lsn: phaseLsn }
  return { type: "txnReply", session, reply: { type: "error", id, error, isOpen: false }, barrier }
}

/**
 * No replica of what was asked for is here. Before a store runs none is yet, and nothing leaves before its start is durable.
 * `mayBeForgotten`: there may have been one, so it does not speak as if there had been none.
 */
export function sayNotHere(
  type: "reply" | "adminReply",
  session: number,
  id: number,
  phase: Phase,
  phaseLsn: Lsn,
  mayBeForgotten: boolean,
): Effect {
  const isRunning = phase === "running"
  const isUnknown = (!isRunning && type === "reply") || mayBeForgotten
  const error = isUnknown ? ({ code: "recovering" } as const) : NOT_HERE
  const barrier = isRunning ? null : { volume: SYSTEM_VOLUME, lsn: phaseLsn }
  return { type, session, reply: { type: "error", id, error }, barrier }
}

const NOT_HERE = { code: "notLeader", hint: null, term: 0 } as const
