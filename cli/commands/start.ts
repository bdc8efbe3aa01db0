import type { Command } from "commander"
import {
  BirthError,
  ClusterError,
  DataDirError,
  FlightRecorder,
  LOG_LEVELS,
  machineParts,
  NodeLog,
  readNodeConfig,
  startNode,
  StoppedError,
  type HostWatcher,
  type LogLevel,
  type NodeConfig,
  type NodeParts,
  type NodeServer,
} from "#net"
import { parseBytes } from "../arguments.ts"
import { buildId } from "../build-id.ts"
import { didYouMean, EnvironmentError, EXIT, UsageError } from "../errors.ts"
import type { Host } from "../host.ts"

/** What a node is made of, and whoever writes its life down when that is asked for. */
export type StartParts = NodeParts & {
  openRecorder(
    directory: string,
    config: NodeConfig,
    bytesMax: number | null,
  ): Promise<{ readonly watcher: HostWatcher; close(): Promise<void> }>
}

/** Less would be all starts. */
const RECORD_BYTES_MIN = 1 << 20

type StartOptions = {
  readonly logLevel: LogLevel
  readonly pretty?: true
  readonly record?: string
  readonly recordMaxBytes?: number
  readonly json?: true
  readonly lost?: true
}

/** The machine itself: files, sockets, and a recorder that writes behind the store. */
function realParts(log: NodeLog): StartParts {
  return {
    ...machineParts(log),
    openRecorder: async (directory, _config, bytesMax) => {
      const recorder = await FlightRecorder.create({
        directory,
        ...(bytesMax === null ? {} : { bytesMax }),
        build: buildId(),
        onLost: (code, detail) => log.warn("recordingLost", { code, detail }),
      })
      return { watcher: recorder, close: () => recorder.closed() }
    },
  }
}

export function addStart(
  program: Command,
  host: Host,
  end: (code: number) => void,
  partsOf: (log: NodeLog) => StartParts = realParts,
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
      end(await run(directory, options, host, partsOf))
    })
}

async function run(
  directory: string,
  options: StartOptions,
  host: Host,
  partsOf: (log: NodeLog) => StartParts,
): Promise<number> {
  if (options.recordMaxBytes !== undefined && options.record === undefined)
    throw new UsageError("--record-max-bytes: there is no --record to bound")
  const config = configOf(directory)
  const log = new NodeLog(
    { level: options.logLevel, isPretty: options.pretty === true },
    config.store,
    config.cluster,
  )
  const parts = partsOf(log)
  // Heard from the first moment on: who stops a node while it starts wants it stopped all the same.
  const { promise: interrupted, resolve: interrupt } = Promise.withResolvers<null>()
  const forget = host.onInterrupt(() => interrupt(null))
  const recorder =
    options.record === undefined
      ? null
      : await parts.openRecorder(options.record, config, options.recordMaxBytes ?? null)
  try {
    const watcher = recorder?.watcher ?? null
    const isLost = options.lost === true
    const server = await started(startNode(directory, config, parts, { log, watcher, isLost }))
    log.info("ready", { directory })
    host.stdout.write(readyLine(config, options.json === true))
    return await untilStopped(server, interrupted, log)
  } finally {
    forget()
    await recorder?.close()
    log.flush()
  }
}

/** Runs until it is told to stop, or stops by itself. */
async function untilStopped(server: NodeServer, interrupted: Promise<null>, log: NodeLog): Promise<number> {
  const stop = await Promise.race([interrupted, server.stopped])
  if (stop === null) {
    log.info("draining", {})
    await server.close()
    log.info("stopped", {})
    return EXIT.pass
  }
  log.fatal("storeStopped", stop)
  await server.close()
  throw new EnvironmentError(`The store stopped: ${stop.code}: ${stop.detail}`)
}

function configOf(directory: string): NodeConfig {
  try {
    return readNodeConfig(directory)
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error
    const hint = error.code === "configUnreadable" ? "; `orrery init` makes the directories of nodes" : ""
    throw new UsageError(`${error.message}${hint}`)
  }
}

/** What the machine or the disk would not do, told on one line. */
async function started(server: Promise<NodeServer>): Promise<NodeServer> {
  try {
    return await server
  } catch (error) {
    if (error instanceof BirthError || error instanceof DataDirError)
      throw new EnvironmentError(`${error.code}: ${error.message}`)
    if (error instanceof StoppedError) throw new EnvironmentError(error.message)
    throw error
  }
}

function readyLine(config: NodeConfig, isJson: boolean): string {
  const { cluster, store } = config
  const { host, peerPort, clientPort } = config.stores.find((address) => address.store === store)!
  if (isJson)
    return `${JSON.stringify({ event: "ready", cluster, store, host, peerPort, clientPort, pid: process.pid })}\n`
  return `Store ${store} of cluster "${cluster}" is up: clients at ${host}:${clientPort}, stores at ${host}:${peerPort}\n`
}

function parseLevel(text: string): LogLevel {
  const level = LOG_LEVELS.find((name) => name === text)
  if (level !== undefined) return level
  throw new UsageError(`--log-level: "${text}" is not a level${didYouMean(text, LOG_LEVELS)}`)
}
