import {
  InvariantError,
  invariant,
  unreachable,
  SYSTEM_VOLUME,
  type Base,
  type FrozenOverlay,
  type Sink,
  type VolumeId,
  type VolumeImage,
} from "#kernel"
import { below, draw, exponential, PURPOSE, type Purpose } from "../draws.ts"
import { EVENT } from "../events.ts"
import type { PlanHost } from "../plan/plan.ts"
import type { Scheduler } from "../scheduler.ts"
import type { Tally } from "./link-overlay.ts"
import {
  astray,
  imageOf,
  pick,
  readVolumes,
  rot,
  spoil,
  type Aim,
  type DamageKey,
  type Misdirection,
  type Misread,
} from "./disk-damage.ts"
import { DiskBase } from "./disk-base.ts"
import { loseFile, relabel, shortenLast, type Relabelled } from "./file-damage.ts"
import { usedBytes, type Quota } from "./quota.ts"
import { handedOver, type SettleKey } from "./sectors.ts"
import { VolumeFiles, type DiskFile, type Lie } from "./volume-files.ts"
import { Volume, type DiskOperation, type DiskOutcome } from "./volume.ts"

export type { DiskOperation, DiskOutcome } from "./volume.ts"

/** Volumes of one store, for the keys of draws. */
const VOLUMES_MAX = 1 << 16
/** A checkpoint writes more than a sync does: so many sync latencies. */
const CHECKPOINT_SYNCS = 4
const WITNESS_DELAY_US_MEAN = 500_000

const NO_BYTES = new Uint8Array(0)

/** A sync that is to fail: the next one, or the next one of a checkpoint. */
export type SyncError = {
  readonly id: number
  readonly restartUs: number
  readonly checkpoint: boolean
  readonly tally: Tally
}

/**
 * The disk of one store: durable bytes, and over them what was written but not synced.
 *
 * An operation is written and synced after a drawn latency, and only its completion makes it durable. A
 * process that dies leaves to the operating system a prefix of what it was writing, which the next start
 * finds and syncs; a power loss settles every unsynced sector to its old or its new bytes. Faults decide
 * how completions end or when, whether a sync tells the truth and what a start reads; lifted, they leave
 * nothing behind but what they did to operations and to files.
 */
export class Disk {
  readonly #seed: number
  readonly #store: number
  readonly #scheduler: Scheduler
  readonly #host: PlanHost
  readonly #volumes: readonly Volume[]
  readonly #waiting: DiskOperation[] = []
  /** Backups, by the fault that took them. */
  readonly #backups: Map<number, readonly VolumeFiles[]> = new Map()

  /** Faults in force. The restart delay of a sync error goes with the store it stops. */
  readonly syncErrors: SyncError[] = []
  readonly full: { readonly id: number; readonly tally: Tally }[] = []
  readonly quotas: Quota[] = []
  readonly slow: { readonly id: number; readonly factor: number; readonly tally: Tally }[] = []
  readonly stalled: { readonly id: number; readonly tally: Tally }[] = []
  readonly lies: Lie[] = []
  readonly misreads: Misread[] = []
  readonly misdirections: Misdirection[] = []
  /** It is in another machine than its own. */
  isSwapped = false
  /** After the last sync that failed, the store comes back after this long; null when none failed. */
  failedRestartUs: number | null = null

  constructor(
    seed: number,
    store: number,
    scheduler: Scheduler,
    host: PlanHost,
    volumes: readonly VolumeId[],
  ) {
    this.#seed = seed
    this.#store = store
    this.#scheduler = scheduler
    this.#host = host
    this.#volumes = [SYSTEM_VOLUME, ...volumes].sort((x, y) => x - y).map((id) => new Volume(id))
  }

