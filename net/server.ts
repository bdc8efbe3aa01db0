import { randomBytes } from "node:crypto"
import { DEFAULT_LIMITS, DEFAULT_TIMING, NO_SWITCHES, type KernelConfig } from "#kernel"
import type { NodeConfig } from "./cluster/node-config.ts"
import { BirthError, readBirth, writeBirth } from "./host/birth.ts"
import { MachineClock } from "./host/clock.ts"
import { Host, type HostStop } from "./host/host.ts"
import type { AnswerDoor, BirthRecord, HostWatcher, PeerLinks, StoreDisk } from "./host/ports.ts"
import type { NodeLog } from "./log.ts"
import { releaseAll } from "./release-all.ts"
import { messageOf } from "./thrown.ts"

/** How long a node that was asked to stop still waits for the answers it owes. */
const DRAIN_MS_MAX = 3_000

/** How long it waits for others to take over what it leads. */
const HAND_OVER_MS_MAX = 2_000

/** The door for clients, once it is open. */
export interface ClientDoor extends AnswerDoor {
  /** Takes no more connections and ends those there are. */
  close(): Promise<void>
}

/** What a node is made of besides its loop: each opens something of the machine, and rejects when it cannot. */
export type NodeParts = {
  /** Takes the lock of the directory and reads nothing yet. */
  openDisk(directory: string, config: NodeConfig): Promise<StoreDisk>
  /** Listens for the other stores. */
  openLinks(directory: string, config: NodeConfig): Promise<PeerLinks>
  /** Listens for clients and operators. */
  openApi(directory: string, config: NodeConfig, host: Host): Promise<ClientDoor>
}

export type NodeOptions = {
  readonly log: NodeLog
  readonly watcher: HostWatcher | null
  /** The operator says that the disk of this store was lost: what it finds empty begins under a new name. */
  readonly isLost: boolean
}

export function kernelConfigOf(config: NodeConfig): KernelConfig {
  return {
    cluster: config.cluster,
    store: config.store,
    tenants: config.tenants,
    bootstrap: config.bootstrap,
    places: config.bootstrap.groups,
    timing: { ...DEFAULT_TIMING, ...config.timing },
    limits: { ...DEFAULT_LIMITS, ...config.limits },
    switches: NO_SWITCHES,
  }
}

/** A node that runs. */
export class NodeServer {
  readonly host: Host
  /** Resolves when the store has stopped itself; a node that is closed does not. */
  readonly stopped: Promise<HostStop>
  readonly #disk: StoreDisk
  readonly #links: PeerLinks
  readonly #api: ClientDoor
  #closing: Promise<void> | null = null

  constructor(
    host: Host,
    stopped: Promise<HostStop>,
    parts: { readonly disk: StoreDisk; readonly links: PeerLinks; readonly api: ClientDoor },
  ) {
    this.host = host
    this.stopped = stopped
    this.#disk = parts.disk
    this.#links = parts.links
    this.#api = parts.api
  }

  /**
   * Hands over what it leads, answers what it was asked, closes its doors, lets what is under way reach the disk, gives the
   * lock back. What cannot be closed keeps nothing else open; the first error is what this rejects with.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await releaseAll([
      () => this.host.handOver(HAND_OVER_MS_MAX),
      () => this.host.drain(DRAIN_MS_MAX),
      () => this.#api.close(),
      () => this.host.close(),
      () => this.#links.close(),
      () => this.#disk.close(),
    ])
  }
}

/** The store stopped while it was being started. */
export class StoppedError extends Error {
  override readonly name = "StoppedError"
  readonly stop: HostStop

  constructor(stop: HostStop) {
    super(`The store stopped: ${stop.code}: ${stop.detail}`)
    this.stop = stop
  }
}

/**
 * Starts the node of this directory: lock, disk, kernel, peers, clients. A door is opened only when what is behind it is
 * there, and what was opened is closed again when something after it cannot be.
 */
export async function startNode(
  directory: string,
  config: NodeConfig,
  parts: NodeParts,
  options: NodeOptions,
): Promise<NodeServer> {
  const undo: (() => Promise<void>)[] = []
  try {
    const disk = await parts.openDisk(directory, config)
    undo.push(() => disk.close())
    const birth = await birthOf(directory, options.isLost)
    const images = await disk.images()
    const { log, watcher } = options
    const host = new Host(kernelConfigOf(config), { clock: new MachineClock(), disk, birth, log, watcher })
    undo.push(() => host.close())
    const stopped = Promise.withResolvers<HostStop>()
    let stop: HostStop | null = null
    host.onStopped((how) => {
      stop = how
      stopped.resolve(how)
    })
    const seeds = randomBytes(8)
    host.boot(images, seeds.readUInt32LE(0), seeds.readUInt32LE(4))
    throwIf(stop)
    const links = await parts.openLinks(directory, config)
    undo.push(() => links.close())
    throwIf(stop)
    host.speakThrough(links)
    const api = await parts.openApi(directory, config, host)
    host.answerTo(api)
    undo.push(() => api.close())
    throwIf(stop)
    return new NodeServer(host, stopped.promise, { disk, links, api })
  } catch (error) {
    for (const close of undo.toReversed()) {
      try {
        await close()
      } catch (again) {
        // Why it could not be started is what matters.
        options.log.warn("closeFailed", { detail: messageOf(again) })
      }
    }
    throw error
  }
}

function throwIf(stop: HostStop | null): void {
  if (stop !== null) throw new StoppedError(stop)
}

/** An operator's word that the disk is lost stands for good: what this store said before is forgotten. */
async function birthOf(directory: string, isLost: boolean): Promise<BirthRecord> {
  if (isLost) await writeBirth(directory, true)
  try {
    return await readBirth(directory)
  } catch (error) {
    if (!(error instanceof BirthError)) throw error
    const advice = "if its disk was lost, start it with --lost: it joins again under a new name"
    throw new BirthError(error.code, `${error.message}; ${advice}`)
  }
}
