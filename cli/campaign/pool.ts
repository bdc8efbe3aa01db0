import { tmpdir } from "node:os"
import { join } from "node:path"
import { Worker } from "node:worker_threads"
import { EnvironmentError, messageOf } from "../errors.ts"
import type { FromWorker, ToWorker, WorkerAnswer, WorkerTask } from "./message.ts"

/** How a task ended. Only the first is the worker's own word. */
export type TaskEnd = Exclude<LaneEnd, { readonly type: "unloadable" }>

type LaneEnd =
  | { readonly type: "answered"; readonly answer: WorkerAnswer }
  | { readonly type: "died"; readonly message: string }
  /** It died before the simulator was loaded: no fault of the task. */
  | { readonly type: "unloadable"; readonly message: string }
  | { readonly type: "hung" }
  | { readonly type: "abandoned" }

/**
 * Three times the room for new objects (V8 has two halves of it, and one for what is on its way). V8 would take twice
 * this, which saves no time in a run and costs some 80 MB a worker.
 */
const YOUNG_MB_MAX = 24

/**
 * The environment of a worker: with Node's compile cache, in its usual place. A new worker evaluates every module
 * afresh, but strips and parses none again whose text is the same, which is four fifths of the time it takes to
 * start. `NODE_DISABLE_COMPILE_CACHE=1` turns it off, and so does measuring coverage, which counts functions that
 * come from the cache less exactly.
 */
function workerEnv(): NodeJS.ProcessEnv {
  const { env } = process
  if (env["NODE_V8_COVERAGE"] !== undefined || env["NODE_COMPILE_CACHE"] !== undefined) return env
  return { ...env, NODE_COMPILE_CACHE: join(tmpdir(), "node-compile-cache") }
}

/** One worker thread and the one task it is at. */
export class Lane {
  readonly #engineUrl: string
  #worker: Worker | null = null
  #settle: ((end: LaneEnd) => void) | null = null
  #taskId = 0
  #ready = false

  constructor(engineUrl: string) {
    this.#engineUrl = engineUrl
  }

  /** Runs a task to its end; at `wallMsMax` the worker is ended and the task counts as hung. */
  perform(task: WorkerTask, wallMsMax: number): Promise<TaskEnd> {
    const worker = (this.#worker ??= this.#start())
    const id = ++this.#taskId
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#end({ type: "hung" }), wallMsMax)
      this.#settle = (end) => {
        clearTimeout(timer)
        this.#settle = null
        if (end.type === "unloadable")
          reject(new EnvironmentError(`Cannot load the simulator: ${end.message}`))
        else resolve(end)
      }
      const request: ToWorker = { id, task }
      worker.postMessage(request)
    })
  }

  /** Ends the worker; a task under way is abandoned. */
  close(): void {
    this.#end({ type: "abandoned" })
  }

  #start(): Worker {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), {
      workerData: { engineUrl: this.#engineUrl },
      env: workerEnv(),
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB_MAX },
      // What a run prints is for nobody: it would tear the progress bar.
      stdout: true,
    })
    worker.on("message", (message: FromWorker) => {
      if (worker !== this.#worker) return
      if (message.type === "ready") this.#ready = true
      else if (message.id !== this.#taskId) return
      else this.#settle?.({ type: "answered", answer: message.answer })
    })
    worker.stdout.resume()
    worker.on("error", (thrown) => this.#lose(worker, messageOf(thrown)))
    worker.on("messageerror", (thrown) => this.#lose(worker, messageOf(thrown)))
    worker.on("exit", (code) => this.#lose(worker, `the worker ended with code ${code}`))
    return worker
  }

  #lose(worker: Worker, message: string): void {
    if (worker === this.#worker) this.#end({ type: this.#ready ? "died" : "unloadable", message })
  }

  #end(end: LaneEnd): void {
    const worker = this.#worker
    this.#worker = null
    this.#ready = false
    // Ending a thread takes a moment and no one has to wait for it.
    if (worker !== null) void worker.terminate()
    this.#settle?.(end)
  }
}

/** Lanes that take the next item whenever they are free. */
export class Pool {
  readonly #engineUrl: string
  readonly #lanes: readonly Lane[]
  readonly #fresh: Set<Lane> = new Set()
  #closed = false

  constructor(engineUrl: string, laneCount: number) {
    this.#engineUrl = engineUrl
    this.#lanes = Array.from({ length: laneCount }, () => new Lane(engineUrl))
  }

  /** Those of `each`, for work that is not a list of items. */
  get lanes(): readonly Lane[] {
    return this.#lanes
  }

  /**
   * Hands the items out in their order, one to each lane at a time, until `next` returns null. Ends when
   * every lane is idle; the first error is thrown.
   */
  async each<Item>(next: () => Item | null, work: (lane: Lane, item: Item) => Promise<void>): Promise<void> {
    await Promise.all(
      this.#lanes.map(async (lane) => {
        for (let item = next(); item !== null; item = next()) await work(lane, item)
      }),
    )
  }

  /** A task in a worker of its own, with freshly loaded modules. */
  async performFresh(task: WorkerTask, wallMsMax: number): Promise<TaskEnd> {
    if (this.#closed) return { type: "abandoned" }
    const lane = new Lane(this.#engineUrl)
    this.#fresh.add(lane)
    try {
      return await lane.perform(task, wallMsMax)
    } finally {
      this.#fresh.delete(lane)
      lane.close()
    }
  }

  /** Abandons what is under way. */
  close(): void {
    this.#closed = true
    for (const lane of [...this.#lanes, ...this.#fresh]) lane.close()
  }
}
