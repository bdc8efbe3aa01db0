import type { Command } from "commander"
import type { LogLevel, NodeLog } from "#net"
import { parseBytes } from "../arguments.ts"
import { didYouMean, UsageError } from "../errors.ts"
import type { Host } from "../host.ts"
import type { StartOptions, StartParts } from "../node/start.ts"

/** Less would be all starts. */
const RECORD_BYTES_MIN = 1 << 20

// As in net/log.ts, which is loaded when a node is started and not before: the simulator needs none of it.
const LEVELS: Readonly<Record<LogLevel, true>> = {
  trace: true,
  debug: true,
  info: true,
  warn: true,
  error: true,
  fatal: true,
  silent: true,
}
const LOG_LEVELS = Object.keys(LEVELS) as readonly LogLevel[]

export function addStart(
  program: Command,
  host: Host,
  end: (code: number) => void,
  /** Those of the machine unless given. */
  partsOf: ((log: NodeLog) => StartParts) | null = null,
): void {
  program
    .command("start")
    .summary("run a node")
    .description(
      "Runs the node of a directory that `orrery init` made, until it is told to stop (SIGTERM, Ctrl-C).\n" +
        "Its log goes to the error stream, one JSON object a line.",
    )
    .argument("<dir>", "the node's directory")
    .option("--log-level <level>", LOG_LEVELS.join(", "), parseLevel, "info")
    .option("--pretty", "log lines for people")
    .option("--record <dir>", "write down all that goes into the kernel, to be replayed")
    .option(
      "--record-max-bytes <bytes>",
      "what the directory of --record may hold, the oldest goes first; 1MiB and more, 8GiB if not said",
      (text) => parseBytes("--record-max-bytes", text, RECORD_BYTES_MIN),
    )
    .option("--json", "say as JSON that it is up")
    .option("--lost", "the disk of this store was lost: join again under a new name")
    .action(async (directory: string, options: StartOptions) => {
      const { realParts, runNode } = await import("../node/start.ts")
      end(await runNode(directory, options, host, partsOf ?? realParts))
    })
}

function parseLevel(text: string): LogLevel {
  const level = LOG_LEVELS.find((name) => name === text)
  if (level !== undefined) return level
  throw new UsageError(`--log-level: "${text}" is not a level${didYouMean(text, LOG_LEVELS)}`)
}
