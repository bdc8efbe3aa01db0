import { ByteWriter, invariant, type Frame, type KvReply, type KvRequest, type Lane } from "#kernel"
import { below, chancePpm, draw, exponential, PURPOSE } from "../draws.ts"
import { EVENT } from "../events.ts"
import type { PlanHost } from "../plan/plan.ts"
import type { Scheduler } from "../scheduler.ts"
import type { HeldBack, LinkOverlay } from "./link-overlay.ts"

const LANES: Readonly<Record<Lane, number>> = { liveness: 0, raft: 1, bulk: 2 }
export const LANE_COUNT = 3
/** Clients speak on one lane. */
const CLIENT_LANE = 1

/** What a clog keeps back; beyond it a link loses what is sent, as a full socket buffer would in the end. */
export const HELD_BACK_MAX = 100_000

/** How frames become bytes: part of a kernel build. */
export type FrameCodec<F = Frame> = {
  /** Made in `scratch`, and then of its own. */
  encodeFrame(frame: F, scratch: ByteWriter): Uint8Array
  decodeFrame(bytes: Uint8Array): F | null
}

/** Hears every frame as its store sends it, before anything happens to it. */
export interface FrameListener<F = Frame> {
  frameSent(from: number, to: number, lane: Lane, frame: F): void
}

export type NetworkCounts = {
  sent: number
  delivered: number
  /** By a fault, at either end of the way. */
  dropped: number
  /** Corrupted frames that the codec refused, and those it took all the same. */
  refused: number
  mistaken: number
}

/**
 * Links between every two endpoints: stores first (store id − 1), then clients.
 *
 * A healthy link is a stream for each lane: a frame takes a drawn latency and never overtakes one sent
 * before it on its lane. Only faults lose, repeat, alter, misdirect or reorder. Each draw is keyed by the
 * link and its count of frames, and every frame counts whether or not a fault is near, so faults shift no
 * draw of one another.
 *
 * Frames cross as objects (ownership moves, nobody changes one) or as bytes; the receiver sees the same.
 */
export class Network<F = Frame, Request = KvRequest, Reply = KvReply> {
  readonly counts: NetworkCounts = { sent: 0, delivered: 0, dropped: 0, refused: 0, mistaken: 0 }
  readonly endpointCount: number
  readonly storeCount: number
  readonly #seed: number
  readonly #scheduler: Scheduler
  readonly #host: PlanHost
  readonly #codec: FrameCodec<F>
  readonly #scratch = new ByteWriter(1024)
  readonly #frameCounts: Uint32Array
  readonly #lastArrivals: Float64Array
  readonly #inFlight: Int32Array
  readonly #overlays: LinkOverlay[] = []
  readonly #listeners: FrameListener<F>[] = []

  constructor(
    seed: number,
    scheduler: Scheduler,
    host: PlanHost,
    codec: FrameCodec<F>,
    storeCount: number,
    clientCount: number,
  ) {
    this.#seed = seed
    this.#scheduler = scheduler
    this.#host = host
    this.#codec = codec
    this.storeCount = storeCount
    this.endpointCount = storeCount + clientCount
    const linkCount = this.endpointCount * this.endpointCount
    this.#frameCounts = new Uint32Array(linkCount * LANE_COUNT)
    this.#lastArrivals = new Float64Array(linkCount * LANE_COUNT)
    this.#inFlight = new Int32Array(linkCount)
  }

  endpointOfStore(store: number): number {
    return store - 1
  }

  endpointOfClient(client: number): number {
    return this.storeCount + client
  }

  clientOf(endpoint: number): number {
    return endpoint - this.storeCount
  }

