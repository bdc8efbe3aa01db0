import fc from "fast-check"
import { assert, test } from "vitest"
import { decodeVersion, encodeVersion } from "#kernel/mvcc/version.ts"
import type { TxnId } from "#kernel/txn/protocol.ts"
import { crc32cLatin1 } from "#kernel/lib/crc32c.ts"

const uint = fc.oneof(
  fc.nat(300),
  fc.constantFrom(127, 128, 2 ** 32, Number.MAX_SAFE_INTEGER),
  fc.maxSafeNat(),
)
const payload = fc.uint8Array({ maxLength: 40 }).map((bytes) => String.fromCharCode(...bytes))
const txnId = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => String.fromCharCode(...bytes) as TxnId)
const txn = fc.record({ id: txnId, writeTs: uint })
const version = fc.record({ payload: fc.option(payload), schemaVersion: uint, txn: fc.option(txn) })

test("a version has these bytes", () => {
  const id = "00112233445566778899aabbccddeeff"
  const txn = { id: Buffer.from(id, "hex").toString("latin1") as TxnId, writeTs: 300 }
  const written = encodeVersion("hi", 3, txn)
  const hex = Buffer.from(written, "latin1").toString("hex")
  assert.equal(hex, "02" + hex.slice(2, 10) + id + "ac02" + "03" + "6869")
  const body = Buffer.from("02" + id + "ac02036869", "hex").toString("latin1")
  assert.equal(Buffer.from(hex.slice(2, 10), "hex").readUInt32LE(), crc32cLatin1(body, 0, body.length))
})

test("what was encoded comes back", () => {
  fc.assert(
    fc.property(version, ({ payload, schemaVersion, txn }) => {
      assert.deepEqual(decodeVersion(encodeVersion(payload, schemaVersion, txn)), {
        tombstone: payload === null,
        txn,
        schemaVersion,
        payload: payload ?? "",
      })
    }),
  )
})

test("a changed byte, a missing tail and random bytes are damage and never throw", () => {
  fc.assert(
    fc.property(
      version,
      fc.nat(60),
      fc.integer({ min: 1, max: 255 }),
      payload,
      (version, at, flip, noise) => {
        const bytes = encodeVersion(version.payload, version.schemaVersion, version.txn)
        const where = at % bytes.length
        const changed =
          bytes.slice(0, where) + String.fromCharCode(bytes.charCodeAt(where) ^ flip) + bytes.slice(where + 1)
        assert.equal(decodeVersion(changed), "damaged")
        assert.equal(decodeVersion(bytes.slice(0, where)), "damaged")
        decodeVersion(noise)
      },
    ),
    { numRuns: 500 },
  )
})

test("a flag from a later format is refused, though its checksum holds", () => {
  const body = "\0payload"
  const checksum = crc32cLatin1("\x04" + body, 0, body.length + 1)
  const stored = Buffer.alloc(4)
  stored.writeUInt32LE(checksum)
  assert.equal(decodeVersion("\x04" + stored.toString("latin1") + body), "damaged")
})
