import type { GroupId, Lsn } from "../ids.ts"
import {
  allZero,
  decodeFrame,
  decodeHeader,
  FRAME_ALIGNMENT,
  FRAME_HEADER_BYTES,
  hasZeroSector,
  nextSector,
  type FrameHeader,
} from "./frame.ts"
import type { Witness } from "./identifiers.ts"
import type { LsnRange, WalItem } from "./item.ts"
import type { RowId } from "./recovery-table.ts"
import {
  ALL_READ,
  isUnreadable,
  neverWritten,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  type Unreadable,
} from "./segment.ts"

/** One segment as it was read; `header` is null when neither copy is intact. */
export type Image = {
  readonly sequence: number
  readonly bytes: Uint8Array
  readonly unreadable: readonly Unreadable[]
  readonly header: SegmentHeader | null
}

/** A row of the table that applied, and where. */
export type Reason = {
  readonly row: RowId
  readonly segment: number
  readonly offset: number
  readonly lsn: Lsn
  /** 0 where the row is not about one group. */
  readonly group: GroupId
}

export type ScannedFrame = {
  readonly segment: number
  readonly header: FrameHeader
  readonly items: readonly WalItem[]
}

export type Scan = {
  /** By ascending lsn. */
  readonly frames: readonly ScannedFrame[]
  readonly damage: readonly LsnRange[]
  readonly reasons: readonly Reason[]
  /** A torn frame was cut off the end. */
  readonly isTorn: boolean
  /** The side slot says how everything stood after the last damaged frame, and nothing came after it. */
  readonly isWitnessedToTheEnd: boolean
  /** Segments before this one are no part of the log. */
  readonly firstSequence: number
}

/**
 * Walks the segments of one volume frame by frame and decides, by the rows of `recovery-table.ts`, where the log ends
 * and what of it is missing. Nothing is ever skipped silently: bytes are a frame, or the end, or a row.
 */
export function scan(images: readonly Image[], witness: Witness | null): Scan {
  return new Scanner(images, witness).run()
}

/** Stands for the place of what has no segment. */
const NOTHING: Image = { sequence: 0, bytes: new Uint8Array(0), unreadable: ALL_READ, header: null }

class Scanner {
  readonly #images: readonly Image[]
  readonly #witness: Witness | null
  readonly #frames: ScannedFrame[] = []
  #damage: LsnRange[] = []
  readonly #reasons: Reason[] = []
  /** Of the next frame; null while the log's head is not known. */
  #expected: Lsn | null
  /** Checksum the next frame must name; null after damage. */
  #previous: number | null
  /** Bytes that are no frame, at the end of a segment. */
  #remnant: { readonly image: Image; readonly offset: number } | null = null
  #isTorn = false
  #isWitnessedToTheEnd = false
  #firstSequence = 1

  constructor(images: readonly Image[], witness: Witness | null) {
    this.#images = images
    this.#witness = witness
    // Only a volume whose first segment is still there says by itself where its log begins.
    const isWhole = images[0]?.sequence === 1
    this.#expected = isWhole ? 1 : null
    this.#previous = isWhole ? 0 : null
  }

