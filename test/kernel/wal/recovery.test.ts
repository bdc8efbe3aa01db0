import { encodeFrame } from "#kernel/wal/frame.ts"
import type { WalItem } from "#kernel/wal/item.ts"
import { recoverVolume, type RecoveredVolume, type VolumeImage } from "#kernel/wal/recovery.ts"
import { RECOVERY_TABLE, type RowId } from "#kernel/wal/recovery-table.ts"
import { decodeSegmentHeader, encodeSegmentHeader, type SegmentHeader } from "#kernel/wal/segment.ts"
import { crc32c } from "#kernel/lib/crc32c.ts"
import { ByteWriter } from "#kernel/lib/bytes.ts"
import { writeItem } from "#kernel/wal/item.ts"
import { afterAll, assert, test } from "vitest"
import {
  createdItem,
  describeRecovered,
  IDENTITY,
  LIMITS,
  putEntry,
  Rig,
} from "../../support/wal-arbitraries.ts"

const reached = new Set<RowId>()

afterAll(() => {
  assert.deepEqual(
    [...reached].toSorted(),
    (Object.keys(RECOVERY_TABLE) as RowId[]).toSorted(),
    "a row without a test",
  )
})

/** Checks that the row applied, and that the volume's verdict is the row's. */
function row(
  recovered: RecoveredVolume,
  id: RowId,
  verdict: string = RECOVERY_TABLE[id].verdict,
): RecoveredVolume {
  assert.include(
    recovered.reasons.map((reason) => reason.row),
    id,
  )
  assert.equal(recovered.verdict, verdict)
  reached.add(id)
  return recovered
}

/** Group 1 with entries 1 to `count`, one a frame, so that entry i travels in frame i + 1. */
function logOf(count: number, valueBytes = 20, limits = LIMITS): Rig {
  const rig = new Rig(1, undefined, limits)
  rig.write(createdItem(1, 1))
  for (let i = 1; i <= count; i++) rig.write(entry(i, 1, valueBytes))
  return rig
}

function entry(index: number, term = 1, valueBytes = 20): WalItem {
  return { type: "entries", group: 1, entries: [putEntry(index, term, "v".repeat(valueBytes))] }
}

function headerOf(rig: Rig, sequence: number): SegmentHeader {
  const decoded = decodeSegmentHeader(rig.segments.get(sequence)!)
  assert(decoded.type === "header")
  return decoded.header
}

/** A file made ahead of time: a header, and nothing behind it. */
function emptySegment(rig: Rig, sequence: number): Uint8Array {
  const header = headerOf(rig, sequence - 1)
  const bytes = new Uint8Array(header.sizeBytes)
  bytes.set(encodeSegmentHeader({ ...header, sequence, salt: header.salt + 1 }))
  return bytes
}

function frameOf(
  rig: Rig,
  lsn: number,
): { readonly file: Uint8Array; readonly offset: number; readonly end: number } {
  const append = rig.synced.find((candidate) => candidate.lsn === lsn)!
  return {
    file: rig.segments.get(append.segment)!,
    offset: append.offset,
    end: append.offset + append.bytes.length,
  }
}

/** The zeros that stand for what could not be read, as if they had been. */
function withoutErrors({ segments }: Pick<VolumeImage, "segments">): VolumeImage["segments"] {
  return segments.map(({ sequence, bytes }) => ({ sequence, bytes }))
}

function lastIndex(recovered: RecoveredVolume): number {
  return recovered.groups[0]!.entries.at(-1)?.index ?? 0
}

/** A frame no log of ours would write here, with right checksums. */
function forge(
  rig: Rig,
  sequence: number,
  offset: number,
  lsn: number,
  previous: number,
  item: WalItem,
): number {
  const writer = new ByteWriter()
  writeItem({ type: "identifiers", identifiers: [] }, writer)
  writeItem(item, writer)
  const fields = { lsn, durableLsn: lsn - 1, previous }
  const { bytes } = encodeFrame(headerOf(rig, sequence), offset, fields, 2, [writer.finish()])
  rig.segments.get(sequence)!.set(bytes, offset)
  return offset + bytes.length
}

