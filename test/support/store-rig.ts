import assert from "node:assert/strict"
import { SYSTEM_VOLUME, volumeOfTenant } from "#kernel/ids.ts"
import { ByteWriter } from "#kernel/lib/bytes.ts"
import { invariant } from "#kernel/lib/invariant.ts"
import { DEFAULT_LIMITS, DEFAULT_TIMING, type KernelConfig } from "#kernel/node/config.ts"
import type { Effect } from "#kernel/node/effect.ts"
import type { Frame, Input } from "#kernel/node/input.ts"
import { Kernel } from "#kernel/node/kernel.ts"
import { NO_SWITCHES } from "#kernel/node/switches.ts"
import { writeEffect } from "#kernel/node/record.ts"
import type { PeerMessage } from "#kernel/node/peer-message.ts"
import type { Identity, VolumeImage } from "#kernel/node/status.ts"
import type { KvOp, KvReply, KvRequest } from "#kernel/range/request.ts"
import type { TxnReply } from "#kernel/gateway/client.ts"
import { DiskBase } from "#sim/env/disk-base.ts"
import { bytesOf } from "./kernel-arbitraries.ts"
import { configurationOf, DESCRIPTOR } from "./raft-group.ts"
import { requestOf } from "./requests.ts"

export const CLUSTER = "orbit"
export const TENANT_VOLUME: number = volumeOfTenant(0)
/** The wall clock when `mono` is 0. */
export const EPOCH_US = 1_700_000_000_000_000

/** Group 1 with replica n on store n of incarnation n, in volume 1. */
export function configOf(store: number, stores: readonly number[] = [1, 2, 3]): KernelConfig {
  return {
    cluster: CLUSTER,
    store,
    tenants: [0],
    bootstrap: {
      cluster: CLUSTER,
      stores: stores.map((id) => ({ store: id, incarnation: id, region: "r", zone: "z" })),
      groups: [{ descriptor: DESCRIPTOR, configuration: configurationOf(stores) }],
    },
    timing: DEFAULT_TIMING,
    limits: { ...DEFAULT_LIMITS, segmentBytesFirst: 1 << 15, segmentBytesMax: 1 << 17 },
    switches: NO_SWITCHES,
  }
}

type VolumeDisk = {
  readonly segments: Map<number, Uint8Array>
  witness: Uint8Array | null
  readonly base: DiskBase
}
export type StoreDisk = Map<number, VolumeDisk>

export function emptyDisk(volumes: readonly number[] = [SYSTEM_VOLUME, TENANT_VOLUME]): StoreDisk {
  return new Map(volumes.map((id) => [id, { segments: new Map(), witness: null, base: new DiskBase() }]))
}

type DiskEffect = Extract<Effect, { readonly type: "append" | "createSegment" | "checkpoint" }>
export type SendEffect = Extract<Effect, { readonly type: "send" }>
export type Mark = { readonly type: "mark"; readonly name: string }

/**
 * One store with its disk and both clocks, driven by hand. Operations of the disk wait in `doing` until the test
 * completes them; sends and replies that a barrier holds back wait in `held`.
 */
export class Store {
  readonly config: KernelConfig
  readonly disk: StoreDisk
  kernel!: Kernel
  /** A second kernel that lives through the same, and is saved and loaded now and then. */
  twin: Kernel | null = null
  mono = 0
  /** How far the wall clock is off. */
  wallOffsetUs = 0
  doing: DiskEffect[] = []
  held: Extract<Effect, { readonly type: "send" | "reply" | "adminReply" | "txnReply" }>[] = []
  sent: SendEffect[] = []
  readonly replies: KvReply[] = []
  readonly txnReplies: TxnReply[] = []
  readonly marks: string[] = []
  readonly all: Effect[] = []
  wakeAt: number | null = null
  fatal: string | null = null
  /** Volumes whose disk gives neither a segment nor a checkpoint its place. */
  readonly full: Set<number> = new Set()
  #durable = new Map<number, number>()
  /** Starts so far: no two draw the same. */
  boots: number

  constructor(config: KernelConfig, disk: StoreDisk = emptyDisk(), mono = 0, boots = 0) {
    this.boots = boots
    this.config = config
    this.disk = disk
    this.mono = mono
    this.boot()
  }

  get id(): number {
    return this.config.store
  }
  get stamp(): { readonly mono: number; readonly wall: number } {
    return { mono: this.mono, wall: EPOCH_US + this.mono + this.wallOffsetUs }
  }
  get status(): ReturnType<Kernel["status"]>[number] | undefined {
    return this.kernel.status()[0]
  }

