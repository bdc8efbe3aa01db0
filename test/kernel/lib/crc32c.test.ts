import fc from "fast-check"
import { assert, test } from "vitest"
import { crc32c, crc32cLatin1 } from "#kernel/lib/crc32c.ts"

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0))
}

test("the check value of the catalogue and the vectors of RFC 3720 B.4 come out", () => {
  assert.equal(crc32c(latin1("123456789"), 0, 9), 0xe306_9283)
  assert.equal(crc32c(new Uint8Array(32), 0, 32), 0x8a91_36aa)
  assert.equal(crc32c(new Uint8Array(32).fill(0xff), 0, 32), 0x62a8_ab43)
  assert.equal(
    crc32c(
      Uint8Array.from({ length: 32 }, (_, i) => i),
      0,
      32,
    ),
    0x46dd_794e,
  )
  assert.equal(
    crc32c(
      Uint8Array.from({ length: 32 }, (_, i) => 31 - i),
      0,
      32,
    ),
    0x113f_db5c,
  )
  assert.equal(crc32c(new Uint8Array(0), 0, 0), 0)
})

test("calls chain over any cut, and strings give what their bytes give", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), (bytes, cutAt) => {
      const cut = Math.min(cutAt, bytes.length)
      const whole = crc32c(bytes, 0, bytes.length)
      assert.equal(crc32c(bytes, cut, bytes.length, crc32c(bytes, 0, cut)), whole)
      const text = String.fromCharCode(...bytes)
      assert.equal(crc32cLatin1(text, cut, text.length, crc32cLatin1(text, 0, cut)), whole)
    }),
  )
})
