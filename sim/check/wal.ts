/**
 * The log of each volume as the disk was asked to hold it, against what a boot recovered. Not asked in
 * runs whose plan damages synced bytes. Kinds of fault that only lose unsynced writes are no excuse.
 */
import type { Effect } from "#kernel"
import type { WorldView } from "./checker.ts"
import { ABSENT } from "./entry-log.ts"
import { applyItems } from "./durability.ts"
import {
  nameOf,
  type DurableReplica,
  type LogItem,
  type ReplicaMirror,
  type StoreMirror,
  type VolumeMirror,
} from "./mirror.ts"

/** The items of one frame's bytes, or null when they are no frame of this build. */
export type FrameItems = (bytes: Uint8Array) => readonly LogItem[] | null

type Append = Extract<Effect, { readonly type: "append" }>

/** Seen at its step and again at its release (the appends of a boot only there): counted once. */
export function appended(world: WorldView, store: StoreMirror, effect: Append, itemsOf: FrameItems): void {
  const volume = store.volume(effect.volume)
  if (effect.lsn <= volume.appendedLsn) return
  if (volume.pending.length > 0) {
    world.report(
      "WAL-one-frame",
      `Store ${store.id} volume ${effect.volume} appends frame ${effect.lsn} while ${volume.pending[0]!.lsn} is not synced.`,
    )
  }
  volume.appendedLsn = effect.lsn
  volume.pending.push({ lsn: effect.lsn, items: itemsOf(effect.bytes) })
}

export function synced(store: StoreMirror, volumeId: number, lsn: number): void {
  const volume = store.volume(volumeId)
  settle(store, volume, lsn)
  if (lsn > volume.durableLsn) volume.durableLsn = lsn
}

/** Frames up to `lsn` are on the disk. */
function settle(store: StoreMirror, volume: VolumeMirror, lsn: number): void {
  let done = 0
  while (done < volume.pending.length && volume.pending[done]!.lsn <= lsn) {
    const items = volume.pending[done]!.items
    if (items !== null) applyItems(store, items)
    done++
  }
  if (done > 0) volume.pending.splice(0, done)
}

/** Codes by which a store says at its start that its disk is not what it left there. */
const CALLS_DAMAGED: ReadonlySet<string> = new Set([
  "corruptSystemVolume",
  "corruptSingleReplica",
  "identityMismatch",
])

/** Nothing damaged any disk: a store that will not start for damage has taken a crash for it. */
export function stopped(world: WorldView, store: number, code: string): void {
  if (!CALLS_DAMAGED.has(code)) return
  world.report("WAL-recoverable", `Store ${store} stops with ${code}; a crash is all that befell its disk.`)
}

export function recovered(
  world: WorldView,
  store: StoreMirror,
  volumeId: number,
  verdict: string,
  lsn: number,
): void {
  const volume = store.volume(volumeId)
  if (verdict === "corruption") {
    world.report(
      "WAL-recoverable",
      `Store ${store.id} takes volume ${volumeId} for damaged; a crash is all that befell its disk.`,
    )
  }
  volume.saidRecovered = true
  if (lsn < volume.durableLsn) {
    world.report(
      "WAL-recoverable",
      `Store ${store.id} volume ${volumeId} recovers up to frame ${lsn}; ${volume.durableLsn} was synced.`,
    )
  } else if (lsn > volume.appendedLsn) {
    world.report(
      "WAL-no-invention",
      `Store ${store.id} volume ${volumeId} recovers up to frame ${lsn}; only ${volume.appendedLsn} were ever written.`,
    )
  }
  // An unsynced frame that survived counts from now on: the store acts on it.
  settle(store, volume, lsn)
  volume.pending = []
  volume.durableLsn = lsn
  volume.appendedLsn = lsn
}

/** The first step after a boot: all the store had to say of what it recovered is said. */
export function bootEnded(world: WorldView, store: StoreMirror): void {
  for (let id = 0; id < store.volumes.length; id++) {
    const volume = store.volumes[id]
    if (volume === undefined) continue
    if (volume.durableLsn > 0 && !volume.saidRecovered) {
      world.report("WAL-recoverable", `Store ${store.id} booted without a word on volume ${id}.`)
    }
  }
  forgetUnderWay(store)
  for (let group = 0; group < store.durables.length; group++) {
    const durable = store.durables[group]
    if (durable !== undefined && durable.replica !== 0) {
      const replica = store.replicas.find((known) => known.group.id === group && known.id === durable.replica)
      if (replica === undefined) {
        // Durable, yet a crash came before it was ever spoken of.
        continue
      }
      if (!replica.removed) checkRecovered(world, replica, durable)
    }
  }
}

/** What the process before had begun says nothing of this one, which may even give its numbers again. */
export function forgetUnderWay(store: StoreMirror): void {
  for (const volume of store.volumes) {
    if (volume === undefined) continue
    volume.saidRecovered = false
    volume.checkpoints = []
  }
}

/** A replica as its boot describes it, against what its disk held. */
export function checkRecovered(world: WorldView, replica: ReplicaMirror, durable: DurableReplica): void {
  if (!replica.saidTerm || !replica.saidLog) {
    world.report("WAL-release", `${nameOf(replica)} is not spoken of after a boot; its disk held it.`)
    return
  }
  if (replica.bootTerm < durable.term) {
    world.report(
      "WAL-release",
      `${nameOf(replica)} boots in term ${replica.bootTerm}; its disk held term ${durable.term}.`,
    )
    return
  }
  if (replica.bootTerm === durable.term && durable.votedFor !== 0 && replica.bootVote !== durable.votedFor) {
    world.report(
      "WAL-release",
      `${nameOf(replica)} boots with a vote for ${replica.bootVote} in term ${durable.term}; its disk held one for ${durable.votedFor}.`,
    )
    return
  }
  checkRecoveredLog(world, replica, durable)
}

function checkRecoveredLog(world: WorldView, replica: ReplicaMirror, durable: DurableReplica): void {
  const log = replica.log
  if (durable.snapshotIndex !== 0) {
    // Between a snapshot and the record of it either log may be right: the one it boots with, from now on.
    durable.snapshotIndex = 0
    durable.log.copy(log)
    return
  }
  if (log.base > Math.max(replica.bootApplied, durable.log.base)) {
    world.report(
      "WAL-release",
      `${nameOf(replica)} boots with a log from ${log.base + 1} and applied only up to ${replica.bootApplied}.`,
    )
    return
  }
  const first = Math.max(log.base, durable.log.base) + 1
  for (let index = first; index <= durable.log.last; index++) {
    const digest = log.digestAt(index)
    if (digest === durable.log.digestAt(index)) continue
    if (digest === ABSENT) {
      world.report("WAL-release", `${nameOf(replica)} boots without entry ${index}; its disk held it.`)
    } else {
      world.report("WAL-no-invention", `${nameOf(replica)} boots with an entry ${index} its disk never held.`)
    }
    return
  }
  if (log.last > Math.max(durable.log.last, first - 1)) {
    world.report(
      "WAL-no-invention",
      `${nameOf(replica)} boots with a log up to ${log.last}; its disk held one up to ${durable.log.last}.`,
    )
  }
}
