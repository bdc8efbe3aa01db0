import {
  InvariantError,
  invariant,
  MemoryBase,
  unreachable,
  SYSTEM_VOLUME,
  type Base,
  type Cursor,
  type FrozenOverlay,
  type Sink,
  type Space,
  type VolumeId,
  type VolumeImage,
} from "#kernel"
import { below, draw, exponential, PURPOSE, type Purpose } from "../draws.ts"
import { EVENT } from "../events.ts"
import type { PlanHost } from "../plan/plan.ts"
import type { Handle, Scheduler } from "../scheduler.ts"
import type { Tally } from "./link-overlay.ts"
import { handedOver, settle, type SettleKey } from "./sectors.ts"

/** Volumes of one store, for the keys of draws. */
const VOLUMES_MAX = 1 << 16
/** A checkpoint writes more than a sync does: so many sync latencies. */
const CHECKPOINT_SYNCS = 4
const WITNESS_DELAY_US_MEAN = 500_000

/** The base a kernel reads: its content changes at the moment a checkpoint is durable. */
class LiveBase implements Base {
  current: MemoryBase = MemoryBase.empty()

  get checkpoint(): number {
    return this.current.checkpoint
  }

  get(space: Space, key: string): string | null {
    return this.current.get(space, key)
  }

  cursor(space: Space, start: string, end: string, reverse: boolean): Cursor {
    return this.current.cursor(space, start, end, reverse)
  }
}

type SegmentFile = { readonly sequence: number; readonly bytes: Uint8Array }

/** Written, but not yet synced, by a process that has died since. */
type Unsynced = { readonly segment: number; readonly offset: number; readonly bytes: Uint8Array }

/** What a volume did for its kernel; `number` is an lsn, a segment or a checkpoint. */
export type DiskOperation = {
  readonly type: "append" | "createSegment" | "checkpoint" | "witness"
  readonly volume: VolumeId
  readonly number: number
  /** Of an append. */
  readonly segment: number
  readonly offset: number
  /** What is appended, the header of a new segment, or the witness. */
  readonly bytes: Uint8Array
  readonly sizeBytes: number
  readonly changes: FrozenOverlay | null
  readonly startedAt: number
  /** When it completes, unless a stall keeps it back. */
  dueAt: number
  handle: Handle
}

/** The input that tells the kernel what became of an operation. */
export type DiskOutcome =
  | "appendSynced"
  | "appendFailed"
  | "segmentCreated"
  | "segmentRefused"
  | "checkpointSynced"
  | "checkpointRefused"
  | "checkpointFailed"

/** One directory: a log of segment files, a side slot, a base. */
class Volume {
  readonly id: VolumeId
  readonly base = new LiveBase()
  /** By sequence, ascending. */
  segments: SegmentFile[] = []
  witness: Uint8Array | null = null
  witnessUnsynced: DiskOperation | null = null
  unsynced: Unsynced[] = []
  readonly underWay: DiskOperation[] = []
  /** The log of this process is durable up to here. What an earlier process wrote is not counted. */
  durableLsn = 0
  appending = false
  operationCount = 0
  settleCount = 0

  constructor(id: VolumeId) {
    this.id = id
  }
}

const NO_BYTES = new Uint8Array(0)

/**
 * The disk of one store: durable bytes, and over them what was written but not synced.
 *
 * An operation is written and synced after a drawn latency, and only its completion makes it durable. A
 * process that dies leaves to the operating system a prefix of what it was writing, which the next start
 * finds and syncs; a power loss settles every unsynced sector to its old or its new bytes. Faults decide
 * how completions end or when; lifted, they leave nothing behind but what they did to operations.
 */
export class Disk {
  readonly #seed: number
  readonly #store: number
  readonly #scheduler: Scheduler
  readonly #host: PlanHost
  readonly #volumes: readonly Volume[]
  readonly #waiting: DiskOperation[] = []

  /** Faults in force. The restart delay of a sync error goes with the store it stops. */
  readonly syncErrors: { readonly id: number; readonly restartUs: number; readonly tally: Tally }[] = []
  readonly full: { readonly id: number; readonly tally: Tally }[] = []
  readonly slow: { readonly id: number; readonly factor: number; readonly tally: Tally }[] = []
  readonly stalled: { readonly id: number; readonly tally: Tally }[] = []
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