  run(): Scan {
    // The first position of which nothing is known, in the last segment that has a frame.
    let tail = { image: 0, offset: SEGMENT_HEADER_BYTES }
    for (let i = 0; i < this.#images.length; i++) {
      const end = this.#walk(this.#images[i]!)
      if (end !== null) tail = { image: i, offset: end }
    }
    this.#checkHead()
    this.#decideTail(tail.image, tail.offset)
    this.#checkWitness()
    const damage = merged(this.#damage)
    return {
      // A frame that was read and is not the one that was witnessed is as good as unreadable.
      frames: this.#frames.filter((frame) => !covers(damage, frame.header.lsn)),
      damage,
      reasons: this.#reasons,
      isTorn: this.#isTorn,
      isWitnessedToTheEnd: this.#isWitnessedToTheEnd,
      firstSequence: this.#firstSequence,
    }
  }

  /** Takes in the frames of one segment; the offset behind the last one, or null when it has none. */
  #walk(image: Image): number | null {
    const header = image.header
    if (header === null) {
      // Whether that matters is seen when the lsn of the next frame that can be read leaves a gap, or at the tail.
      if (!isBlank(image)) this.#reason("unreadableSegment", image, 0)
      return null
    }
    let offset = SEGMENT_HEADER_BYTES
    let end: number | null = null
    while (offset + FRAME_HEADER_BYTES <= image.bytes.length) {
      const decoded = decodeFrame(image.bytes, offset, header)
      if (decoded.type === "frame") {
        this.#accept(image, offset, decoded.header, decoded.items, end === null)
        offset = decoded.header.end
        end = offset
        continue
      }
      // From a header that can be trusted the next frame's place is known; otherwise it may be anywhere.
      const from = Math.min(decoded.header?.end ?? offset + FRAME_ALIGNMENT, image.bytes.length)
      const next = findFrame(image.bytes, from, header)
      if (next === null) {
        if (!isClear(image, offset)) this.#remnant = { image, offset }
        break
      }
      this.#reason("laterFrame", image, offset)
      offset = next
    }
    return end
  }

