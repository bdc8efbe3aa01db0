import { SingleBar } from "cli-progress"
import type { Host } from "./host.ts"
import type { RunRecord } from "./campaign/run.ts"
import { brief, count, duration, ratio } from "./report/format.ts"
import { paintFor, type Paint } from "./report/paint.ts"

/** Without a terminal a line is said this often. */
const LINE_MS = 10_000
/** A terminal is redrawn this often, also while no run ends. */
const REDRAW_MS = 500

/** Tells how far a campaign is. It draws nothing that a log would have to swallow. */
export interface Progress {
  finished(record: RunRecord): void
  /** A step that is not a run: shrinking. Null takes the note away. */
  note(text: string | null): void
  stop(): void
}

/** `runs` is null when time ends the campaign, which then takes `wallMsMax`. */
export function startProgress(
  host: Host,
  runs: number | null,
  wallMsMax: number | null,
  isQuiet: boolean,
): Progress {
  if (isQuiet) return { finished() {}, note() {}, stop() {} }
  const paint = paintFor(host.stderr, host.env)
  const meter = new Meter(runs, wallMsMax)
  return host.stderr.isTTY === true ? new BarProgress(host, meter, paint) : new LineProgress(host, meter)
}

/** The figures of a campaign under way. */
class Meter {
  readonly #startedAt: number = performance.now()
  readonly #runs: number | null
  readonly #wallMsMax: number | null
  done = 0
  failed = 0
  #simulatedUs = 0
  #runWallMs = 0
  #faults = 0

  constructor(runs: number | null, wallMsMax: number | null) {
    this.#runs = runs
    this.#wallMsMax = wallMsMax
  }

  add(record: RunRecord): void {
    this.done++
    if (record.result.verdict === "invalid") this.failed++
    this.#simulatedUs += record.result.simulatedUs
    this.#runWallMs += record.wallMs
    for (const faults of Object.values(record.result.faults)) this.#faults += faults.applied
  }

  /** Of the work, in [0, 1]: by runs, or by time where time is the bound. */
  get share(): number {
    const byRuns = this.#runs === null || this.#runs === 0 ? 0 : this.done / this.#runs
    const byTime = this.#wallMsMax === null ? 0 : this.#elapsedMs / this.#wallMsMax
    return Math.min(1, Math.max(byRuns, byTime))
  }

  get goal(): string {
    return this.#runs === null ? count(this.done) : `${count(this.done)}/${count(this.#runs)}`
  }

  get plan(): string {
    const runs = this.#runs === null ? "Runs" : `${count(this.#runs)} ${this.#runs === 1 ? "run" : "runs"}`
    return this.#wallMsMax === null ? runs : `${runs} for ${duration(this.#wallMsMax / 1_000)}`
  }

  get text(): string {
    const seconds = this.#elapsedMs / 1_000
    const share = this.share
    const left = share === 0 ? "–" : duration((seconds / share) * (1 - share))
    return [
      `${brief(seconds === 0 ? 0 : this.done / seconds)} seeds/s`,
      `${ratio(this.#simulatedUs / 1_000, this.#runWallMs)} sim:wall`,
      `${brief(this.#faults)} faults`,
      `ETA ${left}`,
    ].join("  ")
  }

  get failures(): string {
    return `${count(this.failed)} ${this.failed === 1 ? "failure" : "failures"}`
  }

  get #elapsedMs(): number {
    return performance.now() - this.#startedAt
  }
}

class BarProgress implements Progress {
  readonly #bar: SingleBar
  readonly #meter: Meter
  readonly #timer: NodeJS.Timeout
  readonly #paint: Paint
  #isOver = false
  #note: string | null = null

  constructor(host: Host, meter: Meter, paint: Paint) {
    this.#meter = meter
    this.#paint = paint
    this.#bar = makeBar(host)
    this.#bar.start(1_000, 0, { text: this.#text })
    this.#timer = setInterval(() => this.#draw(), REDRAW_MS)
    this.#timer.unref()
  }

  finished(record: RunRecord): void {
    this.#meter.add(record)
    this.#draw()
  }

  note(text: string | null): void {
    this.#note = text
    this.#draw()
  }

  stop(): void {
    if (this.#isOver) return
    this.#isOver = true
    clearInterval(this.#timer)
    this.#bar.stop()
  }

  #draw(): void {
    if (this.#isOver) return
    // The last step is left to `stop`: a full bar would end itself while runs still verify.
    this.#bar.update(Math.min(999, Math.floor(this.#meter.share * 1_000)), { text: this.#text })
  }

  get #text(): string {
    const { failed, failures, goal, text } = this.#meter
    const shownFailures = failed === 0 ? failures : this.#paint.red(failures)
    return this.#note ?? `${goal}  ${text}  ${shownFailures}`
  }
}

class LineProgress implements Progress {
  readonly #host: Host
  readonly #meter: Meter
  readonly #timer: NodeJS.Timeout
  /** What is done once the runs are: their figures stand still and would be said over and over. */
  #note: string | null = null

  constructor(host: Host, meter: Meter) {
    this.#host = host
    this.#meter = meter
    host.stderr.write(`${meter.plan}\n`)
    this.#timer = setInterval(() => this.#say(), LINE_MS)
    this.#timer.unref()
  }

  finished(record: RunRecord): void {
    this.#meter.add(record)
  }

  note(text: string | null): void {
    this.#note = text
    if (text !== null && !text.startsWith("…")) this.#host.stderr.write(`${text}\n`)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #say(): void {
    if (this.#note !== null) {
      this.#host.stderr.write(`${this.#note}\n`)
      return
    }
    const { goal, text, failures } = this.#meter
    this.#host.stderr.write(`${goal} runs  ${text}  ${failures}\n`)
  }
}

/** A bar and a line of text beside it, on the terminal's error stream; gone when it is complete. */
export function makeBar(host: Host): SingleBar {
  return new SingleBar({
    format: "{bar} {text}",
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 24,
    hideCursor: true,
    clearOnComplete: true,
    // Ctrl-C is ours: it ends a campaign with a report.
    gracefulExit: false,
    stream: host.stderr as NodeJS.WritableStream,
  })
}