  /** Operations begun and neither completed nor lost. */
  get busy(): number {
    let count = 0
    for (const volume of this.#volumes) count += volume.underWay.length
    return count
  }

  durableLsn(volume: VolumeId): number {
    return this.#volume(volume).durableLsn
  }

  base(volume: VolumeId): Base {
    return this.#volume(volume).base
  }

  /** What its volumes hold and what is on its way there, ascending: to be looked at, never changed. */
  get contents(): readonly Volume[] {
    return this.#volumes
  }

  bases(): ReadonlyMap<VolumeId, Base> {
    return new Map(this.#volumes.map((volume) => [volume.id, volume.base]))
  }

  append(id: VolumeId, lsn: number, segment: number, offset: number, bytes: Uint8Array): void {
    const volume = this.#volume(id)
    invariant(!volume.appending, "Cannot append: an append of this volume is under way")
    const file = volume.files.segment(segment)
    invariant(file !== null, () => `Cannot append to segment ${segment}: no such file`)
    invariant(
      bytes.length > 0 && offset + bytes.length <= file.bytes.length,
      "Cannot append: outside the segment",
    )
    // Everything before the first append of a process was recovered from disk.
    if (volume.durableLsn === 0) volume.durableLsn = lsn - 1
    invariant(lsn > volume.durableLsn, "Cannot append: the lsn is durable already")
    volume.appending = true
    this.#begin(volume, "append", lsn, PURPOSE.syncLatency, 1, { segment, offset, bytes })
  }

  createSegment(id: VolumeId, sequence: number, sizeBytes: number, header: Uint8Array): void {
    const volume = this.#volume(id)
    const last = volume.files.segments.at(-1)
    // The same sequence again replaces what a crash left of the file.
    invariant(last === undefined || last.number <= sequence, "Cannot create a segment: a later one exists")
    invariant(header.length <= sizeBytes, "Cannot create a segment: its header does not fit")
    this.#begin(volume, "createSegment", sequence, PURPOSE.segmentLatency, 1, { bytes: header, sizeBytes })
  }

  releaseSegments(id: VolumeId, below: number): void {
    this.#volume(id).files.releaseSegments(below, this.lies)
  }

  /** Its barrier is met. */
  checkpoint(id: VolumeId, checkpoint: number, changes: FrozenOverlay): void {
    const volume = this.#volume(id)
    const busy = volume.underWay.some((operation) => operation.type === "checkpoint")
    invariant(!busy, "Cannot checkpoint: a checkpoint of this volume is under way")
    const purpose = PURPOSE.checkpointLatency
    this.#begin(volume, "checkpoint", checkpoint, purpose, CHECKPOINT_SYNCS, { changes })
  }

  /** In the hands of the operating system at once; durable with the next sync of the volume, or later. */
  writeWitness(id: VolumeId, bytes: Uint8Array): void {
    const volume = this.#volume(id)
    const before = volume.witnessUnsynced
    if (before !== null) {
      this.#scheduler.cancel(before.handle)
      volume.underWay.splice(volume.underWay.indexOf(before), 1)
    }
    volume.witnessUnsynced = this.#begin(volume, "witness", 0, PURPOSE.witnessDelay, 0, { bytes })
  }

  /** The time of an operation has come. Null when the kernel is told nothing, or not yet. */
  complete(operation: DiskOperation): DiskOutcome | null {
    const volume = this.#volume(operation.volume)
    if (this.stalled.length > 0) {
      for (const stall of this.stalled) stall.tally.changes++
      this.#waiting.push(operation)
      return null
    }
    volume.underWay.splice(volume.underWay.indexOf(operation), 1)
    switch (operation.type) {
      case "append":
        return this.#completeAppend(volume, operation)
      case "createSegment":
        return this.#completeSegment(volume, operation)
      case "checkpoint":
        return this.#completeCheckpoint(volume, operation)
      case "witness":
        volume.files.writeWitness(operation.bytes, this.lies)
        volume.witnessUnsynced = null
        return null
      default:
        return unreachable(operation.type)
    }
  }

  /** Completions that a stall kept back come now, each after a latency of its own. */
  resume(): void {
    if (this.stalled.length > 0) return
    for (const operation of this.#waiting.splice(0)) {
      const volume = this.#volume(operation.volume)
      const delay = this.#latency(volume, PURPOSE.syncLatency, 1)
      operation.handle = this.#scheduler.schedule(
        this.#scheduler.now + delay,
        EVENT.disk,
        this.#store,
        0,
        operation,
      )
    }
  }

  /** A slowness is lifted: what it would hold up longer than a new operation takes no longer than that. */
  hurry(): void {
    const now = this.#scheduler.now
    for (const volume of this.#volumes) {
      for (const operation of volume.underWay) {
        if (operation.type === "witness" || operation.dueAt <= now) continue
        const dueAt = now + this.#latency(volume, PURPOSE.syncLatency, 1)
        if (dueAt >= operation.dueAt) continue
        this.#scheduler.cancel(operation.handle)
        operation.dueAt = dueAt
        operation.handle = this.#scheduler.schedule(dueAt, EVENT.disk, this.#store, 0, operation)
      }
    }
  }

  /** The process dies, and with `powerLoss` the machine: what was under way never completes. */
  crash(powerLoss: boolean): void {
    this.#waiting.length = 0
    for (const volume of this.#volumes) {
      for (const operation of volume.underWay) {
        this.#scheduler.cancel(operation.handle)
        this.#abandon(volume, operation, powerLoss)
      }
      volume.underWay.length = 0
      volume.appending = false
      volume.durableLsn = 0
      if (powerLoss) this.#losePower(volume)
    }
  }

  /** The machine of a process that is down already loses power. */
  losePower(): void {
    for (const volume of this.#volumes) this.#losePower(volume)
  }

  /**
   * What a new process reads. It syncs every file before it trusts what it reads: bytes that only the
   * page cache has could still be lost to the next power loss.
   */
  images(): readonly VolumeImage[] {
    for (const volume of this.#volumes) {
      volume.files.takeOver(volume.witnessUnsynced?.bytes ?? null, this.lies)
      volume.witnessUnsynced = null
    }
    const files = this.#files()
    const { answers, struck } = readVolumes(files, this.misreads)
    for (const misread of struck) {
      misread.tally.changes++
      // An error lasts as long as its fault; a wrong answer is given once.
      if (misread.type !== "error") this.misreads.splice(this.misreads.indexOf(misread), 1)
    }
    return this.#volumes.map((volume) => {
      const { checkpoint, ...image } = imageOf(volume.files, answers)
      volume.base = new DiskBase(checkpoint, volume.brittle)
      return { ...image, base: volume.base }
    })
  }

