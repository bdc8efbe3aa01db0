import type { GroupId, LogIndex, Lsn } from "../ids.ts"
import { ByteWriter, type ByteReader, type Sink } from "../lib/bytes.ts"
import { invariant } from "../lib/invariant.ts"
import type { Rng } from "../lib/rng.ts"
import type { Limits } from "../node/config.ts"
import type { Effect } from "../node/effect.ts"
import type { Switches } from "../node/switches.ts"
import { encodeFrame, frameBytes } from "./frame.ts"
import { encodeWitness } from "./identifiers.ts"
import { readIdentifiers, writeIdentifiers, writeItem, type Identifier, type WalItem } from "./item.ts"
import { Ledger } from "./ledger.ts"
import { pinnedBy, planRelease } from "./release.ts"
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES, segmentBytes, type VolumeIdentity } from "./segment.ts"

export type WalEffect = Extract<
  Effect,
  { readonly type: "append" | "createSegment" | "releaseSegments" | "writeWitness" }
>

export type WalLimits = Pick<Limits, "segmentBytesFirst" | "segmentBytesMax">

/** What a log needs from outside: whose it is, how large its segments are, and salts for them. */
export type WalPorts = {
  readonly identity: VolumeIdentity
  readonly limits: WalLimits
  readonly rng: Rng
  readonly switches: Switches
}

/** Where a log goes on: what `recoverVolume` found, or nothing at all. */
export type WalStart = {
  readonly ledger: Ledger
  /** Of the next frame. */
  readonly nextLsn: Lsn
  /** Checksum of the frame before it, 0 when that one is unreadable or there is none. */
  readonly previous: number
  /** Of the next segment: never one that exists, even if it is empty. */
  readonly nextSequence: number
  /** Size of the segment before it, 0 for none. */
  readonly segmentBytes: number
  /** Where frame `nextLsn - 1` ends; null when there is none or it is unreadable. */
  readonly end: FrameEnd | null
  /** Groups that frame changed, as it left them: the next frame vouches for it. */
  readonly identifiers: readonly Identifier[]
  /** Older segments are not needed, yet may still be there; 0 for none. */
  readonly releaseBelow: number
  /** What recovery must say before anything else is said. */
  readonly items: readonly WalItem[]
}

export type FrameEnd = { readonly segment: number; readonly offset: number }

type Segment = { readonly sequence: number; readonly sizeBytes: number; readonly salt: number }

/** The last part, one in so many, of the last segment of a full disk is kept for terms and votes. */
const RESERVE_SHARE = 8

const NONE: readonly Identifier[] = []
const NO_EFFECTS: readonly WalEffect[] = []

/** A log that has never been written to. */
export function emptyWalStart(nextSequence: number): WalStart {
  // Older files may lie about when a volume begins again under a new incarnation: they are let go of first.
  const items: readonly WalItem[] =
    nextSequence > 1 ? [{ type: "released", below: nextSequence, lsn: 1 }] : []
  const ledger = new Ledger()
  return {
    ledger,
    nextLsn: 1,
    previous: 0,
    nextSequence,
    segmentBytes: 0,
    end: null,
    identifiers: [],
    releaseBelow: nextSequence,
    items,
  }
}

/**
 * One volume's log. Items gather until the turn ends; then they leave as one frame, provided that none is under way
 * and there is a segment with room. So there is never more than one frame that is not known to be durable, which is
 * what lets recovery tell a torn frame from a damaged one.
 */
export class Wal {
  readonly #identity: VolumeIdentity
  readonly #limits: WalLimits
  readonly #rng: Rng
  readonly #switches: Switches
  #ledger: Ledger

  #nextLsn: Lsn
  #durableLsn: Lsn
  #previous: number
  #isInFlight = false
  #hasFailed = false

  /** Encoded items of the next frame. */
  #pending: ByteWriter = new ByteWriter(1024)
  #pendingCount = 0
  /** The identifiers of the frame being written: nothing in between. */
  #head: ByteWriter = new ByteWriter(256)
  /** Groups as the last frame left them: they vouch for it in the next one. */
  #identifiers: readonly Identifier[] = []

