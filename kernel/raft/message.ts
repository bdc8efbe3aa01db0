import type { GroupId, Incarnation, LogIndex, Mono, ReplicaId, Term, Timestamp, Wall } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { RangeDescriptor } from "../range/descriptor.ts"
import type { Chunk } from "../snapshot/chunk.ts"
import {
  readSnapshotHead,
  readSnapshotId,
  writeSnapshotHead,
  writeSnapshotId,
  type SnapshotHead,
  type SnapshotId,
} from "../snapshot/head.ts"
import { readDescriptor, writeDescriptor } from "../range/descriptor.ts"
import { readEntry, writeEntry, type Entry } from "./types.ts"

type Envelope = {
  readonly group: GroupId
  readonly from: ReplicaId
  readonly to: ReplicaId
  readonly term: Term
}

/** Raft (extended version), figure 2. An empty `entries` is a probe. */
export type AppendEntries = Envelope & {
  readonly type: "appendEntries"
  readonly prevIndex: LogIndex
  readonly prevTerm: Term
  readonly leaderCommit: LogIndex
  readonly entries: readonly Entry[]
  /** Lets a store that was made a member create its replica. Null to voters, and to learners that have answered. */
  readonly descriptor: RangeDescriptor | null
  /** The life of the volume in which the replica may be created; 0 without a descriptor. */
  readonly incarnation: Incarnation
}

/**
 * `matchIndex` is the last index known to match the leader's when `success`; else the reply rejects
 * `rejectedIndex` and hints where the logs may agree (§5.3, the optimisation of its last paragraph).
 */
export type AppendReply = Envelope & {
  readonly type: "appendReply"
  readonly success: boolean
  readonly matchIndex: LogIndex
  readonly rejectedIndex: LogIndex
  readonly hintIndex: LogIndex
  readonly hintTerm: Term
  /** The follower's state is damaged: only a snapshot helps, whatever its log holds. */
  readonly wantsSnapshot: boolean
}

/**
 * Authority, commit and one read-index `round` for all reads that waited when it was sent. A leader with a
 * lease also states that whatever was acknowledged before `statedWall`, by its clock, is committed by
 * `statedCommit`; zeros: it cannot say.
 */
export type Heartbeat = Envelope & {
  readonly type: "heartbeat"
  readonly leaderCommit: LogIndex
  readonly round: number
  readonly sentMono: Mono
  readonly statedWall: Wall
  readonly statedCommit: LogIndex
  /** Of the leader's store: what is promised to it in one life ends with that. */
  readonly life: number
  /** The leader has nothing more to say: who has promised not to depose it need not listen. */
  readonly rests: boolean
}

export type HeartbeatReply = Envelope & {
  readonly type: "heartbeatReply"
  readonly round: number
  /** The heartbeat's own stamp: the leader bounds the follower's clock by it. */
  readonly sentMono: Mono
  readonly lastIndex: LogIndex
  readonly commitIndex: LogIndex
  /** The store's own incarnation, its boot, and the epoch of its support in which it promises not to depose the leader; 0: it does not. */
  readonly home: Incarnation
  readonly boot: number
  readonly epoch: number
}

/** §5.2; with `preVote` the question of §9.6 of the Raft thesis: `term` is the one it would campaign in. */
export type VoteRequest = Envelope & {
  readonly type: "voteRequest"
  readonly preVote: boolean
  /** Asked by its leader to campaign: a fresh leader elsewhere is no reason to refuse. */
  readonly transfer: boolean
  readonly lastIndex: LogIndex
  readonly lastTerm: Term
}

export type VoteReply = Envelope & {
  readonly type: "voteReply"
  readonly preVote: boolean
  readonly granted: boolean
}

/**
 * Leadership transfer: campaign now (Raft thesis, §3.10). The old leader has assigned and served nothing
 * above `highWater` and never will again in its term.
 */
export type TimeoutNow = Envelope & {
  readonly type: "timeoutNow"
  readonly highWater: Timestamp
  /** What the old leader alone remembers of the range, as bytes; empty when that is nothing, or too much. */
  readonly memory: string
}

/** From one who led `term` and gives up its office: no lease of it, or of an earlier leader, stands. */
export type DeFortify = Envelope & { readonly type: "deFortify" }

/** To a replica that a committed configuration no longer names: it may destroy itself. */
export type Removed = Envelope & { readonly type: "removed" }

