import { OverlayEngine } from "../engine/overlay.ts"
import type { Base } from "../engine/base.ts"
import type { ReadView } from "../engine/engine.ts"
import type { GroupId, Incarnation, LogIndex, Lsn, Mono, VolumeId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { invariant, unreachable } from "../lib/invariant.ts"
import { readPairs, writePairs } from "../lib/pairs.ts"
import type { WalItem } from "../wal/item.ts"
import { Wal, type WalEffect, type WalPorts } from "../wal/wal.ts"
import type { KernelConfig } from "./config.ts"
import type { Barrier, Effect } from "./effect.ts"
import type { Input } from "./input.ts"

type Completion = Extract<Input, { readonly type: "segmentCreated" | "segmentRefused" | "checkpointRefused" }>
/** What each group had applied when the checkpoint under way was frozen. */
type Checkpoint = { readonly id: number; readonly applied: ReadonlyMap<GroupId, LogIndex> }

/** A full disk is asked once a second: so often it refuses before another checkpoint is taken for it. */
const REFUSALS_PER_CHECKPOINT = 8
const NOTHING_TOLD: readonly string[] = []
const SPACE_RETURNED: readonly string[] = ["wal.spaceReturned"]
const MADE_ROOM: readonly string[] = [...SPACE_RETURNED, "wal.madeRoom"]

/** One tenant's directory: a log, an engine, and the checkpoints that let the log be forgotten. */
export class Volume {
  readonly id: VolumeId
  /** The name of this volume's content, in every segment of its log. */
  readonly incarnation: Incarnation
  readonly wal: Wal
  readonly #base: Base
  readonly engine: OverlayEngine
  /** Frozen, and not durable yet. */
  #checkpoint: Checkpoint | null = null
  #lastCheckpoint: number
  /** Applied indexes that the last durable checkpoint contains. */
  #durableApplied: ReadonlyMap<GroupId, LogIndex> = new Map()
  /** The last checkpoint that became durable in this boot, and when. */
  #durable: { readonly id: number; readonly mono: Mono } | null = null
  /** Null until it is asked for. */
  #pinning: ReadonlySet<GroupId> | null = null
  #logBytes = 0
  /** Wanted whatever the log weighs: a snapshot waits for it. */
  #isWanted = false
  /** Not asked again before `retry`. */
  #isRefused = false
  #isCheckpointRefused = false
  /** Segments the disk has refused since it gave one. */
  #refusals = 0
  /** It was full and has let go of segments since: what comes back now may be that. */
  #hasReleased = false
  /** Groups that wait for something to be durable, in the order they began to. */
  #awaiting = new Set<GroupId>()

  constructor(id: VolumeId, incarnation: Incarnation, wal: Wal, base: Base, engine: OverlayEngine) {
    this.id = id
    this.incarnation = incarnation
    this.#base = base
    this.wal = wal
    this.engine = engine
    this.#lastCheckpoint = base.checkpoint
  }

  /** What an effect waits for that rests on everything appended so far. */
  get barrier(): Barrier | null {
    const lsn = this.wal.pendingBytes > 0 ? this.wal.nextLsn : this.wal.nextLsn - 1
    return lsn > this.wal.durableLsn ? { volume: this.id, lsn } : null
  }

  get view(): ReadView {
    return this.engine
  }

  get durable(): { readonly id: number; readonly mono: Mono } | null {
    return this.#durable
  }

  durableAppliedOf(group: GroupId): LogIndex {
    return this.#durableApplied.get(group) ?? 0
  }

  append(item: WalItem): Lsn {
    return this.wal.append(item)
  }

  /** Appends for a group, which is to hear when that is durable. */
  appendFor(group: GroupId, item: WalItem): Lsn {
    this.#awaiting.add(group)
    return this.wal.append(item)
  }

  /** The log is durable up to `lsn`: who waited for some of it? */
  synced(lsn: Lsn): readonly GroupId[] {
    this.wal.synced(lsn)
    const groups = [...this.#awaiting]
    this.#awaiting.clear()
    return groups
  }

  stillAwaits(group: GroupId): void {
    this.#awaiting.add(group)
  }

  wantCheckpoint(): void {
    this.#isWanted = true
  }

  /** The first checkpoint that will contain what is written to the engine from now on. */
  get nextCheckpoint(): number {
    return this.#lastCheckpoint + 1
  }

  /** The disk takes more: neither a segment nor a checkpoint was refused lately. */
  get hasRoom(): boolean {
    return !this.isFull
  }

  /** The disk refused a segment or a checkpoint, and has made none since. */
  get isFull(): boolean {
    return this.wal.full || this.#isCheckpointRefused
  }

  /**
   * Whether entries of this group alone kept more than `segmentsMax` segments when the last checkpoint became
   * durable: found once for all groups.
   */
  isPinning(group: GroupId, segmentsMax: number): boolean {
    this.#pinning ??= new Set(this.wal.pinnedBy(segmentsMax))
    return this.#pinning.has(group)
  }

  /** So much waits in the engine beside what the log brought: it counts for when to checkpoint. */
  staged(bytes: number): void {
    this.#logBytes += bytes
  }

  /** What became of room it asked for, with marks of what is rare about it. */
  told(input: Completion, out: Effect[]): void {
    const mark = (name: string): void =>
      void out.push({ type: "observe", observation: { type: "mark", name } })
    switch (input.type) {
      case "segmentCreated":
        for (const name of this.segmentCreated(input.segment)) mark(name)
        return
      case "segmentRefused":
        mark("wal.diskFull")
        return this.segmentRefused(input.segment)
      case "checkpointRefused":
        mark("engine.checkpoint.refused")
        return this.checkpointRefused(input.checkpoint)
      default:
        return unreachable(input)
    }
  }

  /** The disk has given a segment. What is worth to be told: after it was full, and after the log itself made room. */
  segmentCreated(sequence: number): readonly string[] {
    const isReturned = this.isFull
    const isMade = isReturned && this.#hasReleased
    this.#refusals = 0
    this.#hasReleased = false
    this.wal.segmentCreated(sequence)
    return isMade ? MADE_ROOM : isReturned ? SPACE_RETURNED : NOTHING_TOLD
  }

  /**
   * No space for a segment: a checkpoint lets the log go that it contains. Now and then another one, as what kept the
   * log may have gone, and what was deleted since takes no place in it.
   */
  segmentRefused(sequence: number): void {
    this.wal.segmentRefused(sequence)
    if (this.#refusals++ % REFUSALS_PER_CHECKPOINT === 0) this.#isWanted = true
  }

  /** The next turn may ask again for what the disk refused. */
  retry(): void {
    this.wal.retry()
    this.#isRefused = false
  }

  /** Frames what gathered in the turn, and starts a checkpoint when the log has grown enough. */
  endTurn(
    { limits, switches }: Pick<KernelConfig, "limits" | "switches">,
    appliedIn: (volume: Volume) => ReadonlyMap<GroupId, LogIndex>,
    out: Effect[],
  ): void {
    const mayStart = this.#checkpoint === null && !this.#isRefused
    const due =
      this.#isWanted ||
      this.#logBytes >= limits.checkpointLogBytes ||
      (mayStart && this.#logBytes > 0 && switches.on("checkpointAlways"))
    if (due && mayStart) {
      const barrier = this.barrier
      this.#checkpoint = { id: ++this.#lastCheckpoint, applied: appliedIn(this) }
      this.#isWanted = false
      this.#logBytes = 0
      const changes = this.engine.freeze(this.#checkpoint.id)
      out.push({ type: "checkpoint", volume: this.id, checkpoint: this.#checkpoint.id, changes, barrier })
    }
    for (const effect of this.wal.endTurn()) {
      if (effect.type === "append") this.#logBytes += effect.bytes.length
      else if (effect.type === "releaseSegments" && this.isFull) this.#hasReleased = true
      out.push(effect satisfies WalEffect)
    }
  }

  /** The base contains the frozen changes, durably. */
  checkpointSynced(id: number, mono: Mono): ReadonlyMap<GroupId, LogIndex> {
    const checkpoint = this.#checkpoint
    invariant(checkpoint !== null && checkpoint.id === id, "A checkpoint completed that was not under way")
    this.engine.settle(id, this.#base)
    this.#checkpoint = null
    this.#durableApplied = checkpoint.applied
    this.#durable = { id, mono }
    this.#isCheckpointRefused = false
    this.#pinning = null
    return checkpoint.applied
  }

  /** No space: the changes stay in the overlay and the log stays as long as it is. */
  checkpointRefused(id: number): void {
    const checkpoint = this.#checkpoint
    invariant(checkpoint !== null && checkpoint.id === id, "A checkpoint was refused that was not under way")
    this.engine.thaw()
    this.#checkpoint = null
    this.#isWanted = true
    this.#isRefused = true
    this.#isCheckpointRefused = true
  }

  save(sink: Sink): void {
    sink.uint(this.id)
    sink.uint(this.incarnation)
    this.wal.save(sink)
    this.engine.save(sink)
    sink.bool(this.#checkpoint !== null)
    sink.uint(this.#checkpoint?.id ?? 0)
    writePairs(this.#checkpoint?.applied ?? new Map(), sink)
    sink.uint(this.#lastCheckpoint)
    writePairs(this.#durableApplied, sink)
    sink.bool(this.#durable !== null)
    sink.uint(this.#durable?.id ?? 0)
    sink.uint(this.#durable?.mono ?? 0)
    sink.uint(this.#logBytes)
    sink.bool(this.#isWanted)
    sink.bool(this.#isRefused)
    sink.bool(this.#isCheckpointRefused)
    sink.uint(this.#refusals)
    sink.bool(this.#hasReleased)
    sink.uint(this.#awaiting.size)
    for (const group of this.#awaiting) sink.uint(group)
  }

  static load(
    reader: ByteReader,
    portsOf: (id: VolumeId, incarnation: Incarnation) => WalPorts,
    baseOf: (id: VolumeId) => Base,
  ): Volume {
    const id = reader.uint()
    const incarnation = reader.uint()
    const wal = Wal.load(reader, portsOf(id, incarnation))
    const base = baseOf(id)
    const volume = new Volume(id, incarnation, wal, base, OverlayEngine.load(reader, base))
    const isUnderWay = reader.bool()
    const checkpoint = reader.uint()
    const applied = readPairs(reader)
    volume.#checkpoint = isUnderWay ? { id: checkpoint, applied } : null
    volume.#lastCheckpoint = reader.uint()
    volume.#durableApplied = readPairs(reader)
    const hasDurable = reader.bool()
    const durable = { id: reader.uint(), mono: reader.uint() }
    volume.#durable = hasDurable ? durable : null
    volume.#logBytes = reader.uint()
    volume.#isWanted = reader.bool()
    volume.#isRefused = reader.bool()
    volume.#isCheckpointRefused = reader.bool()
    volume.#refusals = reader.uint()
    volume.#hasReleased = reader.bool()
    for (let left = reader.count(); left > 0; left--) volume.#awaiting.add(reader.uint())
    return volume
  }
}
