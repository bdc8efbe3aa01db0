import type { GroupId, Incarnation, LogIndex, Term } from "#kernel/ids.ts"
import { invariant } from "#kernel/lib/invariant.ts"
import { Sfc32, type Rng } from "#kernel/lib/rng.ts"
import { NO_SWITCHES } from "#kernel/node/switches.ts"
import { makeEntry, type Entry } from "#kernel/raft/types.ts"
import type { RangeDescriptor } from "#kernel/range/descriptor.ts"
import type { WalItem } from "#kernel/wal/item.ts"
import { recoverVolume, type RecoveredVolume, type VolumeImage } from "#kernel/wal/recovery.ts"
import type { RecoveredGroup } from "#kernel/wal/replay.ts"
import type { VolumeIdentity } from "#kernel/wal/segment.ts"
import { emptyWalStart, Wal, type WalEffect, type WalLimits, type WalStart } from "#kernel/wal/wal.ts"

export const INCARNATION: Incarnation = 0x1234_5678_9abc
export const IDENTITY: VolumeIdentity = { cluster: "orbit", store: 3, incarnation: INCARNATION, volume: 1 }
export const LIMITS: WalLimits = { segmentBytesFirst: 16 << 10, segmentBytesMax: 64 << 10 }

/** An entry that puts one value: as long as the value, and full of zeros when `fill` is one. */
export function putEntry(index: LogIndex, term: Term, value: string): Entry {
  const write = { space: 1, type: "put", key: "k", value } as const
  const batch = { generation: 1, leaseSequence: 0, closedTs: 0, minVersion: 0, writes: [write] }
  return makeEntry(index, term, { type: "batch", batch })
}

export function createdItem(group: GroupId, replica: number): WalItem {
  const descriptor: RangeDescriptor = {
    rangeId: group as number,
    groupId: group,
    tenant: 0,
    start: "",
    end: "",
    generation: 1,
  }
  return { type: "replicaCreated", replica, descriptor }
}

/** What a group should be, kept the plainest way there is: the model recovery is held against. */
export type ModelGroup = {
  replica: number
  term: Term
  votedFor: number
  startIndex: LogIndex
  startTerm: Term
  entries: Entry[]
}

export type Model = Map<GroupId, ModelGroup>

export function applyToModel(model: Model, item: WalItem): void {
  if (item.type === "replicaCreated") {
    const group = item.descriptor.groupId
    if (model.get(group)?.replica === item.replica) return
    model.set(group, {
      replica: item.replica,
      term: 0,
      votedFor: 0,
      startIndex: 0,
      startTerm: 0,
      entries: [],
    })
  } else if (item.type === "replicaRemoved") {
    model.delete(item.group)
  } else if (item.type === "hardState") {
    const group = model.get(item.group)!
    group.term = item.term
    group.votedFor = item.votedFor
  } else if (item.type === "entries") {
    const group = model.get(item.group)!
    group.entries = [
      ...group.entries.slice(0, item.entries[0]!.index - 1 - group.startIndex),
      ...item.entries,
    ]
  } else if (item.type === "logStart") {
    const group = model.get(item.group)!
    if (item.index <= group.startIndex) return
    const at = group.entries.find((entry) => entry.index === item.index)
    group.entries = at?.term === item.term ? group.entries.filter((entry) => entry.index > item.index) : []
    group.startIndex = item.index
    group.startTerm = item.term
  }
}

export function cloneModel(model: Model): Model {
  return new Map([...model].map(([group, state]) => [group, { ...state, entries: [...state.entries] }]))
}

/** One line a group, so that a difference reads well. */
export function describeModel(model: Model): string[] {
  return [...model]
    .toSorted((a, b) => a[0] - b[0])
    .map(([group, state]) =>
      describe(group, state.replica, state, { index: state.startIndex, term: state.startTerm }),
    )
}

export function describeRecovered(groups: readonly RecoveredGroup[]): string[] {
  return groups.map((state) => {
    const text = describe(state.group, state.replica, state, state.logStart)
    return state.damage === null ? text : `${text} DAMAGED from ${state.damage.firstIndex}`
  })
}

function describe(
  group: GroupId,
  replica: number,
  state: { readonly term: Term; readonly votedFor: number; readonly entries: readonly Entry[] },
  start: { readonly index: LogIndex; readonly term: Term },
): string {
  const log = state.entries.map((entry) => `${entry.index}@${entry.term}#${entry.digestLow}`).join(" ")
  return `group ${group} replica ${replica} term ${state.term} vote ${state.votedFor} after ${start.index}@${start.term}: ${log}`
}

