import { monitorEventLoopDelay } from "node:perf_hooks"

const RESOLUTION_MS = 20
const NS_PER_US = 1_000

/** How late this thread comes to its timers, in microseconds, since the last `reset`. */
export type LoopDelayReading = { readonly p50Us: number; readonly p99Us: number; readonly maxUs: number }

/** Watches the thread that runs the loop: a loop that is late beats late, and its peers take it for dead. */
export class LoopDelay {
  readonly #histogram: ReturnType<typeof monitorEventLoopDelay> = monitorEventLoopDelay({
    resolution: RESOLUTION_MS,
  })

  start(): void {
    this.#histogram.enable()
  }

  stop(): void {
    this.#histogram.disable()
  }

  read(): LoopDelayReading {
    const histogram = this.#histogram
    return {
      p50Us: beyond(histogram.percentile(50)),
      p99Us: beyond(histogram.percentile(99)),
      maxUs: beyond(histogram.max),
    }
  }

  reset(): void {
    this.#histogram.reset()
  }
}

/** The histogram holds the whole time from sample to sample; what is expected of it is no delay. */
function beyond(nanoseconds: number): number {
  const us = Math.round(nanoseconds / NS_PER_US) - RESOLUTION_MS * 1_000
  return Math.max(0, us)
}
