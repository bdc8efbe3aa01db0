/**
 * What the online checkers know of the cluster, gathered from outside: what replicas say of themselves
 * (observations), what was handed to the disk (the items of `append` effects), what the disk confirmed.
 *
 * Contract with the kernel, beyond the types:
 * - `logChanged.digests`, `applied.digest` are `Entry.digestLow`; 0 in `applied` is "not known" (from a
 *   snapshot or checkpoint). It is said as soon as a snapshot has replaced the state machine, before the
 *   checkpoint of it; `snapshotInstalled` when that is durable and the log is cut.
 * - Observations of one step come in the order of the changes: a step-down before the truncation it
 *   allows, entries before their commit, the commit before the apply.
 * - At boot, among the effects of `open`, a store says for each volume `recovered` (the last lsn it
 *   kept), then for each replica `roleChanged` (its term), `voted` if it has a vote in that term,
 *   `logChanged` once with the whole log it kept (`index` is the first it holds, even when empty),
 *   `configurationChanged`, and `applied` if anything is.
 * - `configurationChanged` also when an entry is rolled back or a snapshot replaces it.
 * Contract with the world: `storeBooted`, then `observed` and `released` of the effects of `open`; then
 * for each step `stepped` before any `observed` or `released` of its effects. Observations of steps are
 * taken from `stepped`, in their place among the other effects; `observed` counts only at boot.
 */
import type { Bootstrap, Configuration } from "#kernel"
import { volumeOfTenant } from "#kernel"
import { ABSENT, EntryLog, IndexedNumbers } from "./entry-log.ts"

/** What the checkers need of a log item; the kernel's `WalItem` is assignable. */
export type LogItem =
  | { readonly type: "entries"; readonly group: number; readonly entries: readonly LoggedEntry[] }
  | { readonly type: "hardState"; readonly group: number; readonly term: number; readonly votedFor: number }
  | { readonly type: "logStart"; readonly group: number; readonly index: number; readonly term: number }
  | {
      readonly type: "replicaCreated"
      readonly replica: number
      readonly descriptor: { readonly groupId: number }
    }
  | { readonly type: "replicaRemoved"; readonly group: number; readonly replica: number }
  | { readonly type: "identifiers" | "identity" | "boot" | "volume" | "tombstone" | "forgotten" }
  | { readonly type: "damaged" | "repaired" | "released" | "witness" }

export type LoggedEntry = { readonly index: number; readonly term: number; readonly digestLow: number }

/** One replica as it describes itself. */
export class ReplicaMirror {
  readonly group: GroupMirror
  readonly id: number
  readonly store: number
  role = "down"
  removed = false
  /** It said so: never lower than this again, until a crash puts it back to `promisedTerm`. */
  term = 0
  /** At least its term: also what its messages, sent and received, name. For excuses only. */
  heardTerm = 0
  readonly log: EntryLog = new EntryLog()
  commit = 0
  applied = 0
  configIndex = 1
  configuration: Configuration
  /** Votes it told us of, by term; after a crash those that had left the store. */
  votes: Map<number, number> = new Map()
  /** Votes that left the store: no crash takes them back. */
  readonly promisedVotes: Map<number, number> = new Map()
  /** Highest term in which it claimed anything to another store. */
  promisedTerm = 0
  /** The highest index it acknowledged to the leader of `ackedTerm`. */
  ackedTerm = 0
  ackedIndex = 0
  /** A snapshot brought it to where this configuration entry is in force. */
  expectedConfigIndex = 0
  /** In this step: what it held beyond the snapshot may go. */
  snapshotInStep = false
  /** A boot of its store did not speak of it, though its disk had held it. */
  lost = false
  /** What it held before its disk was damaged, until it is repaired; null for one that is whole. */
  ghost: DurableReplica | null = null
  /**
   * What the disk of a store that forgets had held before its boots: what it acknowledged then was true, and may be on its
   * way still, whatever was forgotten since.
   */
  readonly before: DurableReplica[] = []
  /** Where the log of whoever asked for its vote ended, by replica; of one that is damaged. */
  readonly askedBy: Map<number, { readonly index: number; readonly term: number }> = new Map()
  /** Where the log ended that it booted with. */
  bootLast = 0
  bootTerm = 0
  bootVote = 0
  bootApplied = 0
  saidTerm = false
  saidLog = false

