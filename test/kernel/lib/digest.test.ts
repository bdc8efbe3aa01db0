import fc from "fast-check"
import { assert, test } from "vitest"
import { ByteReader, ByteWriter } from "#kernel/lib/bytes.ts"
import { Digest } from "#kernel/lib/digest.ts"
import { bytesFromLatin1, latin1FromBytes } from "#kernel/lib/latin1.ts"

const bytes = fc.uint8Array({ maxLength: 80 })

function stateOf(write: (digest: Digest) => void): readonly [string, number] {
  const digest = new Digest()
  digest.uint(7)
  write(digest)
  return [digest.hex(), digest.length]
}

test("a string digests as its bytes do, whole, as a part, or while it is read", () => {
  fc.assert(
    fc.property(bytes, bytes, (before, value) => {
      const text = latin1FromBytes(value)
      const expected = stateOf((digest) => digest.bytes(value))
      assert.deepEqual(
        stateOf((digest) => digest.str(text)),
        expected,
      )
      const whole = Uint8Array.from([...before, ...value, ...before])
      assert.deepEqual(
        stateOf((digest) => digest.range(whole, before.length, before.length + value.length)),
        expected,
      )
      const writer = new ByteWriter(1)
      writer.str(text)
      assert.deepEqual(
        stateOf((digest) => assert.equal(new ByteReader(writer.view()).strDigested(digest), text)),
        expected,
      )
      assert.deepEqual(
        stateOf((digest) => new ByteReader(writer.view()).strSkipped(digest)),
        expected,
      )
    }),
  )
})

test("two strings that differ in one char digest apart", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 80 }), fc.nat(), (value, at) => {
      const other = value.slice()
      other[at % other.length]! ^= 1
      assert.notDeepEqual(
        stateOf((digest) => digest.str(latin1FromBytes(value))),
        stateOf((digest) => digest.str(latin1FromBytes(other))),
      )
    }),
  )
})

test("bytes make a string of one char a byte, and back", () => {
  fc.assert(
    fc.property(bytes, (value) => {
      const text = latin1FromBytes(value)
      assert.equal(text, String.fromCharCode(...value))
      assert.deepEqual(bytesFromLatin1(text), value)
    }),
  )
})

test("an integer takes the bytes it should, and comes back", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.nat({ max: 53 }), (value, shift) => {
      const integer = Math.floor(value / 2 ** shift)
      const writer = new ByteWriter(1)
      writer.uint(integer)
      const digest = new Digest()
      digest.uint(integer)
      assert.equal(writer.length, digest.length)
      const reader = new ByteReader(writer.view())
      assert.equal(reader.uint(), integer)
      assert.isFalse(reader.failed)
      assert.equal(reader.remaining, 0)
    }),
  )
})
