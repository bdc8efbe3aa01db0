import { assert, test } from "vitest"
import { fuzzDecoders } from "../../../bench/kernel/decoder-fuzz.ts"
import { ByteReader, ByteWriter } from "#kernel/lib/bytes.ts"
import { decodeFrame } from "#kernel/node/frame-codec.ts"
import { readPeerMessage } from "#kernel/node/peer-message.ts"
import { readRequest } from "#kernel/range/request-codec.ts"
import { BEFORE_FIRST, readRows } from "#kernel/snapshot/chunk.ts"

// A million of them: node bench/kernel/fuzz-decoders.ts.

test("of 100,000 damaged frames, messages, chunks, requests and replies none makes a decoder throw", () => {
  const { counts } = fuzzDecoders(100_000, 1)
  for (const [name, { inputs, threw, rejected, accepted }] of Object.entries(counts)) {
    assert.equal(threw, 0, name)
    assert.equal(rejected + accepted, inputs, name)
    // Mutations that are always refused, or never, would try nothing.
    assert.isTrue(rejected > 0 && accepted > 0, `${name}: ${rejected} rejected, ${accepted} accepted`)
  }
})

test("whatever is accepted encodes to the same bytes, and none with another's checksum is", () => {
  const { counts } = fuzzDecoders(150_000, 2)
  for (const [name, { accepted, roundTripped, wrong }] of Object.entries(counts)) {
    assert.deepEqual([wrong, roundTripped], [0, accepted], name)
    assert.isAbove(accepted, 50, name)
  }
})

test("a count of very many costs nothing: it is refused against what is left to read", () => {
  const writer = new ByteWriter()
  for (let i = 0; i < 6; i++) writer.uint(1)
  writer.uint(Number.MAX_SAFE_INTEGER)
  const lie = writer.finish()
  const before = process.memoryUsage().heapUsed
  for (let tag = 0; tag < 20; tag++) {
    // The lie at every place where a count may stand.
    for (let at = 0; at <= lie.length; at++) {
      const bytes = new Uint8Array([tag, ...lie.subarray(at), ...lie, ...lie])
      readPeerMessage(new ByteReader(bytes))
      readRequest(new ByteReader(bytes))
      readRows(bytes, BEFORE_FIRST, { start: "", end: "z" })
      assert.isNull(decodeFrame(bytes))
    }
  }
  assert.isBelow(process.memoryUsage().heapUsed - before, 64 << 20)
})
