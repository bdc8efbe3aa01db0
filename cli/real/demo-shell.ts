import { ClientMemory, type Ending, type PlanRequest } from "#sim"
import type { Bootstrap, KvOp, KvResult } from "#kernel"
import { didYouMean, messageOf } from "../errors.ts"
import type { Paint } from "../report/paint.ts"
import { perform } from "./asking.ts"
import type { RealCluster } from "./cluster.ts"
import type { ClusterDoor } from "./door.ts"
import { linksBetween } from "./network.ts"
import { statusText, type SeenStore } from "./status-table.ts"

/** What was typed cannot be meant: told, and nothing happens. */
class LineError extends Error {}

const HELP: readonly (readonly [string, string])[] = [
  ["status", "stores and groups: who is up, who leads, who lags"],
  ["put KEY VALUE", "write"],
  ["get KEY", "read the newest value"],
  ["fault kill 2", "kill -9"],
  ["fault restart 2", "start it again (kills it first when it is up)"],
  ["fault pause 3", "stop it where it stands (SIGSTOP)"],
  ["fault resume 3", "let it go on"],
  ["fault partition 1,2|3", "no byte passes between the sides"],
  ["fault oneway 1|2,3", "no connection from the first side to the second passes a byte"],
  ["fault halfopen 1|2", "their streams lose the far end, and nobody is told"],
  ["fault slow 1|2,3 [BYTES/S]", "streams trickle"],
  ["fault heal", "links pass, everybody goes on, everybody is up"],
  ["help", "this"],
  ["quit", "destroys the cluster"],
]

const WORDS: readonly string[] = ["status", "put", "get", "fault", "help", "quit"]
const FAULTS: readonly string[] = [
  "kill",
  "restart",
  "pause",
  "resume",
  "partition",
  "oneway",
  "halfopen",
  "slow",
  "heal",
]

const TIMEOUT_US = 2_000_000
const SLOW_BYTES = 64
/** A node with much data may take longer to start than anybody at a prompt waits. */
const START_MS = 10_000

/** What may be typed next, and the part of the line that it completes: as `node:readline` asks it. */
export function complete(line: string, stores: readonly number[]): [string[], string] {
  const words = line.trimStart().split(/\s+/)
  const word = words.at(-1)!
  const names =
    words.length <= 1
      ? WORDS
      : words[0] === "fault" && words.length === 2
        ? FAULTS
        : words[0] === "fault" && words.length === 3 && words[1] !== "heal"
          ? stores.map(String)
          : []
  return [names.filter((name) => name.startsWith(word)).map((name) => `${name} `), word]
}

/** The commands inside a demo. Each answers in text; none of them throws. */
export class DemoShell {
  readonly #cluster: RealCluster
  readonly #door: ClusterDoor
  readonly #memory: ClientMemory
  readonly #ranges: readonly Bootstrap[]
  readonly #paint: Paint
  #nextFault = 1

