/**
 * The fewest of `items`, in their order, of which `fails` still holds: delta debugging by complements
 * (Zeller and Hildebrandt, 2002). First whole runs are left out, at last single items, until no single one
 * can be: the answer is 1-minimal if `fails` was asked to the end, which it says by its own budget.
 *
 * `fails(items)` is taken for granted and not asked.
 */
export function minimize<T>(items: readonly T[], fails: (kept: readonly T[]) => boolean): readonly T[] {
  if (items.length === 0 || fails([])) return []
  let kept = items
  let size = Math.max(1, Math.floor(kept.length / 2))
  for (;;) {
    let shorter = false
    // From the end: what happens last is most often not needed.
    for (let end = kept.length; end > 0;) {
      const start = Math.max(0, end - size)
      const rest = [...kept.slice(0, start), ...kept.slice(end)]
      // None at all has been tried before.
      if (rest.length > 0 && fails(rest)) {
        kept = rest
        shorter = true
      }
      end = start
    }
    if (size > 1) size = Math.floor(size / 2)
    else if (!shorter) return kept
    size = Math.min(size, kept.length)
  }
}
