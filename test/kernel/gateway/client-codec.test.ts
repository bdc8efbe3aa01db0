import fc from "fast-check"
import { assert, test } from "vitest"
import { readTxnReply, readTxnRequest, writeTxnReply, writeTxnRequest } from "#kernel/gateway/client-codec.ts"
import { ByteReader, ByteWriter, type Sink } from "#kernel/lib/bytes.ts"
import { txnReply, txnRequest } from "../../support/kernel-arbitraries.ts"

function roundTrip<Type>(
  value: Type,
  write: (value: Type, sink: Sink) => void,
  read: (reader: ByteReader) => Type,
): Type {
  const writer = new ByteWriter()
  write(value, writer)
  const reader = new ByteReader(writer.finish())
  const decoded = read(reader)
  assert.deepEqual([reader.failed, reader.remaining], [false, 0])
  return decoded
}

test("what a session asks, and what it is told, is read back as it was written", () => {
  fc.assert(
    fc.property(txnRequest, txnReply, (request, reply) => {
      assert.deepEqual(roundTrip(request, writeTxnRequest, readTxnRequest), request)
      assert.deepEqual(roundTrip(reply, writeTxnReply, readTxnReply), reply)
    }),
    { numRuns: 1000 },
  )
})