  sendFrame(fromStore: number, toStore: number, lane: Lane, frame: F): void {
    if (toStore < 1 || toStore > this.storeCount) return
    for (let i = 0; i < this.#listeners.length; i++)
      this.#listeners[i]!.frameSent(fromStore, toStore, lane, frame)
    const payload = this.#host.transport === "bytes" ? this.#codec.encodeFrame(frame, this.#scratch) : frame
    this.#send(fromStore - 1, toStore - 1, LANES[lane], EVENT.frame, payload)
  }

  sendRequest(client: number, store: number, request: Request): void {
    this.#send(this.storeCount + client, store - 1, CLIENT_LANE, EVENT.request, request)
  }

  sendReply(store: number, client: number, reply: Reply): void {
    this.#send(store - 1, this.storeCount + client, CLIENT_LANE, EVENT.reply, reply)
  }

  /** A frame, request or reply has come to the end of its way: false when it is lost there. */
  arrives(link: number, payload: unknown): boolean {
    this.#inFlight[link]!--
    const from = Math.floor(link / this.endpointCount)
    const to = link % this.endpointCount
    for (let i = 0; i < this.#overlays.length; i++) {
      const overlay = this.#overlays[i]!
      if (!overlay.strikes(from, to) || !overlay.cuts(this.#scheduler.now)) continue
      overlay.tally.changes++
      this.counts.dropped++
      return false
    }
    if (payload === null) {
      this.counts.refused++
      return false
    }
    this.counts.delivered++
    return true
  }

  /** The frame in what has arrived; null when its bytes are refused. */
  frameOf(payload: unknown): F | null {
    if (!(payload instanceof Uint8Array)) return payload as F
    const frame = this.#codec.decodeFrame(payload)
    if (frame !== null) return frame
    this.counts.delivered--
    this.counts.refused++
    return null
  }

  overlay(overlay: LinkOverlay): void {
    this.#overlays.push(overlay)
  }

  /** Takes an overlay away; what it kept back goes on its way now. */
  lift(id: number): void {
    const index = this.#overlays.findIndex((overlay) => overlay.id === id)
    if (index < 0) return
    const [overlay] = this.#overlays.splice(index, 1)
    for (const held of overlay!.held) this.#launch(held)
  }

  /** What a hold has kept back until now arrives at one moment, in the order this gives it. */
  burst(id: number, inOrder: (held: readonly HeldBack[]) => readonly HeldBack[]): void {
    const overlay = this.#overlays.find((candidate) => candidate.id === id)
    if (overlay === undefined) return
    const { held } = overlay
    overlay.held = []
    const latency = this.#host.latencyUsMin
    for (const { link, lane, kind, to, payload } of inOrder(held)) {
      const other = this.#keeperOf(link, overlay)
      const ordered = false
      if (other === null) this.#fly(link, lane, kind, to, latency, ordered, payload)
      else other.held.push({ link, lane, kind, to, latency, ordered, payload })
    }
  }

  /** A frame that was sent long ago reaches its end once more. */
  replay(fromStore: number, toStore: number, lane: Lane, frame: F): void {
    const payload = this.#host.transport === "bytes" ? this.#codec.encodeFrame(frame, this.#scratch) : frame
    const link = (fromStore - 1) * this.endpointCount + toStore - 1
    this.#fly(link, LANES[lane], EVENT.frame, toStore - 1, this.#host.latencyUsMin, false, payload)
  }

  listen(listener: FrameListener<F>): void {
    this.#listeners.push(listener)
  }

  unlisten(listener: FrameListener<F>): void {
    const index = this.#listeners.indexOf(listener)
    if (index >= 0) this.#listeners.splice(index, 1)
  }

  #send(from: number, to: number, lane: number, kind: number, payload: unknown): void {
    const link = from * this.endpointCount + to
    const slot = link * LANE_COUNT + lane
    const count = this.#frameCounts[slot]!++
    this.counts.sent++
    const drawn = draw(this.#seed, PURPOSE.latency, link, lane, count)
    const latency = this.#host.latencyUsMin + exponential(drawn, this.#host.latencyUsMean)
    if (this.#overlays.length === 0) this.#depart(link, lane, kind, to, latency, true, payload)
    else this.#sendThroughFaults(from, to, lane, kind, payload, latency, count)
  }

  #sendThroughFaults(
    from: number,
    to: number,
    lane: number,
    kind: number,
    sent: unknown,
    latencyHealthy: number,
    count: number,
  ): void {
    const seed = this.#seed
    const now = this.#scheduler.now
    const link = from * this.endpointCount + to
    // One counter a link and lane, told apart in every draw that follows.
    const key = count * LANE_COUNT + lane
    let payload = sent
    let latency = latencyHealthy
    let ordered = true
    let destination = to
    let copy: LinkOverlay | null = null
    for (let i = 0; i < this.#overlays.length; i++) {
      const overlay = this.#overlays[i]!
      if (!overlay.strikes(from, to)) continue
      const fault = overlay.fault
      const id = overlay.id
      switch (fault.type) {
        case "partition":
        case "flap":
          if (!overlay.cuts(now)) break
          this.#drop(overlay)
          return
        case "drop":
          if (!chancePpm(draw(seed, PURPOSE.drop, id, link, key), fault.ratioPpm)) break
          this.#drop(overlay)
          return
        case "capacity":
          if (this.#inFlight[link]! < fault.messages) break
          this.#drop(overlay)
          return
        case "duplicate":
          if (!chancePpm(draw(seed, PURPOSE.duplicate, id, link, key), fault.ratioPpm)) break
          copy = overlay
          overlay.tally.changes++
          break
        case "delay":
          latency += fault.minUs + exponential(draw(seed, PURPOSE.delay, id, link, key), fault.meanUs)
          if (chancePpm(draw(seed, PURPOSE.delayTail, id, link, key), fault.tailPpm)) {
            latency += below(draw(seed, PURPOSE.delayTailLength, id, link, key), fault.tailUs + 1)
          }
          ordered = false
          overlay.tally.changes++
          break
        case "prioritize": {
          const late = fault.priorities.latencyOf(from, to, lane, now, latency)
          if (late !== latency) overlay.tally.changes++
          latency = late
          // Streams keep an order of their own, which ends with the fault.
          ordered = false
          break
        }
        case "corrupt":
          if (!chancePpm(draw(seed, PURPOSE.corrupt, id, link, key), fault.ratioPpm)) break
          payload = this.#corrupted(kind, payload, draw(seed, PURPOSE.corruptBit, id, link, key))
          overlay.tally.changes++
          break
        case "misroute": {
          // A reply that reaches another client finds no one who waits for it: the same as lost.
          if (kind === EVENT.reply || this.storeCount < 2) break
          if (!chancePpm(draw(seed, PURPOSE.misroute, id, link, key), fault.ratioPpm)) break
          const step = 1 + below(draw(seed, PURPOSE.misrouteTo, id, link, key), this.storeCount - 1)
          destination = (to + step) % this.storeCount
          overlay.tally.changes++
          break
        }
        case "clog":
        case "hold":
          // Looked at last, when all that happens on the way is decided.
          break
      }
    }
    this.#depart(link, lane, kind, destination, latency, ordered, payload)
    if (copy === null) return
    const again = draw(seed, PURPOSE.duplicateLatency, copy.id, link, key)
    // Up to ten times as late as a healthy frame: late duplicates are the interesting ones.
    const late = latency + exponential(again, 10 * (this.#host.latencyUsMin + this.#host.latencyUsMean))
    this.#depart(link, lane, kind, destination, late, false, payload)
  }

  #depart(
    link: number,
    lane: number,
    kind: number,
    to: number,
    latency: number,
    ordered: boolean,
    payload: unknown,
  ): void {
    if (this.#overlays.length > 0) {
      const clog = this.#keeperOf(link, null)
      if (clog !== null) {
        clog.tally.changes++
        if (clog.held.length < HELD_BACK_MAX) {
          clog.held.push({ link, lane, kind, to, latency, ordered, payload })
        } else this.counts.dropped++
        return
      }
    }
    this.#fly(link, lane, kind, to, latency, ordered, payload)
  }

  #launch(held: HeldBack): void {
    this.#depart(held.link, held.lane, held.kind, held.to, held.latency, held.ordered, held.payload)
  }

  #fly(
    link: number,
    lane: number,
    kind: number,
    to: number,
    latency: number,
    ordered: boolean,
    payload: unknown,
  ): void {
    let at = this.#scheduler.now + latency
    if (ordered) {
      const slot = link * LANE_COUNT + lane
      const last = this.#lastArrivals[slot]!
      if (at < last) at = last
      this.#lastArrivals[slot] = at
    }
    this.#inFlight[link]!++
    this.#scheduler.schedule(at, kind, link, to, payload)
  }

  /** The clog or hold in the way, but for one that has just let go. */
  #keeperOf(link: number, past: LinkOverlay | null): LinkOverlay | null {
    const from = Math.floor(link / this.endpointCount)
    const to = link % this.endpointCount
    for (let i = 0; i < this.#overlays.length; i++) {
      const overlay = this.#overlays[i]!
      if (overlay.keeps && overlay !== past && overlay.strikes(from, to)) return overlay
    }
    return null
  }

  #drop(overlay: LinkOverlay): void {
    overlay.tally.changes++
    this.counts.dropped++
  }

  /**
   * One bit of a frame's bytes flips. What crosses as an object is decoded here instead of at its end;
   * null travels on in its place when the codec refuses it, so that both transports look alike. A client's
   * request or reply has no bytes here: its connection would refuse them.
   */
  #corrupted(kind: number, payload: unknown, drawn: number): unknown {
    if (payload === null || kind !== EVENT.frame) return null
    const asBytes = payload instanceof Uint8Array
    const bytes = asBytes ? payload.slice() : this.#codec.encodeFrame(payload as F, this.#scratch)
    invariant(bytes.length > 0, "Cannot corrupt a frame: its codec gave no bytes")
    const bit = below(drawn, bytes.length * 8)
    bytes[bit >>> 3]! ^= 1 << (bit & 7)
    const decoded = this.#codec.decodeFrame(bytes)
    if (decoded === null) return asBytes ? bytes : null
    this.counts.mistaken++
    return asBytes ? bytes : decoded
  }
}
