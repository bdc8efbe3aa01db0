import type { ByteReader, Sink } from "../lib/bytes.ts"
import { unreachable } from "../lib/invariant.ts"
import type { KvResult, Token } from "../range/request.ts"
import { readResult, writeResult } from "./outcome.ts"
import type {
  Anchor,
  Control,
  Isolation,
  KeySpan,
  LockStrength,
  Promised,
  ReadSpan,
  RestartReason,
  SeqSpan,
  TxnAnswer,
  TxnCommand,
  TxnId,
  TxnMeta,
  TxnState,
  TxnStatus,
  WaitPolicy,
} from "./protocol.ts"

/** What gateways and ranges say to each other, over a sink: for hashes, saved kernels, recordings and frames. */

export const TXN_ID_BYTES = 16

const LEVELS: readonly Isolation[] = ["readCommitted", "snapshot", "serializable"]
const CONTROLS: readonly Control[] = ["locking", "optimistic"]
const WAITS: readonly WaitPolicy[] = ["wait", "noWait", "skipLocked"]
const LOCKS: readonly (LockStrength | null)[] = [null, "shared", "exclusive"]
const STATUSES: readonly TxnStatus[] = ["pending", "staging", "committed", "aborted"]
const OUTCOMES = ["none", "committed", "prevented", "expired"] as const
const REASONS: readonly RestartReason[] = [
  "writeTooOld",
  "readSpanChanged",
  "uncertainty",
  "pushed",
  "leaseLost",
  "recordFloor",
  "abandoned",
]

/** One of a few words, as its place among them. */
export function readWord<Word>(words: readonly Word[], reader: ByteReader): Word {
  const at = reader.u8()
  if (at >= words.length) reader.fail()
  return words[at < words.length ? at : 0]!
}

export function writeWord<Word>(words: readonly Word[], word: Word, sink: Sink): void {
  sink.u8(words.indexOf(word))
}

export function readItems<Item>(
  reader: ByteReader,
  bytesMin: number,
  read: (reader: ByteReader) => Item,
): readonly Item[] {
  const items: Item[] = []
  for (let left = reader.count(bytesMin); left > 0; left--) items.push(read(reader))
  return items
}

export function writeItems<Item>(
  items: readonly Item[],
  sink: Sink,
  write: (item: Item, sink: Sink) => void,
): void {
  sink.uint(items.length)
  for (const item of items) write(item, sink)
}

export function writeTxnId(id: TxnId, sink: Sink): void {
  sink.str(id)
}

export function readTxnId(reader: ByteReader): TxnId {
  const id = reader.str()
  if (id.length !== TXN_ID_BYTES) reader.fail()
  return id
}

export function writeBy(by: TxnId | null, sink: Sink): void {
  sink.bool(by !== null)
  if (by !== null) writeTxnId(by, sink)
}

export function readBy(reader: ByteReader): TxnId | null {
  return reader.bool() ? readTxnId(reader) : null
}

export function writeIsolation(level: Isolation, sink: Sink): void {
  writeWord(LEVELS, level, sink)
}
export function readIsolation(reader: ByteReader): Isolation {
  return readWord(LEVELS, reader)
}
export function writeControl(control: Control, sink: Sink): void {
  writeWord(CONTROLS, control, sink)
}
export function readControl(reader: ByteReader): Control {
  return readWord(CONTROLS, reader)
}
export function writeWaitPolicy(wait: WaitPolicy, sink: Sink): void {
  writeWord(WAITS, wait, sink)
}
export function readWaitPolicy(reader: ByteReader): WaitPolicy {
  return readWord(WAITS, reader)
}
export function writeLock(lock: LockStrength | null, sink: Sink): void {
  writeWord(LOCKS, lock, sink)
}
export function readLock(reader: ByteReader): LockStrength | null {
  return readWord(LOCKS, reader)
}
export function writeReason(reason: RestartReason, sink: Sink): void {
  writeWord(REASONS, reason, sink)
}
export function readReason(reader: ByteReader): RestartReason {
  return readWord(REASONS, reader)
}

export function writeToken(token: Token, sink: Sink): void {
  sink.uint(token.client)
  sink.uint(token.birth)
  sink.uint(token.seq)
  sink.uint(token.ackedSeq)
}

export function readToken(reader: ByteReader): Token {
  return { client: reader.uint(), birth: reader.uint(), seq: reader.uint(), ackedSeq: reader.uint() }
}

export function writeAnchor(anchor: Anchor, sink: Sink): void {
  sink.uint(anchor.tenant)
  sink.uint(anchor.rangeId)
  sink.str(anchor.key)
}

export function readAnchor(reader: ByteReader): Anchor {
  return { tenant: reader.uint(), rangeId: reader.uint(), key: reader.str() }
}

