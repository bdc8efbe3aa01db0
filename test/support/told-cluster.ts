import assert from "node:assert/strict"
import {
  makeEntry,
  type Bootstrap,
  type Configuration,
  type Effect,
  type Entry,
  type Input,
  type Observation,
  type RaftMessage,
} from "#kernel"
import type { OnlineChecker, WorldView } from "#sim/check/checker.ts"
import type { LogItem } from "#sim/check/mirror.ts"
import { SafetyChecker } from "#sim/check/safety.ts"

/** Group 1 with replica n on store n, its log in volume 1. */
export const GROUP = 1
export const VOLUME = 1

export function members(...ids: readonly number[]): Configuration["voters"] {
  return ids.map((id) => ({ replica: id, store: id, incarnation: id }))
}

export function configuration(voters: readonly number[], outgoing: readonly number[] = []): Configuration {
  return {
    voters: members(...voters),
    outgoing: members(...outgoing),
    learners: [],
    promoting: [],
    nextReplica: 9,
  }
}

export const BIRTH: Bootstrap = {
  descriptor: { rangeId: 1, groupId: GROUP, tenant: 0, start: "", end: "", generation: 1 },
  configuration: configuration([1, 2, 3]),
}

/** An entry like no other of the same index and term with another `value`. */
export function entry(index: number, term: number, value = "v"): Entry {
  const write = { space: 1, type: "put", key: "k", value } as const
  const batch = { generation: 1, leaseSequence: 0, closedTs: 0, minVersion: 1, writes: [write] }
  return makeEntry(index, term, { type: "batch", batch })
}

export function hardState(term: number, votedFor: number): LogItem {
  return { type: "hardState", group: GROUP, term, votedFor }
}

type Role = Extract<Observation, { readonly type: "roleChanged" }>["role"]
type Reply = Extract<RaftMessage, { readonly type: "appendReply" }>

/**
 * A cluster that is only told of: a test plays its kernels and its disks by hand, and the checker under
 * test hears what it would hear of real ones.
 */
export class ToldCluster {
  readonly violations: { readonly oracle: string; readonly message: string }[] = []
  /** Another one at each step, which has to know what the one before did. */
  checker: OnlineChecker & Pick<SafetyChecker, "fork">
  readonly #items = new Map<Uint8Array, readonly LogItem[]>()
  readonly #lsns = new Map<number, number>()
  readonly #world: WorldView
  now = 0