  #current: Segment | null = null
  #offset = 0
  /** Asked for or made; it becomes current when the current one has no more room. */
  #next: Segment | null = null
  #isNextReady = false
  #isRefused = false
  #isFull = false
  #nextSequence: number
  #segmentBytes: number

  /** Of the last frame written. */
  #end: FrameEnd | null = null
  #witnessedLsn: Lsn
  #unwitnessed: Set<GroupId> = new Set()
  /** Vouched for by a slot and not yet handed over, as it was when the slot was written. */
  #witnessed: Map<GroupId, Identifier> = new Map()

  /** Segments below it go once frame `#releaseLsn` is durable; 0 when no release is under way. */
  #releaseBelow = 0
  #releaseLsn: Lsn = 0

  constructor(ports: WalPorts, start: WalStart) {
    this.#identity = ports.identity
    this.#limits = ports.limits
    this.#rng = ports.rng
    this.#switches = ports.switches
    this.#ledger = start.ledger
    this.#nextLsn = start.nextLsn
    this.#durableLsn = start.nextLsn - 1
    this.#previous = start.previous
    this.#nextSequence = start.nextSequence
    this.#segmentBytes = start.segmentBytes
    this.#end = start.end
    this.#identifiers = start.identifiers
    // What was read back is vouched for anew at the first idle turn, if there is a frame to name.
    this.#witnessedLsn = start.end === null ? this.#durableLsn : this.#durableLsn - 1
    for (const item of start.items) this.#add(item)
    // Let go of again, or for the first time: a crash may have come before the files went.
    if (start.releaseBelow > 1) {
      this.#releaseBelow = start.releaseBelow
      this.#releaseLsn = start.items.length > 0 ? this.#nextLsn : this.#durableLsn
    }
  }

  /** Every frame up to here is on disk. */
  get durableLsn(): Lsn {
    return this.#durableLsn
  }

  /** The frame that what is appended now will travel in. */
  get nextLsn(): Lsn {
    return this.#nextLsn
  }

  /** Encoded bytes waiting for a frame: what admission should look at. */
  get pendingBytes(): number {
    return this.#pending.length
  }

  /** The disk refused a segment, and none has been made since. */
  get full(): boolean {
    return this.#isFull
  }

