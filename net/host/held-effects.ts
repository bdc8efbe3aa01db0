import { barrierOf, type Effect, type Lsn, type VolumeId } from "#kernel"

/** Effects one store may hold back; more is a defect, or a disk that stands still under a flood. */
export const HELD_MAX = 200_000

/**
 * What waits for a disk, and how far each disk is. By volume: a group lives in one, so its messages keep their order; those
 * of two volumes may pass each other. ADR 0011: what a sync makes true leaves when the sync is done, in the order it was
 * emitted, and before the kernel hears of it.
 */
export class HeldEffects {
  readonly #durable = new Map<VolumeId, Lsn>()
  readonly #held = new Map<VolumeId, Effect[]>()
  count = 0
  peak = 0

  /** Holds it back if it has to wait. */
  holds(effect: Effect): boolean {
    const barrier = barrierOf(effect)
    if (barrier === null || (this.#durable.get(barrier.volume) ?? 0) >= barrier.lsn) return false
    const held = this.#held.get(barrier.volume)
    if (held === undefined) this.#held.set(barrier.volume, [effect])
    else held.push(effect)
    if (++this.count > this.peak) this.peak = this.count
    return true
  }

  /** The log of this volume is durable up to `lsn`: what may leave now, as it was emitted. */
  synced(volume: VolumeId, lsn: Lsn): readonly Effect[] {
    this.#durable.set(volume, lsn)
    const held = this.#held.get(volume)
    if (held === undefined) return []
    const free: Effect[] = []
    let kept = 0
    for (const effect of held) {
      if (barrierOf(effect)!.lsn <= lsn) free.push(effect)
      else held[kept++] = effect
    }
    held.length = kept
    this.count -= free.length
    return free
  }

  clear(): void {
    this.#held.clear()
    this.count = 0
  }
}