test("empty: a directory without segments begins at lsn 1", () => {
  const recovered = row(new Rig().recover(), "empty")
  assert.equal(recovered.start?.nextLsn, 1)
  assert.equal(recovered.start?.nextSequence, 1)
})

test("cleanEnd: everything durable is there, and the log goes on in a new segment", () => {
  const rig = logOf(3)
  const recovered = row(rig.recover(), "cleanEnd")
  assert.equal(lastIndex(recovered), 3)
  assert.equal(recovered.start?.nextLsn, 5)
  assert.equal(recovered.start?.nextSequence, 2)
})

test("emptySegment: a last segment whose header never arrived is ignored, and its number is not used again", () => {
  const rig = logOf(3)
  rig.segments.set(2, new Uint8Array(8192))
  const recovered = row(rig.recover(), "emptySegment")
  assert.equal(recovered.start?.nextSequence, 3)
})

test("tornShort: a file that stops inside its last frame is cut", () => {
  const rig = logOf(3)
  const { file, end } = frameOf(rig, 4)
  rig.segments.set(1, file.slice(0, end - 8))
  assert.equal(lastIndex(row(rig.recover(), "tornShort")), 2)
})

test("tornZeroSector: a frame with an intact header and a sector of zeros is cut", () => {
  const rig = logOf(2)
  rig.wal.append(entry(3, 1, 3000))
  rig.turn()
  const first = Math.floor(rig.unsynced!.offset / 512)
  rig.crash((sector) => sector !== first + 2)
  assert.equal(lastIndex(row(rig.recover(), "tornZeroSector")), 2)
})

test("tornZeroStart: a frame without its first sector is cut", () => {
  const rig = logOf(2)
  rig.wal.append(entry(3, 1, 3000))
  rig.turn()
  const first = Math.floor(rig.unsynced!.offset / 512)
  rig.crash((sector) => sector !== first)
  assert.equal(lastIndex(row(rig.recover(), "tornZeroStart")), 2)
})

test("continued: after a cut the log goes on with the same lsn elsewhere, and the remains do not count", () => {
  const rig = logOf(2)
  rig.wal.append(entry(3, 1, 3000))
  rig.turn()
  rig.crash((sector) => sector % 2 === 0)
  rig.restart(rig.recover())
  rig.write(entry(3, 2))
  const recovered = row(rig.recover(), "continued")
  assert.equal(lastIndex(recovered), 3)
  assert.equal(recovered.groups[0]!.entries[2]!.term, 2)
})

test("rewound: a frame that was cut and shows up again after all is not part of the log", () => {
  const rig = logOf(2)
  rig.wal.append(entry(3, 1, 3000))
  rig.turn()
  const late = rig.unsynced!
  rig.crash(() => false)
  rig.restart(rig.recover())
  rig.write(entry(3, 2))
  rig.segments.get(late.segment)!.set(late.bytes, late.offset)
  const recovered = row(rig.recover(), "rewound")
  assert.equal(recovered.groups[0]!.entries[2]!.term, 2)
})

test("garbage: bytes without a zero sector are damage, never a torn frame", () => {
  const rig = logOf(3, 3000)
  const { file, offset } = frameOf(rig, 4)
  file[offset + 1500]! ^= 4
  const recovered = row(rig.recover(), "garbage")
  assert.equal(lastIndex(recovered), 2)
  assert.deepEqual(recovered.damage, [{ first: 4, last: 4, isSettled: false }])
  assert.deepEqual(recovered.groups[0]!.damage, { firstIndex: 3, end: null, identified: false })
})

test("laterFrame: a bad frame before a good one is damage, and the good one says what was lost", () => {
  const rig = logOf(4)
  const { file, offset } = frameOf(rig, 4)
  file[offset + 3]! ^= 1
  const recovered = row(rig.recover(), "laterFrame")
  assert.deepEqual(recovered.damage, [{ first: 4, last: 4, isSettled: false }])
  const damage = { firstIndex: 3, end: { term: 1, index: 4 }, identified: true }
  assert.deepEqual(recovered.groups[0]!.damage, damage)
})