/**
 * The whole state of a range at an index, in place of a log that is gone (§7): all but its rows, which
 * follow in chunks when the receiver has said where it stands. Asked again whenever it falls silent.
 */
export type SnapshotOffer = Envelope & { readonly type: "snapshotOffer"; readonly head: SnapshotHead }

export type SnapshotChunk = Envelope & {
  readonly type: "snapshotChunk"
  readonly id: SnapshotId
  readonly chunk: Chunk
}

/**
 * Where a receiver stands: `declined` (no room, ask again later), `position` (to an offer), `taken` or `gap`
 * (to a chunk), `installing` (it has all of it).
 */
export type SnapshotAnswer = Envelope & {
  readonly type: "snapshotAnswer"
  readonly id: SnapshotId
  readonly verdict: (typeof VERDICTS)[number]
  /** The chunk it wants next. */
  readonly nextChunk: number
  readonly retryAfterUs: number
}

const VERDICTS = ["declined", "position", "taken", "gap", "installing"] as const

/** The snapshot is in a durable checkpoint, or the log here answers for it. */
export type SnapshotReply = Envelope & {
  readonly type: "snapshotReply"
  readonly lastIndex: LogIndex
  readonly success: boolean
}

/**
 * The answer of a store to the heartbeat of a leader: it holds nothing of the name `from`, and the frame says which
 * life its volume is in now. `term` and `sentMono` are the heartbeat's.
 */
export type Absent = Envelope & { readonly type: "absent"; readonly sentMono: Mono }

/**
 * A damaged replica's answer where another would acknowledge: its log is the leader's up to `matchIndex` and ends at
 * `lastIndex`, and neither counts for anything. `sentMono` is that of the heartbeat it answers; 0 for an append.
 */
export type Stored = Envelope & {
  readonly type: "stored"
  readonly matchIndex: LogIndex
  readonly lastIndex: LogIndex
  readonly sentMono: Mono
}

/** "How far must I be repaired?" `nonce` names the start of the process that asks. */
export type RepairAsk = Envelope & { readonly type: "repairAsk"; readonly nonce: number }

/** The leader's log ended at `index` when it was asked, and a quorum without the one who asked followed it still. */
export type RepairAnswer = Envelope & {
  readonly type: "repairAnswer"
  readonly nonce: number
  readonly index: LogIndex
}

/** A state at one applied index, as its hash. */
type SumAt = { readonly index: LogIndex; readonly high: number; readonly low: number }

/** The leader's own: every member compares, and answers with its own at that index once it has applied it. */
export type ScrubState = Envelope & SumAt & { readonly type: "scrubState" }

export type ScrubReply = Envelope & SumAt & { readonly type: "scrubReply" }

/** What the answers came to, for one who answered: its state is `wrong`, or nobody can say whose is right. */
export type ScrubVerdict = Envelope &
  SumAt & { readonly type: "scrubVerdict"; readonly verdict: "agree" | "wrong" | "diverged" }

/** Not Raft's: between the state machines of a group. */
export type ScrubMessage = ScrubState | ScrubReply | ScrubVerdict

export function isScrubMessage(message: RaftMessage): message is ScrubMessage {
  return message.type === "scrubState" || message.type === "scrubReply" || message.type === "scrubVerdict"
}

const SCRUB_VERDICTS = ["agree", "wrong", "diverged"] as const

export type RaftMessage =
  | AppendEntries
  | AppendReply
  | Heartbeat
  | HeartbeatReply
  | VoteRequest
  | VoteReply
  | TimeoutNow
  | SnapshotOffer
  | SnapshotChunk
  | SnapshotAnswer
  | SnapshotReply
  | Removed
  | Absent
  | Stored
  | RepairAsk
  | RepairAnswer
  | DeFortify
  | ScrubMessage

const TAGS: Readonly<Record<RaftMessage["type"], number>> = {
  appendEntries: 1,
  appendReply: 2,
  heartbeat: 3,
  heartbeatReply: 4,
  voteRequest: 5,
  voteReply: 6,
  timeoutNow: 7,
  snapshotOffer: 8,
  snapshotReply: 9,
  removed: 10,
  // 11 and 24 are words between stores, of no group.
  deFortify: 12,
  absent: 20,
  stored: 21,
  repairAsk: 22,
  repairAnswer: 23,
  snapshotChunk: 16,
  snapshotAnswer: 17,
  scrubState: 25,
  scrubReply: 26,
  scrubVerdict: 27,
}

