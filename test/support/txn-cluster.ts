import assert from "node:assert/strict"
import type { TxnAction, TxnReply } from "#kernel/gateway/client.ts"
import { below, Sfc32 } from "#kernel/lib/rng.ts"
import { decodeVersionKey } from "#kernel/mvcc/key.ts"
import { decodeVersion } from "#kernel/mvcc/version.ts"
import type { KernelConfig } from "#kernel/node/config.ts"
import type { RangeDescriptor } from "#kernel/range/descriptor.ts"
import { configurationOf } from "./raft-group.ts"
import { Cluster, configOf, TENANT_VOLUME, type SendEffect, type Store } from "./store-rig.ts"
import type { TxnHost } from "./txn-history.ts"
import { FAIR, type Weather } from "./txn-world.ts"

export const STORES: readonly number[] = [1, 2, 3]
const BORDERS = ["", "h", "p", ""]

type Event = { readonly at: number; readonly serial: number; readonly run: () => void }

/** A cluster whose network takes its time, loses and repeats. */
class Weathered extends Cluster {
  onSend: ((from: Store, send: SendEffect) => void) | undefined
  override deliver(from: Store, send: SendEffect): void {
    if (this.onSend === undefined) super.deliver(from, send)
    else this.onSend(from, send)
  }
  arrive(from: Store, send: SendEffect, sender: ReturnType<Store["kernel"]["identity"]>): void {
    super.deliver(from, send, sender)
  }
}

/** Three ranges, each on all of three stores, range n led by store n at first; sessions speak to any store. */
export class TxnCluster implements TxnHost {
  readonly cluster: Weathered
  readonly #rng: Sfc32
  readonly #events: Event[] = []
  #serial = 0
  #ids = 0
  readonly #waiting = new Map<number, (reply: TxnReply) => void>()
  readonly #heard = new Map<Store, number>()
  weather: Weather = FAIR

  constructor(seed: number, skewUs: readonly number[] = []) {
    this.#rng = new Sfc32(seed, 11)
    const groups = [1, 2, 3].map((id) => {
      const span = { start: BORDERS[id - 1]!, end: BORDERS[id]! }
      const descriptor: RangeDescriptor = { rangeId: id, groupId: id, tenant: 0, generation: 1, ...span }
      return { descriptor, configuration: configurationOf(STORES) }
    })
    this.cluster = new Weathered(STORES, (id): KernelConfig => {
      const config = configOf(id)
      return { ...config, places: groups, bootstrap: { ...config.bootstrap!, groups } }
    })
    this.cluster.elect()
    for (let tries = 0; tries < 20; tries++) {
      for (const store of this.cluster.stores) for (const id of STORES) this.transfer(store, id, id)
      this.cluster.settle()
      this.cluster.pass(500_000)
    }
    this.cluster.stores.forEach((store, i) => (store.wallOffsetUs = skewUs[i] ?? 0))
    this.cluster.pass(1_000_000)
    this.cluster.onSend = (from, send) => this.#send(from, send)
  }

  /** If this store leads the group, another one is to. */
  transfer(from: Store, group: number, to: number): void {
    const status = from.kernel.status().find((each) => each.group === group)
    if (status?.role !== "leader" || from.id === to) return
    const action = { type: "transferLeader", store: to } as const
    from.step({ type: "admin", session: 1, request: { id: 1, group, action } })
  }

  get mono(): number {
    return Math.max(...this.cluster.stores.map((store) => store.mono))
  }

  draw(bound: number): number {
    return below(this.#rng, bound)
  }

  after(us: number, run: () => void): void {
    this.#events.push({ at: this.mono + us, serial: ++this.#serial, run })
  }

  #send(from: Store, send: SendEffect): void {
    const { loss, twice, delayUsMax } = this.weather
    const copies = this.draw(100) < loss ? 0 : this.draw(100) < twice ? 2 : 1
    const sender = from.kernel.identity()
    for (let copy = 0; copy < copies; copy++)
      this.after(1 + this.draw(delayUsMax), () => this.cluster.arrive(from, send, sender))
  }

  ask(
    store: number,
    session: number,
    txn: number,
    action: TxnAction,
    reply: (reply: TxnReply) => void,
    deadlineUs: number,
  ): void {
    const id = ++this.#ids
    this.#waiting.set(id, reply)
    const request = { id, tenant: 0, txn, deadlineUs, action }
    this.cluster.store(store).step({ type: "txn", session, request })
  }

  /** The process dies and starts again on what its disk holds. */
  restart(store: number): void {
    this.cluster.store(store).boot()
  }

  run(us: number, done: () => boolean = () => false): void {
    const end = this.mono + us
    for (;;) {
      this.cluster.settle()
      this.#hear()
      if (done()) return
      let next: Event | null = null
      for (const event of this.#events)
        if (next === null || event.at < next.at || (event.at === next.at && event.serial < next.serial))
          next = event
      const wake = Math.min(...this.cluster.stores.map((store) => store.wakeAt ?? Infinity))
      const until = Math.min(end, next?.at ?? Infinity, Math.max(wake, this.mono))
      if (until > this.mono || wake <= this.mono) this.cluster.pass(Math.max(0, until - this.mono))
      for (const store of this.cluster.stores) assert.equal(store.fatal, null)
      if (next !== null && next.at <= this.mono) {
        this.#events.splice(this.#events.indexOf(next), 1)
        next.run()
      } else if (this.mono >= end) return
    }
  }

  #hear(): void {
    for (const store of this.cluster.stores) {
      for (let at = this.#heard.get(store) ?? 0; at < store.txnReplies.length; at++) {
        this.#heard.set(store, at + 1)
        const reply = store.txnReplies[at]!
        const waiting = this.#waiting.get(reply.id)
        this.#waiting.delete(reply.id)
        waiting?.(reply)
      }
    }
  }

  versionsOf(wanted: string): readonly { readonly ts: number; readonly value: string | null }[] {
    const group = 1 + BORDERS.slice(1, 3).filter((border) => wanted >= border).length
    const leader = this.cluster.stores.find((store) =>
      store.kernel.status().some((each) => each.group === group && each.role === "leader"),
    )
    assert.ok(leader !== undefined, "somebody leads")
    const versions: { ts: number; value: string | null }[] = []
    const cursor = leader.kernel.view(TENANT_VOLUME).cursor(1, "", "", false)
    for (; cursor.valid; cursor.next()) {
      const key = decodeVersionKey(cursor.key)
      if (key === null || key.userKey !== wanted) continue
      const version = decodeVersion(cursor.value)
      assert.ok(typeof version === "object", "a version can be read")
      versions.push({ ts: key.ts, value: version.tombstone ? null : version.payload })
    }
    return versions.sort((a, b) => a.ts - b.ts)
  }
}
