import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net"
import { Flow, FREE, type Pace } from "./flow.ts"
import { tear } from "./tear.ts"

/**
 * What has become of a directed link: who dialled is `from`, and both directions of its connections belong to the link.
 * - `open`: everything passes.
 * - `cut`: nothing passes, nothing is closed; new connections are taken and hear nothing. Healed, held bytes arrive.
 * - `halfOpen`: the far end of every connection is gone, and the near end is not told; healed, it is.
 * - `slow`: late, or few bytes a second, or both.
 */
export type LinkState =
  | { readonly type: "open" }
  | { readonly type: "cut" }
  | { readonly type: "halfOpen" }
  | { readonly type: "slow"; readonly delayMs: number; readonly bytesPerSecond: number }

const OPEN: LinkState = { type: "open" }

class Connection {
  readonly near: Socket
  #far: Socket | null = null
  #flows: Flow[] = []
  #affectedBefore = 0
  /** Its far end was let go without a word. */
  isHalf = false

  constructor(near: Socket) {
    this.near = near
  }

  get affected(): number {
    return this.#flows.reduce((sum, flow) => sum + flow.affected, this.#affectedBefore)
  }

  get isDialled(): boolean {
    return this.#far !== null
  }

  dial(host: string, port: number, pace: Pace): void {
    const far = connect({ host, port, allowHalfOpen: true })
    this.#far = far
    far.setNoDelay(true)
    // What the near end says before the far one is there waits in the far one's own buffer.
    this.#flows = [new Flow(this.near, far, pace), new Flow(far, this.near, pace)]
    // Refused, or reset: the near end is told, as the network tells it.
    far.on("error", () => {
      if (!this.isHalf) this.reset()
    })
    far.on("close", (hadError) => {
      if (!this.isHalf && hadError) this.reset()
      else if (!this.isHalf) this.near.end()
    })
  }

  setPace(pace: Pace): void {
    for (const flow of this.#flows) flow.setPace(pace)
  }

  /** The far end is gone and nobody has told the near one. */
  halve(): void {
    if (this.isHalf) return
    this.isHalf = true
    this.setPace({ type: "swallow" })
    // Read on, into nothing, or the near end would notice by a full buffer.
    this.near.resume()
    if (this.#far !== null) tear(this.#far)
  }

  reset(): void {
    this.#affectedBefore = this.affected
    for (const flow of this.#flows) flow.close()
    this.#flows = []
    tear(this.near)
    if (this.#far !== null) tear(this.#far)
  }
}

/** One directed link: a port on loopback for whoever dials, and whom it leads to. TLS passes through untouched. */
export class Link {
  readonly #server: Server
  readonly #host: string
  readonly #target: number
  readonly #connections = new Set<Connection>()
  #state: LinkState = OPEN
  #affectedBefore = 0
  #resets = 0

  private constructor(server: Server, host: string, target: number) {
    this.#server = server
    this.#host = host
    this.#target = target
    server.on("connection", (socket) => this.#accept(socket))
  }

  static async listen(host: string, target: number): Promise<Link> {
    // A half that was ended is passed on as such.
    const server = createServer({ allowHalfOpen: true, noDelay: true })
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject)
      server.listen(0, host, resolve)
    })
    return new Link(server, host, target)
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get state(): LinkState {
    return this.#state
  }

  get connections(): number {
    return this.#connections.size
  }

  /** Bytes kept, slowed or lost, and connections reset: a fault that leaves it at 0 has done nothing. */
  get affected(): number {
    let sum = this.#affectedBefore + this.#resets
    for (const connection of this.#connections) sum += connection.affected
    return sum
  }

  set(state: LinkState): void {
    this.#state = state
    for (const connection of this.#connections) {
      if (state.type === "halfOpen") {
        this.#resets++
        connection.halve()
      }
      // What was swallowed does not come back: the near end hears of it, as a packet would tell it.
      else if (connection.isHalf) connection.reset()
      else if (!connection.isDialled && state.type !== "cut") this.#dial(connection)
      else connection.setPace(paceOf(state))
    }
  }

  /** Every connection ends by RST, at once and on both sides. */
  reset(): void {
    this.#resets += this.#connections.size
    for (const connection of this.#connections) connection.reset()
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.reset()
    await closed
  }

  #accept(near: Socket): void {
    const connection = new Connection(near)
    this.#connections.add(connection)
    near.on("error", () => connection.reset())
    // Nobody else is there to end what has no far end.
    near.on("end", () => {
      if (connection.isHalf || !connection.isDialled) near.destroy()
    })
    near.on("close", () => {
      connection.reset()
      this.#affectedBefore += connection.affected
      this.#connections.delete(connection)
    })
    switch (this.#state.type) {
      case "cut":
        // A network that drops everything would not even answer; here the handshake of TCP is all there is.
        this.#affectedBefore++
        near.pause()
        return
      case "halfOpen":
        this.#resets++
        connection.halve()
        return
      case "open":
      case "slow":
        this.#dial(connection)
    }
  }

  #dial(connection: Connection): void {
    connection.dial(this.#host, this.#target, paceOf(this.#state))
  }
}

function paceOf(state: LinkState): Pace {
  switch (state.type) {
    case "open":
      return FREE
    case "cut":
      return { type: "hold" }
    case "halfOpen":
      return { type: "swallow" }
    case "slow":
      return { type: "flow", delayMs: state.delayMs, bytesPerSecond: state.bytesPerSecond }
  }
}