/** `whole` false leaves an entry's fields to its digest: for hashing, where the entry was digested before. */
export function writeMessage(message: RaftMessage, sink: Sink, whole: boolean): void {
  sink.u8(TAGS[message.type])
  sink.uint(message.group)
  sink.uint(message.from)
  sink.uint(message.to)
  sink.uint(message.term)
  switch (message.type) {
    case "appendEntries":
      sink.uint(message.prevIndex)
      sink.uint(message.prevTerm)
      sink.uint(message.leaderCommit)
      sink.bool(message.descriptor !== null)
      if (message.descriptor !== null) {
        writeDescriptor(message.descriptor, sink)
        sink.uint(message.incarnation)
      }
      sink.uint(message.entries.length)
      for (const entry of message.entries) {
        if (whole) writeEntry(entry, sink)
        else writeEntryDigest(entry, sink)
      }
      break
    case "appendReply":
      sink.bool(message.success)
      sink.uint(message.matchIndex)
      sink.uint(message.rejectedIndex)
      sink.uint(message.hintIndex)
      sink.uint(message.hintTerm)
      sink.bool(message.wantsSnapshot)
      break
    case "heartbeat":
      sink.uint(message.leaderCommit)
      sink.uint(message.round)
      sink.uint(message.sentMono)
      sink.uint(message.statedWall)
      sink.uint(message.statedCommit)
      sink.uint(message.life)
      sink.bool(message.rests)
      break
    case "heartbeatReply":
      sink.uint(message.round)
      sink.uint(message.sentMono)
      sink.uint(message.lastIndex)
      sink.uint(message.commitIndex)
      sink.uint(message.home)
      sink.uint(message.boot)
      sink.uint(message.epoch)
      break
    case "voteRequest":
      sink.bool(message.preVote)
      sink.bool(message.transfer)
      sink.uint(message.lastIndex)
      sink.uint(message.lastTerm)
      break
    case "voteReply":
      sink.bool(message.preVote)
      sink.bool(message.granted)
      break
    case "timeoutNow":
      sink.uint(message.highWater)
      sink.str(message.memory)
      break
    case "removed":
    case "deFortify":
      break
    case "absent":
      sink.uint(message.sentMono)
      break
    case "stored":
      sink.uint(message.matchIndex)
      sink.uint(message.lastIndex)
      sink.uint(message.sentMono)
      break
    case "repairAsk":
      sink.uint(message.nonce)
      break
    case "repairAnswer":
      sink.uint(message.nonce)
      sink.uint(message.index)
      break
    case "snapshotOffer":
      writeSnapshotHead(message.head, sink)
      break
    case "snapshotChunk":
      writeSnapshotId(message.id, sink)
      sink.uint(message.chunk.number)
      sink.bool(message.chunk.last)
      sink.u32(message.chunk.checksum)
      sink.bytes(message.chunk.data)
      break
    case "snapshotAnswer":
      writeSnapshotId(message.id, sink)
      sink.u8(VERDICTS.indexOf(message.verdict))
      sink.uint(message.nextChunk)
      sink.uint(message.retryAfterUs)
      break
    case "snapshotReply":
      sink.uint(message.lastIndex)
      sink.bool(message.success)
      break
    case "scrubState":
    case "scrubReply":
    case "scrubVerdict":
      sink.uint(message.index)
      sink.u32(message.high)
      sink.u32(message.low)
      if (message.type === "scrubVerdict") sink.u8(SCRUB_VERDICTS.indexOf(message.verdict))
      break
  }
}

function writeEntryDigest(entry: Entry, sink: Sink): void {
  sink.uint(entry.length)
  sink.u32(entry.digestHigh)
  sink.u32(entry.digestLow)
}

/** Turns the reader `failed` when the bytes are no message. */
export function readMessage(reader: ByteReader): RaftMessage {
  return readTagged(reader.u8(), reader)
}

