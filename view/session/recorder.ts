import type { Effect, Frame, Input, KvReply, KvRequest, Observation, ReadView, Sink, Stamp } from "#kernel"
import type { FaultRun, KernelBuild, Listener, Note, StoreKernel } from "#sim"
import { bytes, floats, integers, shorts, type Column } from "./columns.ts"
import { InputLog } from "./input-log.ts"
import { Life } from "./life.ts"
import { LogStory } from "./log-story.ts"
import { frameKind, Messages, NONE } from "./messages.ts"

/** Steps of a kernel between two that are kept, at first: twice as many whenever the kept ones weigh too much. */
const SAVE_EVERY = 512
/** Of all kept kernels together. */
const SAVED_BYTES_MAX = 256 << 20
const PROGRESS_EVERY = 4_096

export const INPUT_KINDS: readonly Input["type"][] = [
  "wake",
  "frame",
  "request",
  "admin",
  "appendSynced",
  "appendFailed",
  "segmentCreated",
  "segmentRefused",
  "checkpointSynced",
  "checkpointRefused",
  "checkpointFailed",
  "turnEnded",
]

const INPUT_NUMBER: ReadonlyMap<Input["type"], number> = new Map(
  INPUT_KINDS.map((kind, index) => [kind, index]),
)

export type Happening = { readonly at: number; readonly event: number; readonly what: string }
export type RoleChange = {
  readonly at: number
  readonly event: number
  readonly store: number
  readonly group: number
  readonly role: string
  readonly term: number
}
/** A process began or ended. */
export type Turnover = {
  readonly at: number
  readonly event: number
  readonly store: number
  readonly what: "started" | "crashed" | "lost power"
  readonly boot: number
}
export type MarkHit = { readonly event: number; readonly store: number; readonly name: string }
/** A request as a store took it in. */
export type Asked = {
  readonly event: number
  readonly store: number
  readonly client: number
  readonly id: number
}
export type Answered = {
  readonly event: number
  readonly store: number
  readonly client: number
  readonly id: number
  readonly commitTs: number
  readonly code: string
}
/** A message that a client sent or heard: its lane has no events of a kernel. */
export type ClientPoint = {
  readonly at: number
  readonly event: number
  readonly message: number
  readonly sent: boolean
}

/** What the page must know of a run, written down while the run goes on, from the places where anybody may look. */
export class Recorder implements Listener {
  readonly storeCount: number
  readonly laneCount: number
  readonly inputs: InputLog = new InputLog()
  /** Of every event, by its number less one. */
  readonly times: Column = floats()
  readonly stores: Column<Uint16Array> = shorts()
  readonly kinds: Column<Uint8Array> = bytes()
  readonly lives: Column<Int32Array> = integers()
  /** The message that the event took in. */
  readonly took: Column<Int32Array> = integers()
  readonly allLives: Life[] = []
  readonly messages: Messages = new Messages()
  readonly roles: RoleChange[] = []
  readonly turnovers: Turnover[] = []
  readonly happenings: Happening[] = []
  readonly marks: MarkHit[] = []
  readonly requests: Asked[] = []
  readonly answers: Answered[] = []
  /** Events of each store, ascending. */
  readonly eventsOf: readonly Column<Int32Array>[]
  readonly faultRuns: Map<number, FaultRun> = new Map()
  /** By client. */
  readonly clientPoints: ClientPoint[][]
  readonly logs: LogStory = new LogStory()
  readonly build: KernelBuild
  readonly #onProgress: (events: number, now: number) => void
  readonly #sentAs = new WeakMap<object, number>()
  readonly #lastEvent: number[]
  #life: Life | null = null
  /** What a kernel says as it is opened, until it is told when that was. */
  #opening: readonly Effect[] = []
  #saveEvery = SAVE_EVERY
  #savedBytes = 0

  constructor(
    lanes: { readonly storeCount: number; readonly clientCount: number },
    build: KernelBuild,
    onProgress: (events: number, now: number) => void,
  ) {
    this.storeCount = lanes.storeCount
    this.laneCount = lanes.storeCount + lanes.clientCount
    this.clientPoints = Array.from({ length: lanes.clientCount }, () => [])
    this.#lastEvent = Array.from<number>({ length: this.laneCount }).fill(0)
    this.eventsOf = Array.from({ length: this.storeCount }, () => integers())
    this.#onProgress = onProgress
    this.build = this.#recorded(build)
  }

  get events(): number {
    return this.times.length
  }

  /** Steps between two kept kernels, as it is by now. */
  get saveEvery(): number {
    return this.#saveEvery
  }

  get savedBytes(): number {
    return this.#savedBytes
  }

