import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { NodeConfig } from "#net"
import { EnvironmentError } from "../errors.ts"
import type { ClusterDoor, StoreReport } from "./door.ts"
import type { FaultStage } from "./faults.ts"
import { FaultNetwork } from "./network.ts"
import { Supervisor, type Exit, type Managed, type ProcessSpec } from "./supervisor.ts"

/** Where a cluster's node directories are, one a store, as `orrery init` made them. */
export type ClusterLayout = {
  readonly directory: string
  readonly nodes: readonly { readonly store: number; readonly directory: string }[]
}

export type ClusterOptions = {
  readonly layout: ClusterLayout
  readonly door: ClusterDoor
  /** What runs the node of a directory. `boot` counts the starts of a store from 1. */
  readonly commandOf: (
    directory: string,
    store: number,
    boot: number,
  ) => Pick<ProcessSpec, "command" | "args">
}

/** A node that ended though nobody here ended it. */
export type Death = { readonly store: number; readonly exit: Exit; readonly log: string }

/** Between two looks at a cluster that is waited for. */
const LOOK_MS = 25
const REPORT_MS = 1_000
const READY_MS = 60_000

/** A cluster of real processes on this machine, with a link that can fail between every two of them. */
export class RealCluster implements FaultStage {
  readonly #options: ClusterOptions
  readonly #supervisor: Supervisor
  readonly network: FaultNetwork
  readonly #processes = new Map<number, Managed>()
  readonly #boots = new Map<number, number>()
  /** Processes that are on their way out by our own hand. */
  readonly #ended = new WeakSet<Managed>()
  /** What stood in the files that name the links. */
  readonly #written: readonly { readonly file: string; readonly text: string }[]
  readonly deaths: Death[] = []

  private constructor(
    options: ClusterOptions,
    supervisor: Supervisor,
    network: FaultNetwork,
    written: readonly { readonly file: string; readonly text: string }[],
  ) {
    this.#options = options
    this.#supervisor = supervisor
    this.network = network
    this.#written = written
  }

  /** Lays the links and tells every node of them; starts none. */
  static async open(options: ClusterOptions): Promise<RealCluster> {
    const files = options.layout.nodes.map(({ store, directory }) => {
      const file = join(directory, "node.json")
      const text = readFileSync(file, "utf8")
      return { store, file, text, config: JSON.parse(text) as NodeConfig }
    })
    const stores = files.map(({ store }) => store)
    const addresses = new Map(files[0]!.config.stores.map((address) => [address.store, address]))
    const { host } = addresses.get(stores[0]!)!
    const supervisor = await Supervisor.open()
    try {
      const network = await FaultNetwork.open(host, stores, (store) => addresses.get(store)!.peerPort)
      for (const { store: own, file, config } of files) {
        const told = config.stores.map((address) =>
          address.store === own ? address : { ...address, peerPort: network.portOf(own, address.store) },
        )
        writeFileSync(file, `${JSON.stringify({ ...config, stores: told }, null, 2)}\n`)
      }
      return new RealCluster(options, supervisor, network, files)
    } catch (thrown) {
      await supervisor.close()
      throw thrown
    }
  }

  get stores(): readonly number[] {
    return this.network.stores
  }

  isUp(store: number): boolean {
    const running = this.#processes.get(store)
    return running !== undefined && running.exit === null
  }

  isPaused(store: number): boolean {
    return this.#processes.get(store)?.isStopped === true
  }

  pidOf(store: number): number | null {
    return this.isUp(store) ? this.#processes.get(store)!.pid : null
  }

  bootsOf(store: number): number {
    return this.#boots.get(store) ?? 0
  }

