import {
  makeRecordingCapsule,
  RecordingError,
  replayRecording,
  type MadeCapsule,
  type RecordingReplay,
  type StepListener,
  type Stretch,
} from "#net"
import { LineRecorder } from "#sim"
import { buildId } from "../build-id.ts"
import { ByteProgress } from "../byte-progress.ts"
import type { TraceWindow } from "../campaign/engine.ts"
import { EnvironmentError, EXIT, UsageError } from "../errors.ts"
import type { Host } from "../host.ts"
import { count, duration } from "../report/format.ts"
import { paintFor } from "../report/paint.ts"

export type RecordingOptions = {
  readonly stretch?: number
  readonly until?: number
  readonly trace?: TraceWindow
  readonly capsule?: string
  readonly json?: true
}

/** Runs a recording, or a capsule of one, again, and tells what came out; gives the exit code. */
export async function replayNode(host: Host, directory: string, options: RecordingOptions): Promise<number> {
  if (options.capsule !== undefined && options.trace !== undefined)
    throw new UsageError("--capsule and --trace do not go together: make the capsule, then look into it")
  const isOfOne = options.until !== undefined || options.trace !== undefined
  const stretch = options.stretch ?? (isOfOne ? "last" : undefined)
  const until = options.until ?? options.trace?.to
  const progress = new ByteProgress(host, "replay")
  const startedAt = performance.now()
  const onProgress = (done: number, of: number): void => progress.update(done, of)
  try {
    if (options.capsule !== undefined) {
      const cut = { stretch: options.stretch ?? "last", ...(until === undefined ? {} : { until }) } as const
      const made = await makeRecordingCapsule(directory, options.capsule, { ...cut, onProgress })
      const result = await replayRecording(options.capsule, { onProgress })
      progress.stop()
      const seconds = (performance.now() - startedAt) / 1_000
      return tell(host, options.capsule, result, seconds, options, made)
    }
    const result = await replayRecording(directory, {
      ...(stretch === undefined ? {} : { stretch }),
      ...(until === undefined ? {} : { until }),
      ...(options.trace === undefined ? {} : { onStep: tracer(host, options.trace, options) }),
      onProgress,
    })
    progress.stop()
    return tell(host, directory, result, (performance.now() - startedAt) / 1_000, options)
  } catch (thrown) {
    progress.stop()
    if (!(thrown instanceof RecordingError)) throw thrown
    if (thrown.code === "recordingMissing") throw new UsageError(thrown.message)
    if (thrown.code === "recordingDirectory") throw new EnvironmentError(thrown.message)
    if (options.json === true)
      host.stdout.write(`${JSON.stringify({ replay: thrown.code, message: thrown.message }, null, 1)}\n`)
    else host.stdout.write(`${paintFor(host.stdout, host.env).red(thrown.message)} (${thrown.code})\n`)
    return EXIT.failed
  }
}

function tracer(host: Host, { from, to }: TraceWindow, options: RecordingOptions): StepListener {
  // Standard output is the object alone when that was asked for.
  const people = options.json === true ? host.stderr : host.stdout
  const lines = new LineRecorder(from, to, (line) => people.write(`${line}\n`))
  return (store, event, input, effects) => lines.stepped(input.mono, event, store, input, effects)
}

/** Everything that could be replayed came out the same, and something could. */
function wordOf({ stretches, divergence }: RecordingReplay): "same" | "parted" | "nothing" {
  if (divergence !== null) return "parted"
  return stretches.length > 0 ? "same" : "nothing"
}

function tell(
  host: Host,
  directory: string,
  result: RecordingReplay,
  seconds: number,
  options: RecordingOptions,
  made: MadeCapsule | null = null,
): number {
  const { stretches, divergence, notes } = result
  const word = wordOf(result)
  const code = { same: EXIT.pass, parted: EXIT.nondeterministic, nothing: EXIT.failed }[word]
  const build = buildId()
  if (options.json === true) {
    host.stdout.write(
      `${JSON.stringify({ replay: word, build, ...(made === null ? {} : { capsule: { path: directory, ...made } }), ...result, wallSeconds: seconds }, null, 1)}\n`,
    )
    return code
  }
  const paint = paintFor(host.stdout, host.env)
  const events = stretches.reduce((sum, { firstEvent, lastEvent }) => sum + lastEvent - firstEvent, 0)
  host.stdout.write(`${paint.bold(directory)}  ${count(events)} events in ${duration(seconds)}\n`)
  if (made !== null)
    host.stdout.write(`  A capsule of ${count(made.bytes)} bytes. Again: npx orrery replay ${directory}\n`)
  for (const stretch of stretches) host.stdout.write(stretchText(stretch))
  for (const note of notes) host.stdout.write(`  ${note}\n`)
  const others = new Set(stretches.map((stretch) => stretch.build).filter((other) => other !== build))
  for (const other of others) host.stdout.write(`  Recorded by build ${other}; this is ${build}.\n`)
  if (divergence === null) {
    const said =
      word === "same"
        ? paint.green("The same: every hash came out again.")
        : paint.red("Nothing of it can be replayed.")
    host.stdout.write(`${said}\n`)
    return code
  }
  const { stretch, after, upTo, what, recorded, found } = divergence
  host.stdout.write(
    `${paint.red("Not the same.")} Stretch ${stretch} parts after event ${count(after)} and by event ${count(upTo)} (${WHAT[what]}): recorded ${recorded}, found ${found}.\n` +
      `See it by --stretch ${stretch} --trace ${after + 1}..${Math.max(after + 1, upTo)}\n`,
  )
  return code
}

const WHAT = { hash: "trace hash", state: "state hash", threw: "the kernel threw" } as const

const ENDING: Readonly<Record<Stretch["ending"], string>> = {
  closed: "closed in order",
  cut: "its process died",
  torn: "torn: its process died as this was written",
  lost: "a hole follows: the recorder did not keep up",
  stopped: "stopped where you asked: nothing is said about what comes after",
  parted: "parted",
}

function stretchText(stretch: Stretch): string {
  const { number, store, from, firstEvent, lastEvent, compared, traceHash, stateHash, ending } = stretch
  const origin = from === "boot" ? "from its start" : "from a saved kernel"
  return (
    `  stretch ${number}, store ${store} ${origin}: events ${count(firstEvent)} to ${count(lastEvent)}, ` +
    `${count(compared)} hashes held; ${ENDING[ending]}\n` +
    `    trace ${traceHash}  state ${stateHash}\n`
  )
}
