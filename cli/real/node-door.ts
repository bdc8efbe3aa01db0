import type { KvReply, KvRequest } from "#kernel"
import { connect, type Client, type ClientConfig, type NodeStatus } from "#net"
import type { ClusterDoor, StoreReport } from "./door.ts"

/** Longer than any client of a workload waits: until then an answer that is late is one that was lost. */
const FORGET_MS = 60_000

/** The door of real nodes: a client of `orrery/client` for each client of a workload, and one more that asks for status. */
export class NodeDoor implements ClusterDoor {
  readonly stores: readonly number[]
  readonly #config: string
  readonly #operator: Client
  readonly #clients = new Map<number, Client>()

  /** `config` is the client's folder, `of` what is written in it. */
  constructor(config: string, of: ClientConfig) {
    this.#config = config
    this.stores = of.stores.map(({ store }) => store)
    this.#operator = connect({ config })
  }

  send(client: number, store: number, request: KvRequest, heard: (reply: KvReply) => void): void {
    const lost = (reason: "timeout" | "ended", isSent: boolean): void => {
      if (reason === "timeout") return
      const code = isSent ? "outcomeUnknown" : "overloaded"
      heard({ type: "error", id: request.id, error: { code } })
    }
    // A session numbers what it sends by itself: copies of one request are two there.
    this.#clientOf(client).session(store).send(request, { answered: heard, lost }, FORGET_MS)
  }

  async report(store: number, timeoutMs: number): Promise<StoreReport | null> {
    try {
      const { groups, disk } = (await this.#operator.status(store, { timeoutMs })) as NodeStatus
      return { store, groups, disk }
    } catch {
      // Whatever the reason: it does not say how it is.
      return null
    }
  }

  close(): Promise<void> {
    for (const client of [this.#operator, ...this.#clients.values()]) client.close()
    this.#clients.clear()
    return Promise.resolve()
  }

  #clientOf(client: number): Client {
    const known = this.#clients.get(client)
    if (known !== undefined) return known
    const made = connect({ config: this.#config })
    this.#clients.set(client, made)
    return made
  }
}
