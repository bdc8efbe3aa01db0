/** At equal applied index all replicas of a group have equal state, however they came to it. */
import type { Effect, Observation } from "#kernel"
import type { WorldView } from "./checker.ts"
import { ABSENT } from "./entry-log.ts"
import { nameOf, type ReplicaMirror, type StoreMirror } from "./mirror.ts"

type Applied = Extract<Observation, { readonly type: "applied" }>
type Checkpoint = Extract<Effect, { readonly type: "checkpoint" }>

export function checkHash(world: WorldView, replica: ReplicaMirror, o: Applied, booting: boolean): void {
  const group = replica.group
  if (o.index < group.floor) return
  const high = group.hashHighs.get(o.index)
  if (high === ABSENT) {
    group.hashHighs.set(o.index, o.hashHigh)
    group.hashLows.set(o.index, o.hashLow)
  } else if (high !== o.hashHigh || group.hashLows.get(o.index) !== o.hashLow) {
    world.report(
      booting ? "HASH-applied-with-data" : "HASH-replicas-agree",
      `${nameOf(replica)} has another state at applied index ${o.index} than was reported before.`,
    )
  }
}

/** The engine's content now is what a crash will go back to once this checkpoint is durable. */
export function checkpointTaken(store: StoreMirror, effect: Checkpoint): void {
  const volume = store.volume(effect.volume)
  if (volume.checkpoints.some((known) => known.id === effect.checkpoint)) return
  const applied: (number | undefined)[] = []
  for (const replica of store.replicas) {
    if (replica.group.volume === effect.volume && !replica.removed)
      applied[replica.group.id] = replica.applied
  }
  volume.checkpoints.push({ id: effect.checkpoint, applied })
}

export function checkpointSynced(store: StoreMirror, volumeId: number, id: number): void {
  const volume = store.volume(volumeId)
  const taken = volume.checkpoints.find((known) => known.id === id)
  if (taken === undefined) return
  for (let group = 0; group < taken.applied.length; group++) {
    const index = taken.applied[group]
    const durable = store.durables[group]
    if (index !== undefined && durable !== undefined && index > durable.applied) durable.applied = index
  }
  checkpointDropped(store, volumeId, id)
}

export function checkpointDropped(store: StoreMirror, volumeId: number, id: number): void {
  const volume = store.volume(volumeId)
  volume.checkpoints = volume.checkpoints.filter((known) => known.id !== id)
}

/**
 * After a boot a replica goes on from where its checkpoint was taken: from the last one known to be
 * durable, or one that was on its way. Entry 1, the group's birth, may be applied by the boot itself.
 */
export function checkBootApplied(world: WorldView, store: StoreMirror, replica: ReplicaMirror): void {
  const durable = store.durables[replica.group.id]
  if (durable === undefined || replica.removed || durable.replica !== replica.id) return
  const index = replica.bootApplied
  if (index !== durable.applied && !(index <= 1 && durable.applied <= 1)) {
    const underWay = store.volume(replica.group.volume).checkpoints
    if (!underWay.some((taken) => taken.applied[replica.group.id] === index)) {
      world.report(
        "HASH-applied-with-data",
        `${nameOf(replica)} boots with applied index ${index}; its durable checkpoint was taken at ${durable.applied}.`,
      )
    }
  }
  durable.applied = index
}
