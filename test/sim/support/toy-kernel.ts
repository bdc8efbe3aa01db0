import {
  ByteReader,
  decodeFrame,
  encodeFrame,
  MemoryBase,
  SWITCHES,
  unreachable,
  type BootStamp,
  type Effect,
  type FrozenOverlay,
  type GroupStatus,
  type Identity,
  type Input,
  type KernelConfig,
  type RaftMessage,
  type ReadView,
  type Sink,
  type SwitchName,
  type VolumeImage,
} from "#kernel"
import { OverlayEngine } from "#kernel/engine/overlay.ts"
import type { KernelBuild, StoreKernel } from "#sim/kernel-build.ts"

const FLUSH = 1
const SEGMENT_BYTES = 1 << 16

/**
 * A kernel with just enough in it to move every part of a world: it heartbeats to every other store each
 * second, appends a record of what it heard and answers a request once that is durable, on volume 1.
 */
export class ToyKernel implements StoreKernel {
  readonly config: KernelConfig
  readonly boot: number
  /** Its store, as a plain number: the toy names replicas and incarnations after it as well. */
  readonly me: number
  heard = 0
  readonly behaviour: ToyBehaviour
  #lsn = 0
  #segment = 1
  #ready = false
  #offset = 64
  #inFlight = false
  #dirty = false
  #wantsCheckpoint = false
  #checkpoint = 0
  #checkpointing = false
  #nextBeat = 0

  constructor(config: KernelConfig, boot: number, behaviour: ToyBehaviour) {
    this.config = config
    this.boot = boot
    this.me = config.store
    this.behaviour = behaviour
  }

