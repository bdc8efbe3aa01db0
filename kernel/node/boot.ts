import { OverlayEngine } from "../engine/overlay.ts"
import type { Base } from "../engine/base.ts"
import type { FatalCode } from "../errors.ts"
import type { GroupId, Incarnation, ReplicaId, VolumeId } from "../ids.ts"
import { SYSTEM_VOLUME, volumeOfTenant } from "../ids.ts"
import { Sfc32 } from "../lib/rng.ts"
import { RaftLog } from "../raft/log.ts"
import type { RaftStart } from "../raft/raft.ts"
import { newRecovery } from "../raft/repair.ts"
import { StateMachine } from "../range/state-machine.ts"
import { sweepStaging } from "../snapshot/staging.ts"
import { fromWall } from "../time/hlc.ts"
import type { Identifier } from "../wal/item.ts"
import { recoverVolume, type RecoveredVolume } from "../wal/recovery.ts"
import type { RowId } from "../wal/recovery-table.ts"
import type { RecoveredGroup } from "../wal/replay.ts"
import { emptyWalStart, Wal, type WalPorts } from "../wal/wal.ts"
import { makeRaft } from "./birth.ts"
import type { KernelConfig, RecoverOrder } from "./config.ts"
import type { Effect } from "./effect.ts"
import type { Process } from "./process.ts"
import {
  descriptorOf,
  refound,
  refoundAgain,
  refoundingIn,
  refusalOf,
  type Found,
  type Refounded,
} from "./refound.ts"
import { Replica } from "./replica.ts"
import type { BootStamp, VolumeImage } from "./status.ts"
import { Volume } from "./volume.ts"

/** What a start found and made of it. */
export type Booted = {
  readonly process: Process
  readonly volumes: ReadonlyMap<VolumeId, Volume>
  readonly replicas: readonly Replica[]
  readonly tombstones: ReadonlyMap<GroupId, ReplicaId>
  /** Volumes the system volume does not list yet, with the incarnation it will list. */
  readonly unlisted: ReadonlyMap<VolumeId, Incarnation>
  readonly effects: readonly Effect[]
}

export type BootFailure = {
  readonly code: FatalCode
  readonly detail: string
  /** What is to be known of it: among others what of the table of recovery led to it. */
  readonly effects: readonly Effect[]
}

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
    switches: config.switches,
  }
}

/** Named by no segment. */
const NO_LIFE: Incarnation = 0

