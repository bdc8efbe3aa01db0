import type { Incarnation, Lsn, StoreId, VolumeId } from "../ids.ts"
import { decodeWitness, isRemoved, witnessOf, type Witness } from "./identifiers.ts"
import type { Identifier, LsnRange, WalItem } from "./item.ts"
import { Ledger, sorted } from "./ledger.ts"
import { RECOVERY_TABLE, type RowId, type Verdict } from "./recovery-table.ts"
import { replay, settlementOf, type RecoveredGroup, type Replayed } from "./replay.ts"
import { isBlank, scan, type Image, type Reason, type Scan } from "./scan.ts"
import {
  ALL_READ,
  decodeSegmentHeader,
  type DecodedHeader,
  type Unreadable,
  type VolumeIdentity,
} from "./segment.ts"
import { emptyWalStart, type WalStart } from "./wal.ts"

/** One segment file as it was read. */
export type SegmentImage = {
  readonly sequence: number
  readonly bytes: Uint8Array
  /** Where the disk answered with an error: ascending, apart. Absent when all of it was read. */
  readonly unreadable?: readonly Unreadable[]
}

/** What was read of one volume's directory, and whose it should be. */
export type VolumeImage = {
  /** Every segment file, in any order; the host synced them before reading, so that what is read is durable. */
  readonly segments: readonly SegmentImage[]
  /** The side slot, if there is one. */
  readonly witness: Uint8Array | null
  /** What the system volume says of this volume's groups (those without a tombstone), if it says anything. */
  readonly systemWitness: readonly Identifier[] | null
  readonly identity: {
    readonly cluster: string
    readonly store: StoreId
    readonly volume: VolumeId
    /** As the system volume lists it; null for the system volume, which has to be taken at its word. */
    readonly incarnation: Incarnation | null
  }
}

export type RecoveredVolume = {
  readonly verdict: Verdict
  /** Every row of the table that applied, in the order of the log. */
  readonly reasons: readonly Reason[]
  /** Frames that are lost, ascending; `settled` when an earlier recovery accounted for them. */
  readonly damage: readonly (LsnRange & { readonly isSettled: boolean })[]
  /** Null when the log does not say. */
  readonly incarnation: Incarnation | null
  /** Ascending. */
  readonly groups: readonly RecoveredGroup[]
  /** Replicas that the side slot speaks of, whatever became of them since. */
  readonly named: readonly Identifier[]
  /** What is lost, and was not accounted for by an earlier recovery, may have made replicas that nothing names. */
  readonly isUnsure: boolean
  /** Everything up to here is durable. */
  readonly durableLsn: Lsn
  /** What the log goes on from; records of the system volume are in its ledger. Null when the store must not start. */
  readonly start: WalStart | null
}

/**
 * Reads a volume's log back. Pure, and the same every time: nothing is written until the log goes on, always in a new
 * segment. Never truncates what may have been durable.
 */
export function recoverVolume(image: VolumeImage): RecoveredVolume {
  const all = image.segments.toSorted((a, b) => a.sequence - b.sequence)
  const allHeaders = all.map((segment) => decodeSegmentHeader(segment.bytes, segment.unreadable))
  const refusal = refuse(image, all, allHeaders)
  if (refusal !== null) return refusal
  const nextSequence = (all.at(-1)?.sequence ?? 0) + 1
  const isOther = (decoded: DecodedHeader): boolean =>
    decoded.type === "header" &&
    image.identity.incarnation !== null &&
    decoded.header.identity.incarnation !== image.identity.incarnation
  const segments = all.filter((_, i) => !isOther(allHeaders[i]!))
  const headers = allHeaders.filter((decoded) => !isOther(decoded))
  const hasOther = segments.length < all.length
  const incarnation = incarnationOf(image, headers)
  if (incarnation === null) {
    // Nothing was ever synced here, unless something says otherwise: then nobody can say whose it was.
    const isEmpty =
      !hasOther &&
      (image.systemWitness ?? []).length === 0 &&
      segments.every((segment, i) => headers[i]!.type === "zero" && isBlank(imageOf(segment, headers[i]!)))
    return beginning(isEmpty ? "empty" : hasOther ? "otherLife" : "unreadableIdentity", all, nextSequence)
  }
  const { cluster, store, volume } = image.identity
  const identity: VolumeIdentity = { cluster, store, volume, incarnation }
  const witness = witnessOf(image.witness === null ? null : decodeWitness(image.witness), identity)
  const images = segments.map((segment, i) => imageOf(segment, headers[i]!))
  const scanned = scan(images, witness)
  // The first frame of a life is there before anything rests on it.
  if (hasOther && scanned.frames.length === 0) return beginning("otherLife", all, nextSequence)
  const recovered = assemble(image, images, scanned, witness, incarnation, nextSequence)
  if (!hasOther) return recovered
  const earlier: Reason = { row: "earlierLife", segment: all[0]!.sequence, offset: 0, lsn: 0, group: 0 }
  const start = {
    ...recovered.start!,
    releaseBelow: Math.max(recovered.start!.releaseBelow, segments[0]!.sequence),
  }
  return { ...recovered, reasons: [earlier, ...recovered.reasons], start }
}

