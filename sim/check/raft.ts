/**
 * The safety properties of Raft (extended version), figure 3, as seen in what replicas say of themselves.
 * Each function looks at one observation against the mirror, then brings the mirror up to date.
 */
import type { Observation } from "#kernel"
import type { WorldView } from "./checker.ts"
import { ABSENT } from "./entry-log.ts"
import { nameOf, type GroupMirror, type ReplicaMirror } from "./mirror.ts"
import { checkCommitQuorum } from "./quorums.ts"

type Observed<Type extends Observation["type"]> = Extract<Observation, { readonly type: Type }>

function checkTerm(world: WorldView, replica: ReplicaMirror, term: number): void {
  if (term < replica.term) {
    world.report(
      "RAFT-monotonic-term",
      `${nameOf(replica)} is in term ${term} after it had acted in term ${replica.term}.`,
    )
    return
  }
  replica.term = term
  if (term > replica.heardTerm) replica.heardTerm = term
}

export function roleChanged(world: WorldView, replica: ReplicaMirror, o: Observed<"roleChanged">): void {
  checkTerm(world, replica, o.term)
  replica.role = o.role
  if (o.role !== "leader") return
  const group = replica.group
  const other = group.leaders.get(o.term)
  if (other !== undefined && other !== replica.id) {
    world.report(
      "RAFT-election-safety",
      `${nameOf(replica)} leads term ${o.term}, which replica ${other} led before.`,
    )
  }
  group.leaders.set(o.term, replica.id)
  for (let index = group.commitTerms.first; index < group.commitTerms.end; index++) {
    // Commit terms never fall as indexes rise.
    if (group.commitTerms.get(index) >= o.term) break
    if (!checkHolds(world, replica, index)) break
  }
}

/** Leader completeness (§5.4.3), for one committed entry and one leader of a later term. */
function checkHolds(world: WorldView, leader: ReplicaMirror, index: number): boolean {
  const digest = leader.group.digests.get(index)
  if (digest === ABSENT || index <= leader.log.base || leader.log.digestAt(index) === digest) return true
  world.report(
    "RAFT-leader-completeness",
    `${nameOf(leader)} leads term ${leader.term} without entry ${index}, committed in term ${leader.group.commitTerms.get(index)}; its log ends at ${leader.log.last}.`,
  )
  return false
}

export function voted(world: WorldView, replica: ReplicaMirror, o: Observed<"voted">): void {
  checkTerm(world, replica, o.term)
  checkOneVote(world, replica, replica.votes, o.term, o.votedFor)
}

/** `votes` are those told in this boot, or those that left the store over all boots. */
export function checkOneVote(
  world: WorldView,
  replica: ReplicaMirror,
  votes: Map<number, number>,
  term: number,
  votedFor: number,
): void {
  const before = votes.get(term)
  if (before !== undefined && before !== votedFor) {
    world.report(
      "RAFT-one-vote",
      `${nameOf(replica)} votes for replica ${votedFor} in term ${term} and had voted for ${before}.`,
    )
  }
  votes.set(term, votedFor)
}

export function logChanged(
  world: WorldView,
  replica: ReplicaMirror,
  o: Observed<"logChanged">,
  booting: boolean,
): void {
  if (booting && !replica.saidLog) {
    replica.saidLog = true
    replica.log.reset(o.index - 1, o.index === 1 ? 0 : ABSENT)
  } else checkReplaced(world, replica, o)
  replica.log.truncate(o.index)
  let prevTerm = replica.log.termAt(o.index - 1)
  for (let i = 0; i < o.terms.length; i++) {
    const term = o.terms[i]!
    // What a boot read back is first held against its own disk: `bootLogMatches`, when the boot is over.
    if (!booting) checkMatching(world, replica, o.index + i, term, o.digests[i]!, prevTerm)
    replica.log.push(term, o.digests[i]!)
    prevTerm = term
  }
}

/** Log matching for a log that a boot recovered: asked after that log was held against what its disk held. */
export function bootLogMatches(world: WorldView, replica: ReplicaMirror): void {
  const { log } = replica
  for (let index = log.base + 1; index <= log.last; index++) {
    checkMatching(world, replica, index, log.termAt(index), log.digestAt(index), log.termAt(index - 1))
  }
}