  bases(): ReadonlyMap<VolumeId, Base> {
    return new Map(this.#volumes.map((volume) => [volume.id, volume.base]))
  }

  append(id: VolumeId, lsn: number, segment: number, offset: number, bytes: Uint8Array): void {
    const volume = this.#volume(id)
    invariant(!volume.appending, "Cannot append: an append of this volume is under way")
    const file = volume.segments.find((candidate) => candidate.sequence === segment)
    invariant(file !== undefined, () => `Cannot append to segment ${segment}: no such file`)
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
    const last = volume.segments.at(-1)
    // The same sequence again replaces what a crash left of the file.
    invariant(last === undefined || last.sequence <= sequence, "Cannot create a segment: a later one exists")
    invariant(header.length <= sizeBytes, "Cannot create a segment: its header does not fit")
    this.#begin(volume, "createSegment", sequence, PURPOSE.segmentLatency, 1, { bytes: header, sizeBytes })
  }

  releaseSegments(id: VolumeId, below: number): void {
    const volume = this.#volume(id)
    volume.segments = volume.segments.filter((file) => file.sequence >= below)
    volume.unsynced = volume.unsynced.filter((write) => write.segment >= below)
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
        volume.witness = operation.bytes
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
    return this.#volumes.map((volume) => {
      for (const write of volume.unsynced) fileOf(volume, write.segment)?.bytes.set(write.bytes, write.offset)
      volume.unsynced = []
      if (volume.witnessUnsynced !== null) volume.witness = volume.witnessUnsynced.bytes
      volume.witnessUnsynced = null
      // Through its bytes, as from a file: the last complete one of two that alternate.
      const base = MemoryBase.decode(volume.base.current.encode())
      invariant(base !== null, "Cannot open a checkpoint: its own bytes are refused")
      volume.base.current = base
      return { volume: volume.id, segments: volume.segments, witness: volume.witness, base: volume.base }
    })
  }

  /** Everything durable and everything on its way there. */
  digest(sink: Sink): void {
    for (const volume of this.#volumes) {
      sink.uint(volume.id)
      sink.uint(volume.segments.length)
      for (const file of volume.segments) {
        sink.uint(file.sequence)
        sink.bytes(file.bytes)
      }
      for (const write of volume.unsynced) sink.bytes(write.bytes)
      sink.bytes(volume.witness ?? NO_BYTES)
      sink.bytes(volume.witnessUnsynced?.bytes ?? NO_BYTES)
      sink.bytes(volume.base.current.encode())
      for (const operation of volume.underWay) {
        sink.uint(operation.number)
        sink.bytes(operation.bytes)
      }
    }
  }

  #completeAppend(volume: Volume, operation: DiskOperation): DiskOutcome {
    const { segment, offset, bytes } = operation
    const file = fileOf(volume, segment)
    invariant(file !== null, "Cannot complete an append: its segment was released")
    volume.appending = false
    if (this.#syncFails()) {
      settle(file.bytes, offset, bytes, this.#settleKey(volume))
      return "appendFailed"
    }
    file.bytes.set(bytes, offset)
    volume.durableLsn = operation.number
    this.#syncWitness(volume, operation)
    return "appendSynced"
  }

  #completeSegment(volume: Volume, operation: DiskOperation): DiskOutcome {
    if (this.full.length > 0) {
      for (const fault of this.full) fault.tally.changes++
      return "segmentRefused"
    }
    addSegment(volume, operation.number, operation.bytes, operation.sizeBytes)
    this.#syncWitness(volume, operation)
    return "segmentCreated"
  }

  #completeCheckpoint(volume: Volume, operation: DiskOperation): DiskOutcome {
    if (this.full.length > 0) {
      for (const fault of this.full) fault.tally.changes++
      return "checkpointRefused"
    }
    if (this.#syncFails()) return "checkpointFailed"
    invariant(operation.changes !== null, "Cannot complete a checkpoint: it has no changes")
    volume.base.current = volume.base.current.apply(operation.changes)
    this.#syncWitness(volume, operation)
    return "checkpointSynced"
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

  #syncFails(): boolean {
    const fault = this.syncErrors.shift()
    if (fault === undefined) return false
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
    volume.witness = witness.bytes
    volume.witnessUnsynced = null
  }

  /** What a dead process leaves of an operation in the hands of the operating system, for its last moment or longer. */
  #abandon(volume: Volume, operation: DiskOperation, powerLoss: boolean): void {
    switch (operation.type) {
      case "append": {
        const { segment, offset, bytes } = operation
        const kept = powerLoss ? bytes.length : handedOver(offset, bytes.length, this.#settleKey(volume))
        if (kept > 0) volume.unsynced.push({ segment, offset, bytes: bytes.subarray(0, kept) })
        break
      }
      case "createSegment": {
        // No file, an empty one, zeros without a header, or all of it: the order of its steps is not promised.
        const { seed, volume: key, count } = this.#settleKey(volume)
        const fate = below(draw(seed, PURPOSE.segmentFate, key, 0, count), 4)
        if (fate === 0) break
        const header = fate === 3 ? operation.bytes : NO_BYTES
        addSegment(volume, operation.number, header, fate === 1 ? 0 : operation.sizeBytes)
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
    for (const write of volume.unsynced) {
      const file = fileOf(volume, write.segment)
      if (file !== null) settle(file.bytes, write.offset, write.bytes, this.#settleKey(volume))
    }
    volume.unsynced = []
    const unsynced = volume.witnessUnsynced
    if (unsynced === null) return
    const old = volume.witness ?? NO_BYTES
    const torn = new Uint8Array(Math.max(old.length, unsynced.bytes.length))
    torn.set(old)
    settle(torn, 0, unsynced.bytes, this.#settleKey(volume))
    volume.witness = torn
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

function fileOf(volume: Volume, sequence: number): SegmentFile | null {
  return volume.segments.find((file) => file.sequence === sequence) ?? null
}

function addSegment(volume: Volume, sequence: number, header: Uint8Array, sizeBytes: number): void {
  const bytes = new Uint8Array(sizeBytes)
  bytes.set(header)
  volume.segments = volume.segments.filter((file) => file.sequence !== sequence)
  volume.segments.push({ sequence, bytes })
}
