import { OverlayEngine } from "../engine/overlay.ts"
import type { Base } from "../engine/base.ts"
import type { FatalCode } from "../errors.ts"
import type { GroupId, Incarnation, ReplicaId, VolumeId } from "../ids.ts"
import { SYSTEM_VOLUME, volumeOfTenant } from "../ids.ts"
import { Sfc32 } from "../lib/rng.ts"
import { RaftLog } from "../raft/log.ts"
import { Raft, type RaftStart } from "../raft/raft.ts"
import { makeEntry, type Bootstrap, type Entry } from "../raft/types.ts"
import { memberOf } from "../raft/quorum.ts"
import type { RangeDescriptor } from "../range/descriptor.ts"
import { StateMachine } from "../range/state-machine.ts"
import { recoverVolume, type RecoveredVolume } from "../wal/recovery.ts"
import type { RecoveredGroup } from "../wal/replay.ts"
import { emptyWalStart, Wal, type WalPorts } from "../wal/wal.ts"
import type { KernelConfig } from "./config.ts"
import type { Effect } from "./effect.ts"
import { Replica } from "./replica.ts"
import type { BootStamp, VolumeImage } from "./status.ts"
import { Volume } from "./volume.ts"

/** What a start found and made of it. */
export type Booted = {
  readonly incarnation: Incarnation
  readonly boot: number
  readonly volumes: ReadonlyMap<VolumeId, Volume>
  readonly replicas: readonly Replica[]
  readonly tombstones: ReadonlyMap<GroupId, ReplicaId>
  /** Volumes the system volume does not list yet, with the incarnation it will list. */
  readonly unlisted: ReadonlyMap<VolumeId, Incarnation>
  readonly effects: readonly Effect[]
}

export type BootFailure = { readonly code: FatalCode; readonly detail: string }

/** The ports of a volume's log. Salts are drawn per boot, so that no two lives of a log share one. */
export function walPorts(
  config: KernelConfig,
  incarnation: Incarnation,
  volume: VolumeId,
  salts: Sfc32,
): WalPorts {
  return {
    identity: { cluster: config.cluster, store: config.store, incarnation, volume },
    limits: config.limits,
    rng: salts,
  }
}

/** 53 random bits, never 0: the name of a disk's content. */
function drawIncarnation(rng: Sfc32): Incarnation {
  return (rng.u32() & 0x1f_ffff) * 0x1_0000_0000 + rng.u32() + 1
}

/**
 * Reads a store back: who it is, what its logs say, where its state machines stand. Nothing is sent or
 * answered before the new boot number is durable; the kernel sees to that.
 */
export function bootStore(
  config: KernelConfig,
  images: readonly VolumeImage[],
  stamp: BootStamp,
  salts: Sfc32,
  chance: Sfc32,
): Booted | BootFailure {
  const effects: Effect[] = []
  const imageOf = (volume: VolumeId): VolumeImage | null =>
    images.find((image) => image.volume === volume) ?? null
  const system = readVolume(config, SYSTEM_VOLUME, imageOf(SYSTEM_VOLUME), null, [])
  if ("code" in system) return system
  if (system.recovered.verdict === "corruption" || system.recovered.verdict === "newIncarnation") {
    return {
      code: "corruptSystemVolume",
      detail: `The system volume is damaged: ${system.recovered.verdict}`,
    }
  }
  observeRecovery(SYSTEM_VOLUME, system.recovered, effects)
  const ledger = system.recovered.start!.ledger
  const known = ledger.identity
  if (known !== null && (known.cluster !== config.cluster || known.store !== config.store)) {
    return {
      code: "identityMismatch",
      detail: `The directory belongs to store ${known.store} of cluster ${known.cluster}`,
    }
  }
  const first = config.bootstrap?.stores.find((store) => store.store === config.store)
  const incarnation = known?.incarnation ?? first?.incarnation ?? drawIncarnation(chance)
  const boot = (ledger.boot?.boot ?? 0) + 1
  const systemVolume = openVolume(config, SYSTEM_VOLUME, incarnation, system, salts)
  if (known === null) {
    systemVolume.append({ type: "identity", cluster: config.cluster, store: config.store, incarnation })
  }
  systemVolume.append({ type: "boot", boot })

  const tombstones = new Map<GroupId, ReplicaId>()
  for (const [group, replicas] of ledger.tombstones) tombstones.set(group, Math.max(...replicas.keys()))
  const volumes = new Map<VolumeId, Volume>([[SYSTEM_VOLUME, systemVolume]])
  const unlisted = new Map<VolumeId, Incarnation>()
  const replicas: Replica[] = []
  for (const tenant of config.tenants) {
    const id = volumeOfTenant(tenant)
    const listed = ledger.volumes.get(id)
    const witnesses = [...ledger.witnesses.values()]
      .filter((witness) => witness.volume === id && !tombstones.has(witness.identifier.group))
      .map((witness) => witness.identifier)
    const opened = readVolume(config, id, imageOf(id), listed?.incarnation ?? null, witnesses)
    if ("code" in opened) return opened
    observeRecovery(id, opened.recovered, effects)
    const { verdict } = opened.recovered
    const isLost = verdict === "newIncarnation" || (verdict === "empty" && listed !== undefined)
    const itsIncarnation = isLost
      ? drawIncarnation(chance)
      : (listed?.incarnation ?? opened.recovered.incarnation ?? incarnation)
    if (listed?.incarnation !== itsIncarnation) unlisted.set(id, itsIncarnation)
    const volume = openVolume(config, id, itsIncarnation, isLost ? lost(opened) : opened, salts)
    volumes.set(id, volume)
    for (const group of isLost ? [] : opened.recovered.groups) {
      if (group.replica <= (tombstones.get(group.group) ?? 0)) {
        endBurial(volume, group, effects)
        continue
      }
      const replica = openReplica(config, volume, group, chance, stamp.mono)
      if (replica !== null) replicas.push(replica)
    }
  }
  return { incarnation, boot, volumes, replicas, tombstones, unlisted, effects }
}

