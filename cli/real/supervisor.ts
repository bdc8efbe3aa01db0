import { fork, type ChildProcess } from "node:child_process"
import { fileURLToPath } from "node:url"
import { EnvironmentError } from "../errors.ts"
import type { FromKeeper, ToKeeper } from "./keeper-message.ts"

export type ProcessSpec = {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  /** Standard output and error are appended to this file. */
  readonly log: string
}

/** How a process ended: by its own code or by a signal. */
export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null }

/** One start of one process; a restart is another one. */
export interface Managed {
  readonly name: string
  readonly pid: number
  /** Null while it lives. */
  readonly exit: Exit | null
  readonly isStopped: boolean
  readonly exited: Promise<Exit>
  /** SIGKILL, and SIGSTOP and SIGCONT, are what they are. Nothing once it has ended. */
  signal(signal: NodeJS.Signals): void
}

class Child implements Managed {
  readonly name: string
  readonly #signal: (signal: NodeJS.Signals) => void
  readonly exited: Promise<Exit>
  #resolve: (exit: Exit) => void = () => {}
  pid = 0
  exit: Exit | null = null
  isStopped = false

  constructor(name: string, signal: (signal: NodeJS.Signals) => void) {
    this.name = name
    this.#signal = signal
    this.exited = new Promise((resolve) => (this.#resolve = resolve))
  }

  signal(signal: NodeJS.Signals): void {
    if (this.exit !== null) return
    if (signal === "SIGSTOP") this.isStopped = true
    if (signal === "SIGCONT") this.isStopped = false
    this.#signal(signal)
  }

  ended(exit: Exit): void {
    if (this.exit !== null) return
    this.exit = exit
    this.isStopped = false
    this.#resolve(exit)
  }
}

type Start = {
  readonly child: Child
  readonly resolve: (child: Managed) => void
  readonly reject: (error: Error) => void
}

/** How long a process may take to end by SIGTERM before it is killed. */
const GRACE_MS = 10_000

/**
 * Starts processes and ends them. They are children of a keeper, which ends them when this process is gone, by whatever
 * death; and if the keeper dies first, they are ended from here.
 */
export class Supervisor {
  readonly #keeper: ChildProcess
  readonly #starts = new Map<number, Start>()
  readonly #children = new Map<number, Child>()
  #nextId = 1
  #isClosing = false
  readonly #keeperGone: Promise<void>

  private constructor(keeper: ChildProcess) {
    this.#keeper = keeper
    this.#keeperGone = new Promise((resolve) => {
      keeper.once("exit", () => {
        this.#keeperLost()
        resolve()
      })
    })
    keeper.on("message", (message) => this.#heard(message as FromKeeper))
    // A write to a keeper that has just gone: its exit says the rest.
    keeper.on("error", () => {})
  }

  static async open(): Promise<Supervisor> {
    const path = fileURLToPath(new URL("./keeper.ts", import.meta.url))
    // Not in our group, so that no Ctrl-C ends it before its time.
    const keeper = fork(path, [], {
      detached: true,
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      execArgv: [],
    })
    const supervisor = new Supervisor(keeper)
    await new Promise<void>((resolve, reject) => {
      keeper.once("message", () => resolve())
      keeper.once("error", (error) => reject(new EnvironmentError(`Cannot start a keeper: ${error.message}`)))
      keeper.once("exit", () => reject(new EnvironmentError("Cannot start a keeper: it ended at once")))
    })
    return supervisor
  }

  /** Resolves when the process runs; rejects with `EnvironmentError` when it cannot. */
  start(spec: ProcessSpec): Promise<Managed> {
    const id = this.#nextId++
    const child = new Child(spec.name, (signal) => this.#send({ type: "signal", id, signal }))
    return new Promise((resolve, reject) => {
      if (this.#isClosing || !this.#keeper.connected) {
        reject(new EnvironmentError(`Cannot start ${spec.name}: the supervisor has ended`))
        return
      }
      this.#starts.set(id, { child, resolve, reject })
      const { command, args, cwd, log } = spec
      this.#send({ type: "start", id, command, args, cwd, log })
    })
  }

  /** Ends everything: SIGTERM, then SIGKILL after `graceMs`, and the keeper last. */
  async close(graceMs: number = GRACE_MS): Promise<void> {
    this.#isClosing = true
    const children = [...this.#children.values()]
    for (const child of children) {
      child.signal("SIGTERM")
      // What stands still does not hear it otherwise.
      if (child.isStopped) child.signal("SIGCONT")
    }
    const timer = setTimeout(() => children.forEach((child) => child.signal("SIGKILL")), graceMs)
    await Promise.all(children.map((child) => child.exited))
    clearTimeout(timer)
    if (this.#keeper.connected) this.#keeper.disconnect()
    await this.#keeperGone
  }

  #send(message: ToKeeper): void {
    if (this.#keeper.connected) this.#keeper.send(message, () => {})
  }

  #heard(message: FromKeeper): void {
    switch (message.type) {
      case "ready":
        return
      case "started": {
        const start = this.#starts.get(message.id)
        if (start === undefined) return
        this.#starts.delete(message.id)
        start.child.pid = message.pid
        this.#children.set(message.id, start.child)
        start.resolve(start.child)
        return
      }
      case "refused": {
        const start = this.#starts.get(message.id)
        this.#starts.delete(message.id)
        start?.reject(new EnvironmentError(`Cannot start ${start.child.name}: ${message.message}`))
        return
      }
      case "exited": {
        const child = this.#children.get(message.id)
        this.#children.delete(message.id)
        child?.ended({ code: message.code, signal: message.signal })
        return
      }
    }
  }

  /** Nobody is left who would end them, or who could say how they ended. */
  #keeperLost(): void {
    for (const start of this.#starts.values())
      start.reject(new EnvironmentError(`Cannot start ${start.child.name}: the keeper has ended`))
    this.#starts.clear()
    for (const child of this.#children.values()) {
      try {
        process.kill(child.pid, "SIGKILL")
      } catch {
        // It has ended already.
      }
      child.ended({ code: null, signal: "SIGKILL" })
    }
    this.#children.clear()
  }
}
