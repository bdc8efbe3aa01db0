import type { TxnReply, TxnAction } from "#kernel/gateway/client.ts"
import { Directory } from "#kernel/gateway/directory.ts"
import { Gateway } from "#kernel/gateway/gateway.ts"
import type { GatewayMessage } from "#kernel/gateway/message.ts"
import { ByteReader } from "#kernel/lib/bytes.ts"
import { below, Sfc32 } from "#kernel/lib/rng.ts"
import { DEFAULT_TIMING, type Timing } from "#kernel/node/config.ts"
import type { FrameHeader } from "#kernel/node/input.ts"
import type { Observation } from "#kernel/node/observation.ts"
import type { RangeDescriptor } from "#kernel/range/descriptor.ts"
import type { KvReply, KvRequest } from "#kernel/range/request.ts"
import { bytesOf } from "./kernel-arbitraries.ts"
import { configurationOf } from "./raft-group.ts"
import { EPOCH_US } from "./store-rig.ts"
import { ModelRange, type ModelEffect } from "./txn-model.ts"

/** What is wrong with the network between gateways, each in hundredths. */
export type Weather = { readonly loss: number; readonly twice: number; readonly delayUsMax: number }
export const FAIR: Weather = { loss: 0, twice: 0, delayUsMax: 1_000 }

type Event = { readonly at: number; readonly serial: number; readonly run: () => void }

const TICK_US = 5_000

/**
 * Gateways over model ranges, in one virtual time: messages take as long as the weather lets them, some are lost, some come
 * twice. Range n is led on store `leaders[n]`; range borders are single letters.
 */
export class TxnWorld {
  readonly ranges: readonly ModelRange[]
  readonly gateways: (Gateway | null)[] = []
  readonly #directory: () => Directory
  readonly #rng: Sfc32
  readonly #timing: Timing
  weather: Weather
  mono = 1_000_000
  /** By store: how far its wall clock is off. */
  readonly skewUs: number[]
  readonly #events: Event[] = []
  #serial = 0
  readonly #waiting = new Map<string, (reply: TxnReply) => void>()
  #ids = 0
  readonly #nonces: number[] = []
  readonly observed: Observation[] = []
  /** Called before each thing that happens; a gateway may be killed there. */
  onEvent: (count: number) => void = () => {}
  #count = 0
  /** Replaces gateways by what they save, now and then. */
  reloads = false

  constructor(
    seed: number,
    leaders: readonly number[],
    weather: Weather = FAIR,
    skewUs: readonly number[] = [],
  ) {
    this.#rng = new Sfc32(seed, 7)
    this.weather = weather
    this.#timing = DEFAULT_TIMING
    const borders = ["", ...["g", "n", "t"].slice(0, leaders.length - 1), ""]
    const descriptors = leaders.map((_, i): RangeDescriptor => ({
      rangeId: i + 1,
      groupId: i + 1,
      tenant: 0,
      start: borders[i]!,
      end: i === leaders.length - 1 ? "" : borders[i + 1]!,
      generation: 1,
    }))
    const stores = Math.max(...leaders)
    this.skewUs = Array.from({ length: stores }, (_, i) => skewUs[i] ?? 0)
    const groups = descriptors.map((descriptor) => ({
      descriptor,
      configuration: configurationOf(Array.from({ length: stores }, (_, i) => i + 1)),
    }))
    this.#directory = () => Directory.of(groups)
    this.ranges = descriptors.map((each, i) => new ModelRange(each, leaders[i]!, this.wallOf(leaders[i]!)))
    for (let store = 1; store <= stores; store++) this.start(store)
    this.#tick()
  }

  wallOf(store: number): number {
    return EPOCH_US + this.mono + (this.skewUs[store - 1] ?? 0)
  }

  stampOf(store: number): { readonly mono: number; readonly wall: number } {
    return { mono: this.mono, wall: this.wallOf(store) }
  }

  /** A new process: nothing of an older one is known. */
  start(store: number): void {
    const nonce = 1_000 * store + ++this.#serial
    this.#nonces[store] = nonce
    this.gateways[store] = new Gateway(
      { store, nonce, begunWall: this.wallOf(store) },
      this.#timing,
      this.#directory(),
    )
  }

