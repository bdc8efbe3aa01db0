import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { Space } from "./engine.ts"

/**
 * Keys of one space that cannot be read: `[from, to)`, an empty `to` is unbounded. What lies there is not
 * known, and whoever reads it is answered as if nothing did.
 */
export type Damage = { readonly space: Space; readonly from: string; readonly to: string }

/** In no particular order; they may overlap. */
export type DamageList = readonly Damage[]

export const NO_DAMAGE: DamageList = []

function isEmpty(from: string, to: string): boolean {
  return to !== "" && from >= to
}

/** Whether some key of `[from, to)` is damaged. */
export function overlaps(damage: DamageList, space: Space, from: string, to: string): boolean {
  for (const span of damage) {
    if (span.space !== space) continue
    if ((to === "" || span.from < to) && (span.to === "" || from < span.to)) return true
  }
  return false
}

/** What is left of `damage` once `healed` was written anew. */
export function withoutDamage(damage: DamageList, healed: DamageList): DamageList {
  let left = damage
  for (const cut of healed) {
    if (!overlaps(left, cut.space, cut.from, cut.to)) continue
    const next: Damage[] = []
    for (const span of left) {
      if (!overlaps([span], cut.space, cut.from, cut.to)) {
        next.push(span)
        continue
      }
      const { space } = span
      if (span.from < cut.from) next.push({ space, from: span.from, to: cut.from })
      if (cut.to !== "" && !isEmpty(cut.to, span.to)) next.push({ space, from: cut.to, to: span.to })
    }
    left = next
  }
  return left
}

export function writeDamage(damage: DamageList, sink: Sink): void {
  sink.uint(damage.length)
  for (const span of damage) {
    sink.u8(span.space)
    sink.str(span.from)
    sink.str(span.to)
  }
}

/** Of spaces from 1 to `spaceMax`. The reader has `failed` when the bytes are not what `writeDamage` wrote. */
export function readDamage(reader: ByteReader, spaceMax: number): DamageList {
  const damage: Damage[] = []
  for (let left = reader.count(3); left > 0; left--) {
    const space = reader.u8()
    const from = reader.str()
    const to = reader.str()
    if (space < 1 || space > spaceMax || isEmpty(from, to)) reader.fail()
    if (reader.failed) return NO_DAMAGE
    damage.push({ space: space as Space, from, to })
  }
  return damage
}