export function writeSeqSpan(span: SeqSpan, sink: Sink): void {
  sink.uint(span.from)
  sink.uint(span.to)
}

export function readSeqSpan(reader: ByteReader): SeqSpan {
  return { from: reader.uint(), to: reader.uint() }
}

export function writePromised(promised: Promised, sink: Sink): void {
  sink.uint(promised.rangeId)
  sink.str(promised.key)
  sink.uint(promised.seq)
}

export function readPromised(reader: ByteReader): Promised {
  return { rangeId: reader.uint(), key: reader.str(), seq: reader.uint() }
}

export function writeKeySpan(span: KeySpan, sink: Sink): void {
  sink.str(span.start)
  sink.str(span.end)
}

export function readKeySpan(reader: ByteReader): KeySpan {
  return { start: reader.str(), end: reader.str() }
}

export function writeReadSpan(span: ReadSpan, sink: Sink): void {
  writeKeySpan(span, sink)
  sink.uint(span.fromTs)
}

export function readReadSpan(reader: ByteReader): ReadSpan {
  return { start: reader.str(), end: reader.str(), fromTs: reader.uint() }
}

export function writeMeta(meta: TxnMeta, sink: Sink): void {
  writeTxnId(meta.id, sink)
  writeAnchor(meta.anchor, sink)
  writeIsolation(meta.level, sink)
  writeControl(meta.control, sink)
  sink.uint(meta.readTs)
  sink.uint(meta.writeTs)
  sink.uint(meta.limitTs)
  sink.uint(meta.seq)
  writeItems(meta.rolledBack, sink, writeSeqSpan)
  writeWaitPolicy(meta.wait, sink)
  writeLock(meta.lock, sink)
  sink.bool(meta.pipelined)
  sink.bool(meta.onePhase !== null)
  if (meta.onePhase !== null) writeItems(meta.onePhase, sink, writeReadSpan)
}

export function readMeta(reader: ByteReader): TxnMeta {
  return {
    id: readTxnId(reader),
    anchor: readAnchor(reader),
    level: readIsolation(reader),
    control: readControl(reader),
    readTs: reader.uint(),
    writeTs: reader.uint(),
    limitTs: reader.uint(),
    seq: reader.uint(),
    rolledBack: readItems(reader, 2, readSeqSpan),
    wait: readWaitPolicy(reader),
    lock: readLock(reader),
    pipelined: reader.bool(),
    onePhase: reader.bool() ? readItems(reader, 3, readReadSpan) : null,
  }
}

export function writeState(state: TxnState, sink: Sink): void {
  writeWord(STATUSES, state.status, sink)
  sink.uint(state.ts)
  writeItems(state.promised, sink, writePromised)
  writeItems(state.rolledBack, sink, writeSeqSpan)
  sink.bool(state.isAbandoned)
}

export function readState(reader: ByteReader): TxnState {
  return {
    status: readWord(STATUSES, reader),
    ts: reader.uint(),
    promised: readItems(reader, 3, readPromised),
    rolledBack: readItems(reader, 2, readSeqSpan),
    isAbandoned: reader.bool(),
  }
}

const COMMANDS: readonly TxnCommand["type"][] = [
  "refresh",
  "heartbeat",
  "stage",
  "commit",
  "abort",
  "push",
  "queryIntent",
  "resolve",
  "forget",
  "queryWait",
  "cancelWait",
  "queryOutcome",
  "protect",
]

export function writeCommand(command: TxnCommand, sink: Sink): void {
  writeWord(COMMANDS, command.type, sink)
  if (command.type === "queryOutcome") {
    sink.str(command.key)
    writeToken(command.token, sink)
    sink.bool(command.prevent)
    return
  }
  if (command.type === "protect") {
    sink.uint(command.id)
    sink.uint(command.ts)
    return
  }
  writeTxnId(command.txn, sink)
  switch (command.type) {
    case "refresh":
      writeItems(command.spans, sink, writeReadSpan)
      sink.uint(command.toTs)
      break
    case "heartbeat":
    case "forget":
      writeAnchor(command.anchor, sink)
      break
    case "stage":
      writeAnchor(command.anchor, sink)
      sink.uint(command.commitTs)
      writeItems(command.promised, sink, writePromised)
      writeItems(command.rolledBack, sink, writeSeqSpan)
      writeItems(command.results, sink, writeResult)
      break
    case "commit":
      writeAnchor(command.anchor, sink)
      sink.uint(command.commitTs)
      break
    case "abort":
      writeAnchor(command.anchor, sink)
      writeTsOrNull(command.ifStagedAt, sink)
      break
    case "push":
      writeAnchor(command.anchor, sink)
      sink.uint(command.minCommitTs)
      break
    case "queryIntent":
      sink.uint(command.writes.length)
      for (const { key, seq } of command.writes) {
        sink.str(key)
        sink.uint(seq)
      }
      sink.uint(command.ts)
      sink.bool(command.prevent)
      break
    case "resolve":
      writeTsOrNull(command.commitTs, sink)
      writeItems(command.rolledBack, sink, writeSeqSpan)
      sink.uint(command.keys.length)
      for (const key of command.keys) sink.str(key)
      writeItems(command.spans, sink, writeKeySpan)
      break
    case "queryWait":
      sink.uint(command.ticket)
      break
    case "cancelWait":
      break
    default:
      unreachable(command)
  }
}