  constructor(group: GroupMirror, id: number, store: number) {
    this.group = group
    this.id = id
    this.store = store
    this.configuration = group.bootstrap
  }

  /** Its disk may have lost what it promised, and it cannot know. */
  forget(): void {
    this.promisedTerm = 0
    this.promisedVotes.clear()
    this.ackedTerm = 0
    this.ackedIndex = 0
  }

  /** Of a replica in another mirror that must forget nothing it does not. */
  copyOf(other: ReplicaMirror): this {
    const { log, promisedVotes, before, askedBy, ghost } = this
    Object.assign(this, other, { group: this.group, log, promisedVotes, before, askedBy, ghost })
    log.copy(other.log)
    this.votes = new Map(other.votes)
    for (const [term, votedFor] of other.promisedVotes) promisedVotes.set(term, votedFor)
    for (const [replica, end] of other.askedBy) askedBy.set(replica, end)
    for (const durable of other.before) before.push(new DurableReplica().copyOf(durable))
    this.ghost = other.ghost === null ? null : new DurableReplica().copyOf(other.ghost)
    return this
  }

  crash(): void {
    this.role = "down"
    this.term = this.promisedTerm
    this.heardTerm = this.promisedTerm
    this.commit = 0
    this.applied = 0
    this.votes = new Map(this.promisedVotes)
    this.expectedConfigIndex = 0
    this.snapshotInStep = false
    this.bootTerm = 0
    this.bootVote = 0
    this.bootApplied = 0
    this.saidTerm = false
    this.saidLog = false
  }
}

/** "group 3 replica 2 (store 5)" */
export function nameOf(replica: ReplicaMirror): string {
  return `group ${replica.group.id} replica ${replica.id} (store ${replica.store})`
}

/** An entry that some replica's log held: the same index and term mean the same entry everywhere. */
export type SeenEntry = {
  readonly term: number
  readonly digest: number
  prevTerm: number
  readonly next: SeenEntry | null
}

/** What is true of a group as a whole. */
export class GroupMirror {
  readonly cluster: ClusterMirror
  readonly id: number
  readonly volume: number
  readonly bootstrap: Configuration
  /** By replica id: ids may be far apart, so nobody should walk over this. */
  readonly replicas: (ReplicaMirror | undefined)[] = []
  /** The same without holes, by id ascending. */
  readonly members: ReplicaMirror[] = []
  readonly leaders: Map<number, number> = new Map()
  /** Highest index a leader committed; entry 1 is every group's birth and committed by decree. */
  leaderCommit = 1
  readonly terms: IndexedNumbers = new IndexedNumbers(1)
  readonly digests: IndexedNumbers = new IndexedNumbers(1)
  /** Terms in which the entries were committed. */
  readonly commitTerms: IndexedNumbers = new IndexedNumbers(1)
  readonly hashHighs: IndexedNumbers = new IndexedNumbers(1)
  readonly hashLows: IndexedNumbers = new IndexedNumbers(1)
  /** Configurations of committed entries, ascending. */
  readonly configs: { readonly index: number; readonly term: number; readonly configuration: Configuration }[]
  #seenFirst = 1
  #seen: (SeenEntry | null)[] = []

  constructor(cluster: ClusterMirror, id: number, volume: number, bootstrap: Configuration) {
    this.cluster = cluster
    this.id = id
    this.volume = volume
    this.bootstrap = bootstrap
    this.configs = [{ index: 1, term: ABSENT, configuration: bootstrap }]
  }

  add(replica: ReplicaMirror): void {
    this.replicas[replica.id] = replica
    this.members.push(replica)
    this.members.sort((a, b) => a.id - b.id)
  }

