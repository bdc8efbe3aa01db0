import {
  BirthError,
  ClusterError,
  DataDirError,
  FlightRecorder,
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
import { buildId } from "../build-id.ts"
import { EnvironmentError, EXIT, UsageError } from "../errors.ts"
import type { Host } from "../host.ts"

/** What a node is made of, and whoever writes its life down when that is asked for. */
export type StartParts = NodeParts & {
  openRecorder(
    directory: string,
    config: NodeConfig,
    bytesMax: number | null,
  ): Promise<{ readonly watcher: HostWatcher; close(): Promise<void> }>
}

export type StartOptions = {
  readonly logLevel: LogLevel
  readonly pretty?: true
  readonly record?: string
  readonly recordMaxBytes?: number
  readonly json?: true
  readonly lost?: true
}

/** The machine itself: files, sockets, and a recorder that writes behind the store. */
export function realParts(log: NodeLog): StartParts {
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

/** Runs the node of a directory until it is told to stop, or stops by itself; gives the exit code. */
export async function runNode(
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
    await closed(server)
    log.info("stopped", {})
    return EXIT.pass
  }
  log.fatal("storeStopped", stop)
  try {
    await server.close()
  } catch (error) {
    // Why it stopped is what matters: a disk that fails can fail its closing as well.
    log.warn("closeFailed", { detail: error instanceof Error ? error.message : String(error) })
  }
  throw new EnvironmentError(`The store stopped: ${stop.code}: ${stop.detail}`)
}

async function closed(server: NodeServer): Promise<void> {
  try {
    await server.close()
  } catch (error) {
    if (error instanceof DataDirError) throw new EnvironmentError(`${error.code}: ${error.message}`)
    throw error
  }
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
