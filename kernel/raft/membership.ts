import type { Incarnation, LogIndex, ReplicaId, StoreId, Term } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { invariant } from "../lib/invariant.ts"
import type { Member } from "../range/descriptor.ts"
import { isJoint, memberOf, members } from "./quorum.ts"
import { readConfiguration, writeConfiguration, type Configuration, type Entry } from "./types.ts"

type Step = { readonly index: LogIndex; readonly configuration: Configuration }

/**
 * The configurations a log holds, oldest first. The newest is in force from its append, not from its
 * commit, and goes away with its entry when the log is truncated. Raft (extended version), §6.
 */
export class ConfigurationLog {
  #steps: Step[]

  constructor(index: LogIndex, configuration: Configuration) {
    this.#steps = [{ index, configuration }]
  }

  /** In force now. */
  get current(): Configuration {
    return this.#steps.at(-1)!.configuration
  }

  get currentIndex(): LogIndex {
    return this.#steps.at(-1)!.index
  }

  /** In force at `index`. */
  at(index: LogIndex): Step {
    for (let i = this.#steps.length - 1; i > 0; i--)
      if (this.#steps[i]!.index <= index) return this.#steps[i]!
    return this.#steps[0]!
  }

  /** Takes up the configurations among `entries`, which replace the log from their first index on. */
  appended(entries: readonly Entry[]): boolean {
    const before = this.current
    this.truncated(entries[0]!.index)
    for (const entry of entries) {
      const payload = entry.payload
      if (payload.type === "configuration") {
        this.#steps.push({ index: entry.index, configuration: payload.configuration })
      } else if (payload.type === "bootstrap") {
        this.#steps.push({ index: entry.index, configuration: payload.bootstrap.configuration })
      }
    }
    return this.current !== before
  }

  /** The log was cut before `from`: what it said from there on is void. */
  truncated(from: LogIndex): void {
    while (this.#steps.length > 1 && this.#steps.at(-1)!.index >= from) this.#steps.pop()
  }

  /** The log starts after `index` now. */
  compacted(index: LogIndex): void {
    while (this.#steps.length > 1 && this.#steps[1]!.index <= index) this.#steps.shift()
  }

  reset(index: LogIndex, configuration: Configuration): void {
    this.#steps = [{ index, configuration }]
  }

  save(sink: Sink): void {
    sink.uint(this.#steps.length)
    for (const step of this.#steps) {
      sink.uint(step.index)
      writeConfiguration(step.configuration, sink)
    }
  }

  static load(reader: ByteReader): ConfigurationLog {
    const steps: Step[] = []
    for (let left = reader.count(); left > 0; left--) {
      steps.push({ index: reader.uint(), configuration: readConfiguration(reader) })
    }
    invariant(steps.length > 0, "Cannot load a configuration log without a step")
    const log = new ConfigurationLog(0, steps[0]!.configuration)
    log.#steps = steps
    return log
  }
}

/** Nobody yet: what a replica believes that was created by its leader's first message. */
export const EMPTY_CONFIGURATION: Configuration = {
  voters: [],
  outgoing: [],
  learners: [],
  promoting: [],
  nextReplica: 1,
}

/** Ids that the leader of one term may give away. */
const REPLICAS_PER_TERM = 4096

/**
 * Adds a learner; with `promote` it becomes a voter when it has caught up. Quorums stay as they are. Its
 * id belongs to the term: one that a deposed leader gave away in an entry which was never committed is
 * not given again by the next.
 */
export function withLearner(
  before: Configuration,
  term: Term,
  store: StoreId,
  incarnation: Incarnation,
  promote: boolean,
): Configuration {
  const replica = Math.max(before.nextReplica, term * REPLICAS_PER_TERM)
  return {
    ...before,
    learners: [...before.learners, { replica, store, incarnation }],
    promoting: promote ? [...before.promoting, replica] : before.promoting,
    nextReplica: replica + 1,
  }
}

/**
 * The joint configuration on the way to one where `promoted` are voters. One that rises on the store of a voter takes
 * its place: a store has one vote, and the older replica is there no more.
 */
export function enterJointToPromote(before: Configuration, promoted: readonly ReplicaId[]): Configuration {
  invariant(!isJoint(before), "Cannot enter a joint configuration from a joint one")
  const rising = before.learners.filter((member) => promoted.includes(member.replica))
  const stay = before.voters.filter((voter) => !rising.some((member) => member.store === voter.store))
  return {
    voters: sorted([...stay, ...rising]),
    outgoing: before.voters,
    learners: before.learners.filter((member) => !promoted.includes(member.replica)),
    promoting: before.promoting.filter((replica) => !promoted.includes(replica)),
    nextReplica: before.nextReplica,
  }
}

/** The joint configuration on the way to one without `replica`; a learner goes without one. */
export function withoutReplica(before: Configuration, replica: ReplicaId): Configuration {
  invariant(!isJoint(before), "Cannot enter a joint configuration from a joint one")
  const wasVoter = before.voters.some((member) => member.replica === replica)
  return {
    voters: before.voters.filter((member) => member.replica !== replica),
    outgoing: wasVoter ? before.voters : [],
    learners: before.learners.filter((member) => member.replica !== replica),
    promoting: before.promoting.filter((promoting) => promoting !== replica),
    nextReplica: before.nextReplica,
  }
}

/** The same for everything a store has: a lost voter, and the learner that is to take its place. */
export function withoutStore(before: Configuration, store: StoreId): Configuration {
  invariant(!isJoint(before), "Cannot enter a joint configuration from a joint one")
  const stays = (member: Member): boolean => member.store !== store
  const gone = before.learners.filter((member) => !stays(member)).map((member) => member.replica)
  return {
    voters: before.voters.filter(stays),
    outgoing: before.voters.every(stays) ? [] : before.voters,
    learners: before.learners.filter(stays),
    promoting: before.promoting.filter((promoting) => !gone.includes(promoting)),
    nextReplica: before.nextReplica,
  }
}

/**
 * Whether this replica has no place in the group and never will: it is not named by `committed`, the
 * configuration in force at a committed entry of `committedTerm`, and its id was given away before it.
 * An id given in an earlier term stands in an earlier entry of every log that holds that one, or in none.
 */
export function isGone(committed: Configuration, committedTerm: Term, replica: ReplicaId): boolean {
  // One whose checkpoint is lost does not know who takes part: it has nobody to send away.
  if (committed.voters.length === 0) return false
  const isOld = replica < committed.nextReplica || replica < committedTerm * REPLICAS_PER_TERM
  return isOld && memberOf(committed, replica) === null
}

/** What a committed joint configuration is followed by. */
export function leaveJoint(joint: Configuration): Configuration {
  return { ...joint, outgoing: [] }
}

export function onStore(configuration: Configuration, store: StoreId): Member | null {
  return members(configuration).find((member) => member.store === store) ?? null
}

export function voterOn(configuration: Configuration, store: StoreId): Member | null {
  return configuration.voters.find((member) => member.store === store) ?? null
}

function sorted(list: readonly Member[]): readonly Member[] {
  return list.toSorted((a, b) => a.replica - b.replica)
}
