import { invariant } from "./invariant.ts"

/** Chars a `fromCharCode` call may take as arguments without straining the stack. */
const PIECE = 1024

/** `bytes[start, end)` as a string of one char a byte. */
export function latin1FromBytes(bytes: Uint8Array, start = 0, end: number = bytes.length): string {
  let text = ""
  for (let at = start; at < end; at += PIECE) {
    text += String.fromCharCode.apply(null, bytes.subarray(at, Math.min(at + PIECE, end)) as never)
  }
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
