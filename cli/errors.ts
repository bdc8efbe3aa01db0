import { closest, distance } from "fastest-levenshtein"

/** What the process answers. Anything else is a defect of ours. DESIGN §11. */
export const EXIT = {
  pass: 0,
  failed: 1,
  usage: 2,
  nondeterministic: 3,
  environment: 4,
} as const

/** The user asked for something that does not exist or cannot be read: one line, exit 2. */
export class UsageError extends Error {
  override readonly name = "UsageError"
}

/** The machine would not do it: disk full, no permission, port taken, a worker that does not start. Exit 4. */
export class EnvironmentError extends Error {
  override readonly name = "EnvironmentError"
}

/** The name the user most likely meant, or null when none is near enough to be worth saying. */
export function nearest(word: string, names: readonly string[]): string | null {
  if (names.length === 0) return null
  const best = closest(word.toLowerCase(), [...names])
  const slips = distance(word.toLowerCase(), best.toLowerCase())
  const isNear = slips <= Math.max(2, Math.floor(best.length / 3)) || best.startsWith(word)
  return isNear ? best : null
}

/** `, did you mean "smoke"?`, or nothing. */
export function didYouMean(word: string, names: readonly string[]): string {
  const name = nearest(word, names)
  return name === null ? "" : `, did you mean "${name}"?`
}

/** The text of anything thrown, on one line. */
export function messageOf(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  return text.replaceAll(/\s*\n\s*/g, " ").trim()
}

/** The code Node gives a failed system call (`ENOSPC`), or an empty string. */
export function systemCode(thrown: unknown): string {
  if (!(thrown instanceof Error) || !("code" in thrown)) return ""
  return typeof thrown.code === "string" ? thrown.code : ""
}

/** The end of a switch that has named every case: a new one does not compile. */
export function unreachable(value: never): never {
  throw new Error(`Unexpected: ${JSON.stringify(value)}`)
}
