import { Worker } from "node:worker_threads"
import { withoutDamage, type DamageList, type FrozenOverlay, type Space, type VolumeId } from "#kernel"
import { errorOf } from "../thrown.ts"
import { CHECKSUM_BYTES, encodeMeta, KEY_BYTES_MAX, rowKey } from "./row.ts"
import type { Failure, KeySpan, WorkerAnswer, WorkerOrder } from "./worker-message.ts"

/** What is packed at a time: about half a millisecond of the loop's. One row may be longer. */
const SLICE_BYTES = 128 << 10
const SLICE_ROWS = 1024
/** Room for a row that begins below the bound and ends above it: longer ones are rare. */
const BUFFER_BYTES = SLICE_BYTES + (64 << 10)
/**
 * Buffers of slices that are kept for the next checkpoint: those of one by default. Made anew for each they would leave
 * the allocator with holes among what lives long, and the process larger with every checkpoint.
 */
const SPARE_MAX = 128

/** A base could not be opened or a checkpoint could not be written, with the code of the errno or of LMDB. */
export class BaseWriteError extends Error {
  override readonly name = "BaseWriteError"
  readonly code: string | number

  constructor({ code, message }: Failure) {
    super(message)
    this.code = code
  }
}

type Waiting = { readonly done: () => void; readonly failed: (error: Error) => void }

/**
 * Writes the bases of one store by a thread of its own. What a checkpoint changes is packed here, a slice at a time with
 * the loop's other work in between; the thread collects the slices and makes one transaction of them.
 */
export class BaseWriter {
  readonly #worker: Worker
  readonly #waiting = new Map<VolumeId, Waiting>()
  readonly #spare: ArrayBuffer[] = []
  #closed: (() => void) | null = null
  #failure: Error | null = null

  constructor() {
    this.#worker = new Worker(new URL("./worker.ts", import.meta.url))
    this.#worker.on("message", (answer: WorkerAnswer) => this.#answered(answer))
    this.#worker.on("error", (error) => this.#failed(errorOf(error)))
    this.#worker.on("exit", () => this.#failed(new Error("The thread that writes bases has ended")))
  }

  /** Rejects with `BaseWriteError` when LMDB cannot open what lies there. */
  open(volume: VolumeId, path: string): Promise<void> {
    return this.#asked(volume, () => this.#post({ type: "open", volume, path }))
  }

  /** Durable when it resolves; nothing of it is in the base when it rejects. One at a time for each volume. */
  write(volume: VolumeId, changes: FrozenOverlay, damage: DamageList): Promise<void> {
    return this.#asked(volume, () => {
      const writes = changes.writes()
      const slice = (): void => {
        const waiting = this.#waiting.get(volume)
        if (waiting === undefined) return
        let packed: ReturnType<typeof pack>
        try {
          packed = pack(writes, this.#spare.pop() ?? null)
        } catch (error) {
          this.#waiting.delete(volume)
          waiting.failed(errorOf(error))
          return
        }
        const { bytes, isLast } = packed
        if (bytes.length > 0) this.#post({ type: "rows", volume, bytes }, bytes)
        if (!isLast) {
          setImmediate(slice)
          return
        }
        const left = withoutDamage(damage, changes.cleared)
        const meta = encodeMeta({ checkpoint: changes.checkpoint, damage: left })
        this.#post({ type: "commit", volume, cleared: changes.cleared.map(spanOf), meta })
      }
      slice()
    })
  }

  /** Nothing may be under way. */
  async close(): Promise<void> {
    if (this.#failure !== null) return
    await new Promise<void>((resolve) => {
      this.#closed = resolve
      this.#post({ type: "close" })
    })
  }

  #asked(volume: VolumeId, ask: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) {
        reject(this.#failure)
        return
      }
      this.#waiting.set(volume, { done: resolve, failed: reject })
      ask()
    })
  }

  #post(order: WorkerOrder, moved?: Uint8Array): void {
    this.#worker.postMessage(order, moved === undefined ? [] : [moved.buffer as ArrayBuffer])
  }

  #answered(answer: WorkerAnswer): void {
    if (answer.type === "closed") {
      this.#closed?.()
      return
    }
    const waiting = this.#waiting.get(answer.volume)
    this.#waiting.delete(answer.volume)
    if (answer.type === "committed") {
      for (const { buffer, byteLength } of answer.spent) {
        if (byteLength === BUFFER_BYTES && this.#spare.length < SPARE_MAX)
          this.#spare.push(buffer as ArrayBuffer)
      }
    }
    if (answer.failure === null) waiting?.done()
    else waiting?.failed(new BaseWriteError(answer.failure))
  }

  #failed(error: Error): void {
    this.#failure ??= error
    for (const { failed } of this.#waiting.values()) failed(this.#failure)
    this.#waiting.clear()
    this.#closed?.()
  }
}

function spanOf({
  space,
  from,
  to,
}: {
  readonly space: Space
  readonly from: string
  readonly to: string
}): KeySpan {
  const end = to === "" ? String.fromCharCode(space + 1) : rowKey(space, to)
  return { from: Buffer.from(rowKey(space, from), "latin1"), to: Buffer.from(end, "latin1") }
}

/** The next rows in the layout of `WorkerOrder`. */
function pack(
  writes: ReturnType<FrozenOverlay["writes"]>,
  spare: ArrayBuffer | null,
): {
  readonly bytes: Uint8Array
  readonly isLast: boolean
} {
  let buffer = spare === null ? Buffer.allocUnsafeSlow(BUFFER_BYTES) : Buffer.from(spare)
  let length = 0
  for (let rows = 0; rows < SLICE_ROWS && length < SLICE_BYTES; rows++) {
    const { done, value: write } = writes.next()
    if (done === true) return { bytes: buffer.subarray(0, length), isLast: true }
    const key = rowKey(write.space, write.key)
    if (key.length > KEY_BYTES_MAX) throw new Error(`A key of ${key.length} bytes is more than a base takes`)
    const isPut = write.type === "put"
    const needed = 3 + key.length + (isPut ? 4 + CHECKSUM_BYTES + write.value.length : 0)
    if (length + needed > buffer.length) {
      const larger = Buffer.allocUnsafeSlow(length + needed + SLICE_BYTES)
      buffer.copy(larger, 0, 0, length)
      buffer = larger
    }
    length = buffer.writeUInt8(isPut ? 1 : 0, length)
    length = buffer.writeUInt16BE(key.length, length)
    length += buffer.write(key, length, "latin1")
    if (!isPut) continue
    length = buffer.writeUInt32BE(CHECKSUM_BYTES + write.value.length, length)
    length += CHECKSUM_BYTES
    length += buffer.write(write.value, length, "latin1")
  }
  return { bytes: buffer.subarray(0, length), isLast: false }
}
