import { assert, test } from "vitest"
import { ByteReader, ByteWriter } from "#kernel/lib/bytes.ts"
import { RoomWatch } from "#kernel/liveness/room.ts"

const SECOND = 1_000_000
const VOLUME = 3

/** Store 2 says this in each of so many seconds from `from` on. */
function says(room: RoomWatch, full: readonly number[], from: number, seconds: number, boot = 1): void {
  for (let beat = 0; beat < seconds; beat++) {
    const mono = from + beat * SECOND
    room.heard(2, 20, boot, { sentMono: mono, full }, mono)
  }
}

function copyOf(room: RoomWatch): RoomWatch {
  const [first, second] = [new ByteWriter(), new ByteWriter()]
  room.save(first)
  const reader = new ByteReader(first.finish())
  const copy = RoomWatch.load(reader, SECOND)
  assert.deepEqual([reader.failed, reader.remaining], [false, 0])
  copy.save(second)
  assert.deepEqual(second.finish(), first.finish())
  return copy
}

test("a store has room when it has said so for five beats, and nobody speaks for one that is silent", () => {
  const room = new RoomWatch(SECOND)
  assert.isFalse(room.hasRoom(2, VOLUME, 0))
  says(room, [], 0, 6)
  assert.isFalse(room.hasRoom(2, VOLUME, 5 * SECOND - 1))
  assert.isTrue(room.hasRoom(2, VOLUME, 5 * SECOND))
  assert.isFalse(room.hasRoom(4, VOLUME, 5 * SECOND))
})

test("a volume that was full is waited for again; the others of its store are not", () => {
  const room = new RoomWatch(SECOND)
  says(room, [], 0, 6)
  says(room, [VOLUME], 6 * SECOND, 1)
  says(copyOf(room), [], 7 * SECOND, 4)
  says(room, [], 7 * SECOND, 4)
  for (const each of [room, copyOf(room)]) {
    assert.isFalse(each.hasRoom(2, VOLUME, 11 * SECOND - 1))
    assert.isTrue(each.hasRoom(2, VOLUME, 11 * SECOND))
    assert.isTrue(each.hasRoom(2, VOLUME + 1, 7 * SECOND))
  }
})

test("a disk at its brink never has room for long enough", () => {
  const room = new RoomWatch(SECOND)
  for (let at = 0; at < 60; at++) {
    says(room, at % 4 === 0 ? [VOLUME] : [], at * SECOND, 1)
    assert.isFalse(room.hasRoom(2, VOLUME, at * SECOND))
  }
})

test("what a later start says is waited for anew, and what comes late says nothing", () => {
  const room = new RoomWatch(SECOND)
  says(room, [], 0, 6)
  room.heard(2, 20, 1, { sentMono: 4 * SECOND, full: [VOLUME] }, 6 * SECOND)
  assert.isTrue(room.hasRoom(2, VOLUME, 6 * SECOND), "it was sent before what was heard last")
  says(room, [], 7 * SECOND, 1, 2)
  assert.isFalse(room.hasRoom(2, VOLUME, 7 * SECOND))
  assert.isTrue(room.hasRoom(2, VOLUME, 12 * SECOND))
})

test("a volume here counts as full after two beats, and says so at once", () => {
  const room = new RoomWatch(SECOND)
  assert.deepEqual([room.isTight, room.full], [false, []])
  room.look([7, VOLUME], 0)
  assert.deepEqual([room.isTight, room.full], [true, [VOLUME, 7]])
  assert.isFalse(room.isFull(VOLUME, 2 * SECOND - 1))
  room.look([VOLUME], SECOND)
  assert.isTrue(copyOf(room).isFull(VOLUME, 2 * SECOND))
  assert.isFalse(room.isFull(7, 2 * SECOND))
  room.look([], 2 * SECOND)
  assert.isFalse(room.isTight || room.isFull(VOLUME, 9 * SECOND))
  room.look([VOLUME], 3 * SECOND)
  assert.isFalse(room.isFull(VOLUME, 4 * SECOND))
})
