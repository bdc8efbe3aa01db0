import { type Columns, OK } from "./columns.ts"
import { type Edges, type Helpers, PROCESS, REAL_TIME, THROUGH } from "./edges.ts"

/** Orders that do not come from what was read: that of each process, and real time. */

/**
 * Each process runs its transactions one after the other. One of unknown outcome may take effect after its successors, so
 * nothing follows it.
 */
export function addProcessOrder(
  columns: Columns,
  begins: Int32Array,
  committed: Uint8Array,
  edges: Edges,
): void {
  const last = new Map<number, number>()
  for (let i = 0; i < begins.length; i++) {
    const t = begins[i]!
    if (committed[t] === 0) continue
    const process = columns.process[t]!
    const before = last.get(process)
    // A process that overlaps itself has no order there.
    const isAfter = before !== undefined && columns.completedAt[before]! <= columns.invokedAt[t]!
    if (isAfter) edges.add(before, t, PROCESS, -1)
    if (columns.status[t] === OK) last.set(process, t)
  }
}

/**
 * A transaction that ended before another began comes before it; those that only touch are concurrent. All of these
 * pairs are too many, so time gets a chain of helpers: one wherever a beginning follows an end. Ends lead into the next
 * helper, the last helper leads to a beginning, and each helper to the next.
 */
export function addRealTime(
  columns: Columns,
  begins: Int32Array,
  committed: Uint8Array,
  edges: Edges,
  helpers: Helpers,
): void {
  const { invokedAt, completedAt } = columns
  const ends = orderByTime(completedAt)
  let waiting = 0
  let end = 0
  let helper = -1
  for (let i = 0; i < begins.length; i++) {
    const t = begins[i]!
    if (committed[t] === 0) continue
    while (end < ends.length && completedAt[ends[end]!]! < invokedAt[t]!) end++
    let next = -1
    for (; waiting < end; waiting++) {
      const over = ends[waiting]!
      if (columns.status[over] !== OK) continue
      if (next < 0) {
        next = helpers.take(1)
        if (helper >= 0) edges.add(helper, next, THROUGH, -1)
      }
      edges.add(over, next, REAL_TIME, -1)
    }
    if (next >= 0) helper = next
    if (helper >= 0) edges.add(helper, t, THROUGH, -1)
  }
}

const RADIX_BITS = 16
const RADIX = 1 << RADIX_BITS

/** The transactions by when they began. */
export function inOrderOfBegin(columns: Columns): Int32Array {
  return orderByTime(columns.invokedAt)
}

/** Places by time, equal ones as they were. Times are integers, so they are sorted digit by digit. */
function orderByTime(times: Float64Array): Int32Array {
  const count = times.length
  let [lowest, highest, isSorted] = [Infinity, -Infinity, true]
  for (let t = 0; t < count; t++) {
    const time = times[t]!
    if (time < lowest) lowest = time
    if (time < highest) isSorted = false
    else highest = time
  }
  let order = new Int32Array(count)
  for (let t = 0; t < count; t++) order[t] = t
  if (isSorted) return order
  let sorted = new Int32Array(count)
  const next = new Int32Array(RADIX + 1)
  for (let unit = 1; unit <= highest - lowest; unit *= RADIX) {
    next.fill(0)
    for (let t = 0; t < count; t++) next[(Math.floor((times[t]! - lowest) / unit) % RADIX) + 1]!++
    for (let digit = 0; digit < RADIX; digit++) next[digit + 1]! += next[digit]!
    for (let i = 0; i < count; i++) {
      const t = order[i]!
      sorted[next[Math.floor((times[t]! - lowest) / unit) % RADIX]!++] = t
    }
    ;[order, sorted] = [sorted, order]
  }
  return order
}