  /** The log of a node, over all its boots. */
  logOf(store: number): string {
    return join(this.#options.layout.directory, `node-${store}.log`)
  }

  async startAll(): Promise<void> {
    await Promise.all(this.stores.map((store) => this.start(store)))
  }

  async start(store: number): Promise<void> {
    if (this.isUp(store)) return
    const node = this.#options.layout.nodes.find((known) => known.store === store)!
    const boot = this.bootsOf(store) + 1
    this.#boots.set(store, boot)
    const command = this.#options.commandOf(node.directory, store, boot)
    const log = this.logOf(store)
    const spec = { name: `node ${store}`, cwd: this.#options.layout.directory, log, ...command }
    const running = await this.#supervisor.start(spec)
    this.#processes.set(store, running)
    void this.#watch(store, running, log)
  }

  async #watch(store: number, running: Managed, log: string): Promise<void> {
    const exit = await running.exited
    if (!this.#ended.has(running)) this.deaths.push({ store, exit, log })
  }

  async kill(store: number): Promise<boolean> {
    const running = this.#processes.get(store)
    if (running === undefined || running.exit !== null) return false
    this.#ended.add(running)
    running.signal("SIGKILL")
    await running.exited
    return true
  }

  /** SIGTERM, and how it ended; null when it was down. */
  async stop(store: number): Promise<Exit | null> {
    const running = this.#processes.get(store)
    if (running === undefined || running.exit !== null) return null
    this.#ended.add(running)
    running.signal("SIGTERM")
    return running.exited
  }

  pause(store: number): boolean {
    if (!this.isUp(store)) return false
    this.#processes.get(store)!.signal("SIGSTOP")
    return true
  }

  resume(store: number): void {
    const running = this.#processes.get(store)
    if (running?.isStopped === true) running.signal("SIGCONT")
  }

  /** What each store says of itself; null of one that says nothing in time. */
  async reports(timeoutMs: number = REPORT_MS): Promise<ReadonlyMap<number, StoreReport | null>> {
    const asked = this.stores.map(async (store) => {
      // One that stands still answers nobody: why wait for it.
      const canAnswer = this.isUp(store) && !this.isPaused(store)
      return [store, canAnswer ? await this.#options.door.report(store, timeoutMs) : null] as const
    })
    return new Map(await Promise.all(asked))
  }

  async leaderOf(group: number): Promise<number | null> {
    return leaderIn(await this.reports(), group)?.store ?? null
  }

  /** Waits until the store says how it is; false when it does not in time. */
  async answers(store: number, timeoutMs: number): Promise<boolean> {
    const endAt = performance.now() + timeoutMs
    while (this.isUp(store) && performance.now() < endAt) {
      if ((await this.#options.door.report(store, REPORT_MS)) !== null) return true
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
    return false
  }

  /** Every store answers, and every group has a leader. False when that is not so within `timeoutMs`, or a node died. */
  async ready(timeoutMs: number): Promise<boolean> {
    const deaths = this.deaths.length
    const endAt = performance.now() + timeoutMs
    while (this.deaths.length === deaths) {
      const reports = await this.reports()
      const groups = new Set([...reports.values()].flatMap((report) => (report?.groups ?? []).map(groupOf)))
      const isWhole = [...reports.values()].every((report) => report !== null)
      if (isWhole && groups.size > 0 && [...groups].every((group) => leaderIn(reports, group) !== null))
        return true
      if (performance.now() >= endAt) return false
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
    return false
  }

  /** The same after a start, and an `EnvironmentError` that says what nodes said last when it does not come to pass. */
  async mustBeReady(): Promise<void> {
    if (await this.ready(READY_MS)) return
    const [dead] = this.deaths
    const told = (dead === undefined ? this.stores : [dead.store]).map((store) => this.#lastWords(store))
    const what =
      dead === undefined ? `was not there within ${READY_MS / 1_000} s` : "lost a node at its start"
    throw new EnvironmentError(`The cluster ${what}; ${told.join("; ")}`)
  }

  #lastWords(store: number): string {
    const lines = readFileSync(this.logOf(store), "utf8").trimEnd().split("\n")
    return `store ${store} said last: ${lines.at(-1) || "nothing"}`
  }

  /** Ends the nodes and takes the links away; what `open` changed in their directories is as it was. */
  async close(graceMs?: number): Promise<void> {
    for (const running of this.#processes.values()) this.#ended.add(running)
    await this.#supervisor.close(graceMs)
    await this.network.close()
    for (const { file, text } of this.#written) writeFileSync(file, text)
  }
}

function groupOf({ group }: { readonly group: number }): number {
  return group
}

/** Who leads a group with the highest term, by what stores say of themselves. */
export function leaderIn(
  reports: ReadonlyMap<number, StoreReport | null>,
  group: number,
): { readonly store: number; readonly term: number; readonly lastIndex: number } | null {
  let leader: { store: number; term: number; lastIndex: number } | null = null
  for (const [store, report] of reports) {
    for (const status of report?.groups ?? []) {
      if (status.group !== group || status.role !== "leader") continue
      if (leader === null || status.term > leader.term)
        leader = { store, term: status.term, lastIndex: status.lastIndex }
    }
  }
  return leader
}
