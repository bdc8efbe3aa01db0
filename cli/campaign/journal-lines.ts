import { crc32 } from "node:zlib"

/** `,"crc":"0a1b2c3d"}`: the last field of every line. */
const SEAL = /^,"crc":"([0-9a-f]{8})"\}$/
const SEAL_LENGTH = 18

/** An object as one line of JSON whose last field is a checksum over all that stands before it. */
export function sealLine(object: object): string {
  const text = JSON.stringify(object).slice(0, -1)
  return `${text},"crc":"${crcOf(text)}"}\n`
}

export type Lines = {
  readonly objects: readonly unknown[]
  /** Bytes of them; what follows in the file was being written when the writer died. */
  readonly bytes: number
}

/**
 * Reads sealed lines. What is not whole at the very end is cut, since a line is only worth what it says once it is
 * durable; a broken line with others behind it is damage, and its number is given instead.
 */
export function openLines(text: string): Lines | { readonly damagedLine: number } {
  const lines = text.split("\n")
  // What follows the last line feed: nothing, or a line that was being written.
  lines.pop()
  const objects: unknown[] = []
  let bytes = 0
  for (const [index, line] of lines.entries()) {
    const object = openLine(line)
    if (object === null) {
      if (index < lines.length - 1) return { damagedLine: index + 1 }
      break
    }
    objects.push(object)
    bytes += Buffer.byteLength(line) + 1
  }
  return { objects, bytes }
}

function openLine(line: string): object | null {
  const seal = SEAL.exec(line.slice(-SEAL_LENGTH))
  const text = line.slice(0, -SEAL_LENGTH)
  if (seal === null || crcOf(text) !== seal[1]) return null
  try {
    const { crc: _, ...object } = JSON.parse(line) as Record<string, unknown>
    return object
  } catch {
    return null
  }
}

function crcOf(text: string): string {
  return crc32(text).toString(16).padStart(8, "0")
}
