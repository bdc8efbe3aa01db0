import fc from "fast-check"
import { assert, test } from "vitest"
import {
  decodeUint64,
  decodeVersionKey,
  encodeUint64,
  isVersionOf,
  KV_TABLE,
  prefixEnd,
  tableSpan,
  userKeyPrefix,
  versionKey,
} from "#kernel/mvcc/key.ts"
import { KEY_BYTES_MAX, TABLE_MAX } from "#kernel/limits.ts"

const byte = fc.oneof(fc.constantFrom(0, 1, 0xff), fc.nat(255))
const userKey = fc.array(byte, { maxLength: 6 }).map((codes) => String.fromCharCode(...codes))
const ts = fc.oneof(fc.constantFrom(0, 1, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER), fc.maxSafeNat())
const tenant = fc.oneof(fc.constantFrom(0, 1, 255, 256, Number.MAX_SAFE_INTEGER), fc.maxSafeNat())
const table = fc.oneof(fc.constantFrom(KV_TABLE, 1, TABLE_MAX), fc.nat(TABLE_MAX))
const parts = fc.record({ tenant, table, userKey, ts })

type Parts = { tenant: number; table: number; userKey: string; ts: number }

function encode(parts: Parts): string {
  return versionKey(userKeyPrefix(parts.tenant, parts.table, parts.userKey), parts.ts)
}

function compare<T>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0
}

test("a version key has these bytes", () => {
  const key = versionKey(userKeyPrefix(258, 7, "a\0b"), 2048)
  const hex = Buffer.from(key, "latin1").toString("hex")
  assert.equal(hex, "0000000000000102" + "00000007" + "6100ff62" + "0000" + "fffffffffffff7ff")
})

test("byte order is the order of tenant, table, user key, and newest first", () => {
  fc.assert(
    fc.property(parts, parts, fc.boolean(), (a, other, isSameKey) => {
      const b = isSameKey ? { ...a, ts: other.ts } : other
      const order =
        compare(a.tenant, b.tenant) ||
        compare(a.table, b.table) ||
        compare(a.userKey, b.userKey) ||
        compare(b.ts, a.ts)
      assert.equal(compare(encode(a), encode(b)), order)
    }),
    { numRuns: 500 },
  )
  fc.assert(
    fc.property(userKey, userKey, ts, ts, (a, b, s, t) => {
      if (a !== b)
        assert.equal(
          compare(versionKey(userKeyPrefix(0, 0, a), s), versionKey(userKeyPrefix(0, 0, b), t)),
          compare(a, b),
        )
    }),
    { numRuns: 500 },
  )
})

test("what was encoded comes back", () => {
  fc.assert(
    fc.property(parts, (parts) => assert.deepEqual(decodeVersionKey(encode(parts)), parts)),
    { numRuns: 500 },
  )
  fc.assert(fc.property(ts, (value) => assert.equal(decodeUint64(encodeUint64(value), 0), value)))
})

test("bytes that are no key give null, and what decodes re-encodes to itself", () => {
  fc.assert(
    fc.property(parts, fc.nat(40), byte, (parts, at, code) => {
      const key = encode(parts)
      const mutated = key.slice(0, at) + String.fromCharCode(code) + key.slice(at + 1)
      for (const candidate of [mutated, key.slice(0, at), key.slice(at)]) {
        const decoded = decodeVersionKey(candidate)
        if (decoded !== null) assert.equal(encode(decoded), candidate)
      }
    }),
    { numRuns: 1000 },
  )
})

test("a prefix and its end hold the versions of one user key and nothing else", () => {
  fc.assert(
    fc.property(userKey, parts, (mine, other) => {
      const prefix = userKeyPrefix(other.tenant, other.table, mine)
      const key = encode(other)
      assert.equal(key >= prefix && key < prefixEnd(prefix), mine === other.userKey)
      assert.equal(isVersionOf(key, prefix), mine === other.userKey)
    }),
    { numRuns: 500 },
  )
})

test("the span of a range holds every version of its user keys and no other", () => {
  fc.assert(
    fc.property(parts, userKey, userKey, tenant, (parts, start, end, spanTenant) => {
      const span = tableSpan(spanTenant, parts.table, start, end)
      const isInside =
        parts.tenant === spanTenant && parts.userKey >= start && (end === "" || parts.userKey < end)
      const key = encode(parts)
      assert.equal(key >= span.start && key < span.end, isInside)
      const own = tableSpan(parts.tenant, parts.table, "", "")
      assert.isTrue(key >= own.start && key < own.end)
    }),
    { numRuns: 500 },
  )
})

test("the longest user key makes the longest engine key that limits.ts counts", () => {
  assert.equal(encode({ tenant: 1, table: 1, userKey: "\0".repeat(KEY_BYTES_MAX), ts: 1 }).length, 2070)
})
