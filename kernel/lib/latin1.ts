import { invariant } from "./invariant.ts"

/** `bytes[start, end)` as a string of one char a byte. */
export function latin1FromBytes(bytes: Uint8Array, start = 0, end: number = bytes.length): string {
  const code = String.fromCharCode
  let text = ""
  let at = start
  // Sixteen arguments a call: an array or a spread of them takes V8 twice as long, one char a call four times.
  for (; at + 16 <= end; at += 16) {
    text += code(
      bytes[at]!,
      bytes[at + 1]!,
      bytes[at + 2]!,
      bytes[at + 3]!,
      bytes[at + 4]!,
      bytes[at + 5]!,
      bytes[at + 6]!,
      bytes[at + 7]!,
      bytes[at + 8]!,
      bytes[at + 9]!,
      bytes[at + 10]!,
      bytes[at + 11]!,
      bytes[at + 12]!,
      bytes[at + 13]!,
      bytes[at + 14]!,
      bytes[at + 15]!,
    )
  }
  if (at + 8 <= end) {
    text += code(
      bytes[at]!,
      bytes[at + 1]!,
      bytes[at + 2]!,
      bytes[at + 3]!,
      bytes[at + 4]!,
      bytes[at + 5]!,
      bytes[at + 6]!,
      bytes[at + 7]!,
    )
    at += 8
  }
  if (at + 4 <= end) {
    text += code(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!)
    at += 4
  }
  for (; at < end; at++) text += code(bytes[at]!)
  // Reading a char makes one flat string of the pieces, which would else be kept as a list for as long as it lives.
  invariant(end - start <= 16 || text.charCodeAt(0) === bytes[start], "A string is its bytes")
  return text
}

/** One byte a char, none of which may be above 0xff. */
export function bytesFromLatin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  let seen = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    seen |= code
    bytes[i] = code
  }
  invariant(seen <= 0xff, "Cannot make bytes: a char is above 0xff")
  return bytes
}
