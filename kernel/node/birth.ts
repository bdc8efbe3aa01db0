import { volumeOfTenant, type GroupId, type Incarnation, type ReplicaId, type VolumeId } from "../ids.ts"
import { Sfc32 } from "../lib/rng.ts"
import { RaftLog } from "../raft/log.ts"
import { EMPTY_CONFIGURATION } from "../raft/membership.ts"
import { memberOf } from "../raft/quorum.ts"
import { Raft, type RaftStart } from "../raft/raft.ts"
import { makeEntry, type Bootstrap, type Entry } from "../raft/types.ts"
import type { RangeDescriptor } from "../range/descriptor.ts"
import { StateMachine } from "../range/state-machine.ts"
import type { KernelConfig } from "./config.ts"
import { Replica } from "./replica.ts"
import type { Replicas } from "./replicas.ts"
import type { Volume } from "./volume.ts"

/** How a replica comes to be: by the bootstrap document, or by its leader's first message. */

/** A learner that its leader made: it knows what it will replicate, and nothing else. */
export function bearReplica(
  config: KernelConfig,
  volume: Volume,
  replica: ReplicaId,
  descriptor: RangeDescriptor,
  chance: Sfc32,
  mono: number,
): Replica {
  volume.appendFor(descriptor.groupId, { type: "replicaCreated", replica, descriptor })
  const start: RaftStart = {
    term: 0,
    votedFor: 0,
    log: new RaftLog({ index: 0, term: 0 }),
    commitIndex: 0,
    configurationIndex: 0,
    configuration: EMPTY_CONFIGURATION,
    recovery: null,
  }
  const raft = makeRaft(config, descriptor.groupId, replica, descriptor, start, chance, mono)
  return new Replica(config, volume, raft, StateMachine.fresh(volume.engine, descriptor, replica))
}

export function makeRaft(
  config: KernelConfig,
  group: GroupId,
  replica: ReplicaId,
  descriptor: RangeDescriptor,
  start: RaftStart,
  chance: Sfc32,
  mono: number,
): Raft {
  const rng = new Sfc32(chance.u32(), chance.u32())
  return new Raft(group, replica, descriptor, config.timing, config.limits, rng, start, mono)
}

/** The first entry of a group and the term it stands in, identical in every replica. */
const BOOTSTRAP_TERM = 1

export function bootstrapEntry(bootstrap: Bootstrap): Entry {
  return makeEntry(1, BOOTSTRAP_TERM, { type: "bootstrap", bootstrap })
}

/** A replica that the bootstrap document places here. Its first entry and term go to the log with it. */
function bootstrapReplica(
  config: KernelConfig,
  volume: Volume,
  bootstrap: Bootstrap,
  incarnation: Incarnation,
  chance: Sfc32,
  mono: number,
): Replica | null {
  const { descriptor, configuration } = bootstrap
  const here = configuration.voters.find((member) => member.store === config.store)
  if (
    here === undefined ||
    here.incarnation !== incarnation ||
    memberOf(configuration, here.replica) === null
  )
    return null
  const group: GroupId = descriptor.groupId
  const entry = bootstrapEntry(bootstrap)
  volume.appendFor(group, { type: "replicaCreated", replica: here.replica, descriptor })
  const lsn = volume.appendFor(group, { type: "entries", group, entries: [entry] })
  volume.appendFor(group, { type: "hardState", group, term: BOOTSTRAP_TERM, votedFor: 0 })
  const log = new RaftLog({ index: 0, term: 0 })
  log.append([entry], lsn)
  const start: RaftStart = {
    term: BOOTSTRAP_TERM,
    votedFor: 0,
    log,
    commitIndex: 0,
    configurationIndex: 0,
    configuration,
    recovery: null,
  }
  const machine = StateMachine.fresh(volume.engine, descriptor, here.replica)
  return new Replica(
    config,
    volume,
    makeRaft(config, group, here.replica, descriptor, start, chance, mono),
    machine,
  )
}

/** All that it places here. A volume that was never listed has acknowledged nothing: the document may still be applied to it. */
export function bootstrapAll(
  config: KernelConfig,
  volumes: ReadonlyMap<VolumeId, Volume>,
  unlisted: ReadonlyMap<VolumeId, Incarnation>,
  replicas: Replicas,
  chance: Sfc32,
  mono: number,
): readonly Replica[] {
  const born: Replica[] = []
  for (const { bootstrap, volume, incarnation } of unborn(config, volumes, unlisted)) {
    if (replicas.has(bootstrap.descriptor.groupId)) continue
    const replica = bootstrapReplica(config, volume, bootstrap, incarnation, chance, mono)
    if (replica === null) continue
    replicas.add(replica)
    born.push(replica)
  }
  return born
}

/** What the bootstrap document says of volumes that were never listed: those have acknowledged nothing. */
function unborn(
  config: KernelConfig,
  volumes: ReadonlyMap<VolumeId, Volume>,
  unlisted: ReadonlyMap<VolumeId, Incarnation>,
): readonly { readonly bootstrap: Bootstrap; readonly volume: Volume; readonly incarnation: Incarnation }[] {
  return (config.bootstrap?.groups ?? []).flatMap((bootstrap) => {
    const id = volumeOfTenant(bootstrap.descriptor.tenant)
    const volume = volumes.get(id)
    const incarnation = unlisted.get(id)
    return volume === undefined || incarnation === undefined ? [] : [{ bootstrap, volume, incarnation }]
  })
}