test("unreadableSector: a last frame that cannot be read is damage, where zeros in its place would be a torn tail", () => {
  const rig = logOf(3, 1500)
  const { offset, end } = frameOf(rig, 4)
  const start = Math.ceil(offset / 512) * 512
  assert.isAtMost(start + 512, end)
  const blind = rig.unreadable(1, start, start + 512)
  assert.equal(rig.recover({ segments: withoutErrors(blind) }).verdict, "tornTail")
  const recovered = row(rig.recover(blind), "unreadableSector")
  assert.equal(lastIndex(recovered), 2)
  assert.deepEqual(recovered.damage, [{ first: 4, last: 4, isSettled: false }])
})

test("unreadableSector: a tail nobody wrote to is not taken for empty when it cannot be read", () => {
  const rig = logOf(2)
  const { end } = frameOf(rig, 3)
  const start = Math.ceil(end / 512) * 512
  const blind = rig.unreadable(1, start, start + 512)
  assert.equal(rig.recover({ segments: withoutErrors(blind) }).verdict, "clean")
  row(rig.recover(blind), "unreadableSector")
})

test("laterFrame: a sector in the middle of the log that cannot be read marks its frames", () => {
  const rig = logOf(6, 700)
  const { offset } = frameOf(rig, 4)
  const recovered = row(rig.recover(rig.unreadable(1, offset, offset + 8)), "laterFrame")
  assert.deepEqual(recovered.damage, [{ first: 4, last: 4, isSettled: false }])
})

test("unreadableSegment: headers that cannot be read are as good as bad ones, one of two costs nothing", () => {
  const rig = logOf(8, 3000)
  assert.equal(rig.recover(rig.unreadable(1, 0, 512)).verdict, "clean")
  assert.equal(rig.recover(rig.unreadable(1, 2048, 2560)).verdict, "clean")
  const recovered = row(rig.recover(rig.unreadable(1, 0, 4096)), "unreadableSegment")
  assert.equal(recovered.damage[0]!.first, 1)
})

test("unreadableIdentity: a directory that cannot be read at all is not an empty one", () => {
  const rig = new Rig()
  rig.write(createdItem(1, 1))
  const { length } = rig.segments.get(1)!
  row(rig.recover(rig.unreadable(1, 0, length)), "unreadableIdentity")
})

test("laterFrame: groups that the lost frame did not touch are whole", () => {
  const rig = logOf(2)
  rig.write(createdItem(2, 1))
  rig.write({ type: "hardState", group: 2, term: 1, votedFor: 1 })
  rig.write(entry(3))
  rig.write(entry(4))
  const { file, offset } = frameOf(rig, 6)
  file[offset + 50]! ^= 1
  const recovered = row(rig.recover(), "laterFrame")
  assert.deepEqual(
    recovered.groups.map((group) => group.damage !== null),
    [true, false],
  )
})

test("lsnGap: a frame whose lsn leaves a gap is damage", () => {
  const rig = logOf(2)
  forge(rig, 1, frameOf(rig, 3).end, 6, 1234, entry(5))
  const recovered = row(rig.recover(), "lsnGap")
  assert.deepEqual(recovered.damage, [{ first: 4, last: 5, isSettled: false }])
})

test("lsnBackwards: a frame that repeats an lsn is ignored and its lsn marked", () => {
  const rig = logOf(2)
  forge(rig, 1, frameOf(rig, 3).end, 3, 1234, entry(3))
  const recovered = row(rig.recover(), "lsnBackwards")
  assert.deepEqual(recovered.damage, [{ first: 3, last: 3, isSettled: false }])
})

test("chainBreak: a frame after another predecessor than the one read marks that one", () => {
  const rig = logOf(2)
  forge(rig, 1, frameOf(rig, 3).end, 4, 1234, entry(3))
  const recovered = row(rig.recover(), "chainBreak")
  assert.deepEqual(recovered.damage, [{ first: 3, last: 3, isSettled: false }])
})

test("unreadableSegment: with both headers gone every frame in it is damage", () => {
  const rig = logOf(8, 3000)
  assert.isAbove(rig.segments.size, 1)
  rig.segments.get(1)!.fill(7, 0, 4096)
  const recovered = row(rig.recover(), "unreadableSegment")
  assert.equal(recovered.damage[0]!.first, 1)
})

test("unreadableSegment: one bad header costs nothing", () => {
  const rig = logOf(3)
  rig.segments.get(1)!.fill(7, 0, 512)
  assert.equal(rig.recover().verdict, "clean")
})