  replace(old: ReplicaMirror, by: ReplicaMirror): void {
    this.replicas[by.id] = by
    this.members[this.members.indexOf(old)] = by
  }

  copyOf(other: GroupMirror): this {
    for (const replica of other.members) {
      const copy = new ReplicaMirror(this, replica.id, replica.store).copyOf(replica)
      this.replicas[copy.id] = copy
      this.members.push(copy)
      this.cluster.store(copy.store).replicas.push(copy)
    }
    for (const [term, replica] of other.leaders) this.leaders.set(term, replica)
    this.leaderCommit = other.leaderCommit
    this.terms.copyOf(other.terms)
    this.digests.copyOf(other.digests)
    this.commitTerms.copyOf(other.commitTerms)
    this.hashHighs.copyOf(other.hashHighs)
    this.hashLows.copyOf(other.hashLows)
    this.configs.splice(0, Number.MAX_SAFE_INTEGER, ...other.configs)
    this.#seenFirst = other.#seenFirst
    this.#seen = other.#seen.map(copyOfSeen)
    return this
  }

  seenAt(index: number): SeenEntry | null {
    return this.#seen[index - this.#seenFirst] ?? null
  }

  addSeen(index: number, term: number, digest: number, prevTerm: number): void {
    const at = index - this.#seenFirst
    if (at < 0) return
    while (this.#seen.length < at) this.#seen.push(null)
    this.#seen[at] = { term, digest, prevTerm, next: this.#seen[at] ?? null }
  }

  /** Indexes below this are no longer compared. */
  get floor(): number {
    return this.#seenFirst
  }

  trim(first: number): void {
    if (first <= this.#seenFirst) return
    this.#seen = this.#seen.slice(first - this.#seenFirst)
    this.#seenFirst = first
    this.terms.trim(first)
    this.digests.trim(first)
    this.commitTerms.trim(first)
    this.hashHighs.trim(first)
    this.hashLows.trim(first)
  }
}

function copyOfSeen(seen: SeenEntry | null): SeenEntry | null {
  return seen === null ? null : { ...seen, next: copyOfSeen(seen.next) }
}

/** One replica as its store's disk holds it: what a crash cannot take. */
export class DurableReplica {
  /** 0 until a frame says whose it is. */
  replica = 0
  term = 0
  votedFor = 0
  readonly log: EntryLog = new EntryLog()
  /** Applied index of the last durable checkpoint. */
  applied = 0
  /** A snapshot was installed here and the log does not yet say so. */
  snapshotIndex = 0

  copyOf(other: DurableReplica): this {
    this.replica = other.replica
    this.term = other.term
    this.votedFor = other.votedFor
    this.log.copy(other.log)
    this.applied = other.applied
    this.snapshotIndex = other.snapshotIndex
    return this
  }

  /** The entry at `index` would be there after a crash now. */
  holds(index: number, digest: number): boolean {
    if (this.applied >= index) return true
    return this.isWhole && this.log.digestAt(index) === digest
  }

  /** The log goes on where the checkpoint ends. Entry 1 is in the bootstrap document as well. */
  get isWhole(): boolean {
    return this.log.base <= Math.max(this.applied, 1)
  }
}

export type PendingFrame = { readonly lsn: number; readonly items: readonly LogItem[] | null }
/** Applied index of each group, by group id, when the checkpoint was taken. */
export type PendingCheckpoint = { readonly id: number; readonly applied: readonly (number | undefined)[] }

export class VolumeMirror {
  appendedLsn = 0
  durableLsn = 0
  saidRecovered = false
  pending: PendingFrame[] = []
  checkpoints: PendingCheckpoint[] = []

  copyOf(other: VolumeMirror): this {
    Object.assign(this, other, { pending: [...other.pending], checkpoints: [...other.checkpoints] })
    return this
  }
}

export class StoreMirror {
  readonly id: number
  /** From a crash, or birth, until the first step: what it says now is what it recovered. */
  booting = true
  readonly volumes: (VolumeMirror | undefined)[] = []
  /** By group id. */
  readonly durables: (DurableReplica | undefined)[] = []
  /** Replicas this store hosts or hosted, in order of appearance. */
  readonly replicas: ReplicaMirror[] = []
  /** It installed a snapshot in this step. */
  snapshotIn: ReplicaMirror | null = null
  #wakeMono = -1
  wakesAtOnce = 0

  constructor(id: number) {
    this.id = id
  }

  /** But for its replicas, which their groups bring along. */
  copyOf(other: StoreMirror): this {
    this.booting = other.booting
    for (const [id, volume] of other.volumes.entries())
      if (volume !== undefined) this.volumes[id] = new VolumeMirror().copyOf(volume)
    for (const [group, durable] of other.durables.entries())
      if (durable !== undefined) this.durables[group] = new DurableReplica().copyOf(durable)
    this.#wakeMono = other.#wakeMono
    this.wakesAtOnce = other.wakesAtOnce
    return this
  }

  volume(id: number): VolumeMirror {
    return (this.volumes[id] ??= new VolumeMirror())
  }

  durable(group: number): DurableReplica {
    return (this.durables[group] ??= new DurableReplica())
  }

  /** Wake-ups in a row at one instant. */
  woken(mono: number): number {
    this.wakesAtOnce = mono === this.#wakeMono ? this.wakesAtOnce + 1 : 1
    this.#wakeMono = mono
    return this.wakesAtOnce
  }
}

/** Everything the checkers of safety share. */
export class ClusterMirror {
  readonly groups: (GroupMirror | undefined)[] = []
  readonly #stores: (StoreMirror | undefined)[] = []

  constructor(births: readonly Bootstrap[]) {
    for (const { descriptor, configuration } of births) {
      this.groups[descriptor.groupId] = new GroupMirror(
        this,
        descriptor.groupId,
        volumeOfTenant(descriptor.tenant),
        configuration,
      )
    }
  }

  /** Of another mirror of the same births, between two steps. */
  copyOf(other: ClusterMirror): this {
    for (const store of other.#stores) if (store !== undefined) this.store(store.id).copyOf(store)
    for (const group of other.groups) if (group !== undefined) this.groups[group.id]!.copyOf(group)
    return this
  }

  store(id: number): StoreMirror {
    return (this.#stores[id] ??= new StoreMirror(id))
  }

  /** Null for a group the plan does not know. */
  replica(store: number, group: number, id: number): ReplicaMirror | null {
    const owner = this.groups[group]
    if (owner === undefined) return null
    const known = owner.replicas[id]
    if (known !== undefined) return known
    const replica = new ReplicaMirror(owner, id, store)
    owner.add(replica)
    this.store(store).replicas.push(replica)
    return replica
  }

  /** The same name, and nothing behind it: a replica that was forgotten without a trace is made again. */
  renew(old: ReplicaMirror): ReplicaMirror {
    const replica = new ReplicaMirror(old.group, old.id, old.store)
    const { replicas } = this.store(old.store)
    replicas[replicas.indexOf(old)] = replica
    old.group.replace(old, replica)
    return replica
  }

  /** Forgets what every replica has durably applied: nothing below is ever said again but by checkpoints. */
  trim(group: GroupMirror): void {
    let floor = Number.MAX_SAFE_INTEGER
    for (const replica of group.members) {
      if (replica.removed || replica.lost) continue
      floor = Math.min(floor, this.store(replica.store).durable(group.id).applied)
    }
    if (floor === Number.MAX_SAFE_INTEGER || floor <= group.floor) return
    group.trim(floor)
    for (const replica of group.members) {
      if (replica.removed || replica.lost) continue
      replica.log.cut(Math.min(floor, replica.log.last), ABSENT)
      const durable = this.store(replica.store).durable(group.id)
      durable.log.cut(Math.min(floor, durable.log.last), ABSENT)
    }
  }
}
