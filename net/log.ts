import { pino, type DestinationStream, type Level, type Logger } from "pino"
import type { Observation } from "#kernel"
import type { HostLog } from "./host/host.ts"

export type LogLevel = Level | "silent"

/**
 * What an observation is worth as a line; null is what happens with every request, which is counted elsewhere. A kind
 * without a row does not compile.
 */
const LEVELS: Readonly<Record<Observation["type"], Level | null>> = {
  mark: "trace",
  roleChanged: "info",
  voted: "debug",
  logChanged: null,
  committed: null,
  applied: null,
  snapshotInstalled: "info",
  configurationChanged: "info",
  leaseRead: null,
  memberRefused: "warn",
  stateDiffered: "warn",
  recoverable: "error",
  groupRecovered: "error",
  recoverRefused: "error",
  stateLost: "error",
  mayHaveForgotten: "warn",
  replicaRemoved: "info",
  drained: "info",
  recovered: "info",
  fenced: "warn",
  lowWaterSet: "debug",
  txnBegan: null,
  txnEnded: null,
  txnsOpen: "debug",
}

/** What recovery makes of a log without having lost anything. */
const QUIET: ReadonlySet<string> = new Set(["clean", "empty", "tornTail"])

/** Marks of a start that has found less than there was: an operator hears of them, whatever is made of it. */
const ALARMS: ReadonlySet<string> = new Set([
  "node.volume.lost",
  "node.replica.forgotten",
  "range.state.openedDamaged",
])

function levelOf(observation: Observation): Level | null {
  if (observation.type === "recovered" && !QUIET.has(observation.verdict)) return "warn"
  if (observation.type === "mark" && ALARMS.has(observation.name)) return "warn"
  return LEVELS[observation.type]
}

export type LogOptions = {
  readonly level: LogLevel
  /** One line for people instead of one JSON object. */
  readonly isPretty: boolean
  /** Where lines go; the process's error stream if absent, and then without waiting for it. */
  readonly stream?: DestinationStream
}

/**
 * The log of one node: one JSON object a line, with the event's name in `event`. It holds no value and nothing
 * secret: what the kernel says of itself names groups, replicas and numbers, and no request is ever logged. One event
 * names a key, escaped and cut: `stateDiffered`, so that an operator can tell what a repair has changed.
 */
export class NodeLog implements HostLog {
  readonly #logger: Logger
  readonly #flush: () => void

  constructor(options: LogOptions, store: number, cluster: string) {
    const own = options.stream === undefined ? pino.destination({ fd: 2, sync: false }) : null
    const stream: DestinationStream = options.stream ?? own!
    const settings = { level: options.level, base: { store, cluster } }
    this.#logger = pino(settings, options.isPretty ? { write: (line) => stream.write(pretty(line)) } : stream)
    this.#flush = () => own?.flushSync()
  }

  observed(observation: Observation): void {
    const level = levelOf(observation)
    if (level === null || !this.#logger.isLevelEnabled(level)) return
    const { type, ...fields } = observation
    this.#logger[level]({ event: type, ...fields })
  }

  debug(event: string, fields: Readonly<Record<string, unknown>>): void {
    this.#logger.debug({ event, ...fields })
  }

  info(event: string, fields: Readonly<Record<string, unknown>>): void {
    this.#logger.info({ event, ...fields })
  }

  warn(event: string, fields: Readonly<Record<string, unknown>>): void {
    this.#logger.warn({ event, ...fields })
  }

  fatal(event: string, fields: Readonly<Record<string, unknown>>): void {
    this.#logger.fatal({ event, ...fields })
  }

  /** Nothing that was said is lost when the process ends now. */
  flush(): void {
    this.#flush()
  }
}

const FRAME_FIELDS: ReadonlySet<string> = new Set(["level", "time", "store", "cluster", "event"])

/** `02:10:03.123 info  1 roleChanged group=1 role="leader"`. */
function pretty(line: string): string {
  const said = JSON.parse(line) as Readonly<Record<string, unknown>>
  const at = new Date(Number(said["time"])).toISOString().slice(11, 23)
  const level = (pino.levels.labels[Number(said["level"])] ?? "").padEnd(5)
  const fields = Object.entries(said)
    .filter(([name]) => !FRAME_FIELDS.has(name))
    .map(([name, value]) => ` ${name}=${JSON.stringify(value)}`)
  return `${at} ${level} ${String(said["store"])} ${String(said["event"])}${fields.join("")}\n`
}
