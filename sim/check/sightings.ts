import type { Operation } from "./history.ts"

/**
 * What can be read off one operation without a search: which values it saw, which it may leave behind.
 *
 * All of it errs to one side. `observed` may leave out what was seen; `produced` never leaves out a value
 * that a put, delete or cas may leave. Counters and lists take values that no request names: not here.
 */
export type Sighting = { readonly key: string; readonly value: string | null }

/** Whether the operation certainly changes nothing: it only looks, or each of its swaps was refused. */
export function isObserver(operation: Operation): boolean {
  for (let i = 0; i < operation.request.length; i++) {
    const op = operation.request[i]!
    if (op.type === "get" || op.type === "scan") continue
    const result = operation.results?.[i]
    if (op.type === "cas" && result?.type === "swapped" && !result.swapped) continue
    return false
  }
  return true
}

/** What the keys held just before the operation, as far as its results say so. */
export function observed(operation: Operation): readonly Sighting[] {
  const { request, results } = operation
  if (results === null) return []
  const sightings: Sighting[] = []
  const written = new Set<string>()
  for (let i = 0; i < request.length; i++) {
    const op = request[i]!
    const result = results[i]!
    if (op.type === "scan") {
      if (result.type !== "rows") continue
      for (const [key, value] of result.rows) if (!written.has(key)) sightings.push({ key, value })
      continue
    }
    if (!written.has(op.key)) {
      if (op.type === "get" && result.type === "value") sightings.push({ key: op.key, value: result.value })
      if (op.type === "cas" && result.type === "swapped" && result.swapped) {
        sightings.push({ key: op.key, value: op.expected })
      }
    }
    if (op.type !== "get") written.add(op.key)
  }
  return sightings
}

/** What a put, delete or cas of the operation may leave in a key. */
export function produced(operation: Operation): readonly Sighting[] {
  const sightings: Sighting[] = []
  for (const op of operation.request) {
    if (op.type === "put" || op.type === "cas") sightings.push({ key: op.key, value: op.value })
    else if (op.type === "delete") sightings.push({ key: op.key, value: null })
  }
  return sightings
}

/** The keys that the operation may change. */
export function writtenKeys(operation: Operation): readonly string[] {
  const keys: string[] = []
  for (const op of operation.request) {
    if (op.type !== "get" && op.type !== "scan" && !keys.includes(op.key)) keys.push(op.key)
  }
  return keys
}
