import {
  ByteReader,
  Digest,
  LiveBase,
  MemoryBase,
  NO_SWITCHES,
  readInput,
  TraceDigest,
  writePeerMessage,
  type Effect,
  type FrozenOverlay,
  type Input,
  type KernelConfig,
  type VolumeId,
} from "#kernel"
import { kernelBuild, type StoreKernel } from "#sim"
import { messageKind } from "./messages.ts"
import { Recorder } from "./recorder.ts"
import { Rewinder } from "./rewind.ts"
import type { Run } from "./run.ts"

/** What one process of a real node was told, from a saved kernel on. */
export type RecordedPart = {
  readonly config: Omit<KernelConfig, "switches">
  /** Steps of the process before, and the trace hash after them. */
  readonly event: number
  readonly hashHigh: number
  readonly hashLow: number
  readonly kernel: Uint8Array
  /** By volume: the base, as a checkpoint file. */
  readonly bases: readonly (readonly [VolumeId, Uint8Array])[]
  /** Inputs, one after the other, as `writeInput` writes them whole. */
  readonly inputs: Uint8Array
}

type Node = {
  readonly store: number
  readonly kernel: StoreKernel
  readonly bases: ReadonlyMap<VolumeId, LiveBase>
  readonly checkpoints: Map<VolumeId, FrozenOverlay>
  readonly reader: ByteReader
  readonly trace: TraceDigest
  next: Input | null
}

/** How recordings were played: the trace hash of each, after its last input. */
export type Played = { readonly run: Run; readonly hashes: readonly string[] }

/**
 * Plays recordings of real nodes side by side, in the order of their wall clocks, and follows them as it follows a simulated
 * run. What one of them sent and another took in is joined by its content, in the order in which it was sent. Throws when a
 * recording is not of this kernel.
 */
export function playRecordings(
  parts: readonly RecordedPart[],
  onProgress: (events: number, share: number) => void = () => {},
): Played {
  const storeCount = parts.reduce((most, { config }) => Math.max(most, config.store), 1)
  const bytes = parts.reduce((sum, { inputs }) => sum + inputs.length, 0)
  let done = 0
  const recorder = new Recorder({ storeCount, clientCount: 0 }, kernelBuild, (events) =>
    onProgress(events, bytes === 0 ? 1 : done / bytes),
  )
  const nodes = parts.map((part) => begin(part, recorder))
  const links = new Links(recorder)
  const start = Math.min(...nodes.flatMap(({ next }) => (next === null ? [] : [next.wall])))
  for (const node of nodes) introduce(node, (node.next?.wall ?? start) - start, recorder)
  let now = 0
  for (;;) {
    let first: Node | null = null
    for (const node of nodes) {
      if (node.next !== null && (first === null || node.next.wall < first.next!.wall)) first = node
    }
    if (first === null) break
    const input = first.next!
    // Clocks of machines differ, and may be set back: here time does not.
    now = Math.max(now, input.wall - start)
    const offset = first.reader.offset
    step(first, input, now, recorder, links)
    first.next = nextInput(first.reader)
    done += first.reader.offset - offset
  }
  const rewinder = new Rewinder(recorder.inputs)
  const run: Run = { plan: null, result: null, recorder, rewinder }
  return { run, hashes: nodes.map(({ trace }) => trace.hex()) }
}

function begin(part: RecordedPart, recorder: Recorder): Node {
  const config = { ...part.config, switches: NO_SWITCHES }
  const bases = new Map(part.bases.map(([volume, bytes]) => [volume, baseOf(bytes)] as const))
  const kernel = recorder.build.load(config, part.kernel, bases)
  const { store } = config
  const trace = new TraceDigest()
  trace.resume(part.event, part.hashHigh, part.hashLow)
  const reader = new ByteReader(part.inputs)
  return { store, kernel, bases, checkpoints: new Map(), reader, trace, next: nextInput(reader) }
}

/** What a process is when its recording begins, which it may have been for long. */
function introduce({ store, kernel }: Node, at: number, recorder: Recorder): void {
  recorder.noted(at, 0, { type: "started", store, boot: kernel.identity().boot })
  for (const { group, role, term } of kernel.status()) {
    recorder.roles.push({ at, event: 0, store, group, role, term })
  }
}

function baseOf(bytes: Uint8Array): LiveBase {
  return new LiveBase(MemoryBase.decode(bytes) ?? MemoryBase.unreadable())
}

function nextInput(reader: ByteReader): Input | null {
  if (reader.remaining === 0) return null
  const input = readInput(reader)
  return reader.failed ? null : input
}

function step(node: Node, input: Input, now: number, recorder: Recorder, links: Links): void {
  const { store, kernel, bases, checkpoints } = node
  if (input.type === "checkpointSynced") {
    const changes = checkpoints.get(input.volume)
    const base = bases.get(input.volume)
    if (changes !== undefined && base !== undefined) base.current = base.current.apply(changes)
    checkpoints.delete(input.volume)
  }
  const effects = kernel.step(input)
  for (const effect of effects)
    if (effect.type === "checkpoint") checkpoints.set(effect.volume, effect.changes)
  node.trace.stepped(store, input, effects)
  const event = recorder.events + 1
  links.taken(store, input, now, event)
  recorder.stepped(now, event, store, input, effects)
  links.sent(store, effects, now, event)
}

/** Messages on their way from one recorded process to another, by what is in them. */
class Links {
  readonly #recorder: Recorder
  readonly #underWay = new Map<string, number[]>()

  constructor(recorder: Recorder) {
    this.#recorder = recorder
  }

  sent(store: number, effects: readonly Effect[], now: number, event: number): void {
    const { messages, storeCount } = this.#recorder
    for (const effect of effects) {
      if (effect.type !== "send" || effect.to > storeCount) continue
      const id = messages.send(messageKind(effect.message), store - 1, effect.to - 1, now, event)
      const key = keyOf(store, effect.to, effect.message)
      const waiting = this.#underWay.get(key)
      if (waiting === undefined) this.#underWay.set(key, [id])
      else waiting.push(id)
    }
  }

  taken(store: number, input: Input, now: number, event: number): void {
    if (input.type !== "frame") return
    const { messages } = this.#recorder
    let first = true
    for (const message of input.frame.messages) {
      const id = this.#underWay.get(keyOf(input.frame.header.fromStore, store, message))?.shift()
      if (id === undefined) continue
      // The frame stands for one of its messages; the others have arrows of their own.
      if (first) this.#recorder.carries(input.frame, id)
      else messages.take(id, store - 1, now, event)
      first = false
    }
  }
}

function keyOf(from: number, to: number, message: Parameters<typeof writePeerMessage>[0]): string {
  const digest = new Digest()
  writePeerMessage(message, digest, false)
  return `${from} ${to} ${digest.hex()}`
}
