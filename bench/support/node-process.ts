import { spawn, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"

const ORRERY = join(import.meta.dirname, "..", "..", "bin", "orrery.js")

/** What a node said of itself: a line of its log. */
export type LogLine = { readonly event?: string; readonly role?: string; readonly time?: number }

/** A node in a process of its own, by the command that ships. */
export class NodeProcess {
  /** What it logged, from its start on. */
  readonly lines: LogLine[] = []
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  /** Resolves when the node says that it is up; rejects with its last words. `flags` are Node's own. */
  static async start(directory: string, flags: readonly string[] = []): Promise<NodeProcess> {
    const child = spawn(process.execPath, [...flags, ORRERY, "start", directory, "--json"], {
      stdio: ["ignore", "pipe", "pipe"],
    })
    const node = new NodeProcess(child)
    let words = ""
    createInterface({ input: child.stderr }).on("line", (line) => {
      words = line
      node.lines.push(parse(line))
    })
    await new Promise<void>((up, failed) => {
      child.stdout.once("data", () => up())
      child.once("exit", (code) => failed(new Error(`The node ended with ${code}: ${words}`)))
      child.once("error", failed)
    })
    return node
  }

  get pid(): number {
    return this.#child.pid!
  }

  get isUp(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  has(event: string, role?: string): boolean {
    return this.lines.some((line) => line.event === event && (role === undefined || line.role === role))
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Asks it to stop, or kills it; resolves with its exit code once it is gone. */
  async end(signal: "SIGTERM" | "SIGKILL" = "SIGKILL"): Promise<number | null> {
    if (this.isUp) {
      const gone = once(this.#child, "exit")
      this.#child.kill(signal)
      await gone
    }
    return this.#child.exitCode
  }
}

function parse(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine
  } catch {
    return {}
  }
}