/** 53 random bits, never 0: the name of a disk's content, or of a process. */
function drawName(rng: Sfc32): Incarnation {
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
      effects: rowMarks(system.recovered),
    }
  }
  observeRecovery(SYSTEM_VOLUME, system.recovered, effects)
  const ledger = system.recovered.start!.ledger
  const known = ledger.identity
  if (known !== null && (known.cluster !== config.cluster || known.store !== config.store)) {
    return {
      code: "identityMismatch",
      detail: `The directory belongs to store ${known.store} of cluster ${known.cluster}`,
      effects: [],
    }
  }
  // The document is for a store that holds nothing; what is found here without a name was someone's.
  const isUntouched =
    known === null && images.every((image) => image.volume === SYSTEM_VOLUME || image.segments.length === 0)
  const first = isUntouched
    ? config.bootstrap?.stores.find((store) => store.store === config.store)
    : undefined
  // A crash may have come between the first segment, which says it, and the first frame, which would have.
  const begun = system.recovered.incarnation
  const incarnation = known?.incarnation ?? first?.incarnation ?? begun ?? drawName(chance)
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
  // ADR 0044.
  const forget = (volume: VolumeId): void => {
    if (ledger.forgetful.has(volume)) return
    systemVolume.append({ type: "forgotten", volume })
    effects.push({ type: "observe", observation: { type: "mark", name: "node.volume.forgetful" } })
  }
  for (const tenant of config.tenants) {
    const id = volumeOfTenant(tenant)
    const listed = ledger.volumes.get(id)
    const witnesses = [...ledger.witnesses.values()]
      .filter((witness) => witness.volume === id && !tombstones.has(witness.identifier.group))
      .map((witness) => witness.identifier)
    // A system volume that begins has no one else's memory for its own.
    const expected = listed?.incarnation ?? (known === null ? NO_LIFE : null)
    const read = readVolume(config, id, imageOf(id), expected, witnesses)
    if ("code" in read) return read
    const isNamed = ({ group, replica }: Identifier): boolean => replica > (tombstones.get(group) ?? 0)
    const named = [...witnesses, ...read.recovered.named].filter(isNamed)
    const nameless = isNameless(read.recovered, named)
    const single = nameless ? singleIn(read, named) : null
    if (single !== null) return corruptSingle(single, null, read.recovered, effects)
    const opened = nameless ? begunAnew(read) : read
    observeRecovery(id, opened.recovered, effects)
    const { verdict } = opened.recovered
    const isLost = verdict === "newIncarnation" || (verdict === "empty" && listed !== undefined)
    const itsIncarnation = isLost
      ? drawName(chance)
      : (listed?.incarnation ?? opened.recovered.incarnation ?? incarnation)
    const volume = openVolume(config, id, itsIncarnation, isLost ? lost(opened) : opened, salts)
    volumes.set(id, volume)
    // Its first frame, so that a volume that was ever on the list is never found empty but when it is lost.
    if (isLost || verdict === "empty") {
      volume.append({ type: "volume", volume: id, incarnation: itsIncarnation })
    }
    if (isLost) {
      systemVolume.append({ type: "volume", volume: id, incarnation: itsIncarnation })
      effects.push({ type: "observe", observation: { type: "mark", name: "node.volume.lost" } })
      forget(id)
      continue
    }
    if (opened.recovered.isUnsure) forget(id)
    if (listed?.incarnation !== itsIncarnation) unlisted.set(id, itsIncarnation)
    for (const group of opened.recovered.groups) {
      if (group.replica <= (tombstones.get(group.group) ?? 0)) {
        endBurial(volume, group, effects)
        continue
      }
      const replica = openReplica(config, volume, group, chance, stamp, effects)
      if ("order" in replica) return corruptSingle(group.group, replica.order, opened.recovered, effects)
      if (!("type" in replica)) {
        replicas.push(replica)
        continue
      }
      // It no longer knows what it was: under its name it must never speak again, and peers make it anew. If it had any.
      forget(id)
      systemVolume.append({ type: "tombstone", group: group.group, replica: group.replica })
      tombstones.set(group.group, group.replica)
      endBurial(volume, group, effects)
      effects.push({ type: "observe", observation: { type: "mark", name: "node.replica.forgotten" } })
    }
    sweepStaging(volume.engine, (group, staged) =>
      replicas.some((replica) => replica.group === group && replica.replica === staged.replica),
    )
  }
  for (const order of config.recover ?? []) {
    if (replicas.some(({ group }) => group === order.group)) continue
    const observation = { type: "recoverRefused", order, code: "noSuchReplica" } as const
    effects.push({ type: "observe", observation })
  }
  for (const volume of [...ledger.forgetful.keys()].sort((a, b) => a - b))
    effects.push({ type: "observe", observation: { type: "mayHaveForgotten", volume } })
  // From a sequence of its own: it shifts nothing else that is drawn here.
  const nonce = drawName(new Sfc32(~stamp.seedHigh, ~stamp.seedLow))
  const process = { incarnation, boot, nonce }
  return { process, volumes, replicas, tombstones, unlisted, effects }
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
    return { code: "identityMismatch", detail: `The host has no directory for volume ${volume}`, effects: [] }
  const { cluster, store } = config
  const recovered = recoverVolume({
    segments: image.segments,
    witness: image.witness,
    systemWitness,
    identity: { cluster, store, volume, incarnation },
  })
  if (recovered.start !== null) return { recovered, base: image.base }
  const detail = `Volume ${volume} cannot be opened: ${recovered.verdict}`
  return { code: "identityMismatch", detail, effects: rowMarks(recovered) }
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

function rowsOf(recovered: RecoveredVolume): readonly RowId[] {
  return [...new Set(recovered.reasons.map((reason) => reason.row))]
}

/** So that it is counted which rows of the table a campaign reaches. */
function rowMarks(recovered: RecoveredVolume): readonly Effect[] {
  return rowsOf(recovered).map((row): Effect => {
    return { type: "observe", observation: { type: "mark", name: `wal.recovered.${row}` } }
  })
}

function observeRecovery(volume: VolumeId, recovered: RecoveredVolume, effects: Effect[]): void {
  const { verdict, durableLsn } = recovered
  effects.push({ type: "observe", observation: { type: "recovered", volume, verdict, lsn: durableLsn } })
  if (verdict !== "clean" && verdict !== "empty") {
    effects.push({ type: "observe", observation: { type: "mark", name: `wal.recovered.${verdict}` } })
  }
  effects.push(...rowMarks(recovered))
}

