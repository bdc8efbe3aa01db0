import assert from "node:assert/strict"
import { afterEach, describe, test } from "vitest"
import { Kernel, type Barrier, type Effect, type Sink } from "#kernel"
import type { HostParts } from "#net/host/host.ts"
import type { StoreKernel } from "#net/host/ports.ts"
import { HostCluster, until } from "../../../bench/support/host-cluster.ts"
import { Wire } from "../../../bench/support/memory-links.ts"
import type { Platter } from "../../../bench/support/memory-store-disk.ts"

// What a kernel said must wait is looked at where it leaves, on the wire and at the client, against what the platter has:
// neither by the host's own counting nor by the effect it was handed.

type Opened = { readonly kernel: StoreKernel; readonly effects: readonly Effect[] }
type OpenKernel = NonNullable<HostParts["openKernel"]>

/** The real kernel, whose barriers are noted, and are taken off what its host sees when that host is to be blind to them. */
class Noted implements StoreKernel {
  readonly #kernel: StoreKernel
  readonly #see: (effects: readonly Effect[]) => readonly Effect[]

  constructor(kernel: StoreKernel, see: (effects: readonly Effect[]) => readonly Effect[]) {
    this.#kernel = kernel
    this.#see = see
  }
  step(input: Parameters<StoreKernel["step"]>[0]): readonly Effect[] {
    return this.#see(this.#kernel.step(input))
  }
  identity(): ReturnType<StoreKernel["identity"]> {
    return this.#kernel.identity()
  }
  save(sink: Sink): void {
    this.#kernel.save(sink)
  }
  status(): ReturnType<StoreKernel["status"]> {
    return this.#kernel.status()
  }
  get forgetful(): StoreKernel["forgetful"] {
    return this.#kernel.forgetful
  }
  isDrained(): boolean {
    return this.#kernel.isDrained()
  }
}

class BarrierCheck {
  /** By message or reply. */
  readonly #barriers = new Map<object, Barrier>()
  readonly breaches: string[] = []
  waited = 0

  openKernel(isBlind: boolean): OpenKernel {
    const see = (effects: readonly Effect[]): readonly Effect[] =>
      effects.map((effect) => {
        if (effect.type !== "send" && effect.type !== "reply") return effect
        const { barrier } = effect
        if (barrier === null) return effect
        this.#barriers.set(effect.type === "send" ? effect.message : effect.reply, barrier)
        return isBlind ? { ...effect, barrier: null } : effect
      })
    return (config, images, boot): Opened => {
      const { kernel, effects } = Kernel.open(config, images, boot)
      return { kernel: new Noted(kernel, see), effects: see(effects) }
    }
  }

  left(what: object, store: number, platter: Platter): void {
    const barrier = this.#barriers.get(what)
    if (barrier === undefined) return
    this.waited++
    const durable = platter.durableLsn.get(barrier.volume) ?? 0
    if (durable < barrier.lsn) {
      this.breaches.push(
        `store ${store}: left at ${durable} of volume ${barrier.volume}, not at ${barrier.lsn}`,
      )
    }
  }
}

let cluster: HostCluster | null = null
afterEach(() => cluster?.kill())

function checked(isBlind: boolean): { readonly cluster: HostCluster; readonly check: BarrierCheck } {
  const wire = new Wire()
  const check = new BarrierCheck()
  const made = new HostCluster(wire, { syncMs: 3, openKernelOf: () => check.openKernel(isBlind) })
  cluster = made
  wire.watch = (from, _to, _lane, frame) => {
    for (const message of frame.messages) check.left(message, from, made.nodes[from - 1]!.platter)
  }
  for (const node of made.nodes) {
    node.watchReply = (store, reply) => check.left(reply, store, node.platter)
  }
  return { cluster: made, check }
}

describe("barriers", () => {
  test("no acknowledgement, vote or reply leaves before what it rests on is durable", async () => {
    const { cluster: made, check } = checked(false)
    await made.start()
    const leader = await made.elected()
    for (let round = 0; round < 20; round++) {
      const keys = Array.from({ length: 20 }, (_, i) => `k${round}-${i}`)
      await Promise.all(keys.map((key) => leader.ask([{ type: "put", key, value: "v" }])))
    }
    assert.deepEqual(check.breaches, [])
    assert.ok(check.waited > 20, `only ${check.waited} of what left had a barrier`)
  })

  test("a host that is blind to barriers is found out by the same check", async () => {
    const { cluster: made, check } = checked(true)
    await made.start()
    await until("something left too early", () => check.breaches.length > 0)
  })
})
