/**
 * Commit quorums and configurations. What counts as held is what the disks confirmed (`DurableReplica`),
 * never what the leader believes. Raft (extended version), §5.4.2, §6.
 */
import type { Configuration, Observation } from "#kernel"
import type { WorldView } from "./checker.ts"
import { ABSENT } from "./entry-log.ts"
import { nameOf, type ReplicaMirror } from "./mirror.ts"

type Members = Configuration["voters"]

/** The leader says that `index` is committed: a majority of each part of its configuration must hold it. */
export function checkCommitQuorum(world: WorldView, leader: ReplicaMirror, index: number): void {
  if (index <= leader.group.leaderCommit) return
  const term = leader.log.termAt(index)
  if (term !== ABSENT && term !== leader.term) {
    world.report(
      "RAFT-commit-quorum",
      `${nameOf(leader)} commits ${index}, an entry of term ${term}, by counting in term ${leader.term}.`,
    )
    return
  }
  const { voters, outgoing } = leader.configuration
  const digest = leader.log.digestAt(index)
  checkMajority(world, leader, index, digest, voters)
  if (outgoing.length > 0) checkMajority(world, leader, index, digest, outgoing)
}

function checkMajority(
  world: WorldView,
  leader: ReplicaMirror,
  index: number,
  digest: number,
  members: Members,
): void {
  const { cluster, id } = leader.group
  let held = 0
  for (let i = 0; i < members.length; i++) {
    const member = members[i]!
    const durable = cluster.store(member.store).durables[id]
    const isHere = durable !== undefined && (durable.replica === 0 || durable.replica === member.replica)
    if (isHere && durable.holds(index, digest)) held++
    // It held it, and gives no vote to anyone before it holds it again.
    else if (heldBefore(leader.group.replicas[member.replica], index, digest)) held++
  }
  if (held * 2 > members.length) return
  world.report(
    "RAFT-commit-quorum",
    `${nameOf(leader)} commits ${index} in term ${leader.term}; ${held} of ${members.length} voters durably hold it.`,
  )
}

/** Its acknowledgement may be on its way still, and was true when it left. */
function heldBefore(replica: ReplicaMirror | undefined, index: number, digest: number): boolean {
  if (replica === undefined) return false
  return (
    replica.ghost?.holds(index, digest) === true || replica.before.some((held) => held.holds(index, digest))
  )
}

export function configurationChanged(
  world: WorldView,
  replica: ReplicaMirror,
  o: Extract<Observation, { readonly type: "configurationChanged" }>,
): void {
  const group = replica.group
  const term = replica.log.termAt(o.index)
  for (const known of group.configs) {
    // Another entry may stand there for now: one of a deposed leader, which nobody will ever commit.
    const isOther = term !== ABSENT && known.term !== ABSENT && term !== known.term
    if (known.index === o.index && !isOther && !sameConfiguration(known.configuration, o.configuration)) {
      world.report(
        "RAFT-config-overlap",
        `${nameOf(replica)} takes ${text(o.configuration)} for the configuration of entry ${o.index}; it is ${text(known.configuration)}.`,
      )
    }
  }
  if (replica.role === "leader") checkSuccession(world, replica, o.index, o.configuration)
  replica.configIndex = o.index
  replica.configuration = o.configuration
}

/** A leader appends a configuration: the one before must be committed, and lead to it through joint consensus. */
function checkSuccession(world: WorldView, leader: ReplicaMirror, index: number, next: Configuration): void {
  const previous = leader.configuration
  if (leader.configIndex > leader.group.leaderCommit) {
    world.report(
      "RAFT-config-overlap",
      `${nameOf(leader)} appends configuration ${index} while ${leader.configIndex} is not committed.`,
    )
  }
  if (succeeds(previous, next)) return
  world.report(
    "RAFT-config-overlap",
    `${nameOf(leader)} goes from ${text(previous)} to ${text(next)}: a majority of one need not meet a majority of the other.`,
  )
}

function succeeds(previous: Configuration, next: Configuration): boolean {
  if (previous.outgoing.length === 0) {
    // Only learners change, or the old voters are kept as the outgoing half.
    if (next.outgoing.length === 0) return sameMembers(previous.voters, next.voters)
    return sameMembers(previous.voters, next.outgoing)
  }
  if (next.outgoing.length === 0) return sameMembers(previous.voters, next.voters)
  return sameMembers(previous.voters, next.voters) && sameMembers(previous.outgoing, next.outgoing)
}

/** The leader's commit reached its configuration entry: from now on everyone's snapshots must carry it. */
export function configurationCommitted(leader: ReplicaMirror): void {
  const configs = leader.group.configs
  const last = configs[configs.length - 1]!
  if (leader.configIndex <= last.index || leader.configIndex > leader.commit) return
  const term = leader.log.termAt(leader.configIndex)
  configs.push({ index: leader.configIndex, term, configuration: leader.configuration })
}

/** Asked when a snapshot is acknowledged: by then the configuration it carried must be in force. */
export function checkSnapshotConfiguration(world: WorldView, replica: ReplicaMirror): void {
  if (replica.configIndex >= replica.expectedConfigIndex) return
  world.report(
    "RAFT-config-overlap",
    `${nameOf(replica)} installed a snapshot and still is in configuration ${replica.configIndex}; ${replica.expectedConfigIndex} came with it.`,
  )
}

export function sameConfiguration(a: Configuration, b: Configuration): boolean {
  return (
    sameMembers(a.voters, b.voters) &&
    sameMembers(a.outgoing, b.outgoing) &&
    sameMembers(a.learners, b.learners)
  )
}

function sameMembers(a: Members, b: Members): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) {
    const member = a[i]!
    if (!b.some((other) => other.replica === member.replica && other.store === member.store)) return false
  }
  return true
}

function text(configuration: Configuration): string {
  const ids = (members: Members): string => members.map((member) => member.replica).join(",")
  const joint = configuration.outgoing.length > 0 ? ` and ${ids(configuration.outgoing)}` : ""
  return `{${ids(configuration.voters)}${joint}; learners ${ids(configuration.learners) || "none"}}`
}

/** Whether `alive` stores hold a majority of each part. */
export function hasQuorum(configuration: Configuration, alive: (store: number) => boolean): boolean {
  const majority = (members: Members): boolean =>
    members.filter((member) => alive(member.store)).length * 2 > members.length
  return (
    majority(configuration.voters) &&
    (configuration.outgoing.length === 0 || majority(configuration.outgoing))
  )
}
