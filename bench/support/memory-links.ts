import { ByteWriter, decodeFrame, encodeFrame, type Frame, type Lane } from "#kernel"
import type { PeerLinks } from "#net/host/ports.ts"

type Listener = (frame: Frame, lane: Lane, bytes: Uint8Array) => void

/** A wire between stores of one process. Frames cross as bytes; who is not there loses them. */
export class Wire {
  readonly #listeners = new Map<number, Listener>()
  readonly #scratch = new ByteWriter(1024)
  frames = 0
  /** Told of every frame as it leaves. */
  watch: ((from: number, to: number, lane: Lane, frame: Frame) => void) | null = null

  join(store: number): MemoryLinks {
    return new MemoryLinks(this, store)
  }

  carry(from: number, to: number, lane: Lane, frame: Frame): void {
    this.frames++
    this.watch?.(from, to, lane, frame)
    const bytes = encodeFrame(frame, this.#scratch)
    setImmediate(() => {
      const arrived = decodeFrame(bytes)
      if (arrived === null) throw new Error("A frame did not survive the wire")
      this.#listeners.get(to)?.(arrived, lane, bytes)
    })
  }

  listen(store: number, listener: Listener): void {
    this.#listeners.set(store, listener)
  }

  get stores(): readonly number[] {
    return [...this.#listeners.keys()]
  }

  leave(store: number): void {
    this.#listeners.delete(store)
  }
}

class MemoryLinks implements PeerLinks {
  readonly #wire: Wire
  readonly #store: number
  #isClosed = false

  constructor(wire: Wire, store: number) {
    this.#wire = wire
    this.#store = store
  }

  send(to: number, lane: Lane, frame: Frame): void {
    if (!this.#isClosed) this.#wire.carry(this.#store, to, lane, frame)
  }

  onFrame(listener: Listener): void {
    this.#wire.listen(this.#store, listener)
  }

  close(): Promise<void> {
    this.kill()
    return Promise.resolve()
  }

  kill(): void {
    this.#isClosed = true
    this.#wire.leave(this.#store)
  }
}
