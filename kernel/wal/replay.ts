import type { GroupId, LogIndex, ReplicaId, Term } from "../ids.ts"
import { unreachable } from "../lib/invariant.ts"
import type { Entry, LogEnd } from "../raft/types.ts"
import type { RangeDescriptor } from "../range/descriptor.ts"
import { entryChecksum, isRemoved, sameEnd } from "./identifiers.ts"
import type { DamageMark, Identifier, LsnRange, WalItem } from "./item.ts"
import { sorted } from "./ledger.ts"
import type { ScannedFrame } from "./scan.ts"

/** What is wrong with a group's log. DESIGN §5 says what such a replica may do. */
export type GroupDamage = {
  /** It acknowledges nothing from here on before repair. */
  readonly firstIndex: LogIndex
  /** Where the log ended at the time of the loss, or null when nobody remembers. */
  readonly end: LogEnd | null
  /** `end`, term and vote are all known: it may vote, as the log that ends there. */
  readonly identified: boolean
}

/** One group as its volume's log tells it. */
export type RecoveredGroup = {
  readonly group: GroupId
  /** 0, and no descriptor, when the frame that created it is lost. */
  readonly replica: ReplicaId
  readonly descriptor: RangeDescriptor | null
  readonly term: Term
  readonly votedFor: ReplicaId
  readonly logStart: LogEnd
  /** Consecutive from `logStart.index + 1`; none of them is damaged. */
  readonly entries: readonly Entry[]
  readonly damage: GroupDamage | null
}

/** A loss while the log is read. */
type Loss = {
  /** Set by a mark or by an earlier loss: what comes later cannot make it better. */
  readonly firstIndex: LogIndex | null
  readonly end: LogEnd | null
  readonly hardKnown: boolean
  /** An earlier recovery wrote it down, so only `repaired` ends it. */
  readonly isMarked: boolean
  /** A frame is damaged that no recovery before this one knew of: `repaired` is not about that. */
  readonly isNew: boolean
}

type State = {
  readonly group: GroupId
  replica: ReplicaId
  descriptor: RangeDescriptor | null
  term: Term
  votedFor: ReplicaId
  startIndex: LogIndex
  startTerm: Term
  /**
   * Ascending. There may be holes for a while: what filled them lay in released segments, and was replaced or
   * checkpointed by something read later.
   */
  entries: Entry[]
  /** Something is missing right behind `entries`: nothing read later can be joined to them. */
  isBroken: boolean
  loss: Loss | null
  /** Term and vote are an identifier's: the items that said so are lost. */
  isAdopted: boolean
  hasGap: boolean
}

export type Replayed = {
  readonly groups: readonly RecoveredGroup[]
  readonly marks: readonly DamageMark[]
  /** Groups whose term and vote are known from identifiers alone, ascending. */
  readonly adopted: readonly GroupId[]
  /** Groups with a hole in their entries that no damaged frame explains. */
  readonly gaps: readonly GroupId[]
  /** Groups of which the system volume knows more than this log, ascending. */
  readonly behind: readonly GroupId[]
  /** Frames are lost for which nothing vouches, and they may have spoken of groups that nothing else mentions. */
  readonly isUnsure: boolean
}

export type ReplayInput = {
  readonly frames: readonly ScannedFrame[]
  /** Ascending. Not those that ended the log when a recovery settled them: it knew what is not known any more. */
  readonly damage: readonly LsnRange[]
  /** The state of every group after the last damaged frame, when nothing came after it. */
  readonly finalIdentifiers: readonly Identifier[] | null
  readonly systemWitness: readonly Identifier[]
}

/**
 * Applies items in order and gives every group its log back, as far as it can be trusted. A damaged frame may have
 * held anything: entries, a truncation, a vote. What is known of it comes from identifiers; where they are missing
 * the group's log ends at the last entry that is certain.
 */
export function replay(input: ReplayInput): Replayed {
  return new Replay(input).run()
}

