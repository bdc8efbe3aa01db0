import { below, draw, PURPOSE } from "../draws.ts"

/** The unit a disk writes whole or not at all. */
export const SECTOR_BYTES = 512

/** Names one settling of one write among all draws: which volume of which store, and how many came before. */
export type SettleKey = { readonly seed: number; readonly volume: number; readonly count: number }

/**
 * What a power loss leaves of an unsynced write of `source` at `offset` of `target`: each 512-byte sector
 * holds its old or its new bytes. One write in four is lost whole, one arrives whole, one is cut short
 * (torn), and one arrives in any of its sectors (reordered); a coin for each sector alone would hardly
 * ever give the first three of a long write.
 */
export function settle(target: Uint8Array, offset: number, source: Uint8Array, key: SettleKey): void {
  const { seed, volume, count } = key
  const mode = below(draw(seed, PURPOSE.settleMode, volume, 0, count), 4)
  if (mode < 3) {
    target.set(source.subarray(0, prefixKept(offset, source.length, mode, key)), offset)
    return
  }
  const last = Math.floor((offset + source.length - 1) / SECTOR_BYTES)
  for (let sector = Math.floor(offset / SECTOR_BYTES); sector <= last; sector++) {
    if (draw(seed, PURPOSE.settleSector, volume, sector, count) % 2 === 0) continue
    const start = Math.max(offset, sector * SECTOR_BYTES)
    const end = Math.min(offset + source.length, (sector + 1) * SECTOR_BYTES)
    target.set(source.subarray(start - offset, end - offset), start)
  }
}

/** How much of a write a process that died in it had handed over: nothing, all, or whole first sectors. */
export function handedOver(offset: number, length: number, key: SettleKey): number {
  const mode = below(draw(key.seed, PURPOSE.settleMode, key.volume, 0, key.count), 3)
  return prefixKept(offset, length, mode, key)
}

/** Bytes of a prefix that ends with a sector: mode 0 none, 1 all, 2 some sectors of it. */
function prefixKept(offset: number, length: number, mode: number, key: SettleKey): number {
  if (mode === 0) return 0
  if (mode === 1) return length
  const first = Math.floor(offset / SECTOR_BYTES)
  const last = Math.floor((offset + length - 1) / SECTOR_BYTES)
  const kept = below(draw(key.seed, PURPOSE.settlePrefix, key.volume, 0, key.count), last - first + 1)
  return Math.max(0, (first + kept) * SECTOR_BYTES - offset)
}
