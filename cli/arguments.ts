import { STRATEGIES, type Strategy } from "#sim"
import { didYouMean, UsageError } from "./errors.ts"

/** More runs than this in one command is a slip of the hand; several commands may share a larger hunt by `--shard`. */
export const RUNS_MAX = 10_000_000
export const JOBS_MAX = 256
export const SHARDS_MAX = 10_000

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A whole number in [min, max], decimal (`1_000` too) or hexadecimal. */
export function parseInteger(flag: string, text: string, min: number, max: number): number {
  const digits = text.replaceAll("_", "")
  if (!/^(?:\d+|0x[0-9a-f]+)$/i.test(digits)) {
    throw new UsageError(`${flag}: "${text}" is not a whole number`)
  }
  const value = Number(digits)
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    throw new UsageError(`${flag}: ${text} lies outside ${min} to ${max}`)
  }
  return value
}

/** `90s`, `10m`, `1h30m`, `500ms`: milliseconds. A number without a unit is refused, since people disagree on it. */
export function parseDuration(flag: string, text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)]
  if (parts.length === 0 || parts.map((part) => part[0]).join("") !== text) {
    throw new UsageError(`${flag}: "${text}" is not a duration such as 90s, 10m or 1h30m`)
  }
  let totalMs = 0
  for (const [, count, unit] of parts) totalMs += Number(count) * (UNIT_MS[unit ?? ""] ?? Number.NaN)
  const durationMs = Math.round(totalMs)
  if (!Number.isSafeInteger(durationMs) || durationMs <= 0 || durationMs > 366 * 86_400_000) {
    throw new UsageError(`${flag}: ${text} lies outside 1ms to 366d`)
  }
  return durationMs
}

const UNIT_BYTES: Readonly<Record<string, number>> = {
  "": 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}

/** `8GiB`, `512MiB`, `1_048_576`: bytes, at least `min`. */
export function parseBytes(flag: string, text: string, min: number): number {
  const match = /^(\d[\d_]*)([KMGT]iB|)$/.exec(text)
  if (match === null) throw new UsageError(`${flag}: "${text}" is not a size such as 512MiB, 8GiB or 1048576`)
  const bytes = Number(match[1]!.replaceAll("_", "")) * UNIT_BYTES[match[2]!]!
  if (bytes < min) throw new UsageError(`${flag}: ${text} is less than ${min} bytes`)
  if (!Number.isSafeInteger(bytes)) throw new UsageError(`${flag}: ${text} is more than there can be`)
  return bytes
}

/** More lines than this are for a file, not for a person. */
const TRACE_EVENTS_MAX = 100_000

/** `4000..4020`: events from 1, both ends included. */
export function parseWindow(flag: string, text: string): { readonly from: number; readonly to: number } {
  const match = /^(\d[\d_]*)\.\.(\d[\d_]*)$/.exec(text)
  if (match === null)
    throw new UsageError(`${flag}: "${text}" is not of the form from..to, such as 4000..4020`)
  const from = parseInteger(flag, match[1] ?? "", 1, Number.MAX_SAFE_INTEGER)
  const to = parseInteger(flag, match[2] ?? "", from, Number.MAX_SAFE_INTEGER)
  if (to - from >= TRACE_EVENTS_MAX)
    throw new UsageError(`${flag}: ${text} is more than ${TRACE_EVENTS_MAX} events`)
  return { from, to }
}

/** Part `index` of `count`, counted from 1. */
export type Shard = { readonly index: number; readonly count: number }

export function parseShard(flag: string, text: string): Shard {
  const match = /^(\d+)\/(\d+)$/.exec(text)
  if (match === null) throw new UsageError(`${flag}: "${text}" is not of the form i/n, such as 1/4`)
  const count = parseInteger(flag, match[2] ?? "", 1, SHARDS_MAX)
  const index = Number(match[1])
  if (!Number.isSafeInteger(index) || index < 1 || index > count) {
    throw new UsageError(
      `${flag}: ${text} is no part of ${count}; parts are counted from 1/${count} to ${count}/${count}`,
    )
  }
  return { index, count }
}

/** One of the simulator's strategies, by name. */
export function parseStrategy(flag: string, text: string): Strategy {
  const known = STRATEGIES.find((strategy) => strategy === text)
  if (known !== undefined) return known
  const hint = didYouMean(text, STRATEGIES)
  throw new UsageError(
    `${flag}: there is no strategy "${text}"${hint === "" ? `; there are ${STRATEGIES.join(", ")}` : hint}`,
  )
}
