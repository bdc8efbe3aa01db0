/** The checkers of safety as one: they share a mirror and must look in one order. */
import {
  isStoreMessage,
  type Bootstrap,
  type Effect,
  type Input,
  type Observation,
  type RaftMessage,
} from "#kernel"
import type { OnlineChecker, WorldView } from "./checker.ts"
import { bootEndedDamaged, checkDamaged, checkName, everVoted } from "./damage.ts"
import { applyItems, messageReleased } from "./durability.ts"
import { ClusterMirror, type ReplicaMirror, type StoreMirror } from "./mirror.ts"
import { configurationChanged, configurationCommitted } from "./quorums.ts"
import {
  applied,
  bootLogMatches,
  checkLogEnd,
  committed,
  logChanged,
  roleChanged,
  snapshotInstalled,
  voted,
} from "./raft.ts"
import {
  checkBootApplied,
  checkHash,
  checkpointDropped,
  checkpointSynced,
  checkpointTaken,
} from "./replicas-agree.ts"
import { appended, bootEnded, recovered, stopped, synced, type FrameItems } from "./wal.ts"

export type SafetyOptions = {
  readonly births: readonly Bootstrap[]
  readonly itemsOf: FrameItems
  /** The plan damages synced bytes: what a boot recovers is then not judged here. */
  readonly damagesSynced: boolean
  /** Stores that may forget what they promised: after a crash they are held to what they say then. */
  readonly forgetful: ReadonlySet<number>
}

export class SafetyChecker implements OnlineChecker {
  readonly name = "safety"
  readonly #options: SafetyOptions
  readonly #mirror: ClusterMirror
  readonly #itemsOf: FrameItems
  readonly #damagesSynced: boolean
  readonly #forgetful: ReadonlySet<number>

  constructor(options: SafetyOptions) {
    this.#options = options
    this.#mirror = new ClusterMirror(options.births)
    this.#itemsOf = options.itemsOf
    this.#damagesSynced = options.damagesSynced
    this.#forgetful = options.forgetful
  }

