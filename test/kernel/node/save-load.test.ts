import fc from "fast-check"
import { assert, test } from "vitest"
import { Sfc32 } from "#kernel/lib/rng.ts"
import { DEFAULT_TIMING } from "#kernel/node/config.ts"
import type { KvOp, KvRequest } from "#kernel/range/request.ts"
import { fromWall } from "#kernel/time/hlc.ts"
import type { Identity } from "#kernel/node/status.ts"
import { Cluster, configOf, EPOCH_US, type SendEffect, type Store } from "../../support/store-rig.ts"

/** Who was started again grants no vote for a while, or these lives would be spent waiting. */
const TIMING = { ...DEFAULT_TIMING, livenessUs: 200_000, supportUs: 950_000, leaseUs: 950_000 }
/** Small enough that checkpoints, compaction and snapshots happen in a short life. */
const LIMITS = {
  ...configOf(1).limits,
  checkpointLogBytes: 1_000,
  logKeepEntries: 1,
  windowMessagesMax: 3,
  snapshotChunkBytes: 200,
  snapshotWindowChunks: 2,
}

type Flying = { readonly from: Store; readonly send: SendEffect; readonly sender: Identity }

/** One random life of a cluster of which every kernel has a twin that is saved and loaded at random moments. */
class Life {
  readonly cluster: Cluster
  readonly #rng: Sfc32
  #flying: Flying[] = []
  #requests = 0
  /** Sent before with a token: a client that heard nothing sends it again. */
  readonly #past: (readonly [ops: readonly KvOp[], more: Partial<KvRequest>])[] = []
  reloads = 0
  readonly seen: Set<string> = new Set()

  constructor(seed: number) {
    this.#rng = new Sfc32(seed, 5)
    this.cluster = new Cluster([1, 2, 3], (id) => ({ ...configOf(id), timing: TIMING, limits: LIMITS }))
    this.cluster.elect()
    for (const store of this.cluster.stores) store.bearTwin()
  }

  #pick(): Store {
    return this.cluster.stores[this.#rng.below(3)]!
  }

  move(): void {
    const rng = this.#rng
    const kind = rng.below(100)
    const store = this.#pick()
    if (kind < 30) this.#deliver()
    else if (kind < 55) {
      if (store.doing.length > 0) store.complete(rng.below(store.doing.length))
    } else if (kind < 70) store.endTurn()
    else if (kind < 80) this.#request(this.#pick())
    else if (kind === 80) {
      // For a while one of them is deaf, and falls so far behind that it needs a snapshot.
      if (this.cluster.cut.size > 0) this.cluster.cut.clear()
      else this.cluster.cut.add(store.id)
    } else if (kind < 84) {
      for (const each of this.cluster.stores) each.mono += rng.below(40_000)
    } else if (kind < 88) {
      if (store.wakeAt !== null && store.wakeAt <= store.mono + 2_000_000) {
        // Their clocks stay together, or they would fence themselves.
        for (const each of this.cluster.stores) each.mono = Math.max(each.mono, store.wakeAt)
      }
      store.step({ type: "wake" })
    } else if (kind === 88) this.#admin(store)
    else if (kind === 89) {
      store.boot()
      store.bearTwin()
    } else if (kind < 96) {
      store.reloadTwin()
      this.reloads++
    } else if (kind < 98) this.#settle()
    else if (this.#flying.length > 0) this.#flying.splice(rng.below(this.#flying.length), 1)
    this.#collect()
  }

  #collect(): void {
    for (const from of this.cluster.stores) {
      assert.isNull(from.fatal)
      const sender = from.kernel.identity()
      for (const send of from.take()) this.#flying.push({ from, send, sender })
      for (const name of from.marks.splice(0)) this.seen.add(name)
      for (const reply of from.replies.splice(0)) this.seen.add(reply.type === "ok" ? "ok" : reply.error.code)
      from.all.length = 0
    }
  }

  #deliver(): void {
    const [flying] = this.#flying.splice(this.#rng.below(Math.max(1, this.#flying.length)), 1)
    if (flying !== undefined) this.cluster.deliver(flying.from, flying.send, flying.sender)
  }

  /** A quiet stretch, or little would ever be committed. */
  #settle(): void {
    for (const { from, send, sender } of this.#flying.splice(0)) this.cluster.deliver(from, send, sender)
    this.cluster.pass(100_000)
  }

  #op(): KvOp {
    const key = `k${this.#rng.below(6)}`
    switch (this.#rng.below(6)) {
      case 0:
        return { type: "get", key }
      case 1:
        return { type: "scan", start: "", end: "", limit: 4, reverse: this.#rng.below(2) === 0 }
      case 2:
        return { type: "increment", key: "n", by: 1 }
      case 3:
        return { type: "delete", key }
      case 4:
        return { type: "cas", key, expected: null, value: "c" }
      default:
        return { type: "put", key, value: "v".repeat(this.#rng.below(300)) }
    }
  }

  #request(store: Store): void {
    const id = ++this.#requests
    const again = this.#past[this.#rng.below(4 * this.#past.length + 1)]
    if (again !== undefined) {
      store.request(again[0], { ...again[1], id })
      return
    }
    const ops = Array.from({ length: 1 + this.#rng.below(3) }, () => this.#op())
    const token = { client: 1, birth: fromWall(EPOCH_US), seq: id, ackedSeq: Math.max(0, id - 40) }
    const deadlineUs = this.#rng.below(4) === 0 ? 50_000 : 0
    const more: Partial<KvRequest> = { id, token: this.#rng.below(2) === 0 ? token : null, deadlineUs }
    if (more.token !== null) this.#past.push([ops, more])
    store.request(ops, more)
  }

  #admin(store: Store): void {
    const target = 1 + this.#rng.below(3)
    const action = { type: "transferLeader", store: target } as const
    store.step({ type: "admin", session: 1, request: { id: 1, group: 1, action } })
  }
}

test("a kernel that is saved and loaded in the middle of its work goes on as if nothing had been, to the byte", () => {
  const seen = new Set<string>()
  let reloads = 0
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const life = new Life(seed)
      for (let i = 0; i < 1_200; i++) life.move()
      for (const store of life.cluster.stores) store.reloadTwin()
      reloads += life.reloads
      for (const name of life.seen) seen.add(name)
    }),
    { numRuns: 20, seed: 1 },
  )
  // What these lives went through; without it the property would prove little.
  assert.isAbove(reloads, 500)
  for (const name of [
    "ok",
    "notLeader",
    "raft.snapshot.installed",
    "range.token.repeated",
    "raft.window.full",
  ]) {
    assert.isTrue(seen.has(name), `${name} among ${[...seen].join(", ")}`)
  }
})

test("a kernel that is saved while it starts is read back in every phase of the start", () => {
  const store = new Cluster([1]).store(1)
  store.boot()
  store.bearTwin()
  let steps = 0
  for (store.endTurn(); store.complete(); steps++) {
    store.reloadTwin()
    store.endTurn()
    store.reloadTwin()
  }
  assert.isAtLeast(steps, 2)
  assert.isDefined(store.status)
})