test("missingSegment: a hole in the sequence is damage", () => {
  const rig = logOf(20, 3000)
  assert.isAbove(rig.segments.size, 2)
  rig.segments.delete(2)
  row(rig.recover(), "missingSegment")
})

test("missingSegment: a hole behind the last frame, before a file made ahead of time, is damage", () => {
  const rig = logOf(9, 3000)
  const last = rig.synced.at(-1)!.segment
  const first = rig.synced.find((append) => append.segment === last)!.lsn
  rig.segments.set(last + 1, emptySegment(rig, last + 1))
  rig.segments.delete(last)
  rig.witness = null
  const recovered = row(rig.recover(), "missingSegment")
  assert.equal(recovered.damage[0]!.first, first)
  assert.equal(recovered.groups[0]!.damage?.identified, false)
})

test("witnessed: what followed the witnessed frame in a file that is gone is not vouched for", () => {
  const rig = logOf(9, 3000)
  rig.turn()
  const witness = rig.witness
  assert.isNotNull(witness)
  const last = rig.synced.at(-1)!
  rig.write(entry(10, 1))
  assert.equal(rig.synced.at(-1)!.segment, last.segment)
  rig.witness = witness
  rig.segments.delete(last.segment)
  const recovered = rig.recover()
  assert.equal(recovered.verdict, "corruption")
  // Its entry 10 may have been acknowledged: it does not vote as if its log ended at 9.
  assert.equal(recovered.groups[0]!.damage?.identified, false)
})

test("missingHead: segments that nothing says were released are damage", () => {
  const rig = logOf(8, 3000)
  rig.segments.delete(1)
  const recovered = row(rig.recover(), "missingHead")
  assert.equal(recovered.damage[0]!.first, 1)
})

test("missingHead: released segments are not missed", () => {
  const rig = logOf(20, 3000)
  rig.write({ type: "logStart", group: 1, index: 18, term: 1 })
  rig.wal.release(() => 18)
  rig.turn()
  rig.sync()
  rig.turn()
  assert.isFalse(rig.segments.has(1))
  const recovered = rig.recover()
  assert.equal(recovered.verdict, "clean")
  assert.deepEqual(
    recovered.groups[0]!.entries.map((kept) => kept.index),
    [19, 20],
  )
  assert.equal(recovered.groups[0]!.replica, 1)
})

test("witnessed: a last frame lost whole is damage when the side slot vouches for it, and what it held is known", () => {
  const rig = logOf(3)
  rig.turn()
  const { file, offset, end } = frameOf(rig, 4)
  file.fill(0, offset, end)
  const recovered = row(rig.recover(), "witnessed")
  assert.equal(lastIndex(recovered), 2)
  assert.deepEqual(recovered.groups[0]!.damage, {
    firstIndex: 3,
    end: { term: 1, index: 3 },
    identified: true,
  })
  assert.equal(rig.recover({ witness: null }).verdict, "clean", "what nothing remembers cannot be missed")
})

test("witnessContradicts: another frame than the one witnessed is damage", () => {
  const rig = logOf(2)
  rig.turn()
  const { offset } = frameOf(rig, 3)
  const previous = new DataView(rig.segments.get(1)!.buffer).getUint32(frameOf(rig, 2).offset + 4, true)
  forge(rig, 1, offset, 3, previous, entry(2, 9))
  const recovered = row(rig.recover(), "witnessContradicts")
  assert.equal(lastIndex(recovered), 1)
})

test("systemWitnessed: a vote that only the system volume remembers is damage", () => {
  const rig = logOf(2)
  rig.turn()
  const [identifier] = rig.wal.takeWitnessed()
  assert.equal(rig.recover({ systemWitness: [identifier!] }).verdict, "clean")
  const ahead = { ...identifier!, term: 5, votedFor: 2 }
  const recovered = row(rig.recover({ systemWitness: [ahead] }), "systemWitnessed")
  assert.equal(recovered.groups[0]!.term, 5)
  assert.isFalse(recovered.groups[0]!.damage!.identified)
})

