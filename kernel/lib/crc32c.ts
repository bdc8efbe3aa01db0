/**
 * CRC-32C (Castagnoli; RFC 3720 appendix B.4) by slicing-by-8: eight bytes a step through eight tables
 * (Kounavis and Berry, "A Systematic Approach to Building High Performance Software-based CRC
 * Generators", 2005).
 */

/** The polynomial 0x1edc6f41, bits reversed. */
const POLYNOMIAL = 0x82f6_3b78

/** Eight tables of 256: table k advances a byte over k further zero bytes. Written here and never again. */
const TABLES = buildTables()

function buildTables(): Int32Array {
  const tables = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0)
    tables[byte] = crc
  }
  for (let at = 256; at < tables.length; at++) {
    const shorter = tables[at - 256]!
    tables[at] = (shorter >>> 8) ^ tables[shorter & 0xff]!
  }
  return tables
}

/**
 * Checksum of `bytes[start, end)`, in [0, 2^32). `seed` is the checksum of what came before, so that
 * calls chain: `crc32c(b, 0, n) === crc32c(b, k, n, crc32c(b, 0, k))`.
 */
export function crc32c(bytes: Uint8Array, start: number, end: number, seed = 0): number {
  const tables = TABLES
  let crc = ~seed
  let at = start
  for (const whole = end - 7; at < whole; at += 8) {
    const low = crc ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24))
    crc =
      tables[1792 + (low & 0xff)]! ^
      tables[1536 + ((low >>> 8) & 0xff)]! ^
      tables[1280 + ((low >>> 16) & 0xff)]! ^
      tables[1024 + (low >>> 24)]! ^
      tables[768 + bytes[at + 4]!]! ^
      tables[512 + bytes[at + 5]!]! ^
      tables[256 + bytes[at + 6]!]! ^
      tables[bytes[at + 7]!]!
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ tables[(crc ^ bytes[at]!) & 0xff]!
  return ~crc >>> 0
}

/** The same over the chars `[start, end)` of a latin1 string: equal to that of its bytes. */
export function crc32cLatin1(text: string, start: number, end: number, seed = 0): number {
  const tables = TABLES
  let crc = ~seed
  let at = start
  for (const whole = end - 7; at < whole; at += 8) {
    const low =
      crc ^
      (text.charCodeAt(at) |
        (text.charCodeAt(at + 1) << 8) |
        (text.charCodeAt(at + 2) << 16) |
        (text.charCodeAt(at + 3) << 24))
    crc =
      tables[1792 + (low & 0xff)]! ^
      tables[1536 + ((low >>> 8) & 0xff)]! ^
      tables[1280 + ((low >>> 16) & 0xff)]! ^
      tables[1024 + (low >>> 24)]! ^
      tables[768 + text.charCodeAt(at + 4)]! ^
      tables[512 + text.charCodeAt(at + 5)]! ^
      tables[256 + text.charCodeAt(at + 6)]! ^
      tables[text.charCodeAt(at + 7)]!
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ tables[(crc ^ text.charCodeAt(at)) & 0xff]!
  return ~crc >>> 0
}

/** The same over the four bytes of a word, little endian, as they would stand in memory. */
export function crc32cWord(word: number, seed: number): number {
  const tables = TABLES
  const crc = ~seed ^ word
  return (
    ~(
      tables[768 + (crc & 0xff)]! ^
      tables[512 + ((crc >>> 8) & 0xff)]! ^
      tables[256 + ((crc >>> 16) & 0xff)]! ^
      tables[crc >>> 24]!
    ) >>> 0
  )
}
