import { invariant, type Sink } from "#kernel"
import { below, draw, exponential, PURPOSE } from "../draws.ts"
import { EVENT } from "../events.ts"
import type { Tally } from "../env/link-overlay.ts"
import type { PlanHost } from "../plan/plan.ts"
import type { Handle, Scheduler } from "../scheduler.ts"
import type { Durable } from "./machine.ts"
import { copyPlain, freezePlain, plainText } from "./plain.ts"

/** One write of a machine: all of it becomes durable, or nothing. */
export type Write = {
  readonly name: string
  readonly set: readonly (readonly [key: string, value: unknown])[]
  readonly truncate: number | null
  readonly append: readonly unknown[]
}

/** Writes that one sync makes durable. */
export type Sync = { readonly writes: readonly Write[]; dueAt: number; handle: Handle }

export type WriteOutcome = {
  readonly write: string
  readonly failed: "syncError" | "diskFull" | null
}

/**
 * What a node keeps: values by key and one log.
 *
 * Writes are handed to the operating system when they are asked for, and one sync after the other makes
 * durable what was handed over before it began, so writes complete in their order. A process that dies
 * leaves some first part of its unsynced writes to the operating system, and the next start finds and syncs
 * that; a power loss keeps of unsynced writes none, all, the first few or any, but never a write of the log
 * without those before it: a log ends at its first hole.
 */
export class NodeStorage {
  /** Faults in force. */
  readonly syncErrors: { readonly id: number; readonly restartUs: number; readonly tally: Tally }[] = []
  readonly full: { readonly id: number; readonly tally: Tally }[] = []
  readonly slow: { readonly id: number; readonly factor: number; readonly tally: Tally }[] = []
  readonly stalled: { readonly id: number; readonly tally: Tally }[] = []
  readonly lies: { readonly id: number; readonly tally: Tally }[] = []

  readonly #seed: number
  readonly #node: number
  readonly #scheduler: Scheduler
  readonly #host: PlanHost
  readonly #values = new Map<string, unknown>()
  #log: unknown[] = []
  /** Of this process, not yet in a sync. */
  #asked: Write[] = []
  #sync: Sync | null = null
  /** Whether a stall keeps the end of the sync back. */
  #keptBack = false
  /** Told to be durable by a sync that lied: the next honest one makes it so, a power loss takes it. */
  #lied: Write[] = []
  /** Of dead processes, unsynced. */
  #left: Write[] = []
  readonly #backups = new Map<number, Durable>()
  #durable: Durable | null = null
  #failedRestartUs: number | null = null
  #syncs = 0
  #settled = 0

  constructor(seed: number, node: number, scheduler: Scheduler, host: PlanHost) {
    this.#seed = seed
    this.#node = node
    this.#scheduler = scheduler
    this.#host = host
  }

  /** Writes asked for and neither durable nor failed. */
  get pending(): number {
    return this.#asked.length + (this.#sync?.writes.length ?? 0)
  }