  #accept(
    image: Image,
    offset: number,
    header: FrameHeader,
    items: readonly WalItem[],
    isFirst: boolean,
  ): void {
    const lsn = header.lsn
    if (this.#expected !== null && lsn < this.#expected) {
      const before = this.#frames.findLast((frame) => frame.header.lsn < lsn)
      if (!isFirst || (before?.header.checksum ?? 0) !== header.previous) {
        this.#reason("lsnBackwards", image, offset, lsn)
        this.#addDamage(lsn, lsn)
        return
      }
      // An earlier recovery cut the log here and went on in this segment.
      this.#reason("rewound", image, offset, lsn)
      while (this.#frames.length > 0 && this.#frames.at(-1)!.header.lsn >= lsn) this.#frames.pop()
      this.#damage = this.#damage.filter((range) => range.last < lsn)
    } else if (this.#expected !== null && lsn > this.#expected) {
      this.#reason("lsnGap", image, offset, this.#expected)
      this.#addDamage(this.#expected, lsn - 1)
    } else if (this.#previous !== null && header.previous !== this.#previous) {
      // The frame before is intact, but it is not the one that this one was written after.
      this.#reason("chainBreak", image, offset, lsn)
      this.#addDamage(lsn - 1, lsn - 1)
    } else if (this.#remnant !== null && this.#expected === lsn) {
      this.#reason("continued", this.#remnant.image, this.#remnant.offset, lsn)
    }
    this.#remnant = null
    this.#frames.push({ segment: image.sequence, header, items })
    this.#expected = lsn + 1
    this.#previous = header.checksum
  }

  /** Frames before the last `released` are not part of the log, whether they are still there or not. */
  #checkHead(): void {
    let head: Lsn = 1
    for (const frame of this.#frames) {
      for (const item of frame.items) {
        if (item.type !== "released") continue
        head = item.lsn
        this.#firstSequence = item.below
      }
    }
    const kept = this.#frames.filter((frame) => frame.header.lsn >= head)
    this.#frames.splice(0, this.#frames.length, ...kept)
    this.#damage = this.#damage.filter((range) => range.last >= head)
    const reasons = this.#reasons.filter((reason) => reason.lsn >= head || head === 1)
    this.#reasons.splice(0, this.#reasons.length, ...reasons)
    const first = this.#images[0]
    if (first === undefined) return
    const firstLsn = kept[0]?.header.lsn ?? Math.max(head, first.header?.firstLsn ?? head)
    const isHeadGone = first.sequence > this.#firstSequence
    if (isHeadGone) this.#reason("missingHead", first, 0, head)
    // Segments made ahead of time say only a bound, so without its first frame the log may have lost just one.
    if (isHeadGone || firstLsn > head) this.#addDamage(head, Math.max(head, firstLsn - 1))
    for (let i = 1; i < this.#images.length; i++)
      if (this.#isBehindGap(i)) this.#reason("missingSegment", this.#images[i]!, 0)
  }

  /** A segment of the log is missing right before this one. */
  #isBehindGap(i: number): boolean {
    const { sequence } = this.#images[i]!
    return sequence !== this.#images[i - 1]!.sequence + 1 && sequence > this.#firstSequence
  }

  /** What the bytes behind the last frame are: nothing, a torn frame, or damage. */
  #decideTail(from: number, offset: number): void {
    const expected = this.#expected ?? Math.max(1, this.#images.at(-1)?.header?.firstLsn ?? 1)
    const witness = this.#witness
    const image = this.#images[from] ?? NOTHING
    if (witness !== null && witness.lsn >= expected) {
      this.#reason("witnessed", image, offset, expected)
      this.#addDamage(expected, witness.lsn)
      // The slot says where that frame ended, so what may have come after it can still be judged.
      const at = this.#images.findIndex((candidate) => candidate.sequence === witness.segment)
      const row = at < 0 ? null : this.#tailRow(at, witness.endOffset, witness.lsn + 1, witness.checksum)
      // Where its whole segment is gone, so is whatever was written there after it.
      if (at >= 0 && (row === null || row.isTorn)) this.#isWitnessedToTheEnd = true
      else this.#addDamage(witness.lsn + 1, witness.lsn + 1)
      return
    }
    const row = this.#tailRow(from, offset, expected, this.#previous)
    if (row === null) {
      this.#reason("cleanEnd", image, offset, expected)
      return
    }
    // That one was named when the head was looked at.
    if (row.row !== "missingSegment") this.#reason(row.row, row.image, row.offset, expected)
    if (row.isTorn) this.#isTorn = true
    else this.#addDamage(expected, Math.max(expected, row.lsn))
  }

  /** The worst of what lies at `offset` of the segment `from` and at the beginning of every later one. */
  #tailRow(from: number, offset: number, expected: Lsn, previous: number | null): TailRow | null {
    let found: TailRow | null = null
    for (let i = from; i < this.#images.length; i++) {
      const image = this.#images[i]!
      // No frame follows that would show how much it held: at least the next one, for all that is known.
      if (i > from && this.#isBehindGap(i)) return garbage("missingSegment", image, 0, expected)
      const at = i === from ? Math.ceil(offset / FRAME_ALIGNMENT) * FRAME_ALIGNMENT : SEGMENT_HEADER_BYTES
      if (at >= image.bytes.length || isClear(image, at)) {
        if (image.header === null && i === this.#images.length - 1)
          this.#reason("emptySegment", image, 0, expected)
        continue
      }
      const row =
        image.header === null
          ? garbage("unreadableSegment", image, at, expected)
          : shapeOf(image, at, expected, previous)
      if (!row.isTorn) return row
      found ??= row
    }
    return found
  }

  /** The frame the slot vouches for must be the one that was read. */
  #checkWitness(): void {
    const witness = this.#witness
    if (witness === null) return
    const frame = this.#frames.find((candidate) => candidate.header.lsn === witness.lsn)
    if (frame === undefined || frame.header.checksum === witness.checksum) return
    this.#reasons.push({
      row: "witnessContradicts",
      segment: frame.segment,
      offset: 0,
      lsn: witness.lsn,
      group: 0,
    })
    this.#addDamage(witness.lsn, witness.lsn)
  }

  #reason(row: RowId, image: Image, offset: number, lsn: Lsn = this.#expected ?? 0): void {
    this.#reasons.push({ row, segment: image.sequence, offset, lsn, group: 0 })
  }

  #addDamage(first: Lsn, last: Lsn): void {
    this.#damage.push({ first, last })
  }
}

function merged(ranges: readonly LsnRange[]): readonly LsnRange[] {
  const result: LsnRange[] = []
  for (const range of ranges.toSorted((a, b) => a.first - b.first || a.last - b.last)) {
    const previous = result.at(-1)
    if (previous === undefined || range.first > previous.last + 1) result.push(range)
    else result[result.length - 1] = { first: previous.first, last: Math.max(previous.last, range.last) }
  }
  return result
}

