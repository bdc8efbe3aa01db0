import type { Operation } from "../check/history.ts"

/** Where values are unique: the first one that was read from a key to which nobody wrote it. */
export function firstUnwritten(history: readonly Operation[]): string | null {
  const written = new Set<string>()
  for (const { request } of history) {
    for (const op of request) if (op.type === "put" || op.type === "cas") written.add(`${op.key}/${op.value}`)
  }
  for (const { id, request, results } of history) {
    if (results === null) continue
    for (let index = 0; index < request.length; index++) {
      const op = request[index]!
      const result = results[index]!
      if (op.type === "get" && result.type === "value" && result.value !== null) {
        if (!written.has(`${op.key}/${result.value}`)) return unwritten(id, op.key, result.value)
      } else if (result.type === "rows") {
        for (const [key, value] of result.rows) {
          if (!written.has(`${key}/${value}`)) return unwritten(id, key, value)
        }
      }
    }
  }
  return null
}

function unwritten(id: number, key: string, value: string): string {
  return `Operation ${id} reads ${key} as "${value}", which nobody wrote there`
}
