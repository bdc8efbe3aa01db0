import type { LogIndex, ReplicaId } from "../ids.ts"
import type { Member } from "../range/descriptor.ts"
import type { Configuration } from "./types.ts"

/**
 * What a majority says, and while a configuration is joint both majorities. Pure functions over
 * answers; an empty set of members agrees to everything. Raft (extended version), §6.
 */

/** The highest index that a quorum has: of each majority the lower one. */
export function quorumIndex(
  configuration: Configuration,
  matchOf: (replica: ReplicaId) => LogIndex,
): LogIndex {
  const incoming = majorityIndex(configuration.voters, matchOf)
  if (configuration.outgoing.length === 0) return incoming
  return Math.min(incoming, majorityIndex(configuration.outgoing, matchOf))
}

function majorityIndex(members: readonly Member[], matchOf: (replica: ReplicaId) => LogIndex): LogIndex {
  const matches: number[] = []
  // Descending, each put in its place: there are few, and a comparator would be called for every two.
  for (let i = 0; i < members.length; i++) {
    const match = matchOf(members[i]!.replica)
    let at = i
    for (; at > 0 && matches[at - 1]! < match; at--) matches[at] = matches[at - 1]!
    matches[at] = match
  }
  return matches.length === 0 ? Number.MAX_SAFE_INTEGER : matches[matches.length >> 1]!
}

/** Whether a quorum answers yes. */
export function hasQuorum(configuration: Configuration, saysYes: (replica: ReplicaId) => boolean): boolean {
  return hasMajority(configuration.voters, saysYes) && hasMajority(configuration.outgoing, saysYes)
}

function hasMajority(members: readonly Member[], saysYes: (replica: ReplicaId) => boolean): boolean {
  let yes = 0
  for (const member of members) if (saysYes(member.replica)) yes++
  return members.length === 0 || yes > members.length >> 1
}

/** Whether a quorum can no longer say yes, whatever the rest answers. */
export function quorumLost(configuration: Configuration, saysNo: (replica: ReplicaId) => boolean): boolean {
  return !hasQuorum(configuration, (replica) => !saysNo(replica))
}

export function isVoter(configuration: Configuration, replica: ReplicaId): boolean {
  return includes(configuration.voters, replica) || includes(configuration.outgoing, replica)
}

export function includes(members: readonly Member[], replica: ReplicaId): boolean {
  for (const member of members) if (member.replica === replica) return true
  return false
}

export function isJoint(configuration: Configuration): boolean {
  return configuration.outgoing.length > 0
}

/** Everyone who receives the log, each once, ordered by replica id. */
export function members(configuration: Configuration): readonly Member[] {
  const all: Member[] = []
  for (const set of [configuration.voters, configuration.outgoing, configuration.learners]) {
    for (const member of set) if (!includes(all, member.replica)) all.push(member)
  }
  return all.sort((a, b) => a.replica - b.replica)
}

export function memberOf(configuration: Configuration, replica: ReplicaId): Member | null {
  for (const set of [configuration.voters, configuration.outgoing, configuration.learners]) {
    for (const member of set) if (member.replica === replica) return member
  }
  return null
}
