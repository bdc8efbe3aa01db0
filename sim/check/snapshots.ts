/** Snapshots under way: what follows them stays in the log of whoever sends them. */
import { isStoreMessage, type Effect, type Input } from "#kernel"
import type { OnlineChecker, WorldView } from "./checker.ts"
import type { LogItem } from "./mirror.ts"
import type { FrameItems } from "./wal.ts"

type Transfer = { readonly index: number; readonly at: number }

/** Marks by which the kernel says that it gives transfers up, and why it may. */
const LET_GO: ReadonlySet<string> = new Set(["raft.snapshot.logLetGo", "raft.snapshot.givenUp"])
/** Heartbeats for which a transfer counts as under way after something of it was sent. */
const FRESH_HEARTBEATS = 2

/**
 * Only what is beyond doubt is judged: a receiver that was just sent to, and has said nothing since but how far
 * it is.
 */
export class SnapshotLogChecker implements OnlineChecker {
  readonly name = "snapshots"
  readonly #itemsOf: FrameItems
  readonly #freshUs: number
  /** By store, group and receiver. */
  readonly #transfers: (Map<number, Map<number, Transfer>> | undefined)[] = []

  constructor(itemsOf: FrameItems, heartbeatUs: number) {
    this.#itemsOf = itemsOf
    this.#freshUs = FRESH_HEARTBEATS * heartbeatUs
  }

  storeCrashed(_world: WorldView, store: number): void {
    this.#transfers[store] = undefined
  }

  stepped(world: WorldView, store: number, input: Input, effects: readonly Effect[]): void {
    const groups = this.#transfers[store]
    if (groups !== undefined && input.type === "frame") {
      for (const message of input.frame.messages) {
        if (isStoreMessage(message)) continue
        const isNews = message.type !== "snapshotAnswer" && message.type !== "heartbeatReply"
        if (isNews) groups.get(message.group)?.delete(message.from)
      }
    }
    for (let i = 0; i < effects.length; i++) this.#effect(world, store, input.mono, effects[i]!)
  }

  #effect(world: WorldView, store: number, mono: number, effect: Effect): void {
    const groups = this.#transfers[store]
    if (effect.type === "send") {
      const { message } = effect
      if (message.type !== "snapshotOffer" && message.type !== "snapshotChunk") return
      const { index } = message.type === "snapshotOffer" ? message.head.id : message.id
      const known = (this.#transfers[store] ??= new Map<number, Map<number, Transfer>>())
      const receivers = known.get(message.group) ?? new Map<number, Transfer>()
      known.set(message.group, receivers)
      receivers.set(message.to, { index, at: mono })
    } else if (groups === undefined || groups.size === 0) return
    else if (effect.type === "observe") {
      const { observation } = effect
      if (observation.type === "mark") {
        if (LET_GO.has(observation.name)) groups.clear()
      } else if (observation.type === "roleChanged" || observation.type === "configurationChanged") {
        groups.delete(observation.group)
      }
    } else if (effect.type === "append") {
      for (const item of this.#itemsOf(effect.bytes) ?? []) this.#item(world, store, mono, groups, item)
    }
  }

  #item(
    world: WorldView,
    store: number,
    mono: number,
    groups: ReadonlyMap<number, ReadonlyMap<number, Transfer>>,
    item: LogItem,
  ): void {
    if (item.type !== "logStart") return
    for (const [to, { index, at }] of groups.get(item.group) ?? []) {
      if (item.index <= index || mono - at > this.#freshUs) continue
      world.report(
        "RAFT-snapshot-log",
        `Store ${store} cuts the log of group ${item.group} at ${item.index} while replica ${to} is sent a snapshot at ${index}.`,
      )
    }
  }
}