export function covers(ranges: readonly LsnRange[], lsn: Lsn): boolean {
  return ranges.some((range) => range.first <= lsn && lsn <= range.last)
}

type TailRow = {
  readonly row: RowId
  readonly image: Image
  readonly offset: number
  readonly lsn: Lsn
  readonly isTorn: boolean
}

/**
 * Torn, or damaged? `offset` is where the frame `expected` would begin, and no whole frame follows. A write that was
 * never synced left each sector as it was, zero, or as it was to be; every sector of a whole frame shows something
 * (see `frame.ts`). So a torn frame shows a zero sector, and what shows none is damage.
 */
function shapeOf(image: Image, offset: number, expected: Lsn, previous: number | null): TailRow {
  const { bytes, header: context } = image
  const size = context?.sizeBytes ?? bytes.length
  const torn = (row: RowId): TailRow => ({ row, image, offset, lsn: expected, isTorn: true })
  if (isUnreadable(image.unreadable, offset, bytes.length)) {
    // Whatever was written there may have been durable, and several frames of it.
    const lost = decodeHeader(bytes, offset, context!)?.lsn ?? expected
    return garbage("unreadableSector", image, offset, Math.max(expected, lost))
  }
  if (offset + FRAME_HEADER_BYTES > bytes.length) {
    return bytes.length < size ? torn("tornShort") : garbage("garbage", image, offset, expected)
  }
  const header = decodeHeader(bytes, offset, context!)
  if (header !== null) {
    const isNext = header.lsn === expected && (previous === null || header.previous === previous)
    if (!isNext || header.end > size) return garbage("garbage", image, offset, Math.max(expected, header.lsn))
    if (header.end > bytes.length) return torn("tornShort")
    // A frame is the last thing ever written to its segment: behind a torn one there is nothing.
    if (!allZero(bytes, header.end, bytes.length)) return garbage("garbage", image, offset, expected)
    return hasZeroSector(bytes, offset, header.end)
      ? torn("tornZeroSector")
      : garbage("garbage", image, offset, expected)
  }
  const boundary = nextSector(offset)
  if (allZero(bytes, offset, Math.min(boundary, bytes.length))) return torn("tornZeroStart")
  // A header over a boundary may have lost its second part alone.
  const headerEnd = offset + FRAME_HEADER_BYTES
  if (headerEnd > boundary && allZero(bytes, boundary, headerEnd)) return torn("tornZeroSector")
  return garbage("garbage", image, offset, expected)
}

function garbage(row: RowId, image: Image, offset: number, lsn: Lsn): TailRow {
  return { row, image, offset, lsn, isTorn: false }
}

/** No frame ever lay here: everything behind the header zone is zero. */
export function isBlank(image: Image): boolean {
  return image.bytes.length <= SEGMENT_HEADER_BYTES || isClear(image, SEGMENT_HEADER_BYTES)
}

/** From `offset` on nothing was ever written. */
function isClear(image: Image, offset: number): boolean {
  return neverWritten(image.bytes, image.unreadable, offset, image.bytes.length)
}

/** Offset of the first whole frame at or after `from`, trying every aligned position; null when there is none. */
function findFrame(bytes: Uint8Array, from: number, context: SegmentHeader): number | null {
  for (let at = from; at + FRAME_HEADER_BYTES <= bytes.length;) {
    // Zeros are most of what there is to skip.
    const isZero = bytes[at] === 0 && bytes[at + 1] === 0 && bytes[at + 2] === 0 && bytes[at + 3] === 0
    const decoded = isZero ? null : decodeFrame(bytes, at, context)
    if (decoded?.type === "frame") return at
    // A header that can be trusted says how far its frame goes: no byte is looked at twice for long.
    at = decoded?.header?.end ?? at + FRAME_ALIGNMENT
  }
  return null
}
