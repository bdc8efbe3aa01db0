import type { Tally } from "./link-overlay.ts"
import type { VolumeFiles } from "./volume-files.ts"

/** All volumes of the disk together hold no more than so many bytes: what would make them larger is refused. */
export type Quota = { readonly id: number; readonly bytes: number; readonly tally: Tally }

/** What the files of a disk take up. A segment has its place from the start, whatever is written into it. */
export function usedBytes(volumes: readonly VolumeFiles[]): number {
  let used = 0
  for (const { segments, directory, witness } of volumes) {
    for (const segment of segments) used += segment.bytes.length
    used += directory.checkpoint.bytes.length + witness.bytes.length
  }
  return used
}
