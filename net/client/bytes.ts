/** Keys and values: text is UTF-8. */
export type Bytes = string | Uint8Array

const ASCII = /^[\0-\x7f]*$/

/** One char a byte, as the kernel keeps it. */
export function latin1Of(bytes: Bytes): string {
  if (typeof bytes !== "string")
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1")
  // Its UTF-8 bytes are its chars.
  return ASCII.test(bytes) ? bytes : Buffer.from(bytes).toString("latin1")
}

export function bytesOf(text: string): Buffer {
  return Buffer.from(text, "latin1")
}