  constructor(cluster: RealCluster, door: ClusterDoor, ranges: readonly Bootstrap[], paint: Paint) {
    this.#cluster = cluster
    this.#door = door
    this.#ranges = ranges
    this.#paint = paint
    this.#memory = new ClientMemory(
      0,
      ranges.map(({ descriptor, configuration }) => {
        const stores = configuration.voters.map(({ store }) => store)
        return { descriptor, stores, homes: stores }
      }),
    )
  }

  /** The answer to one line; null when it was `quit`. */
  async answer(line: string): Promise<string | null> {
    const words = line.trim().split(/\s+/)
    const [word = "", ...rest] = words
    try {
      switch (word) {
        case "":
          return ""
        case "quit":
        case "exit":
          return null
        case "help":
          return this.#help()
        case "status":
          return await this.status()
        case "put":
          return await this.#put(line.trim(), rest)
        case "get":
          return await this.#get(rest)
        case "fault":
          return await this.#fault(rest)
        default:
          throw new LineError(`There is no command "${word}"${didYouMean(word, WORDS)}; \`help\` lists them`)
      }
    } catch (thrown) {
      return `${this.#paint.red(messageOf(thrown))}\n`
    }
  }

  async status(): Promise<string> {
    const reports = await this.#cluster.reports()
    const stores = this.#cluster.stores.map((store): SeenStore => {
      const report = reports.get(store) ?? null
      const state = !this.#cluster.isUp(store)
        ? "down"
        : this.#cluster.isPaused(store)
          ? "paused"
          : report === null
            ? "silent"
            : "up"
      return { store, state, report }
    })
    const links = this.#links()
    return `${statusText(stores, this.#paint)}${links === "" ? "" : `\n${links}\n`}`
  }

  #help(): string {
    const width = Math.max(...HELP.map(([command]) => command.length))
    return HELP.map(([command, about]) => `  ${command.padEnd(width)}  ${this.#paint.dim(about)}\n`).join("")
  }

  /** Links that do not simply pass. */
  #links(): string {
    const { network } = this.#cluster
    const told: string[] = []
    for (const { from, to } of linksBetween(network.stores, network.stores, true)) {
      const state = network.stateOf(from, to)
      if (state.type !== "open") told.push(`${from} → ${to} ${state.type}`)
    }
    return told.length === 0 ? "" : this.#paint.yellow(`links: ${told.join(", ")}`)
  }

  async #put(line: string, [key, value]: readonly string[]): Promise<string> {
    if (key === undefined || value === undefined) throw new LineError("put KEY VALUE")
    // A value may hold spaces: all that follows the key.
    const text = line.slice(line.indexOf(key, "put".length) + key.length).trim()
    return this.#perform(key, { type: "put", key: bytesOf(key), value: bytesOf(text) }, true)
  }

  async #get([key]: readonly string[]): Promise<string> {
    if (key === undefined) throw new LineError("get KEY")
    return this.#perform(key, { type: "get", key: bytesOf(key) }, false)
  }

  async #perform(key: string, op: KvOp & { readonly key: string }, token: boolean): Promise<string> {
    const range = this.#ranges.find(
      ({ descriptor: { start, end } }) => start <= op.key && (end === "" || op.key < end),
    )
    if (range === undefined) throw new LineError(`No range holds ${key}`)
    const request: PlanRequest = {
      ops: [op],
      range: range.descriptor.rangeId,
      token,
      timeoutUs: TIMEOUT_US,
      copies: 1,
      abandoned: false,
      read: "strong",
    }
    const startedAt = performance.now()
    const ending = await perform(this.#door, this.#memory, request)
    const ms = (performance.now() - startedAt).toFixed(1)
    const how = this.#paint.dim(`${ms} ms${ending.retries > 0 ? `, ${ending.retries} retries` : ""}`)
    return `${this.#told(ending)}  ${how}\n`
  }

  #told({ outcome, results }: Ending): string {
    if (outcome === "fail") return this.#paint.red("refused, without effect: no store would serve it in time")
    if (outcome === "info") return this.#paint.yellow("no answer: it may have taken effect, or may yet")
    return resultText(results![0]!)
  }

  async #fault([name = "", what = "", more]: readonly string[]): Promise<string> {
    switch (name) {
      case "kill": {
        const store = this.#store(what)
        if (!(await this.#cluster.kill(store))) throw new LineError(`Store ${store} is down already`)
        return `store ${store} was killed\n`
      }
      case "restart": {
        const store = this.#store(what)
        await this.#cluster.kill(store)
        await this.#cluster.start(store)
        return `store ${store} ${await this.#upText(store)}\n`
      }
      case "pause": {
        const store = this.#store(what)
        if (!this.#cluster.pause(store)) throw new LineError(`Store ${store} is down`)
        return `store ${store} stands still\n`
      }
      case "resume": {
        const store = this.#store(what)
        this.#cluster.resume(store)
        return `store ${store} goes on\n`
      }
      case "partition":
      case "oneway":
      case "halfopen":
      case "slow":
        return this.#disturb(name, what, more)
      case "heal":
        return this.#heal()
      default:
        throw new LineError(
          `There is no fault "${name}"${didYouMean(name, FAULTS)}; these are: ${FAULTS.join(", ")}`,
        )
    }
  }

  #disturb(
    name: "partition" | "oneway" | "halfopen" | "slow",
    text: string,
    more: string | undefined,
  ): string {
    const sides = text.split("|").map((side) => side.split(",").map((store) => this.#store(store)))
    if (sides.length < 2) throw new LineError(`fault ${name} needs two sides, as 1,2|3`)
    if (new Set(sides.flat()).size < sides.flat().length) throw new LineError("A store is on one side only")
    const bytesPerSecond = more === undefined ? SLOW_BYTES : Number(more)
    if (!Number.isSafeInteger(bytesPerSecond) || bytesPerSecond < 1)
      throw new LineError(`"${more}" is not a number of bytes a second`)
    const isOneWay = name === "oneway"
    const links = sides.flatMap((side, index) =>
      sides.slice(index + 1).flatMap((other) => linksBetween(side, other, isOneWay)),
    )
    this.#cluster.network.apply(
      this.#nextFault++,
      links,
      name === "halfopen"
        ? { type: "halfOpen" }
        : name === "slow"
          ? { type: "slow", delayMs: 0, bytesPerSecond }
          : { type: "cut" },
    )
    return `${this.#links()}\n`
  }

  async #heal(): Promise<string> {
    this.#cluster.network.heal()
    const started: number[] = []
    for (const store of this.#cluster.stores) {
      this.#cluster.resume(store)
      if (!this.#cluster.isUp(store)) started.push(store)
      await this.#cluster.start(store)
    }
    const told = await Promise.all(
      started.map(async (store) => `, store ${store} ${await this.#upText(store)}`),
    )
    return `links pass, everybody goes on${told.join("")}\n`
  }

  async #upText(store: number): Promise<string> {
    return (await this.#cluster.answers(store, START_MS)) ? "is up" : this.#paint.red("does not answer yet")
  }

  #store(text: string): number {
    const store = Number(text)
    if (/^\d+$/.test(text) && this.#cluster.stores.includes(store)) return store
    throw new LineError(`There is no store "${text}"; these are: ${this.#cluster.stores.join(", ")}`)
  }
}

function resultText(result: KvResult): string {
  if (result.type !== "value") return "ok"
  return result.value === null ? "(absent)" : Buffer.from(result.value, "latin1").toString("utf8")
}

/** Keys and values are bytes, one char each; what a terminal sends is UTF-8. */
function bytesOf(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1")
}