  /** Full, and what is left of the segments there are is no longer enough to write into without care. */
  get exhausted(): boolean {
    if (!this.#isFull || (this.#next !== null && this.#isNextReady)) return false
    const current = this.#current
    return current === null || this.#offset * RESERVE_SHARE > current.sizeBytes * (RESERVE_SHARE - 1)
  }

  get inFlight(): boolean {
    return this.#isInFlight
  }

  /** What the log adds up to. Read it; only the log may note. */
  get ledger(): Ledger {
    return this.#ledger
  }

  append(item: WalItem): Lsn {
    invariant(item.type !== "identifiers", "Cannot append identifiers: the log writes its own")
    invariant(
      item.type !== "released" && item.type !== "damaged",
      "Cannot append: only the log itself says this",
    )
    if (item.type === "entries") this.#checkEntries(item)
    return this.#add(item)
  }

  /** Frames what is pending if it may, and asks for what it lacks. To be called once a turn, after everything else. */
  endTurn(): readonly WalEffect[] {
    const isIdle = this.#pendingCount === 0 && this.#releaseBelow === 0
    // Most turns of most volumes end so, and an array each would be left behind.
    if (isIdle && (this.#isInFlight || this.#witnessedLsn >= this.#durableLsn) && !this.#mayWantSegment) {
      return NO_EFFECTS
    }
    const effects: WalEffect[] = []
    if (this.#hasFailed) return effects
    if (this.#pendingCount > 0 && !this.#isInFlight) {
      if (this.#makeRoom()) effects.push(this.#frame())
    }
    const wanted = this.#wantedSegment()
    if (wanted !== null) effects.push(wanted)
    if (this.#releaseBelow !== 0 && this.#releaseLsn <= this.#durableLsn) {
      effects.push({ type: "releaseSegments", volume: this.#identity.volume, below: this.#releaseBelow })
      this.#ledger.dropSegmentsBelow(this.#releaseBelow)
      this.#releaseBelow = 0
      this.#releaseLsn = 0
    }
    if (this.#pendingCount === 0 && !this.#isInFlight && this.#witnessedLsn < this.#durableLsn) {
      effects.push(this.#witness())
    }
    return effects
  }

  segmentCreated(sequence: number): void {
    invariant(this.#next?.sequence === sequence, "Cannot use a segment that was not asked for")
    invariant(!this.#isNextReady, "Cannot use a segment that was made before")
    this.#isNextReady = true
    this.#isFull = false
    this.#nextSequence = sequence + 1
    this.#segmentBytes = this.#next.sizeBytes
    this.#ledger.addSegment(sequence, this.#next.sizeBytes)
  }

  /** The disk is full. Nothing is lost: what is pending waits, and `retry` asks again. */
  segmentRefused(sequence: number): void {
    invariant(this.#next?.sequence === sequence, "Cannot refuse a segment that was not asked for")
    invariant(!this.#isNextReady, "Cannot refuse a segment that was made before")
    this.#next = null
    this.#isRefused = true
    this.#isFull = true
  }

  /** The next `endTurn` may ask again for the segment that was refused. */
  retry(): void {
    this.#isRefused = false
  }

  synced(lsn: Lsn): void {
    invariant(this.#isInFlight, "Cannot call a frame durable: none is under way")
    invariant(lsn === this.#nextLsn - 1, "Cannot call a frame durable: it is not the one under way")
    this.#isInFlight = false
    this.#durableLsn = lsn
  }

  /** What a failed sync left behind is not known, so nothing is ever written here again. */
  failed(lsn: Lsn): void {
    invariant(this.#isInFlight && lsn === this.#nextLsn - 1, "Cannot fail a frame that is not under way")
    this.#hasFailed = true
  }

  /**
   * Lets go of segments that no group needs: `floorOf` is the index up to which a group's log is in a durable
   * checkpoint and not wanted any more, and must have been appended as its `logStart`. What only those segments say
   * is said again first; they go when that is durable.
   */
  release(floorOf: (group: GroupId) => LogIndex): void {
    if (this.#hasFailed || this.#releaseBelow !== 0) return
    const plan = planRelease(this.#ledger, floorOf)
    if (plan === null) return
    for (const item of plan.items) this.#releaseLsn = this.#add(item)
    this.#releaseBelow = plan.below
  }

  /** Groups that keep more than `limit` segments from going, ascending. */
  pinnedBy(limit: number): readonly GroupId[] {
    return pinnedBy(this.#ledger, limit)
  }

  /**
   * What slots have vouched for since this was last asked, each group as it was then: durable, unlike what
   * may have been appended since. For the system volume.
   */
  takeWitnessed(): readonly Identifier[] {
    if (this.#witnessed.size === 0) return NONE
    const identifiers = [...this.#witnessed.values()].toSorted((a, b) => a.group - b.group)
    this.#witnessed.clear()
    return identifiers
  }

  #checkEntries(item: Extract<WalItem, { readonly type: "entries" }>): void {
    const entries = item.entries
    invariant(entries.length > 0, "Cannot append entries: there are none")
    for (let i = 1; i < entries.length; i++) {
      invariant(
        entries[i]!.index === entries[0]!.index + i,
        "Cannot append entries: they are not consecutive",
      )
    }
    const record = this.#ledger.groups.get(item.group)
    const lastIndex = record?.lastIndex ?? 0
    invariant(entries[0]!.index <= lastIndex + 1, "Cannot append entries: they would leave a gap")
    invariant(
      entries[0]!.index > (record?.startIndex ?? 0),
      "Cannot append entries: they lie before the log's start",
    )
  }

  #add(item: WalItem): Lsn {
    writeItem(item, this.#pending)
    this.#pendingCount++
    this.#ledger.note(item, this.#nextLsn)
    return this.#nextLsn
  }

  /** Bytes of items in the frame that would be written now. */
  #itemBytes(): number {
    // The identifiers are at most 52 bytes each, with four more for the item: a bound is enough to choose a segment.
    return this.#pending.length + 4 + 5 + this.#identifiers.length * 52
  }

  #hasRoom(segment: Segment, offset: number): boolean {
    return offset + frameBytes(this.#itemBytes()) <= segment.sizeBytes
  }

  /** True when the current segment has room for the pending frame, if need be after turning to the next one. */
  #makeRoom(): boolean {
    if (this.#current !== null && this.#hasRoom(this.#current, this.#offset)) return true
    if (this.#next === null || !this.#isNextReady) return false
    if (!this.#hasRoom(this.#next, SEGMENT_HEADER_BYTES)) {
      // Made ahead of time, before anyone knew how large this frame would be. It stays behind, empty.
      this.#next = null
      this.#isNextReady = false
      return false
    }
    this.#current = this.#next
    this.#offset = SEGMENT_HEADER_BYTES
    this.#next = null
    this.#isNextReady = false
    return true
  }

  #frame(): WalEffect {
    const segment = this.#current
    invariant(segment !== null, "Cannot write a frame: there is no segment")
    const head = this.#head
    head.reset()
    head.u8(4)
    writeIdentifiers(this.#identifiers, head)
    const offset = this.#offset
    const lsn = this.#nextLsn
    const fields = { lsn, durableLsn: this.#durableLsn, previous: this.#previous }
    const parts = [head, this.#pending]
    const { bytes, checksum } = encodeFrame(segment, offset, fields, this.#pendingCount + 1, parts)
    invariant(offset + bytes.length <= segment.sizeBytes, "Cannot write a frame: it does not fit its segment")
    this.#ledger.framed(segment.sequence, lsn)
    this.#identifiers = this.#ledger.takeTouched()
    for (const identifier of this.#identifiers) this.#unwitnessed.add(identifier.group)
    this.#pending.reset()
    this.#pendingCount = 0
    this.#previous = checksum
    this.#offset = offset + bytes.length
    this.#end = { segment: segment.sequence, offset: this.#offset }
    this.#nextLsn = lsn + 1
    this.#isInFlight = true
    return { type: "append", volume: this.#identity.volume, lsn, segment: segment.sequence, offset, bytes }
  }

  /** False when no segment is wanted as long as nothing is pending. */
  get #mayWantSegment(): boolean {
    const current = this.#current
    return this.#next === null && !this.#isRefused && current !== null && this.#offset * 2 > current.sizeBytes
  }

  /**
   * Asks for the next segment: at once when a frame waits for one, ahead of time when half of this one is used.
   * So what a full disk refuses is a segment nobody needs yet, and the other half of this one is there for what makes room.
   */
  #wantedSegment(): WalEffect | null {
    if (this.#next !== null || this.#isRefused) return null
    const current = this.#current
    const isStuck =
      this.#pendingCount > 0 &&
      !this.#isInFlight &&
      (current === null || !this.#hasRoom(current, this.#offset))
    if (!isStuck && (current === null || this.#offset * 2 <= current.sizeBytes)) return null
    // Where the disk was too full for a large one, a small one may still fit.
    const isSmall =
      this.#isFull ||
      (this.#segmentBytes > this.#limits.segmentBytesFirst && this.#switches.on("segmentsSmallest"))
    const previousBytes = isSmall ? 0 : this.#segmentBytes
    const sizeBytes = segmentBytes(this.#limits, previousBytes, isStuck ? this.#itemBytes() : 0)
    const next: Segment = { sequence: this.#nextSequence, sizeBytes, salt: this.#rng.u32() }
    this.#next = next
    this.#isNextReady = false
    const header = encodeSegmentHeader({
      identity: this.#identity,
      sequence: next.sequence,
      sizeBytes,
      firstLsn: this.#nextLsn,
      salt: next.salt,
    })
    return { type: "createSegment", volume: this.#identity.volume, segment: next.sequence, sizeBytes, header }
  }

  #witness(): WalEffect {
    const end = this.#end
    invariant(end !== null, "Cannot write a witness: no frame was written")
    this.#witnessedLsn = this.#durableLsn
    for (const identifier of this.#ledger.identifiersOf([...this.#unwitnessed])) {
      this.#witnessed.set(identifier.group, identifier)
    }
    this.#unwitnessed.clear()
    const bytes = encodeWitness({
      identity: this.#identity,
      lsn: this.#durableLsn,
      checksum: this.#previous,
      segment: end.segment,
      endOffset: end.offset,
      identifiers: this.#ledger.identifiers(),
    })
    return { type: "writeWitness", volume: this.#identity.volume, bytes }
  }

  save(sink: Sink): void {
    this.#ledger.save(sink)
    sink.uint(this.#nextLsn)
    sink.uint(this.#durableLsn)
    sink.u32(this.#previous)
    sink.bool(this.#isInFlight)
    sink.bool(this.#hasFailed)
    sink.bytes(this.#pending.view())
    sink.uint(this.#pendingCount)
    writeIdentifiers(this.#identifiers, sink)
    saveSegment(this.#current, sink)
    sink.uint(this.#offset)
    saveSegment(this.#next, sink)
    sink.bool(this.#isNextReady)
    sink.bool(this.#isRefused)
    sink.bool(this.#isFull)
    sink.uint(this.#nextSequence)
    sink.uint(this.#segmentBytes)
    sink.bool(this.#end !== null)
    if (this.#end !== null) {
      sink.uint(this.#end.segment)
      sink.uint(this.#end.offset)
    }
    sink.uint(this.#witnessedLsn)
    saveGroups(
      [...this.#unwitnessed].toSorted((a, b) => a - b),
      sink,
    )
    writeIdentifiers(
      [...this.#witnessed.values()].toSorted((a, b) => a.group - b.group),
      sink,
    )
    sink.uint(this.#releaseBelow)
    sink.uint(this.#releaseLsn)
  }

  /** The generator of salts is not part of it: its owner keeps that. */
  static load(reader: ByteReader, ports: WalPorts): Wal {
    const ledger = Ledger.load(reader)
    const wal = new Wal(ports, { ...emptyWalStart(1), ledger })
    wal.#nextLsn = reader.uint()
    wal.#durableLsn = reader.uint()
    wal.#previous = reader.u32()
    wal.#isInFlight = reader.bool()
    wal.#hasFailed = reader.bool()
    wal.#pending.raw(reader.bytes())
    wal.#pendingCount = reader.uint()
    wal.#identifiers = readIdentifiers(reader)
    wal.#current = loadSegment(reader)
    wal.#offset = reader.uint()
    wal.#next = loadSegment(reader)
    wal.#isNextReady = reader.bool()
    wal.#isRefused = reader.bool()
    wal.#isFull = reader.bool()
    wal.#nextSequence = reader.uint()
    wal.#segmentBytes = reader.uint()
    wal.#end = reader.bool() ? { segment: reader.uint(), offset: reader.uint() } : null
    wal.#witnessedLsn = reader.uint()
    wal.#unwitnessed = new Set(loadGroups(reader))
    for (const identifier of readIdentifiers(reader)) wal.#witnessed.set(identifier.group, identifier)
    wal.#releaseBelow = reader.uint()
    wal.#releaseLsn = reader.uint()
    return wal
  }
}

function saveSegment(segment: Segment | null, sink: Sink): void {
  sink.bool(segment !== null)
  if (segment === null) return
  sink.uint(segment.sequence)
  sink.uint(segment.sizeBytes)
  sink.u32(segment.salt)
}

function loadSegment(reader: ByteReader): Segment | null {
  return reader.bool() ? { sequence: reader.uint(), sizeBytes: reader.uint(), salt: reader.u32() } : null
}

function saveGroups(groups: readonly GroupId[], sink: Sink): void {
  sink.uint(groups.length)
  for (const group of groups) sink.uint(group)
}

function loadGroups(reader: ByteReader): readonly GroupId[] {
  const groups: GroupId[] = []
  for (let left = reader.count(); left > 0; left--) groups.push(reader.uint())
  return groups
}