/** The tombstone is durable, or about to be; the end of what it buries was not: it is brought to its end now. */
function endBurial(volume: Volume, { group, replica }: RecoveredGroup, effects: Effect[]): void {
  StateMachine.open(volume.engine, group, replica)?.destroy()
  volume.append({ type: "replicaRemoved", group, replica })
  if (replica !== 0)
    effects.push({ type: "observe", observation: { type: "replicaRemoved", group, replica } })
}

/** `forgotten`: what remains is not enough to be that replica. */
type Forgotten = { readonly type: "forgotten" }
const FORGOTTEN: Forgotten = { type: "forgotten" }
/** It is damaged and nobody else has what it lost: only this order would make its group go on. */
type Single = { readonly order: RecoverOrder }

/** One replica from its log and what the last checkpoint holds of it, or why there is none. */
function openReplica(
  config: KernelConfig,
  volume: Volume,
  recovered: RecoveredGroup,
  chance: Sfc32,
  stamp: BootStamp,
  effects: Effect[],
): Replica | Forgotten | Single {
  const { group, replica } = recovered
  const held = StateMachine.open(volume.engine, group, replica)
  const descriptor = recovered.descriptor ?? held?.descriptor ?? null
  if (replica === 0 || descriptor === null) return FORGOTTEN
  const machine = held ?? StateMachine.create(volume.engine, descriptor, replica)
  const isSingle = isAlone(replica, machine, recovered.entries)
  const found: Found = { recovered, machine, isHeld: held !== null, isAlone: isSingle }
  const refounded = recoverByOrder(config, volume, found, stamp, effects)
  const { generation } = descriptorOf(found)
  const single: Single = { order: { group, replica, incarnation: volume.incarnation, generation } }
  const applied = { index: machine.appliedIndex, term: machine.appliedTerm }
  // The log goes on where a checkpoint ended that is not here any more, though the base names nothing that it lost. All
  // this replica promised rests on its log, so it keeps its name; its state comes from a peer, like one that is damaged.
  const isStateLost = refounded === null && applied.index < recovered.logStart.index && !machine.isDamaged
  if (isStateLost) {
    if (isSingle) return single
    machine.markDamaged()
    const logStart = recovered.logStart.index
    const lost = { type: "stateLost", group, replica, applied: applied.index, logStart } as const
    effects.push({ type: "observe", observation: lost })
  }
  const log = refounded?.log ?? new RaftLog(recovered.logStart)
  if (refounded === null && recovered.entries.length > 0) log.append(recovered.entries, 0)
  if (refounded === null) log.synced(0)
  let damage = recovered.damage
  if (refounded !== null) damage = null
  if (log.termAt(applied.index) !== applied.term) {
    // A snapshot was taken in and its checkpoint is durable, but not yet what the log says of it; or the log has lost
    // what the checkpoint contains. Where the checkpoint itself is lost the log is all there is.
    const isStateKnown = !isStateLost && (applied.index > 0 || !machine.isDamaged)
    if (isStateKnown) {
      log.reset(applied)
      volume.append({ type: "logStart", group, index: applied.index, term: applied.term })
    }
    const isWhole = !isStateKnown || machine.snapshotIndex === applied.index
    if (!isWhole) damage ??= { firstIndex: applied.index + 1, end: null, identified: false }
  }
  if (damage !== null && damage.identified && damage.end!.index <= applied.index) {
    // All it ever acknowledged is in the checkpoint.
    volume.append({ type: "repaired", group })
    damage = null
  }
  if (damage !== null && isSingle) return single
  const start: RaftStart = {
    term: refounded?.term ?? recovered.term,
    votedFor: refounded === null ? recovered.votedFor : 0,
    log,
    commitIndex: Math.max(applied.index, log.start.index),
    configurationIndex: machine.configurationIndex,
    configuration: machine.configuration,
    recovery:
      damage === null
        ? null
        : newRecovery(
            Math.max(damage.firstIndex, applied.index + 1),
            damage.end,
            damage.identified,
            drawName(chance),
          ),
  }
  const raft = makeRaft(config, group, replica, machine.descriptor, start, chance, stamp.mono)
  if (machine.isDamaged) raft.openedDamaged()
  return new Replica(config, volume, raft, machine)
}

