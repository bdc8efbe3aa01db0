import { SingleBar } from "cli-progress"
import type { Host } from "./host.ts"
import { brief, duration, percent } from "./report/format.ts"

/** What ends sooner is not worth a bar. */
const QUIET_MS = 1_000
/** Without a terminal a line is said this often. */
const LINE_MS = 10_000

/** How far a piece of work over bytes is, with its rate and the time left. */
export class ByteProgress {
  readonly #host: Host
  readonly #what: string
  readonly #startedAt: number = performance.now()
  #bar: SingleBar | null = null
  #saidAt: number = performance.now()

  constructor(host: Host, what: string) {
    this.#host = host
    this.#what = what
  }

  update(done: number, of: number): void {
    const now = performance.now()
    if (now - this.#startedAt < QUIET_MS) return
    const rate = (done / (now - this.#startedAt)) * 1_000
    const text = `${percent(done, of)}  ${brief(rate)}B/s  ETA ${duration((of - done) / Math.max(1, rate))}`
    if (this.#host.stderr.isTTY !== true) {
      if (now - this.#saidAt < LINE_MS) return
      this.#saidAt = now
      this.#host.stderr.write(`${this.#what}: ${text}\n`)
      return
    }
    this.#bar ??= this.#open()
    this.#bar.update(Math.min(999, Math.floor((done / of) * 1_000)), { text })
  }

  stop(): void {
    this.#bar?.stop()
  }

  #open(): SingleBar {
    const bar = new SingleBar({
      format: `${this.#what} {bar} {text}`,
      barCompleteChar: "█",
      barIncompleteChar: "░",
      barsize: 24,
      hideCursor: true,
      clearOnComplete: true,
      gracefulExit: false,
      stream: this.#host.stderr as NodeJS.WritableStream,
    })
    bar.start(1_000, 0, { text: "" })
    return bar
  }
}