  /** Another that knows as much, for a run that may go on in two ways. Between two steps. */
  fork(): SafetyChecker {
    const fork = new SafetyChecker(this.#options)
    fork.#mirror.copyOf(this.#mirror)
    return fork
  }

  storeCrashed(_world: WorldView, storeId: number): void {
    const store = this.#mirror.store(storeId)
    store.booting = true
    for (const replica of store.replicas) {
      if (this.#forgetful.has(storeId)) replica.forget()
      replica.crash()
    }
  }

  storeBooted(world: WorldView, storeId: number): void {
    // A store that stopped itself crashed as well.
    if (!this.#mirror.store(storeId).booting) this.storeCrashed(world, storeId)
  }

  storeStopped(world: WorldView, storeId: number, code: string): void {
    if (!this.#damagesSynced) stopped(world, storeId, code)
  }

  stepped(world: WorldView, storeId: number, input: Input, effects: readonly Effect[]): void {
    const store = this.#mirror.store(storeId)
    if (store.booting) this.#endBoot(world, store)
    this.#take(world, store, input)
    for (let i = 0; i < effects.length; i++) {
      const effect = effects[i]!
      switch (effect.type) {
        case "observe":
          this.#observe(world, store, effect.observation)
          break
        case "send":
          if (!isStoreMessage(effect.message)) this.#sent(world, store, effect.message)
          break
        case "append":
          appended(world, store, effect, this.#itemsOf)
          break
        case "checkpoint":
          checkpointTaken(store, effect)
          break
        default:
          break
      }
    }
    if (store.snapshotIn !== null) {
      store.snapshotIn.snapshotInStep = false
      store.snapshotIn = null
    }
  }

  synced(_world: WorldView, storeId: number, volume: number, lsn: number): void {
    synced(this.#mirror.store(storeId), volume, lsn)
  }

  observed(world: WorldView, storeId: number, observation: Observation): void {
    const store = this.#mirror.store(storeId)
    // Those of steps were taken in `stepped`.
    if (store.booting) this.#observe(world, store, observation)
  }

  released(world: WorldView, storeId: number, effect: Effect): void {
    const store = this.#mirror.store(storeId)
    switch (effect.type) {
      case "send": {
        const { message } = effect
        if (isStoreMessage(message) || message.type === "absent") break
        const replica = this.#mirror.replica(storeId, message.group, message.from)
        if (replica === null) break
        checkDamaged(world, replica, message)
        messageReleased(world, store, replica, message)
        break
      }
      case "append":
        appended(world, store, effect, this.#itemsOf)
        break
      case "checkpoint":
        checkpointTaken(store, effect)
        break
      default:
        break
    }
  }

  #endBoot(world: WorldView, store: StoreMirror): void {
    store.booting = false
    if (this.#damagesSynced) {
      bootEndedDamaged(world, store, this.#forgetful.has(store.id))
    } else {
      for (const replica of store.replicas) checkBootApplied(world, store, replica)
      bootEnded(world, store)
    }
    for (const replica of store.replicas) if (replica.saidLog) bootLogMatches(world, replica)
  }

  #take(world: WorldView, store: StoreMirror, input: Input): void {
    switch (input.type) {
      case "appendSynced":
        synced(store, input.volume, input.lsn)
        break
      case "checkpointSynced":
        checkpointSynced(store, input.volume, input.checkpoint)
        for (const group of this.#mirror.groups) {
          if (group !== undefined && group.volume === input.volume) this.#mirror.trim(group)
        }
        break
      case "checkpointRefused":
        checkpointDropped(store, input.volume, input.checkpoint)
        break
      case "frame":
        for (const message of input.frame.messages) if (!isStoreMessage(message)) this.#heard(store, message)
        break
      case "wake":
        if (store.woken(input.mono) > WAKES_AT_ONCE_MAX) {
          world.report(
            "LIVE-no-livelock",
            `Store ${store.id} asks again and again to be woken at ${input.mono} µs.`,
          )
        }
        break
      default:
        break
    }
  }

  #heard(store: StoreMirror, message: RaftMessage): void {
    if (message.type === "voteRequest" && message.preVote) return
    const replica = this.#mirror.groups[message.group]?.replicas[message.to]
    if (replica !== undefined && replica.store === store.id && message.term > replica.heardTerm) {
      replica.heardTerm = message.term
    }
    if (replica?.ghost && message.type === "voteRequest")
      replica.askedBy.set(message.from, { index: message.lastIndex, term: message.lastTerm })
  }

  #sent(world: WorldView, store: StoreMirror, message: RaftMessage): void {
    if (message.type === "absent") return
    const replica = this.#mirror.replica(store.id, message.group, message.from)
    if (replica === null) return
    if (message.type === "voteRequest") checkLogEnd(world, replica, message.lastIndex, message.lastTerm)
    else if (message.type === "heartbeatReply") checkLogEnd(world, replica, message.lastIndex, -1)
  }

  #observe(world: WorldView, store: StoreMirror, observation: Observation): void {
    switch (observation.type) {
      case "mark":
      case "fenced":
      case "lowWaterSet":
      case "leaseRead":
      case "memberRefused":
      case "drained":
      case "stateDiffered":
      case "recoverable":
      case "groupRecovered":
      case "recoverRefused":
      case "stateLost":
      case "mayHaveForgotten":
      case "txnBegan":
      case "txnEnded":
      case "txnsOpen":
        return
      case "recovered":
        if (this.#damagesSynced) this.#recoveredAnyhow(store, observation.volume, observation.lsn)
        else recovered(world, store, observation.volume, observation.verdict, observation.lsn)
        return
      default: {
        const known = this.#mirror.replica(store.id, observation.group, observation.replica)
        if (known === null) return
        const isBornAgain = !store.booting && known.lost && !everVoted(known)
        const replica = isBornAgain ? this.#mirror.renew(known) : known
        this.#observeReplica(world, store, replica, observation)
      }
    }
  }

  #recoveredAnyhow(store: StoreMirror, volumeId: number, lsn: number): void {
    const volume = store.volume(volumeId)
    for (const frame of volume.pending)
      if (frame.lsn <= lsn && frame.items !== null) applyItems(store, frame.items)
    volume.pending = []
    volume.durableLsn = lsn
    volume.appendedLsn = lsn
  }

  #observeReplica(
    world: WorldView,
    store: StoreMirror,
    replica: ReplicaMirror,
    observation: Exclude<Observation, { readonly type: Unplaced }>,
  ): void {
    const booting = store.booting
    if (!booting && observation.type !== "replicaRemoved") checkName(world, replica)
    switch (observation.type) {
      case "roleChanged":
        if (!booting && observation.role !== "recovering") replica.ghost = null
        if (booting) {
          replica.saidTerm = true
          replica.bootTerm = observation.term
          // It says itself that its term may be lost; what it lets out is still held against what it let out before.
          if (observation.role === "recovering" && this.#damagesSynced) replica.term = 0
        }
        roleChanged(world, replica, observation)
        break
      case "voted":
        if (booting) replica.bootVote = observation.votedFor
        voted(world, replica, observation)
        break
      case "logChanged":
        logChanged(world, replica, observation, booting)
        if (booting) replica.bootLast = replica.log.last
        break
      case "committed":
        committed(world, replica, observation, !booting)
        if (replica.role === "leader") configurationCommitted(replica)
        break
      case "applied":
        applied(world, replica, observation, booting)
        checkHash(world, replica, observation, booting)
        break
      case "snapshotInstalled":
        snapshotInstalled(world, replica, observation)
        if (store.snapshotIn !== null) store.snapshotIn.snapshotInStep = false
        store.snapshotIn = replica
        store.durable(replica.group.id).snapshotIndex = observation.index
        break
      case "configurationChanged":
        configurationChanged(world, replica, observation)
        break
      case "replicaRemoved":
        replica.removed = true
        replica.role = "down"
        break
    }
  }
}

/** What is said of no replica, or changes nothing of one. */
type Unplaced =
  | "mark"
  | "fenced"
  | "lowWaterSet"
  | "memberRefused"
  | "recovered"
  | "leaseRead"
  | "drained"
  | "stateDiffered"
  | "recoverable"
  | "groupRecovered"
  | "recoverRefused"
  | "stateLost"
  | "mayHaveForgotten"
  | "txnBegan"
  | "txnEnded"
  | "txnsOpen"

/** A kernel may be late, woken for several things at one instant, but not for ever. */
const WAKES_AT_ONCE_MAX = 256