/** Turns the reader `failed` when the bytes are no command. */
export function readCommand(reader: ByteReader): TxnCommand {
  const type = readWord(COMMANDS, reader)
  if (type === "protect") return { type, id: reader.uint(), ts: reader.uint() }
  if (type === "queryOutcome") {
    return { type, key: reader.str(), token: readToken(reader), prevent: reader.bool() }
  }
  const txn = readTxnId(reader)
  switch (type) {
    case "refresh": {
      const spans = readItems(reader, 3, readReadSpan)
      return { type, txn, spans, toTs: reader.uint() }
    }
    case "heartbeat":
    case "forget":
      return { type, txn, anchor: readAnchor(reader) }
    case "stage": {
      const [anchor, commitTs] = [readAnchor(reader), reader.uint()]
      const promised = readItems(reader, 3, readPromised)
      const rolledBack = readItems(reader, 2, readSeqSpan)
      const results = readItems(reader, 1, readResult)
      return { type, txn, anchor, commitTs, promised, rolledBack, results }
    }
    case "commit":
      return { type, txn, anchor: readAnchor(reader), commitTs: reader.uint() }
    case "abort":
      return { type, txn, anchor: readAnchor(reader), ifStagedAt: readTsOrNull(reader) }
    case "push":
      return { type, txn, anchor: readAnchor(reader), minCommitTs: reader.uint() }
    case "queryIntent": {
      const writes = readItems(reader, 2, (from) => ({ key: from.str(), seq: from.uint() }))
      return { type, txn, writes, ts: reader.uint(), prevent: reader.bool() }
    }
    case "resolve": {
      const commitTs = readTsOrNull(reader)
      const rolledBack = readItems(reader, 2, readSeqSpan)
      const keys = readItems(reader, 1, (from) => from.str())
      return { type, txn, commitTs, rolledBack, keys, spans: readItems(reader, 2, readKeySpan) }
    }
    case "queryWait":
      return { type, txn, ticket: reader.uint() }
    case "cancelWait":
      return { type, txn }
    default:
      return unreachable(type)
  }
}

const ANSWERS: readonly TxnAnswer["type"][] = [
  "refreshed",
  "changed",
  "state",
  "intent",
  "waits",
  "done",
  "outcome",
]

export function writeAnswer(answer: TxnAnswer, sink: Sink): void {
  writeWord(ANSWERS, answer.type, sink)
  switch (answer.type) {
    case "refreshed":
    case "done":
      break
    case "changed":
      sink.str(answer.key)
      sink.uint(answer.at)
      writeBy(answer.by, sink)
      break
    case "state":
      writeState(answer.state, sink)
      break
    case "intent":
      sink.bool(answer.isThere)
      break
    case "waits":
      writeItems(answer.for, sink, writeTxnId)
      break
    case "outcome":
      writeWord(OUTCOMES, answer.status, sink)
      sink.uint(answer.commitTs)
      sink.bool(answer.results !== null)
      if (answer.results !== null) writeItems(answer.results, sink, writeResult)
      break
    default:
      unreachable(answer)
  }
}

/** Turns the reader `failed` when the bytes are no answer. */
export function readAnswer(reader: ByteReader): TxnAnswer {
  const type = readWord(ANSWERS, reader)
  switch (type) {
    case "refreshed":
    case "done":
      return { type }
    case "changed": {
      const [key, at] = [reader.str(), reader.uint()]
      return { type, key, at, by: readBy(reader) }
    }
    case "state":
      return { type, state: readState(reader) }
    case "intent":
      return { type, isThere: reader.bool() }
    case "waits":
      return { type, for: readItems(reader, TXN_ID_BYTES + 1, readTxnId) }
    case "outcome": {
      const [status, commitTs] = [readWord(OUTCOMES, reader), reader.uint()]
      const results: readonly KvResult[] | null = reader.bool() ? readItems(reader, 1, readResult) : null
      return { type, status, commitTs, results }
    }
    default:
      return unreachable(type)
  }
}

function writeTsOrNull(ts: number | null, sink: Sink): void {
  sink.bool(ts !== null)
  if (ts !== null) sink.uint(ts)
}

function readTsOrNull(reader: ByteReader): number | null {
  return reader.bool() ? reader.uint() : null
}
