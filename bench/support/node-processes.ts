/** Processes a bench measures: a cluster of `orrery start` on loopback, and how every such process is started and ended. */
import { spawn, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Metadata } from "@grpc/grpc-js"
import { connect, initCluster, type Client, type MadeCluster } from "#net"
import { decodeLocations, encodeLocateRequest, type Location } from "#net/api/control-codec.ts"
import { PATHS } from "#net/api/names.ts"

const BIN = fileURLToPath(new URL("../../bin/orrery.js", import.meta.url))
const READY_MS = 60_000
const END_MS = 10_000

/** A child that does not outlive this process, whatever becomes of it. Its words go to a file beside its data. */
export class MeasuredProcess {
  readonly pid: number
  readonly logFile: string
  readonly #child: ChildProcess
  readonly #kill = (): void => {
    this.#child.kill("SIGKILL")
  }

  constructor(command: string, args: readonly string[], logFile: string) {
    const log = openSync(logFile, "a")
    this.#child = spawn(command, args, { stdio: ["ignore", log, log] })
    closeSync(log)
    if (this.#child.pid === undefined) throw new Error(`Cannot start ${command}`)
    this.pid = this.#child.pid
    this.logFile = logFile
    process.on("exit", this.#kill)
  }

  /** Throws with its last words when it has ended. */
  check(): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) return
    const words = readFileSync(this.logFile, "utf8").trimEnd().split("\n").slice(-5).join("\n")
    throw new Error(`A process has ended that should not: ${this.logFile} says last:\n${words}`)
  }

  async end(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, "exit")
      const timer = setTimeout(this.#kill, END_MS)
      this.#child.kill("SIGTERM")
      await ended
      clearTimeout(timer)
    }
    process.off("exit", this.#kill)
  }
}

/** Looks until it is so; throws when it does not come to pass. */
export async function waitFor<T>(
  what: string,
  look: () => Promise<T | null>,
  processes: readonly MeasuredProcess[],
): Promise<T> {
  const endAt = performance.now() + READY_MS
  while (performance.now() < endAt) {
    for (const one of processes) one.check()
    const found = await look()
    if (found !== null) return found
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`Waited ${READY_MS / 1_000} s in vain: ${what}`)
}

export type NodesOptions = {
  readonly directory: string
  readonly ranges?: number
  /** Further words for `orrery start` of this store. */
  readonly startOf?: (store: number) => readonly string[]
  /** Profiles of nodes go here. */
  readonly profileIn?: string | null
}

/** Three nodes made by `orrery init`, with its defaults, that run. */
export class NodeProcesses {
  readonly made: MadeCluster
  readonly processes: readonly MeasuredProcess[]

  private constructor(made: MadeCluster, processes: readonly MeasuredProcess[]) {
    this.made = made
    this.processes = processes
  }

  /** Every group has a leader when it resolves. */
  static async start(options: NodesOptions): Promise<NodeProcesses> {
    const { directory, ranges = 1, startOf = () => [], profileIn = null } = options
    const made = await initCluster({
      directory,
      nodes: 3,
      host: "127.0.0.1",
      basePort: null,
      ranges,
      nowMs: Date.now(),
    })
    const processes = made.stores.map(({ store, directory: of }) => {
      const flags = profileIn === null ? [] : profileFlags(profileIn, `node-${store}`)
      return new MeasuredProcess(
        process.execPath,
        [...flags, BIN, "start", of, ...startOf(store)],
        join(directory, `node-${store}.log`),
      )
    })
    const nodes = new NodeProcesses(made, processes)
    await waitFor("every group has a leader", async () => ((await nodes.#isLed()) ? true : null), processes)
    return nodes
  }

  /** The process that leads this group, by what all stores say. */
  async leaderOf(group: number): Promise<MeasuredProcess> {
    const look = async (): Promise<MeasuredProcess | null> => {
      const said = (await this.#locations()).flat().filter(({ range }) => range.groupId === group)
      const [first] = said
      if (first === undefined || said.length < this.processes.length) return null
      return said.every(({ leader }) => leader === first.leader)
        ? (this.processes[first.leader - 1] ?? null)
        : null
    }
    return waitFor("all stores name the same leader", look, this.processes)
  }

  async #isLed(): Promise<boolean> {
    const all = await this.#locations()
    return all.every((of) => of.length === this.made.ranges && of.every(({ leader }) => leader !== 0))
  }

  async #locations(): Promise<readonly (readonly Location[])[]> {
    const client = connect({ config: this.made.client })
    try {
      return await Promise.all(this.made.stores.map(({ store }) => locationsOf(client, store)))
    } finally {
      client.close()
    }
  }

  async end(): Promise<void> {
    await Promise.all(this.processes.map((one) => one.end()))
  }
}

function profileFlags(directory: string, name: string): readonly string[] {
  mkdirSync(directory, { recursive: true })
  return [
    "--cpu-prof",
    "--cpu-prof-interval=500",
    `--cpu-prof-dir=${directory}`,
    `--cpu-prof-name=${name}.cpuprofile`,
  ]
}

const same = (message: Buffer): Buffer => message

/** What this store knows of where the ranges are; nothing when it does not answer. */
function locationsOf(client: Client, store: number): Promise<readonly Location[]> {
  const request = encodeLocateRequest({ start: "", limit: 0 })
  const options = { deadline: Date.now() + 2_000 }
  return new Promise((resolve) => {
    client
      .session(store)
      .channel.makeUnaryRequest(PATHS.locate, same, same, request, new Metadata(), options, (_, message) => {
        resolve((message === undefined ? null : decodeLocations(message)) ?? [])
      })
  })
}