  /** Frozen: as long as nothing new is durable it is the same object. */
  durable(): Durable {
    if (this.#durable !== null) return this.#durable
    const keys = [...this.#values.keys()].sort((a, b) => (a < b ? -1 : 1))
    const values = Object.fromEntries(keys.map((key) => [key, this.#values.get(key)]))
    this.#durable = freezePlain(copyPlain({ values, log: this.#log }, "durable"))
    return this.#durable
  }

  ask(write: Write): void {
    this.#asked.push(write)
  }

  /** The turn ends: what it asked for is synced, unless a sync is under way, after which it is. */
  flush(): void {
    if (this.#sync !== null || this.#asked.length === 0) return
    const sync: Sync = {
      writes: this.#asked,
      dueAt: this.#scheduler.now + this.#latency(),
      handle: -1,
    }
    this.#asked = []
    this.#sync = sync
    this.#schedule(sync)
  }

  /** The time of a sync has come; nothing while it is kept back. */
  complete(sync: Sync): readonly WriteOutcome[] {
    invariant(sync === this.#sync, "Cannot complete a sync: another one is under way")
    if (this.stalled.length > 0) {
      for (const stall of this.stalled) stall.tally.changes++
      this.#keptBack = true
      return []
    }
    this.#sync = null
    const { writes } = sync
    const outcomes = (failed: WriteOutcome["failed"]): readonly WriteOutcome[] =>
      writes.map(({ name }) => ({ write: name, failed }))
    if (this.full.length > 0) {
      for (const fault of this.full) fault.tally.changes++
      return outcomes("diskFull")
    }
    const fault = this.syncErrors.shift()
    if (fault !== undefined) {
      fault.tally.changes++
      this.#failedRestartUs = fault.restartUs
      this.#settle(writes)
      return outcomes("syncError")
    }
    if (this.lies.length > 0) {
      for (const lie of this.lies) lie.tally.changes++
      this.#lied.push(...writes)
      return outcomes(null)
    }
    for (const write of [...this.#lied, ...writes]) this.#apply(write)
    this.#lied = []
    return outcomes(null)
  }

  /** When a process comes back that ends itself now: said by the last sync that failed, once. */
  takeRestartUs(): number | null {
    const restartUs = this.#failedRestartUs
    this.#failedRestartUs = null
    return restartUs
  }

  /** A stall is lifted. */
  resume(): void {
    if (this.stalled.length > 0 || !this.#keptBack) return
    this.#keptBack = false
    this.#sync!.dueAt = this.#scheduler.now + this.#latency()
    this.#schedule(this.#sync!)
  }

  /** A slowness is lifted: what is under way takes no longer than it would if it began now. */
  hurry(): void {
    const sync = this.#sync
    if (sync === null || this.#keptBack) return
    const dueAt = this.#scheduler.now + this.#latency()
    if (dueAt >= sync.dueAt) return
    this.#scheduler.cancel(sync.handle)
    sync.dueAt = dueAt
    this.#schedule(sync)
  }

  /** The process dies, and with `powerLoss` its machine. */
  crash(powerLoss: boolean): void {
    if (this.#sync !== null) this.#scheduler.cancel(this.#sync.handle)
    const unsynced = [...(this.#sync?.writes ?? []), ...this.#asked]
    this.#sync = null
    this.#keptBack = false
    this.#asked = []
    this.#left.push(...this.#lied)
    this.#lied = []
    if (powerLoss) this.#left.push(...unsynced)
    else this.#left.push(...unsynced.slice(0, below(this.#throw(PURPOSE.settlePrefix), unsynced.length + 1)))
    if (powerLoss) this.losePower()
  }

  /** The machine of a process that is down already loses power. */
  losePower(): void {
    this.#settle(this.#left)
    this.#left = []
  }

  /** The disk is gone, and an empty one is in its place: of a process that is down. False when it was empty. */
  wipe(): boolean {
    const held = this.#values.size + this.#log.length + this.#left.length
    this.#replace({ values: {}, log: [] })
    return held > 0
  }

  /** Keeps what is durable now, under the name of a fault. */
  takeBackup(id: number): void {
    this.#backups.set(id, this.durable())
  }

  /** Of a process that is down. False when the disk holds just that already. */
  restoreBackup(id: number): boolean {
    const backup = this.#backups.get(id)
    if (backup === undefined) return false
    const isOther = plainText(backup, "backup") !== plainText(this.durable(), "durable")
    this.#replace(copyPlain(backup, "backup"))
    return isOther
  }

  dropBackup(id: number): void {
    this.#backups.delete(id)
  }

  /** A new process: what dead ones left is synced before anyone reads. */
  open(): Durable {
    for (const write of this.#left) this.#apply(write)
    this.#left = []
    return this.durable()
  }

  digest(sink: Sink): void {
    writeText(sink, plainText(this.durable(), "durable"))
    writeText(sink, plainText([this.#left, this.#lied, this.#sync?.writes ?? [], this.#asked], "unsynced"))
  }

  #apply({ set, truncate, append }: Write): void {
    this.#durable = null
    for (const [key, value] of set) {
      if (value === null) this.#values.delete(key)
      else this.#values.set(key, value)
    }
    if (truncate !== null) this.#log = this.#log.slice(0, truncate)
    if (append.length > 0) this.#log = [...this.#log, ...append]
  }

  #replace({ values, log }: Durable): void {
    this.#durable = null
    this.#left = []
    this.#values.clear()
    for (const [key, value] of Object.entries(values)) this.#values.set(key, value)
    this.#log = [...log]
  }

  /** Of unsynced writes none, all, the first ones or any become durable. */
  #settle(writes: readonly Write[]): void {
    if (writes.length === 0) return
    const mode = below(this.#throw(PURPOSE.settleMode), 4)
    const first = mode === 1 ? writes.length : below(this.#throw(PURPOSE.settlePrefix), writes.length)
    let logIsWhole = true
    for (let i = 0; i < writes.length; i++) {
      const write = writes[i]!
      const kept = mode === 3 ? this.#throw(PURPOSE.settleSector) % 2 === 0 : mode !== 0 && i < first
      const touchesLog = write.append.length > 0 || write.truncate !== null
      if (kept && (!touchesLog || logIsWhole)) this.#apply(write)
      else if (touchesLog) logIsWhole = false
    }
  }

  #throw(purpose: Parameters<typeof draw>[1]): number {
    return draw(this.#seed, purpose, this.#node, 0, this.#settled++)
  }

  #latency(): number {
    const drawn = draw(this.#seed, PURPOSE.syncLatency, this.#node, 0, this.#syncs++)
    let factor = 1
    for (const fault of this.slow) {
      factor = Math.max(factor, fault.factor)
      fault.tally.changes++
    }
    return factor * (this.#host.syncUsMin + exponential(drawn, this.#host.syncUsMean))
  }

  #schedule(sync: Sync): void {
    sync.handle = this.#scheduler.schedule(sync.dueAt, EVENT.disk, this.#node, 0, sync)
  }
}

/** Any text, whatever its letters: a `str` of a sink holds latin1 only. */
export function writeText(sink: Sink, text: string): void {
  sink.uint(text.length)
  for (let i = 0; i < text.length; i++) sink.uint(text.charCodeAt(i))
}