/** What of the old log may go, and for what. */
function checkReplaced(world: WorldView, replica: ReplicaMirror, o: Observed<"logChanged">): void {
  const log = replica.log
  if (o.index > log.last) {
    if (o.index > log.last + 1 && !replica.snapshotInStep) {
      world.report(
        "RAFT-log-matching",
        `${nameOf(replica)} appends at ${o.index}; its log ends at ${log.last}.`,
      )
    }
    return
  }
  if (replica.role === "leader") {
    world.report(
      "RAFT-leader-append-only",
      `${nameOf(replica)}, leader of term ${replica.term}, replaces its log from ${o.index}; it ended at ${log.last}.`,
    )
    return
  }
  const end = o.index + o.terms.length - 1
  // The first index from which on the old content is gone.
  let lost = Math.max(o.index, log.base + 1)
  while (lost <= log.last && lost <= end && log.digestAt(lost) === o.digests[lost - o.index]) lost++
  if (lost > log.last) return
  if (lost <= replica.commit) {
    world.report(
      "RAFT-state-machine-safety",
      `${nameOf(replica)} drops its log from ${lost} and had committed up to ${replica.commit}.`,
    )
  } else if (lost <= replica.ackedIndex && replica.heardTerm === replica.ackedTerm) {
    world.report(
      "RAFT-ack-durable",
      `${nameOf(replica)} drops its log from ${lost}; in this same term ${replica.ackedTerm} it acknowledged ${replica.ackedIndex}.`,
    )
  } else if (lost > end && !replica.snapshotInStep) {
    world.report(
      "RAFT-log-matching",
      `${nameOf(replica)} drops its log from ${lost} to ${log.last} though nothing new contradicts it.`,
    )
  }
}

/** Log matching (§5.3): an index and a term name one entry and one predecessor. */
function checkMatching(
  world: WorldView,
  replica: ReplicaMirror,
  index: number,
  term: number,
  digest: number,
  prevTerm: number,
): void {
  if (term < prevTerm) {
    world.report(
      "RAFT-log-matching",
      `${nameOf(replica)} holds entry ${index} of term ${term} after one of term ${prevTerm}.`,
    )
  }
  const group = replica.group
  if (index < group.floor) return
  let seen = group.seenAt(index)
  while (seen !== null && seen.term !== term) seen = seen.next
  if (seen === null) group.addSeen(index, term, digest, prevTerm)
  else if (seen.digest !== digest) {
    world.report(
      "RAFT-log-matching",
      `${nameOf(replica)} holds another entry ${index} of term ${term} than was seen before.`,
    )
  } else if (prevTerm !== ABSENT) {
    if (seen.prevTerm === ABSENT) seen.prevTerm = prevTerm
    else if (seen.prevTerm !== prevTerm) {
      world.report(
        "RAFT-log-matching",
        `${nameOf(replica)} holds entry ${index} of term ${term} after one of term ${prevTerm}, elsewhere it follows one of term ${seen.prevTerm}.`,
      )
    }
  }
}

export function committed(
  world: WorldView,
  replica: ReplicaMirror,
  o: Observed<"committed">,
  isUp: boolean,
): void {
  if (o.index < replica.commit) {
    world.report(
      "RAFT-monotonic-commit",
      `${nameOf(replica)} takes its commit index back from ${replica.commit} to ${o.index}.`,
    )
    return
  }
  const group = replica.group
  const leads = replica.role === "leader"
  if (leads) checkCommitQuorum(world, replica, o.index)
  else if (isUp && o.index > group.leaderCommit) {
    world.report(
      "RAFT-state-machine-safety",
      `${nameOf(replica)} commits ${o.index}; no leader has committed beyond ${group.leaderCommit}.`,
    )
  }
  for (let index = Math.max(replica.commit, replica.log.base) + 1; index <= o.index; index++) {
    const digest = replica.log.digestAt(index)
    if (digest === ABSENT) {
      world.report(
        "RAFT-state-machine-safety",
        `${nameOf(replica)} commits ${o.index}; its log ends at ${replica.log.last}.`,
      )
      break
    }
    if (!agree(world, replica, index, replica.log.termAt(index), digest, "commits")) break
    if (leads && index > group.leaderCommit) {
      group.commitTerms.set(index, replica.term)
      checkLaterLeaders(world, group, index, replica.term)
    }
  }
  replica.commit = o.index
  if (leads && o.index > group.leaderCommit) group.leaderCommit = o.index
}

