import type { KvOp } from "#kernel"
import { KEY_BYTES_MAX } from "#kernel"
import type { Operation } from "../check/history.ts"
import type { Chance } from "../plan/chance.ts"
import type { OpGround, Workload } from "./workload.ts"

/**
 * Requests of several steps on few keys, so that later ones read what earlier ones wrote; some are refused as a whole, for
 * what one step of them says or finds: an increment of a text, a bound that is too long, a span that ends before it begins.
 */
export const steps: Workload = {
  kind: "steps",
  about: "requests that read what they have just written, and requests that are refused whole",
  tokens: "mostly",
  byName: true,
  draw(chance: Chance, ground: OpGround): readonly KvOp[] {
    const keys = chance.sample(ground.keys, 2)
    const dice = chance.below(100)
    if (dice < 25) return keys.map((key) => ({ type: "get", key }))
    if (dice < 29) return [refusedScan(chance, keys[0]!)]
    // Most are short; some are longer than what is looked through for a key step by step.
    const length = chance.percent(90) ? chance.between(2, 5) : chance.between(12, 24)
    const of = length > 5 ? ground.keys : keys
    return Array.from({ length }, () => drawStep(chance, ground, of))
  },
  check: firstPieceFromNowhere,
}

/** What is added to a value stands behind one of these, and no value of a run has one in it. */
const SEPARATOR = "+"

function drawStep(chance: Chance, ground: OpGround, keys: readonly string[]): KvOp {
  const key = chance.pick(keys)
  const dice = chance.below(100)
  if (dice < 20) return { type: "get", key }
  if (dice < 40) return { type: "put", key, value: ground.unique() }
  if (dice < 55) return { type: "delete", key }
  if (dice < 65) return { type: "append", key, value: `${SEPARATOR}${ground.unique()}` }
  if (dice < 72) return { type: "cas", key, expected: null, value: ground.unique() }
  // Counts up what is absent or a number, and is refused where a text is.
  if (dice < 82) return { type: "increment", key, by: chance.between(1, 9) }
  const bounds = [chance.pick(keys), key].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  const limit = chance.between(1, keys.length + 1)
  return { type: "scan", start: bounds[0]!, end: `${bounds[1]!}\0`, limit, reverse: chance.percent(40) }
}

function refusedScan(chance: Chance, key: string): KvOp {
  const long = key.padEnd(KEY_BYTES_MAX + chance.between(1, 9), "x")
  const bounds = chance.percent(50) ? { start: long, end: `${long}\0` } : { start: `${key}\0`, end: key }
  return { type: "scan", ...bounds, limit: 1, reverse: false }
}

/** Of what was read each piece was written to that key, or is a number that was counted there. */
function firstPieceFromNowhere(history: readonly Operation[]): string | null {
  const written = new Set<string>()
  const counted = new Set<string>()
  for (const { request } of history) {
    for (const op of request) {
      if (op.type === "put" || op.type === "cas") written.add(`${op.key}/${op.value}`)
      else if (op.type === "append") written.add(`${op.key}/${op.value.slice(SEPARATOR.length)}`)
      else if (op.type === "increment") counted.add(op.key)
    }
  }
  const isKnown = (key: string, piece: string): boolean =>
    written.has(`${key}/${piece}`) || (counted.has(key) && /^\d+$/.test(piece))
  for (const { id, request, results } of history) {
    if (results === null) continue
    for (const [key, value] of valuesRead(request, results)) {
      // What was appended to nothing begins with a separator.
      const pieces = value.split(SEPARATOR)
      if (pieces[0] === "") pieces.shift()
      const piece = pieces.find((one) => !isKnown(key, one))
      if (piece !== undefined) return `Operation ${id} reads "${piece}" in ${key}, which nobody wrote there`
    }
  }
  return null
}

function valuesRead(
  request: readonly KvOp[],
  results: NonNullable<Operation["results"]>,
): readonly (readonly [key: string, value: string])[] {
  return results.flatMap((result, index) => {
    const op = request[index]!
    if (result.type === "rows") return result.rows
    if (op.type !== "get" || result.type !== "value" || result.value === null) return []
    return [[op.key, result.value] as const]
  })
}
