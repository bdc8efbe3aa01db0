import fc from "fast-check"
import { assert, test } from "vitest"
import type { KernelError } from "#kernel/errors.ts"
import { ByteReader, ByteWriter, type Sink } from "#kernel/lib/bytes.ts"
import { Digest } from "#kernel/lib/digest.ts"
import {
  readError,
  readReply,
  readRequest,
  writeError,
  writeReply,
  writeRequest,
} from "#kernel/range/request-codec.ts"
import { reply, request } from "../../support/kernel-arbitraries.ts"

function roundTrip<Type>(
  value: Type,
  write: (value: Type, sink: Sink) => void,
  read: (reader: ByteReader) => Type,
): Type {
  const writer = new ByteWriter()
  write(value, writer)
  const bytes = writer.finish()
  const digest = new Digest()
  write(value, digest)
  assert.equal(digest.length, bytes.length, "a hash covers as many bytes as are written")
  const reader = new ByteReader(bytes)
  const decoded = read(reader)
  assert.deepEqual([reader.failed, reader.remaining], [false, 0])
  return decoded
}

test("every request is read back as it was written", () => {
  fc.assert(
    fc.property(request, (original) => {
      assert.deepEqual(roundTrip(original, writeRequest, readRequest), original)
    }),
    { numRuns: 1000 },
  )
})

test("every reply is read back as it was written", () => {
  fc.assert(
    fc.property(reply, (original) => {
      assert.deepEqual(roundTrip(original, writeReply, readReply), original)
    }),
    { numRuns: 1000 },
  )
})

test("an unknown code, op, result or read mode is malformed, not guessed at", () => {
  const writer = new ByteWriter()
  writeError({ code: "nonsense" } as unknown as KernelError, writer)
  const reader = new ByteReader(writer.finish())
  readError(reader)
  assert.isTrue(reader.failed)
})
