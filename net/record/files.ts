/** Segment files of a recording, by number from 1: `00000001.orec`. */
export function segmentName(number: number): string {
  return `${String(number).padStart(8, "0")}.orec`
}

/** Null for a file that is no segment. */
export function segmentNumber(name: string): number | null {
  const match = /^(\d{8,})\.orec$/.exec(name)
  return match === null ? null : Number(match[1])
}