/** A random history that could be Raft's: suffixes are replaced in higher terms, starts only go up. */
export class History {
  readonly #rng: Rng
  readonly model: Model = new Map()
  readonly #replicas: Map<GroupId, number> = new Map()
  readonly #groupsMax: number

  constructor(rng: Rng, groupsMax = 4) {
    this.#rng = rng
    this.#groupsMax = groupsMax
  }

  next(): WalItem {
    const item = this.#draw()
    applyToModel(this.model, item)
    return item
  }

  #draw(): WalItem {
    const groups = [...this.model.keys()]
    const pick = this.#rng.below(100)
    if (groups.length === 0 || (pick < 6 && groups.length < this.#groupsMax)) return this.#create()
    const group = groups[this.#rng.below(groups.length)]!
    const state = this.model.get(group)!
    const last = state.startIndex + state.entries.length
    const lastTerm = state.entries.at(-1)?.term ?? state.startTerm
    if (pick < 8) return { type: "replicaRemoved", group, replica: state.replica }
    if (pick < 30) {
      const isNew = this.#rng.below(2) === 0
      return { type: "hardState", group, term: state.term + (isNew ? 1 : 0), votedFor: this.#rng.below(4) }
    }
    if (pick < 40 && state.entries.length > 0) {
      const entry = state.entries[this.#rng.below(state.entries.length)]!
      return { type: "logStart", group, index: entry.index, term: entry.term }
    }
    if (pick < 42)
      return { type: "logStart", group, index: last + 1 + this.#rng.below(3), term: lastTerm + 1 }
    const isReplaced = pick < 50 && state.entries.length > 0
    const first = isReplaced ? last - this.#rng.below(state.entries.length) : last + 1
    const term = isReplaced ? lastTerm + 1 : Math.max(1, lastTerm) + this.#rng.below(2)
    const entries: Entry[] = []
    for (let i = 0; i <= this.#rng.below(3); i++) entries.push(putEntry(first + i, term, this.#value()))
    return { type: "entries", group, entries }
  }

  #create(): WalItem {
    let group = 1
    while (this.model.has(group)) group++
    const replica = (this.#replicas.get(group) ?? 0) + 1
    this.#replicas.set(group, replica)
    return createdItem(group, replica)
  }

  /** Often full of zeros, which is what a torn sector looks like. */
  #value(): string {
    const length = this.#rng.below(4) === 0 ? this.#rng.below(2500) : this.#rng.below(40)
    const char = this.#rng.below(2) === 0 ? "\0" : String.fromCharCode(this.#rng.below(256))
    return char.repeat(length)
  }
}

/** The ledger and the replay read the same frames by different code, and must tell the same of every group. */
function assertLedgerAgrees(recovered: RecoveredVolume): void {
  if (recovered.start === null) return
  const ledger = recovered.start.ledger
  for (const group of recovered.groups) {
    const record = ledger.groups.get(group.group)
    invariant(record !== undefined, "The ledger lacks a group")
    const last = group.entries.at(-1)
    const told = [
      record.replica,
      record.term,
      record.votedFor,
      record.startIndex,
      record.lastIndex,
      record.lastTerm,
    ]
    const end = last ?? group.logStart
    const read = [group.replica, group.term, group.votedFor, group.logStart.index, end.index, end.term]
    if (group.damage === null) {
      invariant(
        told.join() === read.join(),
        () => `The ledger says ${told.join()} of a group that is ${read.join()}`,
      )
    }
  }
}

type Append = Extract<WalEffect, { readonly type: "append" }>

/** A volume's directory in memory, and the log that writes to it. */
export class Rig {
  readonly segments: Map<number, Uint8Array> = new Map()
  witness: Uint8Array | null = null
  wal: Wal
  readonly rng: Rng
  readonly identity: VolumeIdentity
  readonly limits: WalLimits
  /** Written, not synced. */
  unsynced: Append | null = null
  readonly effects: WalEffect[] = []
  /** Every append that was synced, for tests that look for its bytes. */
  readonly synced: Append[] = []

  constructor(
    seed = 1,
    start: WalStart = emptyWalStart(1),
    limits: WalLimits = LIMITS,
    identity: VolumeIdentity = IDENTITY,
  ) {
    this.rng = new Sfc32(seed, 77)
    this.identity = identity
    this.limits = limits
    this.wal = new Wal({ identity, limits, rng: this.rng, switches: NO_SWITCHES }, start)
  }

  /** Ends the turn and carries out everything but the sync of a frame. */
  turn(): readonly WalEffect[] {
    const all: WalEffect[] = []
    for (let round = 0; round < 4; round++) {
      const effects = this.wal.endTurn()
      for (const effect of effects) this.#carryOut(effect)
      all.push(...effects)
      // A segment that was made lets the frame that waited for it leave in the next turn.
      if (!effects.some((effect) => effect.type === "createSegment")) break
    }
    this.effects.push(...all)
    return all
  }

  sync(): void {
    const append = this.unsynced
    if (append === null) return
    this.segments.get(append.segment)!.set(append.bytes, append.offset)
    this.unsynced = null
    this.synced.push(append)
    this.wal.synced(append.lsn)
  }

  /** One frame with these items, durable. */
  write(...items: readonly WalItem[]): void {
    for (const item of items) this.wal.append(item)
    this.turn()
    this.sync()
  }

  /** The crash keeps those sectors of the unsynced frame for which `keeps` says so. */
  crash(keeps: (sector: number) => boolean): boolean {
    const append = this.unsynced
    this.unsynced = null
    if (append === null) return true
    const file = this.segments.get(append.segment)!
    let isWhole = true
    const end = append.offset + append.bytes.length
    for (let sector = Math.floor(append.offset / 512); sector * 512 < end; sector++) {
      const from = Math.max(sector * 512, append.offset)
      const to = Math.min(sector * 512 + 512, end)
      if (keeps(sector)) file.set(append.bytes.subarray(from - append.offset, to - append.offset), from)
      else isWhole = false
    }
    return isWhole
  }

  image(overrides: Partial<VolumeImage> = {}): VolumeImage {
    return {
      segments: [...this.segments].map(([sequence, bytes]) => ({ sequence, bytes })),
      witness: this.witness,
      systemWitness: null,
      identity: this.identity,
      ...overrides,
    }
  }

  /** The same directory from a disk that cannot read [start, end) of one segment: zeros stand for it. */
  unreadable(segment: number, start: number, end: number): Pick<VolumeImage, "segments"> {
    const segments = [...this.segments].map(([sequence, file]) => {
      if (sequence !== segment) return { sequence, bytes: file }
      const bytes = file.slice()
      bytes.fill(0, start, end)
      return { sequence, bytes, unreadable: [{ start, end }] }
    })
    return { segments }
  }

  recover(overrides: Partial<VolumeImage> = {}): RecoveredVolume {
    const recovered = recoverVolume(this.image(overrides))
    if (recovered.damage.length === 0) assertLedgerAgrees(recovered)
    return recovered
  }

  /** Starts the log again on what was recovered, on the same directory. */
  restart(recovered: RecoveredVolume): void {
    invariant(recovered.start !== null, "Cannot restart a log that may not start")
    this.unsynced = null
    this.wal = new Wal(
      { identity: this.identity, limits: this.limits, rng: this.rng, switches: NO_SWITCHES },
      recovered.start,
    )
  }

  /** A log on what was recovered, of which nothing is written here: whether it starts at all. */
  restartElsewhere(recovered: RecoveredVolume): void {
    invariant(recovered.start !== null, "Cannot restart a log that may not start")
    const other = new Rig(1, recovered.start, this.limits, this.identity)
    other.wal.append({ type: "boot", boot: 1 })
    other.turn()
  }

  #carryOut(effect: WalEffect): void {
    switch (effect.type) {
      case "append":
        invariant(this.unsynced === null, "Two frames under way at once")
        this.unsynced = effect
        break
      case "createSegment": {
        invariant(!this.segments.has(effect.segment), "A segment made twice")
        const bytes = new Uint8Array(effect.sizeBytes)
        bytes.set(effect.header)
        this.segments.set(effect.segment, bytes)
        this.wal.segmentCreated(effect.segment)
        break
      }
      case "releaseSegments":
        for (const sequence of this.segments.keys())
          if (sequence < effect.below) this.segments.delete(sequence)
        break
      case "writeWitness":
        this.witness = effect.bytes
        break
    }
  }
}