/** The same, after its tag. */
export function readTagged(tag: number, reader: ByteReader): RaftMessage {
  const group = reader.uint()
  const from = reader.uint()
  const to = reader.uint()
  const term = reader.uint()
  switch (tag) {
    case 1: {
      const prevIndex = reader.uint()
      const prevTerm = reader.uint()
      const leaderCommit = reader.uint()
      const descriptor = reader.bool() ? readDescriptor(reader) : null
      const incarnation = descriptor === null ? 0 : reader.uint()
      const entries: Entry[] = []
      for (let left = reader.count(4); left > 0; left--) entries.push(readEntry(reader))
      return {
        type: "appendEntries",
        group,
        from,
        to,
        term,
        prevIndex,
        prevTerm,
        leaderCommit,
        entries,
        descriptor,
        incarnation,
      }
    }
    case 2: {
      const success = reader.bool()
      const matchIndex = reader.uint()
      const rejectedIndex = reader.uint()
      const hintIndex = reader.uint()
      const hintTerm = reader.uint()
      const wantsSnapshot = reader.bool()
      return {
        type: "appendReply",
        group,
        from,
        to,
        term,
        success,
        matchIndex,
        rejectedIndex,
        hintIndex,
        hintTerm,
        wantsSnapshot,
      }
    }
    case 3: {
      const leaderCommit = reader.uint()
      const round = reader.uint()
      const sentMono = reader.uint()
      const statedWall = reader.uint()
      const statedCommit = reader.uint()
      const life = reader.uint()
      const rests = reader.bool()
      return {
        type: "heartbeat",
        group,
        from,
        to,
        term,
        leaderCommit,
        round,
        sentMono,
        statedWall,
        statedCommit,
        life,
        rests,
      }
    }
    case 4: {
      const round = reader.uint()
      const sentMono = reader.uint()
      const lastIndex = reader.uint()
      const commitIndex = reader.uint()
      const home = reader.uint()
      const boot = reader.uint()
      const epoch = reader.uint()
      return {
        type: "heartbeatReply",
        group,
        from,
        to,
        term,
        round,
        sentMono,
        lastIndex,
        commitIndex,
        home,
        boot,
        epoch,
      }
    }
    case 5: {
      const preVote = reader.bool()
      const transfer = reader.bool()
      const lastIndex = reader.uint()
      return {
        type: "voteRequest",
        group,
        from,
        to,
        term,
        preVote,
        transfer,
        lastIndex,
        lastTerm: reader.uint(),
      }
    }
    case 6: {
      const preVote = reader.bool()
      return { type: "voteReply", group, from, to, term, preVote, granted: reader.bool() }
    }
    case 7:
      return { type: "timeoutNow", group, from, to, term, highWater: reader.uint(), memory: reader.str() }
    case 8:
      return { type: "snapshotOffer", group, from, to, term, head: readSnapshotHead(reader) }
    case 9: {
      const lastIndex = reader.uint()
      return { type: "snapshotReply", group, from, to, term, lastIndex, success: reader.bool() }
    }
    case 10:
      return { type: "removed", group, from, to, term }
    case 20:
      return { type: "absent", group, from, to, term, sentMono: reader.uint() }
    case 21: {
      const matchIndex = reader.uint()
      const lastIndex = reader.uint()
      return { type: "stored", group, from, to, term, matchIndex, lastIndex, sentMono: reader.uint() }
    }
    case 22:
      return { type: "repairAsk", group, from, to, term, nonce: reader.uint() }
    case 23: {
      const nonce = reader.uint()
      return { type: "repairAnswer", group, from, to, term, nonce, index: reader.uint() }
    }
    case 12:
      return { type: "deFortify", group, from, to, term }
    case 16: {
      const id = readSnapshotId(reader)
      const number = reader.uint()
      const last = reader.bool()
      const checksum = reader.u32()
      const chunk = { number, last, checksum, data: reader.bytes() }
      return { type: "snapshotChunk", group, from, to, term, id, chunk }
    }
    case 17: {
      const id = readSnapshotId(reader)
      const verdict = VERDICTS[reader.u8()]
      if (verdict === undefined) reader.fail()
      const nextChunk = reader.uint()
      const retryAfterUs = reader.uint()
      return {
        type: "snapshotAnswer",
        group,
        from,
        to,
        term,
        id,
        verdict: verdict ?? "declined",
        nextChunk,
        retryAfterUs,
      }
    }
    case 25:
    case 26:
    case 27: {
      const sum = { group, from, to, term, index: reader.uint(), high: reader.u32(), low: reader.u32() }
      if (tag !== 27) return { type: tag === 25 ? "scrubState" : "scrubReply", ...sum }
      const verdict = SCRUB_VERDICTS[reader.u8()]
      if (verdict === undefined) reader.fail()
      return { type: "scrubVerdict", ...sum, verdict: verdict ?? "agree" }
    }
    default:
      reader.fail()
      return { type: "removed", group: 0, from: 0, to: 0, term: 0 }
  }
}