  stepped(now: number, event: number, store: number, input: Input, effects: readonly Effect[]): void {
    const life = this.#life!
    life.stepped(event)
    this.inputs.push(input)
    this.times.push(now)
    this.stores.push(store)
    this.kinds.push(INPUT_NUMBER.get(input.type)!)
    this.lives.push(life.id)
    this.took.push(this.#taken(now, event, store, input))
    this.#lastEvent[store - 1] = event
    this.eventsOf[store - 1]!.push(event)
    if (input.type === "request")
      this.requests.push({ event, store, client: input.session, id: input.request.id })
    for (const effect of effects) {
      if (effect.type === "observe") this.#observed(now, event, store, effect.observation)
      else if (effect.type === "reply") {
        const { session, reply } = effect
        const [commitTs, code] = reply.type === "ok" ? [reply.commitTs, "ok"] : [0, reply.error.code]
        this.answers.push({ event, store, client: session, id: reply.id, commitTs, code })
      }
    }
    if (event % PROGRESS_EVERY === 0) this.#onProgress(event, now)
  }

  happened(at: number, event: number, what: string): void {
    // The effects of a start are told one by one behind it.
    if (!what.startsWith("  ")) this.happenings.push({ at, event, what })
  }

  noted(at: number, event: number, note: Note): void {
    switch (note.type) {
      case "started":
        this.turnovers.push({ at, event, store: note.store, what: "started", boot: note.boot })
        for (const effect of this.#opening)
          if (effect.type === "observe") this.#observed(at, event, note.store, effect.observation)
        this.#opening = []
        return
      case "stopped":
        this.turnovers.push({
          at,
          event,
          store: note.store,
          what: note.powerLoss ? "lost power" : "crashed",
          boot: 0,
        })
        return
      case "frameSent":
        this.#sentAs.set(
          note.frame,
          this.messages.send(
            frameKind(note.frame),
            note.from - 1,
            note.to - 1,
            at,
            this.#lastEvent[note.from - 1]!,
          ),
        )
        return
      case "requestSent":
        this.#requestSent(at, event, note.client, note.store, note.request)
        return
      case "replySent": {
        const lane = this.storeCount + note.client
        if (lane >= this.laneCount) return
        const kind = note.reply.type === "ok" ? "reply" : "refusal"
        const sent = this.messages.send(kind, note.store - 1, lane, at, this.#lastEvent[note.store - 1]!)
        this.#sentAs.set(note.reply, sent)
        return
      }
      case "replyArrived":
        this.#replyArrived(at, event, note.client, note.reply)
        return
      case "faultBegan":
        this.faultRuns.set(note.run.fault.id, note.run)
        return
      case "faultEnded":
        return
    }
  }

  /** This object is what was sent as that message. */
  carries(sent: object, message: number): void {
    this.#sentAs.set(sent, message)
  }

  /** Copies of one request leave at one moment and are one message that may arrive often. */
  #requestSent(at: number, event: number, client: number, store: number, request: KvRequest): void {
    const before = this.#sentAs.get(request)
    if (before !== undefined && this.messages.sentAt(before) === at) return
    const message = this.messages.send("request", this.storeCount + client, store - 1, at, event)
    this.#sentAs.set(request, message)
    this.clientPoints[client]?.push({ at, event, message, sent: true })
  }

  #replyArrived(at: number, event: number, client: number, reply: KvReply): void {
    const message = this.#sentAs.get(reply)
    if (message === undefined) return
    this.messages.take(message, this.storeCount + client, at, event)
    this.clientPoints[client]?.push({ at, event, message, sent: false })
  }

  #taken(now: number, event: number, store: number, input: Input): number {
    if (input.type !== "frame" && input.type !== "request") return NONE
    const message = this.#sentAs.get(input.type === "frame" ? input.frame : input.request)
    if (message === undefined) return NONE
    this.messages.take(message, store - 1, now, event)
    if (input.type === "frame") this.logs.sawFrame(event, input.frame)
    return message
  }

  #observed(at: number, event: number, store: number, observation: Observation): void {
    switch (observation.type) {
      case "roleChanged": {
        const { group, role, term } = observation
        this.roles.push({ at, event, store, group, role, term })
        return
      }
      case "mark":
        this.marks.push({ event, store, name: observation.name })
        return
      case "logChanged":
        this.logs.changed(event, store, observation)
        return
      default:
        return
    }
  }

  // The kernels.

  #recorded(inner: KernelBuild): KernelBuild {
    return {
      name: inner.name,
      open: (config, images, boot) => {
        const life = new Life(this.allLives.length, this.events, config, basesOf(images))
        const { kernel, effects } = inner.open(life.config, images, boot)
        this.#began(life, kernel)
        this.#opening = effects
        return { kernel: this.#watched(life, kernel), effects }
      },
      load: (config, saved, bases) => {
        const life = new Life(this.allLives.length, this.events, config, bases)
        const kernel = inner.load(life.config, saved, bases)
        this.#began(life, kernel)
        return this.#watched(life, kernel)
      },
      encodeFrame: (frame, scratch) => {
        const encoded = inner.encodeFrame(frame, scratch)
        this.#same(frame, encoded)
        return encoded
      },
      decodeFrame: (encoded) => {
        const frame: Frame | null = inner.decodeFrame(encoded)
        if (frame !== null) this.#same(encoded, frame)
        return frame
      },
    }
  }

  #same(one: object, other: object): void {
    const sent = this.#sentAs.get(one)
    if (sent !== undefined) this.#sentAs.set(other, sent)
  }

  #began(life: Life, kernel: StoreKernel): void {
    this.allLives.push(life)
    this.#save(life, kernel)
  }

  #watched(life: Life, kernel: StoreKernel): StoreKernel {
    return {
      step: (input) => {
        if (life.steps - life.saves.at(-1)!.step >= this.#saveEvery) this.#save(life, kernel)
        this.#life = life
        life.beforeStep()
        return kernel.step(input)
      },
      save: (sink: Sink) => kernel.save(sink),
      identity: () => kernel.identity(),
      status: () => kernel.status(),
      leaseTerm: (group: number, stamp: Stamp) => kernel.leaseTerm(group, stamp),
      isDrained: () => kernel.isDrained(),
      view: (volume: number): ReadView => kernel.view(volume),
    }
  }

  #save(life: Life, kernel: StoreKernel): void {
    this.#savedBytes += life.save(kernel)
    while (this.#savedBytes > SAVED_BYTES_MAX && this.#saveEvery < 65_536) {
      this.#saveEvery *= 2
      this.#savedBytes = this.allLives.reduce((sum, each) => sum + each.thin(), 0)
    }
  }
}

function basesOf(images: Parameters<KernelBuild["open"]>[1]): ConstructorParameters<typeof Life>[3] {
  return new Map(images.map(({ volume, base }) => [volume, base] as const))
}