/** Nothing of what is there is taken over. */
function beginning(row: RowId, all: VolumeImage["segments"], nextSequence: number): RecoveredVolume {
  return {
    verdict: RECOVERY_TABLE[row].verdict,
    reasons: [{ row, segment: all[0]?.sequence ?? 0, offset: 0, lsn: 0, group: 0 }],
    damage: [],
    incarnation: null,
    groups: [],
    named: [],
    isUnsure: false,
    durableLsn: 0,
    start: emptyWalStart(nextSequence),
  }
}

function imageOf(segment: SegmentImage, header: DecodedHeader): Image {
  return {
    sequence: segment.sequence,
    bytes: segment.bytes,
    unreadable: segment.unreadable ?? ALL_READ,
    header: header.type === "header" ? header.header : null,
  }
}

/** The two verdicts that stop a store before anything is read. */
function refuse(
  image: VolumeImage,
  segments: VolumeImage["segments"],
  headers: readonly DecodedHeader[],
): RecoveredVolume | null {
  const listed = image.identity.incarnation
  let incarnation = listed
  let hasOwn = false
  for (let i = 0; i < segments.length; i++) {
    const decoded = headers[i]!
    const sequence = segments[i]!.sequence
    if (decoded.type === "unknownFormat") return refusal("unknownFormat", sequence)
    if (segments[i + 1]?.sequence === sequence) return refusal("identityMismatch", sequence)
    if (decoded.type !== "header") continue
    const { identity } = decoded.header
    incarnation ??= identity.incarnation
    const isOurs =
      identity.cluster === image.identity.cluster &&
      identity.store === image.identity.store &&
      identity.volume === image.identity.volume &&
      decoded.header.sequence === sequence
    // The list says which life the volume is in: what lies before that one is an earlier life's and is let go of.
    const isEarlier = listed !== null && !hasOwn
    if (!isOurs || (identity.incarnation !== incarnation && !isEarlier)) {
      return refusal("identityMismatch", sequence)
    }
    if (identity.incarnation === incarnation) hasOwn = true
  }
  return null
}

function refusal(row: RowId, segment: number): RecoveredVolume {
  return {
    verdict: RECOVERY_TABLE[row].verdict,
    reasons: [{ row, segment, offset: 0, lsn: 0, group: 0 }],
    damage: [],
    incarnation: null,
    groups: [],
    named: [],
    isUnsure: false,
    durableLsn: 0,
    start: null,
  }
}

/** From any header, or else from the side slot. */
function incarnationOf(image: VolumeImage, headers: readonly DecodedHeader[]): Incarnation | null {
  for (const decoded of headers) if (decoded.type === "header") return decoded.header.identity.incarnation
  const witness = image.witness === null ? null : decodeWitness(image.witness)
  if (witness === null) return null
  const { cluster, store, volume, incarnation } = image.identity
  const said = witness.identity
  if (said.cluster !== cluster || said.store !== store || said.volume !== volume) return null
  return incarnation === null || incarnation === said.incarnation ? said.incarnation : null
}