  /** A process starts on what the disk holds durably; everything in memory is gone. */
  boot(): void {
    this.doing = []
    this.held = []
    this.sent = []
    this.wakeAt = null
    this.fatal = null
    this.#durable = new Map()
    const images: VolumeImage[] = [...this.disk].map(([volume, { segments, witness, base }]) => ({
      volume,
      segments: [...segments].map(([sequence, bytes]) => ({ sequence, bytes: bytes.slice() })),
      witness,
      base,
    }))
    const seed = { seedHigh: this.id, seedLow: ++this.boots }
    const opened = Kernel.open(this.config, images, { ...this.stamp, ...seed })
    this.kernel = opened.kernel
    this.#carryOut(opened.effects)
  }

  /** Lives through everything twice from here on, once with a kernel that is now and then another. */
  bearTwin(): void {
    this.twin = this.#reload(this.kernel)
  }

  reloadTwin(): void {
    if (this.twin === null) return
    assert.deepEqual(bytesOf(this.twin), bytesOf(this.kernel), "the twin remembers the same")
    this.twin = this.#reload(this.twin)
  }

  #reload(kernel: Kernel): Kernel {
    const bases = new Map([...this.disk].map(([volume, { base }]) => [volume, base]))
    const bytes = bytesOf(kernel)
    const again = Kernel.load(this.config, bytes, bases)
    assert.deepEqual(bytesOf(again), bytes, "load(save()) saves the same bytes")
    return again
  }

  step(input: Partial<Input> & { readonly type: Input["type"] }): readonly Effect[] {
    const stamped = { ...input, ...this.stamp } as Input
    const effects = this.kernel.step(stamped)
    if (this.twin !== null) {
      assert.deepEqual(recordOf(this.twin.step(stamped)), recordOf(effects), "the twin does the same")
    }
    this.#carryOut(effects)
    return effects
  }

  endTurn(): readonly Effect[] {
    return this.step({ type: "turnEnded" })
  }

  #carryOut(effects: readonly Effect[]): void {
    this.all.push(...effects)
    for (const effect of effects) {
      switch (effect.type) {
        case "append":
        case "createSegment":
        case "checkpoint":
          this.doing.push(effect)
          break
        case "send":
        case "reply":
        case "adminReply":
        case "txnReply":
          this.held.push(effect)
          break
        case "writeWitness":
          this.#volume(effect.volume).witness = effect.bytes
          break
        case "releaseSegments": {
          const { segments } = this.#volume(effect.volume)
          for (const sequence of segments.keys()) if (sequence < effect.below) segments.delete(sequence)
          break
        }
        case "wakeAt":
          this.wakeAt = effect.mono
          break
        case "fatal":
          this.fatal = effect.code
          break
        case "observe":
          if (effect.observation.type === "mark") this.marks.push(effect.observation.name)
          break
      }
    }
    this.#release()
  }

  #release(): void {
    const held = this.held
    this.held = []
    for (const effect of held) {
      const { barrier } = effect
      if (barrier !== null && (this.#durable.get(barrier.volume) ?? 0) < barrier.lsn) this.held.push(effect)
      else if (effect.type === "send") this.sent.push(effect)
      else if (effect.type === "reply") this.replies.push(effect.reply)
      else if (effect.type === "txnReply") this.txnReplies.push(effect.reply)
    }
  }

  #volume(id: number): VolumeDisk {
    const volume = this.disk.get(id)
    invariant(volume !== undefined, "The disk has no such volume")
    return volume
  }

  /** Brings one operation to its end; a checkpoint whose barrier is not met has not begun. */
  complete(at = 0): boolean {
    const effect = this.doing[at]
    if (effect === undefined) return false
    const { volume } = effect
    const disk = this.#volume(volume)
    if (effect.type === "checkpoint") {
      const { barrier, checkpoint, changes } = effect
      if (barrier !== null && (this.#durable.get(barrier.volume) ?? 0) < barrier.lsn) return false
      this.doing.splice(at, 1)
      if (this.full.has(volume)) {
        this.step({ type: "checkpointRefused", volume, checkpoint, code: "diskFull" })
        return true
      }
      disk.base.advance(changes)
      this.step({ type: "checkpointSynced", volume, checkpoint })
      return true
    }
    this.doing.splice(at, 1)
    if (effect.type === "createSegment") {
      if (this.full.has(volume)) {
        this.step({ type: "segmentRefused", volume, segment: effect.segment, code: "diskFull" })
        return true
      }
      const bytes = new Uint8Array(effect.sizeBytes)
      bytes.set(effect.header)
      disk.segments.set(effect.segment, bytes)
      this.step({ type: "segmentCreated", volume, segment: effect.segment })
      return true
    }
    disk.segments.get(effect.segment)!.set(effect.bytes, effect.offset)
    this.#durable.set(volume, effect.lsn)
    this.step({ type: "appendSynced", volume, lsn: effect.lsn })
    this.#release()
    return true
  }

  /** Turns and disk until nothing is left to do. */
  settle(): void {
    for (let round = 0; round < 200; round++) {
      this.endTurn()
      if (this.doing.length === 0) return
      for (let at = this.doing.length - 1; at >= 0; at--) this.complete(at)
    }
    assert.fail("the store never came to rest")
  }

  /** Settled, and its clock brought to the next wake-up. */
  wake(): void {
    if (this.wakeAt !== null) this.mono = Math.max(this.mono, this.wakeAt)
    this.step({ type: "wake" })
  }

  frame(messages: readonly PeerMessage[], header: Partial<Frame["header"]> = {}): void {
    const from = header.fromStore ?? 2
    const frame: Frame = {
      header: {
        version: 2,
        cluster: CLUSTER,
        fromStore: from,
        toStore: this.id,
        fromIncarnation: from,
        fromBoot: 1,
        fromNonce: 1,
        volumes: [],
        configEpoch: 0,
        wall: this.stamp.wall,
        ...header,
      },
      messages,
    }
    this.step({ type: "frame", frame })
  }

  request(ops: readonly KvOp[], more: Partial<KvRequest> = {}): void {
    const request = requestOf(ops, more)
    this.step({ type: "request", session: 1, request })
  }

  take(): readonly SendEffect[] {
    return this.sent.splice(0)
  }
}

/** All a host is told, as bytes: what two kernels must agree on. */
export function recordOf(effects: readonly Effect[]): Uint8Array {
  const writer = new ByteWriter()
  for (const effect of effects) writeEffect(effect, writer, false)
  return writer.finish()
}

/** Stores and the network between them. */
export class Cluster {
  readonly stores: Store[]
  readonly cut: Set<number> = new Set()

  constructor(
    ids: readonly number[] = [1, 2, 3],
    configs: (id: number) => KernelConfig = (id) => configOf(id, ids),
  ) {
    this.stores = ids.map((id) => new Store(configs(id)))
    this.settle()
  }

  store(id: number): Store {
    const store = this.stores.find((each) => each.id === id)
    invariant(store !== undefined, "There is no such store")
    return store
  }

  /** Another machine, or another disk, under the same id. */
  replace(store: Store): void {
    const at = this.stores.findIndex((each) => each.id === store.id)
    this.stores[at] = store
  }

  get leader(): Store | undefined {
    return this.stores.find((store) => store.status?.role === "leader")
  }

  /** One frame for each send, from the process that sent it. */
  deliver(from: Store, send: SendEffect, sender: Identity = from.kernel.identity()): void {
    if (this.cut.has(from.id) || this.cut.has(send.to)) return
    const to = this.stores.find((store) => store.id === send.to)
    if (to === undefined) return
    const { incarnation, boot, nonce, volumes } = sender
    const whose = { fromStore: from.id, fromIncarnation: incarnation, fromBoot: boot, fromNonce: nonce }
    const header = { ...whose, volumes, wall: from.stamp.wall }
    to.frame([send.message], header)
  }

  settle(): void {
    for (let round = 0; round < 300; round++) {
      for (const store of this.stores) store.settle()
      const sends = this.stores.flatMap((store) => store.take().map((send) => [store, send] as const))
      for (const [store, send] of sends) this.deliver(store, send)
      if (sends.length === 0) return
    }
    assert.fail("the cluster never came to rest")
  }

  /** Simulated time goes on to `us` from now; everyone is woken when it asked to be. */
  pass(us: number): void {
    const end = Math.max(...this.stores.map((store) => store.mono)) + us
    for (;;) {
      // One that has stopped asks for nothing any more, whatever it had asked for.
      const running = this.stores.filter((store) => store.fatal === null)
      const next = Math.min(...running.map((store) => store.wakeAt ?? Infinity))
      const now = Math.min(next, end)
      for (const store of this.stores) store.mono = Math.max(store.mono, now)
      if (next > end) return
      for (const store of running)
        if (store.wakeAt !== null && store.wakeAt <= now) store.step({ type: "wake" })
      this.settle()
    }
  }

  elect(): Store {
    for (let i = 0; i < 20 && this.leader === undefined; i++) this.pass(500_000)
    const leader = this.leader
    invariant(leader !== undefined, "Nobody was elected")
    // Past the low-water of its first entry.
    this.pass(1_000_000)
    return leader
  }
}
