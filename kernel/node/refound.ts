import type { Write } from "../engine/engine.ts"
import type { Incarnation, LogIndex, Timestamp } from "../ids.ts"
import { RaftLog } from "../raft/log.ts"
import { makeEntry, type Configuration, type Entry, type LogEnd } from "../raft/types.ts"
import type { RangeDescriptor } from "../range/descriptor.ts"
import type { StateMachine } from "../range/state-machine.ts"
import type { RecoveredGroup } from "../wal/replay.ts"
import type { RecoverOrder } from "./config.ts"
import type { Observation } from "./observation.ts"
import type { Volume } from "./volume.ts"

/**
 * A group whose only voter has lost some of its log or of its state has nobody to be repaired from: it refuses by name, and
 * whoever has a backup restores that. Whoever has none may say that the group is to go on with what is left. This is that
 * act, as etcd's `--force-new-cluster` and CockroachDB's `debug recover` are: an order that names what its giver has
 * seen, carried out at a start, and written into the log of the group as an entry of the kind it was founded by. That
 * entry gives the range its next generation, so the order that led to it never fits again.
 *
 * What is left is the log up to the first entry that is lost, over the rows that can be read. Acknowledged writes may be
 * missing. ADR 0036.
 */

/** Why an order was not carried out. */
export type RecoverRefusal =
  /** This store has no such replica. */
  | "noSuchReplica"
  /** The volume is in another life than the order saw. */
  | "otherLife"
  /** The range has another generation than the order saw: it was carried out before, or is about something older. */
  | "otherGeneration"
  /** Others vote in the group: it is repaired from them. */
  | "notAlone"
  /** Nothing is lost. */
  | "notDamaged"
  /** Nobody can say any more what the rows that are left are the state of. */
  | "stateUnknown"

/** The founding of a group that is not its first. */
type Founding = Entry & { readonly payload: { readonly type: "bootstrap" } }

export function isRefounding(entry: Entry): entry is Founding {
  return entry.payload.type === "bootstrap" && entry.index > 1
}

/** The last time this log founded the group anew; null for one that was only founded once. */
export function refoundingIn(entries: readonly Entry[]): Founding | null {
  return entries.findLast(isRefounding) ?? null
}

/** What one replica found when its volume was opened. */
export type Found = {
  readonly recovered: RecoveredGroup
  readonly machine: StateMachine
  /** The checkpoint has the group's records; otherwise `machine` is an empty one. */
  readonly isHeld: boolean
  /** The last configuration it knows of names nobody else that votes. */
  readonly isAlone: boolean
}

/** The range as this replica knows it, whether or not that was applied. */
export function descriptorOf({ recovered, machine }: Found): RangeDescriptor {
  const last = refoundingIn(recovered.entries)
  const isAhead = last !== null && last.index > machine.appliedIndex
  return isAhead ? last.payload.bootstrap.descriptor : machine.descriptor
}

/**
 * Why this order is not to be carried out on what was found; null when it is. `isStateLost` reads every row, and is asked
 * last: an order that says what it has seen is worth that.
 */
export function refusalOf(
  order: RecoverOrder,
  found: Found,
  incarnation: Incarnation,
  isStateLost: () => boolean,
): RecoverRefusal | null {
  const { recovered, machine, isHeld, isAlone } = found
  if (order.replica !== recovered.replica) return "noSuchReplica"
  if (order.incarnation !== incarnation) return "otherLife"
  if (order.generation !== descriptorOf(found).generation) return "otherGeneration"
  if (!isHeld && recovered.logStart.index > 0) return "stateUnknown"
  if (!isAlone) return "notAlone"
  const isLogLost = recovered.damage !== null || machine.appliedIndex < recovered.logStart.index
  return isLogLost || lacksApplied(found) || isStateLost() ? null : "notDamaged"
}

/** The log ends before what the checkpoint contains, or had something else there. */
function lacksApplied({ recovered, machine }: Found): boolean {
  const { appliedIndex, appliedTerm, snapshotIndex } = machine
  const { logStart, entries } = recovered
  if (appliedIndex <= logStart.index || appliedIndex === snapshotIndex) return false
  return entries[appliedIndex - logStart.index - 1]?.term !== appliedTerm
}

/** A replica as it goes on after its group was founded anew. */
export type Refounded = { readonly log: RaftLog; readonly term: number; readonly said: Observation }