test("indexGap: entries that leave a gap are damage", () => {
  const rig = logOf(2)
  const previous = new DataView(rig.segments.get(1)!.buffer).getUint32(frameOf(rig, 3).offset + 4, true)
  forge(rig, 1, frameOf(rig, 3).end, 4, previous, entry(7))
  const recovered = row(rig.recover(), "indexGap")
  assert.equal(recovered.groups[0]!.damage?.firstIndex, 3)
})

test("unreadableIdentity: with every header and the witness gone the volume begins again as someone else", () => {
  const rig = logOf(2)
  rig.segments.get(1)!.fill(7, 0, 4096)
  const recovered = row(rig.recover(), "unreadableIdentity")
  assert.equal(recovered.start?.nextSequence, 2)
  const again = new Rig(5, recovered.start!, LIMITS, { ...IDENTITY, incarnation: 99 })
  again.segments.set(1, rig.segments.get(1)!)
  again.write(createdItem(1, 2))
  again.turn()
  assert.deepEqual([...again.segments.keys()], [2])
  const image = again.image({ identity: { ...IDENTITY, incarnation: 99 } })
  assert.equal(recoverVolume(image).verdict, "clean")
})

test("unreadableIdentity: the side slot alone can tell whose log it was", () => {
  const rig = logOf(2)
  rig.turn()
  rig.segments.get(1)!.fill(7, 0, 4096)
  const recovered = row(rig.recover(), "witnessed")
  assert.isTrue(recovered.groups[0]!.damage!.identified)
  rig.segments.clear()
  assert.equal(rig.recover().verdict, "corruption")
})

test("otherLife: segments of another life than the one on the list are not it, however whole", () => {
  const rig = logOf(2)
  const recovered = row(rig.recover({ identity: { ...IDENTITY, incarnation: 9 } }), "otherLife")
  assert.deepEqual(recovered.groups, [])
  assert.equal(recovered.start?.nextSequence, 2)
})

test("earlierLife: what a lost volume was before is ignored, and let go of", () => {
  const rig = logOf(2)
  const identity = { ...IDENTITY, incarnation: 9 }
  const again = new Rig(5, rig.recover({ identity }).start!, LIMITS, identity)
  again.segments.set(1, rig.segments.get(1)!)
  // The segment of the new life is made, and nothing is in it yet: nothing of it was ever durable.
  again.write(createdItem(1, 2))
  const made = again.image({ identity })
  const header = made.segments.find((segment) => segment.sequence === 2)!
  const bytes = header.bytes.slice()
  bytes.fill(0, 4096)
  const unfinished = [made.segments.find((segment) => segment.sequence === 1)!, { sequence: 2, bytes }]
  row(recoverVolume({ ...made, segments: unfinished }), "otherLife")
  again.segments.set(1, rig.segments.get(1)!)
  const recovered = row(recoverVolume(again.image({ identity })), "earlierLife")
  assert.deepEqual(
    recovered.groups.map(({ group, replica }) => [group, replica]),
    [[1, 2]],
  )
  assert.equal(recovered.start?.releaseBelow, 2)
  // The other way round the list is wrong, and nobody can say which life this is.
  row(recoverVolume(again.image({ identity: IDENTITY })), "identityMismatch")
})

test("identityMismatch: a segment of another cluster, store, volume, life or place stops the store", () => {
  const rig = logOf(2)
  const foreign = [{ cluster: "other" }, { store: 9 }, { volume: 9 }]
  for (const change of foreign) {
    row(rig.recover({ identity: { ...IDENTITY, ...change } }), "identityMismatch")
  }
  rig.segments.set(2, rig.segments.get(1)!)
  const recovered = row(rig.recover(), "identityMismatch")
  assert.isNull(recovered.start)
})

test("unknownFormat: an intact header of a later format stops the store", () => {
  const rig = logOf(2)
  const zone = encodeSegmentHeader(headerOf(rig, 1))
  for (const at of [0, 2048]) {
    zone[at + 8] = 2
    new DataView(zone.buffer).setUint32(at + 508, crc32c(zone, at, at + 508), true)
  }
  rig.segments.get(1)!.set(zone)
  row(rig.recover(), "unknownFormat")
})

