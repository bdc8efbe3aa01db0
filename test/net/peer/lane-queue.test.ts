import assert from "node:assert/strict"
import { describe, test } from "vitest"
import { LaneQueue } from "#net/peer/lane-queue.ts"

function frames(...sizes: readonly number[]): readonly Buffer[] {
  return sizes.map((size, index) => Buffer.alloc(size, index))
}

function drain(queue: LaneQueue): readonly Buffer[] {
  const taken: Buffer[] = []
  for (let frame = queue.shift(); frame !== undefined; frame = queue.shift()) taken.push(frame)
  return taken
}

describe("the queue of a lane", () => {
  test("drops the newest beyond its bound of frames or of bytes", () => {
    const dropped: number[] = []
    const queue = new LaneQueue({ frames: 3, bytes: 100, drops: "newest" }, (bytes) => dropped.push(bytes))
    const [a, b, c, d, e] = frames(40, 40, 30, 10, 5)
    for (const frame of [a!, b!, c!, d!, e!]) queue.push(frame)
    assert.deepEqual([queue.length, queue.bytes], [3, 90])
    assert.deepEqual(dropped, [30, 5])
    assert.deepEqual(drain(queue), [a, b, d])
  })

  test("or the oldest", () => {
    const dropped: number[] = []
    const queue = new LaneQueue({ frames: 2, bytes: 100, drops: "oldest" }, (bytes) => dropped.push(bytes))
    const [a, b, c, d] = frames(60, 10, 20, 95)
    for (const frame of [a!, b!, c!]) queue.push(frame)
    assert.deepEqual(dropped, [60])
    queue.push(d!)
    assert.deepEqual(dropped, [60, 10, 20])
    assert.deepEqual(drain(queue), [d])
    assert.equal(queue.bytes, 0)
  })

  test("takes one frame of any size when it is empty, and keeps order over many", () => {
    const queue = new LaneQueue({ frames: 10_000, bytes: 1_000_000, drops: "newest" }, () => assert.fail())
    const large = Buffer.alloc(2_000_000)
    queue.push(large)
    assert.equal(queue.shift(), large)
    let next = 0
    for (let at = 0; at < 9_000; at++) {
      const frame = Buffer.alloc(4)
      frame.writeUInt32LE(at)
      queue.push(frame)
      if (at % 3 === 2) assert.equal(queue.shift()!.readUInt32LE(), next++)
    }
    for (const frame of drain(queue)) assert.equal(frame.readUInt32LE(), next++)
    assert.equal(next, 9_000)
  })
})