  /** A lie is over. Directories that only it kept from the platter are there soon. */
  liftLie(id: number): void {
    const index = this.lies.findIndex((lie) => lie.id === id)
    if (index < 0) return
    const [lie] = this.lies.splice(index, 1)
    if (lie!.directoriesOnly) for (const volume of this.#volumes) volume.files.commitJournal(this.lies)
  }

  /** Some rows of a tenant's base give errors while its process runs. False when nothing is in a base yet. */
  beginBrittle(id: number, key: DamageKey, rows: number, tally: Tally): boolean {
    const tenants = this.#volumes.filter((volume) => volume.id !== SYSTEM_VOLUME && volume.base.rowCount > 0)
    if (tenants.length === 0) return false
    const volume = tenants[pick(key, 0, tenants.length)]!
    const { base } = volume
    volume.brittle.push({ id, spans: [base.stretch(pick(key, 1, base.rowCount), rows)], tally })
    return true
  }

  liftBrittle(id: number): void {
    for (const { brittle } of this.#volumes) {
      const index = brittle.findIndex((each) => each.id === id)
      if (index >= 0) brittle.splice(index, 1)
    }
  }

  // Damage to what is at rest. The process must be down where files come, go or change places.

  /** One bit turns over. False when there is nothing of that kind to strike. */
  rot(aim: Aim): boolean {
    return rot(this.#files(), aim)
  }

  /** Sectors that cannot be read until they are written again. */
  spoil(aim: Aim): boolean {
    return spoil(this.#files(), aim)
  }

  /** Tenants' volumes, ascending. */
  get tenantVolumes(): readonly VolumeId[] {
    return this.#volumes.map(({ id }) => id).filter((id) => id !== SYSTEM_VOLUME)
  }

  /** All that a volume held is gone, or all that the disk did. False when that was nothing. */
  wipe(id: VolumeId | null): boolean {
    let isLost = false
    for (const volume of this.#volumes) {
      if (id !== null && volume.id !== id) continue
      isLost ||= volume.files.segments.length > 0
      this.#replace(volume, new VolumeFiles(volume.id))
    }
    return isLost
  }

  /** One file is gone from the middle of a tenant's log. */
  loseFile(key: DamageKey): boolean {
    return loseFile(this.#files(), key)
  }

  /** The end of a tenant's log ends within its last write. */
  shorten(key: DamageKey): boolean {
    return shortenLast(this.#files(), key)
  }

  /** The header of a log file becomes that of a later build. */
  relabel(key: DamageKey, isSystem: boolean): Relabelled | null {
    return relabel(this.#files(), key, isSystem)
  }

  /** Of one volume, or of all. */
  takeBackup(fault: number, id: VolumeId | null = null): void {
    const files = this.#files().filter((volume) => id === null || volume.id === id)
    this.#backups.set(
      fault,
      files.map((volume) => volume.copy()),
    )
  }

  dropBackup(fault: number): void {
    this.#backups.delete(fault)
  }

  /** Puts what the backup holds in place of what is there. */
  restoreBackup(fault: number): boolean {
    const backup = this.#backups.get(fault)
    if (backup === undefined) return false
    this.#backups.delete(fault)
    for (const files of backup) this.#replace(this.#volume(files.id), files)
    return true
  }

  /** The two machines have each other's disks. */
  swap(other: Disk): void {
    for (const [index, volume] of this.#volumes.entries()) {
      const theirs = other.#volumes[index]!
      const files = theirs.files
      other.#replace(theirs, volume.files)
      this.#replace(volume, files)
    }
    this.isSwapped = !this.isSwapped
    other.isSwapped = !other.isSwapped
  }

  #replace(volume: Volume, files: VolumeFiles): void {
    invariant(volume.underWay.length === 0, "Cannot replace the files of a volume: operations are under way")
    volume.files = files
    volume.brittle = []
    volume.witnessUnsynced = null
  }

  #files(): readonly VolumeFiles[] {
    return this.#volumes.map((volume) => volume.files)
  }

  /** What its files take up. */
  get usedBytes(): number {
    return usedBytes(this.#files())
  }

  /** Everything durable and everything on its way there. */
  digest(sink: Sink): void {
    for (const volume of this.#volumes) {
      const { files } = volume
      sink.uint(volume.id)
      sink.uint(files.segments.length)
      for (const file of files.segments) {
        sink.uint(file.number)
        sink.bytes(file.bytes)
      }
      for (const write of files.unsynced) sink.bytes(write.bytes)
      sink.bytes(files.witness.bytes)
      sink.bytes(volume.witnessUnsynced?.bytes ?? NO_BYTES)
      sink.bytes(files.directory.checkpoint.bytes)
      for (const operation of volume.underWay) {
        sink.uint(operation.number)
        sink.bytes(operation.bytes)
      }
    }
  }

  #completeAppend(volume: Volume, operation: DiskOperation): DiskOutcome {
    const { segment, offset, bytes } = operation
    const file = volume.files.segment(segment)
    invariant(file !== null, "Cannot complete an append: its segment was released")
    volume.appending = false
    if (this.#syncFails(false)) {
      file.settle(offset, bytes, this.#settleKey(volume))
      return "appendFailed"
    }
    if (!this.#goesAstray(volume, file, offset, bytes)) volume.files.write(file, offset, bytes, this.lies)
    volume.durableLsn = operation.number
    this.#syncWitness(volume, operation)
    this.#flushed()
    return "appendSynced"
  }

  /** The right place keeps what it had, and what lay at the wrong one is gone. */
  #goesAstray(volume: Volume, file: DiskFile, offset: number, bytes: Uint8Array): boolean {
    const misdirection = this.misdirections[0]
    if (misdirection === undefined) return false
    const place = astray(this.#files(), volume.files, file, offset, bytes.length, misdirection)
    if (place === null) return false
    this.misdirections.shift()
    misdirection.tally.changes++
    place.volume.write(place.file, place.start, bytes.subarray(0, place.end - place.start), this.lies)
    return true
  }

  #completeSegment(volume: Volume, operation: DiskOperation): DiskOutcome {
    if (this.#hasNoRoom(volume, operation)) return "segmentRefused"
    volume.files.addSegment(operation.number, operation.bytes, operation.sizeBytes, this.lies)
    this.#syncWitness(volume, operation)
    this.#flushed()
    return "segmentCreated"
  }

  #completeCheckpoint(volume: Volume, operation: DiskOperation): DiskOutcome {
    if (this.#hasNoRoom(volume, operation)) return "checkpointRefused"
    if (this.#syncFails(true)) return "checkpointFailed"
    invariant(operation.changes !== null, "Cannot complete a checkpoint: it has no changes")
    volume.base.advance(operation.changes)
    volume.files.replaceCheckpoint(volume.base.current, this.lies)
    this.#syncWitness(volume, operation)
    this.#flushed()
    return "checkpointSynced"
  }

  /** For a segment, or for a checkpoint beside the one it is to replace. */
  #hasNoRoom(volume: Volume, operation: DiskOperation): boolean {
    for (const fault of this.full) fault.tally.changes++
    if (this.full.length > 0 || this.quotas.length === 0) return this.full.length > 0
    const { changes, number, sizeBytes } = operation
    // What a crash left under its name makes way for a new segment.
    const left = changes === null ? (volume.files.segment(number)?.bytes.length ?? 0) : 0
    const added = changes === null ? sizeBytes - left : volume.base.current.apply(changes).encode().length
    const needed = this.usedBytes + added
    const broken = this.quotas.filter(({ bytes }) => needed > bytes)
    for (const quota of broken) quota.tally.changes++
    return broken.length > 0
  }

  /** An honest sync empties the cache of the whole disk, whichever file it was asked for. */
  #flushed(): void {
    for (const volume of this.#volumes) volume.files.synced(this.lies, false)
  }

  #begin(
    volume: Volume,
    type: DiskOperation["type"],
    number: number,
    purpose: Purpose,
    syncs: number,
    what: {
      readonly segment?: number
      readonly offset?: number
      readonly bytes?: Uint8Array
      readonly sizeBytes?: number
      readonly changes?: FrozenOverlay
    },
  ): DiskOperation {
    const operation: DiskOperation = {
      type,
      volume: volume.id,
      number,
      segment: what.segment ?? 0,
      offset: what.offset ?? 0,
      bytes: what.bytes ?? NO_BYTES,
      sizeBytes: what.sizeBytes ?? 0,
      changes: what.changes ?? null,
      startedAt: this.#scheduler.now,
      dueAt: this.#scheduler.now + this.#latency(volume, purpose, syncs),
      handle: -1,
    }
    operation.handle = this.#scheduler.schedule(operation.dueAt, EVENT.disk, this.#store, 0, operation)
    volume.underWay.push(operation)
    return operation
  }

  /** `syncs` 0 is the lazy write-back of the operating system. */
  #latency(volume: Volume, purpose: Purpose, syncs: number): number {
    const drawn = draw(this.#seed, purpose, this.#key(volume), 0, volume.operationCount++)
    if (syncs === 0) return exponential(drawn, WITNESS_DELAY_US_MEAN)
    let latency = syncs * (this.#host.syncUsMin + exponential(drawn, this.#host.syncUsMean))
    // A disk is as slow as its worst cause: factors that multiplied would outlast any quiet part.
    let factor = 1
    for (const fault of this.slow) {
      factor = Math.max(factor, fault.factor)
      fault.tally.changes++
    }
    latency *= factor
    return latency
  }

  #syncFails(isCheckpoint: boolean): boolean {
    const index = this.syncErrors.findIndex((error) => isCheckpoint || !error.checkpoint)
    const fault = this.syncErrors[index]
    if (fault === undefined) return false
    this.syncErrors.splice(index, 1)
    fault.tally.changes++
    this.failedRestartUs = fault.restartUs
    return true
  }

  /** A sync reaches the whole volume: a witness written before it began is durable with it. */
  #syncWitness(volume: Volume, operation: DiskOperation): void {
    const witness = volume.witnessUnsynced
    if (witness === null || witness.startedAt > operation.startedAt) return
    this.#scheduler.cancel(witness.handle)
    volume.underWay.splice(volume.underWay.indexOf(witness), 1)
    volume.files.writeWitness(witness.bytes, this.lies)
    volume.witnessUnsynced = null
  }

  /** What a dead process leaves of an operation in the hands of the operating system, for its last moment or longer. */
  #abandon(volume: Volume, operation: DiskOperation, powerLoss: boolean): void {
    switch (operation.type) {
      case "append": {
        const { segment, offset, bytes } = operation
        const kept = powerLoss ? bytes.length : handedOver(offset, bytes.length, this.#settleKey(volume))
        if (kept > 0) volume.files.unsynced.push({ segment, offset, bytes: bytes.subarray(0, kept) })
        break
      }
      case "createSegment": {
        // No file, an empty one, zeros without a header, or all of it: the order of its steps is not promised.
        const { seed, volume: key, count } = this.#settleKey(volume)
        const fate = below(draw(seed, PURPOSE.segmentFate, key, 0, count), 4)
        if (fate === 0) break
        const header = fate === 3 ? operation.bytes : NO_BYTES
        volume.files.addSegment(operation.number, header, fate === 1 ? 0 : operation.sizeBytes, this.lies)
        break
      }
      case "checkpoint":
        // It was being written beside the last one.
        break
      case "witness":
        break
    }
  }

  #losePower(volume: Volume): void {
    const { files } = volume
    files.losePower(() => this.#settleKey(volume))
    for (const write of files.unsynced) {
      files.segment(write.segment)?.settle(write.offset, write.bytes, this.#settleKey(volume))
    }
    files.unsynced = []
    const witness = volume.witnessUnsynced
    if (witness !== null) files.witness.settleRewrite(witness.bytes, this.#settleKey(volume))
    volume.witnessUnsynced = null
  }

  #settleKey(volume: Volume): SettleKey {
    return { seed: this.#seed, volume: this.#key(volume), count: volume.settleCount++ }
  }

  #key(volume: Volume): number {
    return this.#store * VOLUMES_MAX + volume.id
  }

  #volume(id: VolumeId): Volume {
    for (let i = 0; i < this.#volumes.length; i++) if (this.#volumes[i]!.id === id) return this.#volumes[i]!
    throw new InvariantError(`Cannot use volume ${id}: this store has no such volume`)
  }
}