  open(images: readonly VolumeImage[], stamp: BootStamp): readonly Effect[] {
    const image = images.find((candidate) => candidate.volume === 1)!
    this.#segment = (image.segments.at(-1)?.sequence ?? 0) + 1
    this.#checkpoint = image.base.checkpoint
    this.#nextBeat = stamp.mono + 1_000_000
    return [
      {
        type: "createSegment",
        volume: 1,
        segment: this.#segment,
        sizeBytes: SEGMENT_BYTES,
        header: new Uint8Array(64).fill(7),
      },
      { type: "wakeAt", mono: this.#nextBeat },
    ]
  }

  step(input: Input): readonly Effect[] {
    switch (input.type) {
      case "wake": {
        if (this.behaviour.throwsAt !== null && input.wall >= this.behaviour.throwsAt) {
          throw new Error("the toy is broken")
        }
        const effects: Effect[] = []
        this.#nextBeat = input.mono + 1_000_000
        // A switch shows in what it says.
        const names = Object.keys(SWITCHES) as SwitchName[]
        const round = this.heard + names.filter((name) => this.config.switches.on(name)).length
        for (let to = 1; to <= this.behaviour.stores; to++) {
          if (to === this.config.store) continue
          const message: RaftMessage = {
            type: "heartbeat",
            group: 1,
            from: this.me,
            to,
            term: this.boot,
            leaderCommit: this.heard,
            round,
            sentMono: input.mono,
            statedWall: 0,
            statedCommit: 0,
            life: 1,
            rests: false,
          }
          effects.push({ type: "send", to, lane: "liveness", message, barrier: null })
          effects.push({ type: "send", to, lane: "raft", message, barrier: { volume: 1, lsn: this.#lsn } })
        }
        effects.push({ type: "wakeAt", mono: this.#nextBeat })
        this.#wantsCheckpoint = true
        this.#dirty = true
        return effects
      }
      case "frame":
        this.heard += input.frame.messages.length
        this.#dirty = true
        return [{ type: "observe", observation: { type: "mark", name: "toy.heard" } }]
      case "request":
        this.#dirty = true
        return [
          {
            type: "reply",
            session: input.session,
            reply: { type: "ok", id: input.request.id, commitTs: this.heard, results: [], answer: null },
            barrier: { volume: 1, lsn: this.#lsn + 1 + (this.#inFlight ? 1 : 0) },
          },
        ]
      case "admin":
        return [
          {
            type: "adminReply",
            session: input.session,
            reply: { type: "accepted", id: input.request.id },
            barrier: null,
          },
        ]
      case "appendSynced":
        this.#inFlight = false
        return []
      case "appendFailed":
        return [{ type: "fatal", code: "syncFailed", detail: `lsn ${input.lsn}` }]
      case "segmentCreated":
        this.#ready = true
        return []
      case "checkpointSynced":
        this.#checkpointing = false
        return this.behaviour.keeps ? [] : [{ type: "releaseSegments", volume: 1, below: this.#segment }]
      case "segmentRefused":
      case "checkpointRefused":
        this.#checkpointing = false
        return [{ type: "observe", observation: { type: "mark", name: "toy.refused" } }]
      case "checkpointFailed":
        return [{ type: "fatal", code: "checkpointFailed", detail: "" }]
      case "drain":
      case "txn":
        return []
      case "turnEnded":
        return this.#endTurn()
      default:
        return unreachable(input)
    }
  }

  #endTurn(): readonly Effect[] {
    if (!this.#dirty || this.#inFlight || !this.#ready) return []
    this.#dirty = false
    this.#inFlight = true
    const bytes = new Uint8Array(1200).fill(1 + (this.heard % 200))
    if (this.#offset + bytes.length > SEGMENT_BYTES) this.#offset = 64
    const effects: Effect[] = [
      { type: "append", volume: 1, lsn: ++this.#lsn, segment: this.#segment, offset: this.#offset, bytes },
      { type: "writeWitness", volume: 1, bytes: new Uint8Array(700).fill(this.#lsn % 250) },
    ]
    this.#offset += bytes.length
    if (this.#wantsCheckpoint && !this.#checkpointing) {
      this.#wantsCheckpoint = false
      this.#checkpointing = true
      const changes = frozen(++this.#checkpoint, `${this.heard}`)
      effects.push({
        type: "checkpoint",
        volume: 1,
        checkpoint: this.#checkpoint,
        changes,
        barrier: { volume: 1, lsn: this.#lsn },
      })
    }
    return effects
  }

  save(sink: Sink): void {
    sink.uint(this.boot)
    sink.uint(this.heard)
    sink.uint(this.#lsn)
    sink.uint(this.#segment)
    sink.bool(this.#ready)
    sink.uint(this.#offset)
    sink.bool(this.#inFlight)
    sink.bool(this.#dirty)
    sink.bool(this.#wantsCheckpoint)
    sink.uint(this.#checkpoint)
    sink.bool(this.#checkpointing)
    sink.uint(this.#nextBeat)
  }

  static load(config: KernelConfig, bytes: Uint8Array, behaviour: ToyBehaviour): ToyKernel {
    const reader = new ByteReader(bytes)
    const kernel = new ToyKernel(config, reader.uint(), behaviour)
    kernel.heard = reader.uint() + (behaviour.forgets ? 1 : 0)
    kernel.#lsn = reader.uint()
    kernel.#segment = reader.uint()
    kernel.#ready = reader.bool()
    kernel.#offset = reader.uint()
    kernel.#inFlight = reader.bool()
    kernel.#dirty = reader.bool()
    kernel.#wantsCheckpoint = reader.bool()
    kernel.#checkpoint = reader.uint()
    kernel.#checkpointing = reader.bool()
    kernel.#nextBeat = reader.uint()
    return kernel
  }

  leaseTerm(): number {
    return 0
  }

  isDrained(): boolean {
    return true
  }

  identity(): Identity {
    return {
      cluster: this.config.cluster,
      store: this.config.store,
      incarnation: this.me,
      boot: this.boot,
      nonce: this.boot,
      volumes: [],
      configEpoch: 0,
    }
  }

  status(): readonly GroupStatus[] {
    const member = (store: number) => ({ replica: store, store, incarnation: store })
    const voters = Array.from({ length: this.behaviour.stores }, (_, index) => member(index + 1))
    return [
      {
        group: 1,
        replica: this.me,
        role: this.config.store === this.behaviour.leader ? "leader" : "follower",
        term: 1,
        leader: this.behaviour.leader,
        lastIndex: 0,
        commitIndex: 0,
        appliedIndex: 0,
        firstIndex: 1,
        configuration: { voters, outgoing: [], learners: [], promoting: [], nextReplica: 100 },
        descriptor: { rangeId: 1, groupId: 1, tenant: 0, start: "", end: "", generation: 1 },
        hashHigh: 0,
        hashLow: 0,
        waitingRequests: 0,
        votedFor: 0,
        durableIndex: 0,
        sending: [],
        followers: [],
        state: "whole",
        recoveredAt: 0,
        size: null,
        checkpoint: null,
        scrub: { passes: 0, mono: 0, key: "" },
      },
    ]
  }

  view(): ReadView {
    return MemoryBase.empty()
  }
}

export type ToyBehaviour = {
  stores: number
  leader: number
  /** Wall time from which a wake throws. */
  throwsAt: number | null
  /** A loaded kernel differs from the saved one. */
  forgets: boolean
  /** It releases no segment. */
  keeps: boolean
}

export type ToyBuild = KernelBuild & { readonly behaviour: ToyBehaviour }

export function toyBuild(stores: number, changes: Partial<ToyBehaviour> = {}): ToyBuild {
  const behaviour: ToyBehaviour = {
    stores,
    leader: 1,
    throwsAt: null,
    forgets: false,
    keeps: false,
    ...changes,
  }
  const boots = new Map<number, number>()
  return {
    name: "toy",
    behaviour,
    open(config, images, boot) {
      const count = (boots.get(config.store) ?? 0) + 1
      boots.set(config.store, count)
      const kernel = new ToyKernel(config, count, behaviour)
      return { kernel, effects: kernel.open(images, boot) }
    },
    load: (config, bytes) => ToyKernel.load(config, bytes, behaviour),
    encodeFrame,
    decodeFrame,
  }
}

/** A checkpoint's changes: one key. */
export function frozen(checkpoint: number, value: string): FrozenOverlay {
  const engine = new OverlayEngine(MemoryBase.empty())
  engine.apply([{ space: FLUSH, type: "put", key: "heard", value }])
  return engine.freeze(checkpoint)
}