  /** A store dies, and with it its gateway and what it leads: that goes to the next that lives. */
  kill(store: number): void {
    this.gateways[store] = null
    for (const range of this.ranges) {
      if (range.store !== store) continue
      const heir = this.gateways.findIndex((gateway) => gateway !== null && gateway !== undefined)
      if (heir > 0) range.store = heir
      range.leaderLost()
    }
    for (const name of this.#waiting.keys()) if (name.startsWith(`${store}/`)) this.#waiting.delete(name)
  }

  draw(bound: number): number {
    return below(this.#rng, bound)
  }

  after(us: number, run: () => void): void {
    this.#events.push({ at: this.mono + us, serial: ++this.#serial, run })
  }

  #tick(): void {
    this.after(TICK_US, () => {
      for (const range of this.ranges) {
        range.timePassed(this.mono, this.wallOf(range.store))
        this.#effectsOf(range)
      }
      for (const [store, gateway] of this.gateways.entries())
        if (gateway !== null && gateway !== undefined && gateway.deadline <= this.mono)
          this.#step(store, (alive) => alive.timePassed(this.stampOf(store)))
      this.#tick()
    })
  }

  /** Lives on until then, or until `done` says so. */
  run(us: number, done: () => boolean = () => false): void {
    const end = this.mono + us
    while (!done()) {
      let next = 0
      for (let i = 1; i < this.#events.length; i++) {
        const [a, b] = [this.#events[i]!, this.#events[next]!]
        if (a.at < b.at || (a.at === b.at && a.serial < b.serial)) next = i
      }
      const event = this.#events[next]!
      if (event.at > end) break
      this.#events.splice(next, 1)
      this.mono = Math.max(this.mono, event.at)
      this.onEvent(++this.#count)
      event.run()
    }
    if (!done()) this.mono = end
  }

  /** A session asks its gateway; the answer comes back at once, or never when the gateway dies. */
  ask(
    store: number,
    session: number,
    txn: number,
    action: TxnAction,
    reply: (reply: TxnReply) => void,
    deadlineUs = 0,
  ): void {
    const gateway = this.gateways[store]
    if (gateway === null || gateway === undefined) return
    const id = ++this.#ids
    this.#waiting.set(`${store}/${session}/${id}`, reply)
    this.#step(store, (alive) =>
      alive.request(session, { id, tenant: 0, txn, deadlineUs, action }, null, this.stampOf(store)),
    )
  }

  #step(store: number, act: (gateway: Gateway) => void): void {
    let gateway = this.gateways[store]
    if (gateway === null || gateway === undefined) return
    if (this.reloads && this.draw(4) === 0) {
      const bytes = bytesOf(gateway)
      const reader = new ByteReader(bytes)
      const twin = Gateway.load(reader, store, this.#nonces[store]!, this.#timing)
      if (reader.failed || reader.remaining > 0) throw new Error("a saved gateway cannot be read")
      if (Buffer.compare(bytesOf(twin), bytes) !== 0) throw new Error("load(save()) saves other bytes")
      this.gateways[store] = twin
      gateway = twin
    }
    act(gateway)
    for (const effect of gateway.takeEffects()) {
      if (effect.type === "send") this.#send(store, effect.to, effect.message as GatewayMessage)
      else if (effect.type === "txnReply") {
        const name = `${store}/${effect.session}/${effect.reply.id}`
        const waiting = this.#waiting.get(name)
        this.#waiting.delete(name)
        // The session hears it a moment later: what it asks next is another event.
        if (waiting !== undefined) this.after(1, () => waiting(effect.reply))
      } else if (effect.type === "observe") this.observed.push(effect.observation)
    }
    for (const { session, request } of gateway.takeLocal())
      this.after(1 + this.draw(200), () => this.#local(store, session, request, gateway))
    for (const { group, txn, state } of gateway.takePushed()) {
      const range = this.ranges.find(({ descriptor }) => descriptor.groupId === group)!
      range.pushed(txn, state, this.mono, this.wallOf(range.store))
      this.#effectsOf(range)
    }
  }

  #local(store: number, session: number, request: KvRequest, asker: Gateway): void {
    const reply = (answer: KvReply): void =>
      this.after(1 + this.draw(200), () => {
        const isSame = this.#nonces[store] === nonce && this.gateways[store] !== null
        if (isSame) this.#step(store, (alive) => alive.replied(session, answer, this.stampOf(store)))
      })
    const nonce = this.#nonces[store]
    if (asker === null) return
    const range = this.ranges.find(({ descriptor }) => descriptor.rangeId === request.rangeId)!
    if (range.store !== store) {
      return reply({
        type: "error",
        id: request.id,
        error: { code: "notLeader", hint: range.store, term: 1 },
      })
    }
    range.request(request, reply, this.mono, this.wallOf(store))
    this.#effectsOf(range)
  }

  #effectsOf(range: ModelRange): void {
    const effects: readonly ModelEffect[] = range.effects
    range.effects = []
    const { store, descriptor } = range
    for (const effect of effects) {
      if (this.gateways[store] === null) {
        // A leader without its store's gateway is nothing that can be; it is given the answer that nobody knows.
        if (effect.type === "push")
          this.after(TICK_US, () => range.pushed(effect.txn, null, this.mono, this.wallOf(store)))
        continue
      }
      this.after(0, () =>
        this.#step(store, (alive) => {
          if (effect.type === "push") alive.push(descriptor.groupId, effect, this.stampOf(store))
          else {
            const wait = { txn: effect.txn, tenant: 0, rangeId: descriptor.rangeId, ticket: effect.ticket }
            alive.waits(wait, effect.for, this.stampOf(store))
          }
        }),
      )
    }
  }

  #send(from: number, to: number, message: GatewayMessage): void {
    const { loss, twice, delayUsMax } = this.weather
    const nonce = this.#nonces[from]!
    const wall = this.wallOf(from)
    const copies = this.draw(100) < loss ? 0 : this.draw(100) < twice ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      this.after(1 + this.draw(delayUsMax), () => {
        const header = { fromStore: from, fromNonce: nonce, wall } as FrameHeader
        this.#step(to, (alive) => alive.message(message, header, this.stampOf(to)))
      })
    }
  }

  /** Every committed version of a key, oldest first. */
  versionsOf(key: string): ModelRange["versions"] extends Map<string, infer Versions> ? Versions : never {
    const range = this.ranges.find(
      ({ descriptor: { start, end } }) => key >= start && (end === "" || key < end),
    )!
    return range.versions.get(key) ?? []
  }
}
