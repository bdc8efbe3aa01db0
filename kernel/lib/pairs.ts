import type { ByteReader, Sink } from "./bytes.ts"

/** A map of numbers, by key: the same bytes whatever order it was filled in. */
export function writePairs(map: ReadonlyMap<number, number>, sink: Sink): void {
  sink.uint(map.size)
  for (const [key, value] of [...map].sort((a, b) => a[0] - b[0])) {
    sink.uint(key)
    sink.uint(value)
  }
}

export function readPairs(reader: ByteReader): Map<number, number> {
  const map = new Map<number, number>()
  for (let left = reader.count(2); left > 0; left--) map.set(reader.uint(), reader.uint())
  return map
}