class Replay {
  readonly #input: ReplayInput
  readonly #states: Map<GroupId, State> = new Map()
  readonly #expected: Map<GroupId, Identifier>
  /** Groups whose witnessed last entry was seen: the witness is not ahead of this log. */
  readonly #seen: Set<GroupId> = new Set()
  /** A damaged frame may have spoken of groups that nothing else mentions. */
  #isWild = false

  constructor(input: ReplayInput) {
    this.#input = input
    this.#expected = new Map(input.systemWitness.map((identifier) => [identifier.group, identifier]))
  }

  run(): Replayed {
    const { frames, damage } = this.#input
    let next = 0
    for (const frame of frames) {
      while (next < damage.length && damage[next]!.last < frame.header.lsn) this.#lose(damage[next++]!, frame)
      for (const item of frame.items) this.#apply(item)
    }
    while (next < damage.length) this.#lose(damage[next++]!, null)
    return this.#finish()
  }

  /** `after` is the next intact frame, whose first item says what the frame before it changed. */
  #lose(range: LsnRange, after: ScannedFrame | null): void {
    const leading = after?.items[0]
    const isNext = after !== null && after.header.lsn === range.last + 1
    const said = isNext && leading?.type === "identifiers" ? leading.identifiers : null
    const final = after === null ? this.#input.finalIdentifiers : null
    const known = new Map((said ?? final ?? []).map((identifier) => [identifier.group, identifier]))
    const isAlone = said !== null && range.first === range.last
    for (const identifier of known.values()) {
      const state = this.#states.get(identifier.group)
      const isReplaced = state !== undefined && state.replica !== 0 && state.replica !== identifier.replica
      if (isReplaced || isRemoved(identifier)) this.#states.delete(identifier.group)
      if (isRemoved(identifier)) continue
      this.#suspect(this.#states.get(identifier.group) ?? this.#create(identifier.group), identifier)
    }
    for (const state of this.#states.values()) {
      if (known.has(state.group) || isAlone) continue
      // The slot names every group there is, so one that it does not name was removed.
      if (final !== null) this.#states.delete(state.group)
      else this.#suspect(state, null)
    }
    if (!isAlone && final === null) this.#isWild = true
  }

  #suspect(state: State, identifier: Identifier | null): void {
    if (identifier === null) {
      const firstIndex = state.loss?.firstIndex ?? null
      const isMarked = state.loss?.isMarked ?? false
      state.isBroken = true
      state.loss = { firstIndex, end: null, hardKnown: false, isMarked, isNew: true }
      return
    }
    if (state.replica === 0) state.replica = identifier.replica
    // The frame that is lost, or one before it, said that the log had lost something: what it kept is not where it ended.
    if (identifier.mark !== null && state.loss?.isMarked !== true) this.#mark(identifier.mark)
    trim(state, identifier)
    const { lastIndex, lastTerm, checksum } = ends(state)
    const isSame = !state.isBroken && sameEnd(identifier, lastIndex, lastTerm, checksum)
    if (identifier.term !== state.term || identifier.votedFor !== state.votedFor) {
      state.term = identifier.term
      state.votedFor = identifier.votedFor
      state.isAdopted = true
    }
    const { loss } = state
    // After a loss it tells what was known then, and no more.
    const hardKnown = identifier.mark?.hardKnown !== false || loss?.hardKnown === true
    if (isSame) {
      if (loss !== null) state.loss = { ...loss, hardKnown }
      return
    }
    state.isBroken = true
    state.loss = {
      firstIndex: loss?.firstIndex ?? null,
      end: laterEnd(loss, { term: identifier.lastTerm, index: identifier.lastIndex }),
      hardKnown,
      isMarked: loss?.isMarked ?? false,
      isNew: true,
    }
  }

  #create(group: GroupId): State {
    const state: State = {
      group,
      replica: 0,
      descriptor: null,
      term: 0,
      votedFor: 0,
      startIndex: 0,
      startTerm: 0,
      entries: [],
      isBroken: false,
      loss: null,
      isAdopted: false,
      hasGap: false,
    }
    this.#states.set(group, state)
    return state
  }

  #stateOf(group: GroupId): State {
    const known = this.#states.get(group)
    if (known !== undefined) return known
    const state = this.#create(group)
    if (this.#isWild) this.#suspect(state, null)
    return state
  }

  #apply(item: WalItem): void {
    switch (item.type) {
      case "entries":
        this.#entries(this.#stateOf(item.group), item.entries)
        break
      case "hardState": {
        const state = this.#stateOf(item.group)
        state.term = item.term
        state.votedFor = item.votedFor
        state.isAdopted = false
        if (state.loss !== null) state.loss = { ...state.loss, hardKnown: true }
        break
      }
      case "logStart":
        this.#logStart(this.#stateOf(item.group), item.index, item.term)
        break
      case "identifiers":
        for (const identifier of item.identifiers) this.#identify(identifier)
        break
      case "replicaCreated":
        this.#replicaCreated(item.replica, item.descriptor)
        break
      case "replicaRemoved":
        this.#states.delete(item.group)
        break
      case "damaged":
        for (const mark of item.marks) this.#mark(mark)
        // That recovery knew every group there was.
        if (item.settled.length > 0) this.#isWild = false
        break
      case "repaired": {
        this.#repaired(this.#stateOf(item.group))
        this.#seen.add(item.group)
        break
      }
      case "identity":
      case "boot":
      case "volume":
      case "tombstone":
      case "witness":
      case "released":
      case "forgotten":
        break
      default:
        unreachable(item)
    }
  }

  #replicaCreated(replica: ReplicaId, descriptor: RangeDescriptor): void {
    const group = descriptor.groupId
    const known = this.#states.get(group)
    if (known !== undefined && known.replica !== 0 && known.replica !== replica) this.#states.delete(group)
    const state = this.#stateOf(group)
    state.replica = replica
    state.descriptor = descriptor
  }

  /** An identifier is the whole truth of its moment; a log that lost nothing has no need of it. */
  #identify(identifier: Identifier): void {
    const state = this.#states.get(identifier.group)
    if (state === undefined || state.loss === null) return
    if (state.isBroken) {
      trim(state, identifier)
      const end = { term: identifier.lastTerm, index: identifier.lastIndex }
      state.loss = { ...state.loss, end: laterEnd(state.loss, end) }
    }
    if (state.loss.hardKnown) return
    state.loss = { ...state.loss, hardKnown: true }
    if (identifier.term === state.term && identifier.votedFor === state.votedFor) return
    state.term = identifier.term
    state.votedFor = identifier.votedFor
    state.isAdopted = true
  }

  #entries(state: State, entries: readonly Entry[]): void {
    const first = entries[0]!.index
    const last = entries[entries.length - 1]!
    this.#look(state.group, entries)
    if (state.isBroken && (first > state.startIndex + 1 || state.loss?.isMarked === true)) {
      // Not joined to what was there, which may have been replaced in between; but it ends what could still be true.
      truncate(state, first - 1)
      const end = { term: last.term, index: last.index }
      if (state.loss !== null) state.loss = { ...state.loss, end: laterEnd(state.loss, end) }
      return
    }
    // Broken, yet written anew from its first entry on: whatever was lost of it no longer matters.
    state.isBroken = false
    truncate(state, first - 1)
    for (const entry of entries) if (entry.index > state.startIndex) state.entries.push(entry)
  }

  #logStart(state: State, index: LogIndex, term: Term): void {
    if (index <= state.startIndex) return
    const at = state.entries.find((entry) => entry.index >= index)
    // Raft (extended version), §7: what follows the checkpoint's last entry stays, if that entry is in this log.
    const keeps = at !== undefined && (at.index > index || at.term === term)
    state.entries = keeps ? state.entries.filter((entry) => entry.index > index) : []
    state.startIndex = index
    state.startTerm = term
    const end = state.loss?.end ?? null
    if (state.loss !== null && state.isBroken && end !== null && end.index < index) {
      state.loss = { ...state.loss, end: { term, index } }
    }
  }

  #mark(mark: DamageMark): void {
    const known = this.#states.get(mark.group)?.replica ?? 0
    if (known !== 0 && known !== mark.replica) this.#states.delete(mark.group)
    const state = this.#stateOf(mark.group)
    this.#seen.add(mark.group)
    if (state.replica === 0) state.replica = mark.replica
    truncate(state, mark.keptIndex)
    const { lastIndex } = ends(state)
    // What the mark says was kept may have been lost since: then more is missing than it knows of.
    const isShort = state.isBroken && lastIndex < mark.keptIndex
    state.isBroken = isShort
    state.loss = {
      firstIndex: isShort ? Math.min(mark.firstIndex, lastIndex + 1) : mark.firstIndex,
      end: mark.endKnown ? { term: mark.endTerm, index: mark.endIndex } : null,
      hardKnown: mark.hardKnown,
      isMarked: true,
      isNew: isShort,
    }
  }

  /** What the mark spoke of is whole again. What was lost of the repair itself, or besides, is not. */
  #repaired(state: State): void {
    if (state.loss === null || !state.loss.isNew) state.loss = null
    else state.loss = { ...state.loss, firstIndex: null, isMarked: false }
  }

  #look(group: GroupId, entries: readonly Entry[]): void {
    const expected = this.#expected.get(group)
    if (expected === undefined) return
    const entry = entries[expected.lastIndex - entries[0]!.index]
    if (entry !== undefined && entry.term === expected.lastTerm) this.#seen.add(group)
  }

  #finish(): Replayed {
    const groups: RecoveredGroup[] = []
    const marks: DamageMark[] = []
    const adopted: GroupId[] = []
    const gaps: GroupId[] = []
    const behind: GroupId[] = []
    for (const identifier of this.#input.systemWitness) {
      if (this.#isBehind(identifier)) behind.push(identifier.group)
      const state = this.#states.get(identifier.group)
      if (state === undefined) continue
      const isNewer = identifier.term > state.term
      if (!isNewer && !(identifier.term === state.term && state.votedFor === 0 && identifier.votedFor !== 0))
        continue
      state.term = identifier.term
      state.votedFor = identifier.votedFor
      state.isAdopted = true
    }
    for (const [group, state] of sorted(this.#states)) {
      const recovered = recoveredOf(state)
      groups.push(recovered)
      if (state.hasGap) gaps.push(group)
      if (state.isAdopted) adopted.push(group)
      if (recovered.damage === null) continue
      const last = recovered.entries.at(-1)
      const end = recovered.damage.end
      marks.push({
        group,
        replica: state.replica,
        keptIndex: last?.index ?? recovered.logStart.index,
        keptTerm: last?.term ?? recovered.logStart.term,
        firstIndex: recovered.damage.firstIndex,
        endKnown: end !== null,
        endIndex: end?.index ?? 0,
        endTerm: end?.term ?? 0,
        hardKnown: state.loss?.hardKnown ?? false,
      })
    }
    const isUnsure = this.#isWild
    return { groups, marks, adopted, gaps, behind: behind.toSorted((a, b) => a - b), isUnsure }
  }

  #isBehind(identifier: Identifier): boolean {
    const state = this.#states.get(identifier.group)
    if (state === undefined) return true
    if (state.loss !== null) return false
    if (identifier.term > state.term) return true
    if (identifier.term === state.term && identifier.votedFor !== 0 && state.votedFor === 0) return true
    // It had lost something, and nothing here says that it was made good.
    const { mark } = identifier
    if (mark !== null && !this.#seen.has(identifier.group) && ends(state).lastIndex <= mark.keptIndex)
      return true
    return identifier.lastIndex > state.startIndex && !this.#seen.has(identifier.group)
  }
}