type OpenedImage = { readonly recovered: RecoveredVolume; readonly base: Base }

function readVolume(
  config: KernelConfig,
  volume: VolumeId,
  image: VolumeImage | null,
  incarnation: Incarnation | null,
  systemWitness: Parameters<typeof recoverVolume>[0]["systemWitness"],
): OpenedImage | BootFailure {
  if (image === null)
    return { code: "identityMismatch", detail: `The host has no directory for volume ${volume}` }
  const { cluster, store } = config
  const recovered = recoverVolume({
    segments: image.segments,
    witness: image.witness,
    systemWitness,
    identity: { cluster, store, volume, incarnation },
  })
  if (recovered.start !== null) return { recovered, base: image.base }
  return { code: "identityMismatch", detail: `Volume ${volume} cannot be opened: ${recovered.verdict}` }
}

/** A volume whose own name is gone begins again under a new one; its replicas are not who they were. */
function lost(opened: OpenedImage): OpenedImage {
  const start = emptyWalStart(opened.recovered.start!.nextSequence)
  return { ...opened, recovered: { ...opened.recovered, groups: [], start } }
}

function openVolume(
  config: KernelConfig,
  id: VolumeId,
  incarnation: Incarnation,
  opened: OpenedImage,
  salts: Sfc32,
): Volume {
  const wal = new Wal(walPorts(config, incarnation, id, salts), opened.recovered.start!)
  const engine = new OverlayEngine(opened.base)
  return new Volume(id, incarnation, wal, opened.base, engine)
}

function observeRecovery(volume: VolumeId, recovered: RecoveredVolume, effects: Effect[]): void {
  const { verdict, durableLsn } = recovered
  effects.push({ type: "observe", observation: { type: "recovered", volume, verdict, lsn: durableLsn } })
  if (verdict !== "clean" && verdict !== "empty") {
    effects.push({ type: "observe", observation: { type: "mark", name: `wal.recovered.${verdict}` } })
  }
}

/** The tombstone is durable, the end of what it buries was not: it is brought to its end now. */
function endBurial(volume: Volume, { group, replica }: RecoveredGroup, effects: Effect[]): void {
  StateMachine.open(volume.engine, group, replica)?.destroy()
  volume.append({ type: "replicaRemoved", group, replica })
  effects.push({ type: "observe", observation: { type: "replicaRemoved", group, replica } })
}

/** One replica from its log and what the last checkpoint holds of it. */
function openReplica(
  config: KernelConfig,
  volume: Volume,
  recovered: RecoveredGroup,
  chance: Sfc32,
  mono: number,
): Replica | null {
  const { group, descriptor } = recovered
  if (descriptor === null) return null
  const machine =
    StateMachine.open(volume.engine, group, recovered.replica) ??
    StateMachine.create(volume.engine, descriptor, recovered.replica)
  const log = new RaftLog(recovered.logStart)
  if (recovered.entries.length > 0) log.append(recovered.entries, 0)
  log.synced(0)
  const applied = { index: machine.appliedIndex, term: machine.appliedTerm }
  let damage = recovered.damage
  if (log.termAt(applied.index) !== applied.term) {
    if (machine.snapshotIndex === applied.index) {
      // A snapshot was taken in and its checkpoint is durable, but not yet what the log says of it.
      log.reset(applied)
      volume.append({ type: "logStart", group, index: applied.index, term: applied.term })
    } else damage ??= { firstIndex: applied.index + 1, end: null, identified: false }
  }
  const start: RaftStart = {
    term: recovered.term,
    votedFor: recovered.votedFor,
    log,
    commitIndex: Math.max(applied.index, log.start.index),
    configurationIndex: machine.configurationIndex,
    configuration: machine.configuration,
    recovery:
      damage === null
        ? null
        : {
            firstDamaged: damage.firstIndex,
            repairTo: damage.end?.index ?? null,
            end: damage.end,
            identified: damage.identified,
          },
  }
  return new Replica(
    config,
    volume,
    makeRaft(config, group, recovered.replica, machine.descriptor, start, chance, mono),
    machine,
  )
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
export function bootstrapReplica(
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
  const machine = StateMachine.create(volume.engine, descriptor, here.replica)
  return new Replica(
    config,
    volume,
    makeRaft(config, group, here.replica, descriptor, start, chance, mono),
    machine,
  )
}