test("a repair ends what was marked before it, not what is lost of it since", () => {
  const rig = logOf(4)
  const { file, offset } = frameOf(rig, 4)
  file[offset + 50]! ^= 1
  rig.restart(rig.recover())
  rig.write(entry(3, 2))
  rig.write(entry(4, 2))
  rig.write(entry(5, 2))
  const second = rig.synced.findLast((append) => append.lsn > 4)!.lsn - 1
  rig.write({ type: "repaired", group: 1 })
  rig.write(entry(6, 2))
  const place = frameOf(rig, second)
  place.file[place.offset + 50]! ^= 1
  const recovered = rig.recover()
  assert.equal(recovered.verdict, "corruption")
  const [group] = recovered.groups
  assert.equal(lastIndex(recovered), 3)
  assert.deepEqual([group!.damage?.firstIndex, group!.damage?.end?.index], [4, 6])
  // And so it is written down for the recovery after.
  rig.restart(recovered)
  rig.write(createdItem(2, 1))
  assert.equal(rig.recover().groups[0]!.damage?.firstIndex, 4)
})

test("a repaired group is whole again after the next recovery", () => {
  const rig = logOf(4)
  const { file, offset } = frameOf(rig, 4)
  file[offset + 50]! ^= 1
  rig.restart(rig.recover())
  rig.write(entry(3, 2), entry(4, 2), entry(5, 2))
  assert.equal(rig.recover().groups[0]!.damage?.firstIndex, 3)
  assert.equal(lastIndex(rig.recover()), 5)
  rig.write({ type: "repaired", group: 1 })
  const recovered = rig.recover()
  assert.equal(recovered.verdict, "clean")
  assert.deepEqual(
    describeRecovered(recovered.groups)[0]!.split(": ")[0],
    "group 1 replica 1 term 0 vote 0 after 0@0",
  )
  assert.isNull(recovered.groups[0]!.damage)
})

// Campaign seed 600774: the mark's own frame was lost, and what vouched for it said that the log ended where it was cut.
test.each([
  ["the side slot", false],
  ["the frame after it", true],
])("a mark whose frame is lost is remembered by %s", (_, isFollowed) => {
  const rig = logOf(4)
  const { file, offset } = frameOf(rig, 4)
  file[offset + 50]! ^= 1
  const first = rig.recover()
  rig.restart(first)
  rig.turn()
  rig.sync()
  const settled = rig.synced.at(-1)!.lsn
  if (isFollowed) {
    rig.write(createdItem(2, 1))
    rig.witness = null
  } else {
    rig.turn()
    assert.isNotNull(rig.witness)
  }
  const place = frameOf(rig, settled)
  place.file[place.offset + 50]! ^= 1
  const [group] = rig.recover().groups
  assert.deepEqual(group!.damage, first.groups[0]!.damage)
})

// Campaign seed 1000913: a later loss took some of what an earlier recovery had kept, and the mark spoke for it.
test("a mark does not vouch for what it kept and what was lost since", () => {
  const rig = logOf(6)
  const late = frameOf(rig, 6)
  late.file[late.offset + 50]! ^= 1
  const first = rig.recover()
  assert.equal(first.groups[0]!.damage?.firstIndex, 5)
  rig.restart(first)
  rig.turn()
  rig.sync()
  const early = frameOf(rig, 4)
  early.file[early.offset + 50]! ^= 1
  const recovered = rig.recover()
  assert.equal(lastIndex(recovered), 2)
  assert.equal(recovered.groups[0]!.damage?.firstIndex, 3)
})

// Campaign seed 3196: the checkpoint went further than what the cut log had kept, and not as far as what it had promised.
test("a mark whose frame is lost knows where the log had ended, also when the log now begins behind what was kept", () => {
  const rig = logOf(6)
  for (const lsn of [4, 5, 6]) {
    const { file, offset } = frameOf(rig, lsn)
    file[offset + 50]! ^= 1
  }
  const first = rig.recover()
  assert.equal(lastIndex(first), 2)
  assert.equal(first.groups[0]!.damage?.end?.index, 6)
  rig.restart(first)
  rig.write({ type: "logStart", group: 1, index: 4, term: 1 })
  const settled = rig.synced.at(-1)!.lsn
  rig.turn()
  assert.isNotNull(rig.witness)
  const place = frameOf(rig, settled)
  place.file[place.offset + 50]! ^= 1
  assert.equal(rig.recover().groups[0]!.damage?.end?.index, 6)
})