function ends(state: State): {
  readonly lastIndex: LogIndex
  readonly lastTerm: Term
  readonly checksum: number
} {
  const last = state.entries.at(-1)
  return {
    lastIndex: last?.index ?? state.startIndex,
    lastTerm: last?.term ?? state.startTerm,
    checksum: last === undefined ? 0 : entryChecksum(last),
  }
}

/** Where the log ended once, if it ends at `now` by now: until it is repaired, what it promised before a mark stands. */
function laterEnd(loss: Loss | null, now: LogEnd): LogEnd | null {
  if (loss?.isMarked !== true) return now
  return loss.end === null || loss.end.index > now.index ? loss.end : now
}

function truncate(state: State, lastIndex: LogIndex): void {
  const entries = state.entries
  while (entries.length > 0 && entries[entries.length - 1]!.index > lastIndex) entries.pop()
}

/** Entries that the log no longer had when the identifier was taken are no part of it. */
function trim(state: State, identifier: Identifier): void {
  truncate(state, identifier.lastIndex)
  const last = state.entries.at(-1)
  if (last !== undefined && last.index === identifier.lastIndex && last.term !== identifier.lastTerm) {
    state.entries.pop()
  }
}

function recoveredOf(state: State): RecoveredGroup {
  let count = 0
  while (count < state.entries.length && state.entries[count]!.index === state.startIndex + 1 + count) count++
  if (count < state.entries.length) {
    // A hole that nothing read later explains.
    const { lastIndex: index, lastTerm: term } = ends(state)
    const end = state.isBroken ? (state.loss?.end ?? null) : { term, index }
    const firstIndex = state.loss?.firstIndex ?? null
    state.hasGap = true
    state.isBroken = true
    const isMarked = state.loss?.isMarked ?? false
    state.loss = { firstIndex, end, hardKnown: false, isMarked, isNew: true }
    state.entries.length = count
  }
  const lastIndex = state.startIndex + state.entries.length
  if (state.loss !== null && !state.isBroken && !state.loss.isMarked) {
    // Written anew since: the log is whole, and so is the group if by now its vote is known as well.
    const whole = { index: lastIndex, term: ends(state).lastTerm }
    state.loss = state.loss.hardKnown ? null : { ...state.loss, end: whole }
  }
  const hasDescriptor = state.descriptor !== null
  // A checkpoint that contains everything the log ever held makes the loss good.
  const end = state.loss?.end ?? null
  const isContained = end !== null && state.loss?.hardKnown === true && state.startIndex >= end.index
  let loss = isContained && hasDescriptor ? null : state.loss
  if (loss === null && !hasDescriptor && state.replica !== 0) {
    // The log is whole, but what it is a log of was said in a lost frame.
    const whole = { index: lastIndex, term: ends(state).lastTerm }
    loss = { firstIndex: lastIndex + 1, end: whole, hardKnown: true, isMarked: false, isNew: true }
    state.loss = loss
  }
  if (loss === null) state.loss = null
  const firstBroken = state.isBroken ? lastIndex + 1 : Number.MAX_SAFE_INTEGER
  const firstIndex = Math.max(Math.min(loss?.firstIndex ?? firstBroken, firstBroken), state.startIndex + 1)
  return {
    group: state.group,
    replica: state.replica,
    descriptor: state.descriptor,
    term: state.term,
    votedFor: state.votedFor,
    logStart: { index: state.startIndex, term: state.startTerm },
    entries: state.entries,
    damage:
      loss === null
        ? null
        : {
            firstIndex: firstIndex === Number.MAX_SAFE_INTEGER ? lastIndex + 1 : firstIndex,
            end: loss.end,
            identified: loss.end !== null && loss.hardKnown,
          },
  }
}

/** The frame that carries the settlement of this range, or null. */
export function settlementOf(frames: readonly ScannedFrame[], range: LsnRange): ScannedFrame | null {
  for (const frame of frames) {
    if (frame.header.lsn <= range.last) continue
    for (const item of frame.items) {
      if (item.type !== "damaged") continue
      if (item.settled.some((settled) => settled.first <= range.first && range.last <= settled.last))
        return frame
    }
  }
  return null
}
