/** A closed loop: so many requests in flight, each followed by the next one at once. */
import { about } from "./report.ts"

/** One connection; rejects when a request fails, which ends the measurement. */
export interface LoadConnection {
  put(key: string, value: Buffer): Promise<unknown>
  /** A read that sees every write that was answered before it was asked. */
  get(key: string): Promise<unknown>
  close(): void
}

export type Work = "puts" | "reads"

export type LoadFigures = {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** What the figures are of. */
  readonly count: number
  /** With those of the warm-up. */
  readonly allCount: number
  readonly seconds: number
}

export const VALUE_BYTES = 256
export const KEY_BYTES = 16
const KEYS = 100_000
const VALUE = Buffer.alloc(VALUE_BYTES, "orrery-benchmark")

/** Steps through the keys in an order that is the same each time and has no neighbours in it. */
function keyOf(i: number): string {
  return `key-${String((i * 7_919) % KEYS).padStart(KEY_BYTES - 4, "0")}`
}

/** Warms up for a second; `counted` is called as what counts begins. */
export async function closedLoop(
  connections: readonly LoadConnection[],
  inFlight: number,
  work: Work,
  seconds: number,
  counted: () => void,
): Promise<LoadFigures> {
  const latencies: number[] = []
  let untilMs = Number.POSITIVE_INFINITY
  let isCounted = false
  let next = 0
  const one = async (connection: LoadConnection): Promise<void> => {
    for (;;) {
      const startedMs = performance.now()
      if (startedMs >= untilMs) return
      const key = keyOf(next++)
      await (work === "puts" ? connection.put(key, VALUE) : connection.get(key))
      if (isCounted) latencies.push(performance.now() - startedMs)
    }
  }
  const loops = Array.from({ length: inFlight }, (_, i) => one(connections[i % connections.length]!))
  await Promise.race([Promise.all(loops), new Promise((resolve) => setTimeout(resolve, 1_000))])
  counted()
  isCounted = true
  const startedMs = performance.now()
  untilMs = startedMs + seconds * 1_000
  await Promise.all(loops)
  const took = (performance.now() - startedMs) / 1_000
  latencies.sort((a, b) => a - b)
  return {
    perSecond: latencies.length / took,
    p50Ms: about(latencies[latencies.length >> 1] ?? Number.NaN),
    p99Ms: about(latencies[Math.floor(latencies.length * 0.99)] ?? Number.NaN),
    count: latencies.length,
    allCount: next,
    seconds: took,
  }
}