  constructor(damagesSynced = false, forgetful: readonly number[] = []) {
    this.checker = new SafetyChecker({
      births: [BIRTH],
      itemsOf: (bytes) => this.#items.get(bytes) ?? null,
      damagesSynced,
      forgetful: new Set(forgetful),
    })
    const violations = this.violations
    const timeOf = (): number => this.now
    this.#world = {
      get now() {
        return timeOf()
      },
      event: 0,
      leaseHolders: () => [],
      report: (oracle, message) => violations.push({ oracle, message }),
    }
  }

  /** Nothing was reported. */
  isQuiet(): void {
    assert.deepEqual(this.violations, [])
  }

  /** The first report is of this oracle: a run stops there. */
  fires(oracle: string): void {
    assert.equal(this.violations[0]?.oracle, oracle, JSON.stringify(this.violations))
  }

  step(
    store: number,
    input: Partial<Input> & { readonly type: Input["type"] },
    effects: readonly Effect[],
  ): void {
    this.now += 1_000
    const stamped = { mono: this.now, wall: this.now, ...input } as Input
    this.checker = this.checker.fork()
    this.checker.stepped?.(this.#world, store, stamped, effects)
    for (const effect of effects) {
      if (effect.type === "observe") this.checker.observed?.(this.#world, store, effect.observation)
    }
  }

  say(store: number, ...observations: readonly Observation[]): void {
    this.step(
      store,
      { type: "wake" },
      observations.map((observation) => ({ type: "observe", observation })),
    )
  }

  /** One frame of these items, not synced. Gives its lsn. */
  append(store: number, ...items: readonly LogItem[]): number {
    const lsn = (this.#lsns.get(store) ?? 0) + 1
    this.#lsns.set(store, lsn)
    const bytes = new Uint8Array(0)
    this.#items.set(bytes, items)
    this.step(store, { type: "turnEnded" }, [
      { type: "append", volume: VOLUME, lsn, segment: 1, offset: 0, bytes },
    ])
    return lsn
  }

  sync(store: number, lsn: number): void {
    this.step(store, { type: "appendSynced", volume: VOLUME, lsn }, [])
  }

  write(store: number, ...items: readonly LogItem[]): void {
    this.sync(store, this.append(store, ...items))
  }

  release(store: number, message: RaftMessage): void {
    // Replica n lives on store n.
    const to: number = message.to
    const effect: Effect = { type: "send", to, lane: "raft", message, barrier: null }
    this.step(store, { type: "wake" }, [effect])
    this.checker.released?.(this.#world, store, effect)
  }

  checkpoint(store: number, checkpoint: number): void {
    // The checkers look at when it was taken, never at what is in it.
    const changes = null as never
    this.step(store, { type: "turnEnded" }, [
      { type: "checkpoint", volume: VOLUME, checkpoint, changes, barrier: null },
    ])
  }

  checkpointSynced(store: number, checkpoint: number): void {
    this.step(store, { type: "checkpointSynced", volume: VOLUME, checkpoint }, [])
  }

  crash(store: number): void {
    this.checker.storeCrashed?.(this.#world, store, true)
  }

  /** It stops itself, with this code. */
  stop(store: number, code: string): void {
    this.checker.storeStopped?.(this.#world, store, code)
  }

  /** A boot that says this, and one step after it. */
  boot(store: number, lsn: number, ...observations: readonly Observation[]): void {
    this.bootAs("clean", store, lsn, ...observations)
  }

  bootAs(verdict: string, store: number, lsn: number, ...observations: readonly Observation[]): void {
    this.#lsns.set(store, lsn)
    this.checker.storeBooted?.(this.#world, store, 2)
    const recovered: Observation = { type: "recovered", volume: VOLUME, verdict, lsn }
    for (const observation of [recovered, ...observations])
      this.checker.observed?.(this.#world, store, observation)
    this.step(store, { type: "wake" }, [])
  }

  // What kernels do in order, in short words.

  /** Every store is born with entry 1 on its disk. */
  born(stores: readonly number[] = [1, 2, 3]): void {
    for (const store of stores) {
      this.write(
        store,
        { type: "replicaCreated", replica: store, descriptor: BIRTH.descriptor },
        { type: "entries", group: GROUP, entries: [entry(1, 0)] },
      )
      this.say(store, role(store, 0, "follower"), log(store, entry(1, 0)), committed(store, 0, 1))
    }
  }

  /** `leader` wins `term` with the votes of `voters`, itself among them. */
  elect(leader: number, term: number, voters: readonly number[]): void {
    for (const store of voters) {
      this.say(
        store,
        role(store, term, store === leader ? "candidate" : "follower"),
        voted(store, term, leader),
      )
      this.write(store, hardState(term, leader))
      if (store !== leader) this.release(store, voteReply(store, leader, term))
    }
    this.say(leader, role(leader, term, "leader"))
  }

  /** These entries come to the log of `store` and to its disk. */
  take(store: number, ...entries: readonly Entry[]): void {
    this.say(store, log(store, ...entries))
    this.write(store, { type: "entries", group: GROUP, entries })
  }

  /** As `take`, and a follower acknowledges them to `leader`. */
  follow(store: number, leader: number, term: number, ...entries: readonly Entry[]): void {
    this.take(store, ...entries)
    this.release(store, appendReply(store, leader, term, entries.at(-1)!.index))
  }
}

/** Three stores; replica 1 leads term 1 and has committed entry 2 with replica 2. */
export function started(damagesSynced = false, forgetful: readonly number[] = []): ToldCluster {
  const cluster = new ToldCluster(damagesSynced, forgetful)
  cluster.born()
  cluster.elect(1, 1, [1, 2])
  cluster.take(1, entry(2, 1))
  cluster.follow(2, 1, 1, entry(2, 1))
  cluster.say(1, committed(1, 1, 2), applied(1, entry(2, 1), 22))
  cluster.say(2, committed(2, 1, 2), applied(2, entry(2, 1), 22))
  return cluster
}

export function role(replica: number, term: number, name: Role): Observation {
  return { type: "roleChanged", group: GROUP, replica, term, role: name }
}

export function voted(replica: number, term: number, votedFor: number): Observation {
  return { type: "voted", group: GROUP, replica, term, votedFor }
}

export function log(replica: number, ...entries: readonly Entry[]): Observation {
  const terms = entries.map((each) => each.term)
  const digests = entries.map((each) => each.digestLow)
  return { type: "logChanged", group: GROUP, replica, index: entries[0]!.index, terms, digests }
}

export function committed(replica: number, term: number, index: number): Observation {
  return { type: "committed", group: GROUP, replica, term, index }
}

export function applied(replica: number, at: Entry, hash: number): Observation {
  const { index, term, digestLow } = at
  return {
    type: "applied",
    group: GROUP,
    replica,
    index,
    term,
    digest: digestLow,
    hashHigh: 0,
    hashLow: hash,
  }
}

export function configured(replica: number, index: number, to: Configuration): Observation {
  return { type: "configurationChanged", group: GROUP, replica, index, configuration: to }
}

export function voteReply(from: number, to: number, term: number): RaftMessage {
  return { type: "voteReply", group: GROUP, from, to, term, preVote: false, granted: true }
}

export function voteRequest(from: number, to: number, term: number, last: Entry): RaftMessage {
  const end = { lastIndex: last.index, lastTerm: last.term }
  return { type: "voteRequest", group: GROUP, from, to, term, preVote: false, transfer: false, ...end }
}

export function appendReply(from: number, to: number, term: number, matchIndex: number): Reply {
  const hints = { rejectedIndex: 0, hintIndex: 0, hintTerm: 0, wantsSnapshot: false }
  return { type: "appendReply", group: GROUP, from, to, term, success: true, matchIndex, ...hints }
}

export function snapshotReply(from: number, to: number, term: number, lastIndex: number): RaftMessage {
  return { type: "snapshotReply", group: GROUP, from, to, term, lastIndex, success: true }
}