/** A deposed leader may still complete a commit: those who lead later terms by then must hold it as well. */
function checkLaterLeaders(world: WorldView, group: GroupMirror, index: number, term: number): void {
  for (const other of group.members) {
    if (other.role === "leader" && other.term > term) checkHolds(world, other, index)
  }
}

/** State machine safety (§5.4.3): one entry an index, for ever. A digest of 0 is not known. */
function agree(
  world: WorldView,
  replica: ReplicaMirror,
  index: number,
  term: number,
  digest: number,
  verb: string,
): boolean {
  const group = replica.group
  if (index < group.floor) return true
  const known = group.digests.get(index)
  if (known === ABSENT) {
    if (digest !== 0) group.digests.set(index, digest)
  } else if (digest !== 0 && known !== digest) {
    world.report(
      "RAFT-state-machine-safety",
      `${nameOf(replica)} ${verb} another entry ${index} than was committed before.`,
    )
    return false
  }
  const knownTerm = group.terms.get(index)
  if (knownTerm === ABSENT) group.terms.set(index, term)
  else if (knownTerm !== term) {
    world.report(
      "RAFT-state-machine-safety",
      `${nameOf(replica)} ${verb} entry ${index} of term ${term}; the committed one is of term ${knownTerm}.`,
    )
    return false
  }
  return true
}

export function applied(
  world: WorldView,
  replica: ReplicaMirror,
  o: Observed<"applied">,
  booting: boolean,
): void {
  if (o.index < replica.applied) {
    world.report(
      "RAFT-monotonic-applied",
      `${nameOf(replica)} takes its applied index back from ${replica.applied} to ${o.index}.`,
    )
    return
  }
  if (booting) {
    replica.bootApplied = o.index
    if (o.index > replica.commit) replica.commit = o.index
  } else if (o.digest === 0 && o.index <= replica.group.leaderCommit) {
    // A snapshot took the state machine's place; its log follows once the checkpoint is durable.
    if (o.index > replica.commit) replica.commit = o.index
  } else if (o.index > replica.commit) {
    world.report(
      "RAFT-state-machine-safety",
      `${nameOf(replica)} applies ${o.index} and has committed up to ${replica.commit}.`,
    )
  }
  agree(world, replica, o.index, o.term, o.digest, "applies")
  replica.applied = o.index
}

export function snapshotInstalled(
  world: WorldView,
  replica: ReplicaMirror,
  o: Observed<"snapshotInstalled">,
): void {
  const group = replica.group
  if (o.index < replica.applied) {
    world.report(
      "RAFT-monotonic-applied",
      `${nameOf(replica)} installs a snapshot at ${o.index} and had applied ${replica.applied}.`,
    )
    return
  }
  if (o.index > group.leaderCommit) {
    world.report(
      "RAFT-state-machine-safety",
      `${nameOf(replica)} installs a snapshot at ${o.index}; no leader has committed beyond ${group.leaderCommit}.`,
    )
  }
  agree(world, replica, o.index, o.term, 0, "installs a snapshot at")
  // §7: what follows an entry the snapshot agrees with is kept. A boot does not say the term of what its log rests
  // on, but that was committed, and `agree` has held this snapshot against it.
  const isBase = o.index === replica.log.base && replica.log.termAt(o.index) === ABSENT
  if (isBase || replica.log.termAt(o.index) === o.term) replica.log.cut(o.index, o.term)
  else replica.log.reset(o.index, o.term)
  replica.snapshotInStep = true
  replica.applied = o.index
  if (o.index > replica.commit) replica.commit = o.index
  for (const config of group.configs) {
    if (config.index <= o.index) replica.expectedConfigIndex = config.index
  }
}

/** What a candidate says of its log's end must be true of the log it told us of: a stale tail shows here. */
export function checkLogEnd(world: WorldView, replica: ReplicaMirror, index: number, term: number): void {
  const log = replica.log
  const known = log.termAt(index)
  if (index <= log.last && (known === term || known === ABSENT || term === ABSENT)) return
  world.report(
    "RAFT-log-matching",
    `${nameOf(replica)} claims a log that ends at ${index}; the one it told us of ends at ${log.last} in term ${log.termAt(log.last)}.`,
  )
}