/** What an operator's order, or one that was carried out and is not in a checkpoint yet, makes of a replica. */
function recoverByOrder(
  { recover, store }: KernelConfig,
  volume: Volume,
  found: Found,
  stamp: BootStamp,
  effects: Effect[],
): Refounded | null {
  const { recovered, machine } = found
  const order = recover?.find((each) => each.group === recovered.group)
  const last = refoundingIn(recovered.entries)
  // One that has peers by now is repaired from them.
  const isUnderWay = last !== null && last.index > machine.appliedIndex && found.isAlone
  const lostState = (): boolean => machine.isDamaged || !machine.recount() || machine.checkDamage()
  const horizon = fromWall(stamp.wall)
  if (isUnderWay) refoundAgain(found, volume, lostState(), horizon)
  if (order === undefined) return null
  const code = refusalOf(order, found, volume.incarnation, lostState)
  if (code !== null) {
    effects.push({ type: "observe", observation: { type: "mark", name: "node.recover.refused" } })
    effects.push({ type: "observe", observation: { type: "recoverRefused", order, code } })
    return null
  }
  const refounded = refound(found, volume, lostState(), store, horizon)
  effects.push({ type: "observe", observation: { type: "mark", name: "node.group.recovered" } })
  effects.push({ type: "observe", observation: refounded.said })
  return refounded
}

/** Rows after which nobody can say which replicas a log spoke of. */
const UNSURE: ReadonlySet<RowId> = new Set<RowId>(["unreadableSegment", "missingSegment", "missingHead"])

/**
 * Whether the damage took the name of a replica that lived here (`named` are those that a witness speaks of and that were
 * not buried), or may have taken all there was of one. What cannot be read now may be readable at the next start: nobody
 * could keep it from being made again under that name, so the whole volume begins anew under another one.
 */
function isNameless({ verdict, groups, reasons }: RecoveredVolume, named: readonly Identifier[]): boolean {
  if (verdict !== "corruption") return false
  const known = new Set(groups.filter(({ replica }) => replica > 0).map(({ group }) => group))
  return (
    known.size < Math.max(1, groups.length) ||
    named.some(({ group }) => !known.has(group)) ||
    reasons.some(({ row }) => UNSURE.has(row))
  )
}

/** Nothing of it is taken over. */
function begunAnew({ recovered, base }: OpenedImage): OpenedImage {
  const none = { groups: [], damage: [], incarnation: null, durableLsn: 0 }
  return { base, recovered: { ...recovered, ...none, verdict: "newIncarnation" } }
}

/** A group that has its only replica in this volume; null when there is none. */
function singleIn({ recovered, base }: OpenedImage, named: readonly Identifier[]): GroupId | null {
  const engine = new OverlayEngine(base)
  for (const { group, replica } of [...recovered.groups, ...named]) {
    const held = replica === 0 ? null : StateMachine.open(engine, group, replica)
    const entries = recovered.groups.find((known) => known.group === group)?.entries ?? []
    if (held !== null && isAlone(replica, held, entries)) return group
  }
  return null
}

/** `order` is what would make the group go on without what is lost; null where nothing would. */
function corruptSingle(
  group: GroupId,
  order: RecoverOrder | null,
  recovered: RecoveredVolume,
  before: readonly Effect[],
): BootFailure {
  const detail = `Group ${group} has no other replica to be repaired from`
  // Nothing of what was done until here is carried out; that an order does not fit is to be known all the same.
  const isRefusal = (each: Effect): boolean =>
    each.type === "observe" && each.observation.type === "recoverRefused"
  const effects = [...rowMarks(recovered), ...before.filter(isRefusal)]
  if (order !== null) effects.push({ type: "observe", observation: { type: "recoverable", order } })
  return { code: "corruptSingleReplica", detail, effects }
}

/** Whether the last configuration that this replica knows of names nobody else. */
function isAlone(replica: ReplicaId, machine: StateMachine, entries: RecoveredGroup["entries"]): boolean {
  let configuration = machine.configuration
  for (const { payload } of entries) {
    if (payload.type === "configuration") configuration = payload.configuration
    else if (payload.type === "bootstrap") configuration = payload.bootstrap.configuration
  }
  const voters = [...configuration.voters, ...configuration.outgoing]
  return voters.length > 0 && voters.every((member) => member.replica === replica)
}