function assemble(
  image: VolumeImage,
  images: readonly Image[],
  scanned: Scan,
  witness: Witness | null,
  incarnation: Incarnation,
  nextSequence: number,
): RecoveredVolume {
  const systemWitness = image.systemWitness ?? []
  const finalIdentifiers = scanned.isWitnessedToTheEnd ? (witness?.identifiers ?? null) : null
  const reasons = [...scanned.reasons]
  const lastFrame = scanned.frames.at(-1)
  let damage = scanned.damage
  const settlements = damage.map((range) => settlementOf(scanned.frames, range))
  let open = damage.filter((_, i) => settlements[i] === null)
  const judged = damage.filter((range, i) => settlements[i]?.header.lsn !== range.last + 1)
  let replayed = replay({ frames: scanned.frames, damage: judged, finalIdentifiers, systemWitness })
  const isTailOpen = open.some((range) => range.first > (lastFrame?.header.lsn ?? 0))
  if (replayed.behind.length > 0 && !isTailOpen) {
    // More was durable than is here. How much more nobody knows: no group can be sure of its end.
    const lsn = Math.max(lastFrame?.header.lsn ?? 0, damage.at(-1)?.last ?? 0) + 1
    reasons.push({ row: "systemWitnessed", segment: images.at(-1)?.sequence ?? 0, offset: 0, lsn, group: 0 })
    const lost: LsnRange = { first: lsn, last: lsn }
    damage = [...damage, lost]
    open = [...open, lost]
    replayed = replay({
      frames: scanned.frames,
      damage: [...judged, lost],
      finalIdentifiers: null,
      systemWitness,
    })
  }
  for (const group of replayed.gaps) {
    reasons.push({ row: "indexGap", segment: 0, offset: 0, lsn: 0, group })
  }
  const isDamaged = open.length > 0 || replayed.gaps.length > 0
  const durableLsn = Math.max(lastFrame?.header.lsn ?? 0, damage.at(-1)?.last ?? 0)
  const { ledger, identifiers } = ledgerOf(images, scanned)
  const isEndReadable = lastFrame !== undefined && lastFrame.header.lsn === durableLsn
  const hasOldSegments = (images[0]?.sequence ?? scanned.firstSequence) < scanned.firstSequence
  const start: WalStart = {
    ledger,
    nextLsn: durableLsn + 1,
    previous: isEndReadable ? lastFrame.header.checksum : 0,
    nextSequence,
    segmentBytes: lastFrame === undefined ? 0 : sizeOf(images, lastFrame.segment),
    end: isEndReadable ? { segment: lastFrame.segment, offset: lastFrame.header.end } : null,
    identifiers: isEndReadable ? identifiers : [],
    releaseBelow: hasOldSegments ? scanned.firstSequence : 0,
    items: isDamaged ? settlement(open, replayed, ledger) : [],
  }
  return {
    verdict: isDamaged ? "corruption" : scanned.isTorn ? "tornTail" : "clean",
    reasons,
    damage: damage.map((range) => ({ ...range, isSettled: !open.includes(range) })),
    incarnation,
    groups: replayed.groups,
    named: (witness?.identifiers ?? []).filter((identifier) => !isRemoved(identifier)),
    isUnsure: replayed.isUnsure,
    durableLsn,
    start,
  }
}

/** What the next recovery must not have to find out again. */
function settlement(open: readonly LsnRange[], replayed: Replayed, ledger: Ledger): readonly WalItem[] {
  const items: WalItem[] = []
  const groups = new Set(replayed.groups.map((group) => group.group))
  for (const [group, record] of sorted(ledger.groups)) {
    // Removed in a lost frame, as the side slot knew: the next recovery has only this to go by.
    if (!groups.has(group)) items.push({ type: "replicaRemoved", group, replica: record.replica })
  }
  items.push({ type: "damaged", settled: open, marks: replayed.marks })
  const adopted = new Set(replayed.adopted)
  for (const group of replayed.groups) {
    const isReplaced = ledger.groups.get(group.group)?.replica !== group.replica
    if (!adopted.has(group.group) && !isReplaced) continue
    items.push({ type: "hardState", group: group.group, term: group.term, votedFor: group.votedFor })
  }
  return items
}

function ledgerOf(
  images: readonly Image[],
  scanned: Scan,
): { readonly ledger: Ledger; readonly identifiers: readonly Identifier[] } {
  const ledger = new Ledger()
  let identifiers: readonly Identifier[] = []
  let at = 0
  for (const image of images) {
    if (image.sequence < scanned.firstSequence) continue
    ledger.addSegment(image.sequence, image.header?.sizeBytes ?? image.bytes.length)
    for (; at < scanned.frames.length && scanned.frames[at]!.segment === image.sequence; at++) {
      const frame = scanned.frames[at]!
      for (const item of frame.items) ledger.note(item, frame.header.lsn)
      ledger.framed(image.sequence, frame.header.lsn)
      identifiers = ledger.takeTouched()
    }
  }
  return { ledger, identifiers }
}

function sizeOf(images: readonly Image[], sequence: number): number {
  const image = images.find((candidate) => candidate.sequence === sequence)
  return image?.header?.sizeBytes ?? 0
}
