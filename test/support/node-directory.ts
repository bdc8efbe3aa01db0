import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { SYSTEM_VOLUME, volumeOfTenant } from "#kernel"
import { writeBirth, type ClientDoor, type Host, type NodeConfig, type NodeParts } from "#net"
import { clusterConfigOf } from "../../bench/support/host-cluster.ts"
import { Wire } from "../../bench/support/memory-links.ts"
import { MemoryStoreDisk, Platter } from "../../bench/support/memory-store-disk.ts"

/** A node's `node.json`, as `orrery init` would write it; `change` is laid over it. */
export function nodeConfigOf(store: number, change: Readonly<Record<string, unknown>> = {}): NodeConfig {
  const { cluster, tenants, bootstrap } = clusterConfigOf(store)
  const stores = [1, 2, 3].map((id) => ({
    store: id,
    host: "127.0.0.1",
    peerPort: 7_000 + id,
    clientPort: 8_000 + id,
  }))
  const config = { format: 1, cluster, store, stores, tenants, bootstrap, timing: {}, limits: {} } as const
  return { ...config, ...change } as NodeConfig
}

/** A node's directory of its own, to be removed by the caller. */
export class NodeDirectory {
  readonly path: string = mkdtempSync(join(tmpdir(), "orrery-node-"))

  async init(config: NodeConfig): Promise<void> {
    this.write(JSON.stringify(config))
    await writeBirth(this.path, false)
  }

  write(nodeJson: string): void {
    writeFileSync(join(this.path, "node.json"), nodeJson)
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}

/** The parts of a node in memory, with a note of what was opened and closed, in order. */
export class MemoryParts implements NodeParts {
  readonly events: string[] = []
  readonly platter: Platter = new Platter([SYSTEM_VOLUME, volumeOfTenant(0)])
  readonly wire: Wire = new Wire()
  /** What this part rejects with. */
  refusal: { readonly part: "disk" | "links" | "api"; readonly error: Error } | null = null
  disk: MemoryStoreDisk | null = null
  /** Called with the opening of each part. */
  whenOpened: (part: string) => void = () => {}

  openDisk(): Promise<MemoryStoreDisk> {
    this.#open("disk")
    const disk = new MemoryStoreDisk(this.platter)
    this.disk = disk
    return Promise.resolve(this.#noting("disk", disk))
  }

  openLinks(_directory: string, config: NodeConfig): Promise<ReturnType<Wire["join"]>> {
    this.#open("links")
    return Promise.resolve(this.#noting("links", this.wire.join(config.store)))
  }

  openApi(_directory: string, _config: NodeConfig, _host: Host): Promise<ClientDoor> {
    this.#open("api")
    const api = { reply: () => {}, adminReply: () => {}, close: () => Promise.resolve() }
    return Promise.resolve(this.#noting("api", api))
  }

  #open(part: string): void {
    if (this.refusal?.part === part) throw this.refusal.error
    this.events.push(`open ${part}`)
    this.whenOpened(part)
  }

  #noting<T extends { close(): Promise<void> }>(part: string, of: T): T {
    const close = of.close.bind(of)
    of.close = () => {
      this.events.push(`close ${part}`)
      return close()
    }
    return of
  }
}