/**
 * Founds the group anew on what is left: one frame of the volume's log says so. `horizon` is now: where rows are lost, the
 * records of tokens may be among them, and nothing born before is executed again.
 */
export function refound(
  found: Found,
  volume: Volume,
  isStateLost: boolean,
  store: number,
  horizon: Timestamp,
): Refounded {
  const { recovered, machine } = found
  const { group, replica, entries, logStart, damage } = recovered
  const before = descriptorOf(found)
  const applied = endOf(machine)
  const last = entries.at(-1) ?? logStart
  const hasGap = applied.index < logStart.index
  // Behind all that anybody here remembers: what lay between the state and the log that is left is not known.
  const end: LogEnd = hasGap
    ? { index: Math.max(last.index, damage?.end?.index ?? 0), term: last.term }
    : applied
  if (isStateLost || hasGap) giveUp(found, end, isStateLost, horizon)
  const log = new RaftLog(logStart)
  if (entries.length > 0) log.append(entries, 0)
  log.synced(0)
  if (hasGap || log.termAt(end.index) !== end.term) log.reset(end)
  // Whoever is brought up by what is older would get the rows that are lost here.
  else if (isStateLost) log.compact(end.index)
  if (log.start.index > logStart.index) volume.append({ type: "logStart", group, ...log.start })
  const term = 1 + Math.max(recovered.term, last.term, applied.term, damage?.end?.term ?? 0)
  const { nextReplica } = machine.configuration
  const configuration: Configuration = {
    voters: [{ replica, store, incarnation: volume.incarnation }],
    outgoing: [],
    learners: [],
    promoting: [],
    nextReplica: Math.max(nextReplica, replica + 1),
  }
  const descriptor = { ...before, generation: before.generation + 1 }
  const index = log.lastIndex + 1
  const entry = makeEntry(index, term, { type: "bootstrap", bootstrap: { descriptor, configuration } })
  volume.append({ type: "replicaCreated", replica, descriptor })
  const lsn = volume.appendFor(group, { type: "entries", group, entries: [entry] })
  volume.appendFor(group, { type: "hardState", group, term, votedFor: 0 })
  volume.append({ type: "repaired", group })
  log.append([entry], lsn)
  volume.wantCheckpoint()
  const { generation } = descriptor
  const isLogLost = hasGap || damage !== null || lacksApplied(found)
  return {
    log,
    term,
    said: { type: "groupRecovered", group, replica, generation, index, isLogLost, isStateLost },
  }
}

/**
 * The group was founded anew in an earlier life and no checkpoint has it yet: what was given up then is given up again, by
 * the same word, which is in the log.
 */
export function refoundAgain(found: Found, volume: Volume, isStateLost: boolean, horizon: Timestamp): void {
  const { machine, recovered } = found
  const hasGap = machine.appliedIndex < recovered.logStart.index
  if (!isStateLost && !hasGap) return
  giveUp(found, hasGap ? recovered.logStart : endOf(machine), isStateLost, horizon)
  volume.wantCheckpoint()
}

function giveUp(found: Found, end: LogEnd, isStateLost: boolean, horizon: Timestamp): void {
  const { machine, isHeld } = found
  // Nothing says what rows without records are the state of; the log has all that made them.
  if (!isHeld) machine.destroy()
  machine.salvage(end, isStateLost && isHeld ? horizon : 0, begun(found))
}

/**
 * Keys that the entry after the state puts in where nothing is. It may have been half done when the state was found
 * damaged, and a checkpoint have what it had put in by then; it is applied again, and they are to be new then.
 */
function begun({ recovered, machine }: Found): readonly Write[] {
  const next = recovered.entries[machine.appliedIndex - recovered.logStart.index]
  if (next?.payload.type !== "batch") return []
  return next.payload.batch.writes
    .filter(({ type }) => type === "insert")
    .map(({ space, key }): Write => ({ space, type: "delete", key, value: "" }))
}

function endOf({ appliedIndex, appliedTerm }: StateMachine): LogEnd {
  return { index: appliedIndex, term: appliedTerm }
}

/** An index at which the log of this replica founds its group anew, 0 when it does not. */
export function refoundedAt(entries: readonly Entry[]): LogIndex {
  return refoundingIn(entries)?.index ?? 0
}
