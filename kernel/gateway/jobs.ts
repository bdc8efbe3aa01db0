import { FlowRun } from "../flow/flow.ts"
import type { GroupId, Mono, RangeId, TenantId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { invariant, unreachable } from "../lib/invariant.ts"
import type { Stamp } from "../node/input.ts"
import { readOps, readResults, writeOps, writeResults } from "../range/request-codec.ts"
import type { KvResult, Token } from "../range/request.ts"
import {
  readAnchor,
  readItems,
  readLock,
  readToken,
  readTxnId,
  readWaitPolicy,
  readWord,
  writeAnchor,
  writeItems,
  writeLock,
  writeToken,
  writeTxnId,
  writeWaitPolicy,
  writeWord,
} from "../txn/protocol-codec.ts"
import type { TxnAnswer, TxnId, TxnState } from "../txn/protocol.ts"
import { commit, type Decided } from "./commit.ts"
import { command, Course, TOLD_CODEC, type GatewayFlow, type Told, type Wish } from "./course.ts"
import { execute, type Executed, type Statement } from "./execute.ts"
import { readWait, writeWait, type Wait } from "./message.ts"
import { confirmCycle, findOutcome, push, type Push, type Pushed } from "./push.ts"
import { askRecord, readSettlement, settle, writeSettlement, type Settlement } from "./settle.ts"
import { Draft, type Transaction } from "./transaction.ts"

/** What a gateway has under way, each as a flow: as it was begun, so that it can be begun again over what it was told. */
export type Job =
  | { readonly type: "execute"; readonly txn: TxnId; readonly statement: Statement }
  | {
      readonly type: "commit"
      readonly txn: TxnId
      readonly last: Statement | null
      readonly results: readonly KvResult[]
    }
  | { readonly type: "settle"; readonly settlement: Settlement }
  | { readonly type: "heartbeat"; readonly txn: TxnId }
  /** For the range of a group here. */
  | { readonly type: "push"; readonly group: GroupId; readonly push: Push }
  | { readonly type: "confirm"; readonly path: readonly Wait[] }
  | {
      readonly type: "outcome"
      readonly session: number
      readonly id: number
      readonly tenant: TenantId
      readonly token: Token
      readonly key: string
    }
  | { readonly type: "cancelWait"; readonly txn: TxnId; readonly ranges: readonly RangeId[] }

export type Ended =
  | { readonly type: "executed"; readonly draft: Draft; readonly executed: Executed }
  | { readonly type: "decided"; readonly draft: Draft; readonly decided: Decided }
  | { readonly type: "beaten"; readonly state: TxnState | null }
  | { readonly type: "pushed"; readonly pushed: Pushed }
  | { readonly type: "confirmed"; readonly isCycle: boolean }
  | { readonly type: "found"; readonly outcome: Extract<TxnAnswer, { readonly type: "outcome" }> | null }
  | { readonly type: "nothing" }

const NOTHING: Ended = { type: "nothing" }

export type JobRun = {
  readonly job: Job
  readonly begun: Stamp
  readonly deadline: Mono
  readonly run: FlowRun<Wish, Told, Ended>
}

/** Of a job about a transaction of this gateway: `txn` is that one. */
export function makeRun(job: Job, begun: Stamp, deadline: Mono, txn: Transaction | null): JobRun {
  return { job, begun, deadline, run: new FlowRun(flowOf(job, begun, deadline, txn), TOLD_CODEC) }
}

function* flowOf(job: Job, begun: Stamp, deadline: Mono, txn: Transaction | null): GatewayFlow<Ended> {
  const course = new Course(begun, deadline)
  switch (job.type) {
    case "execute": {
      const draft = new Draft(known(txn))
      return { type: "executed", draft, executed: yield* execute(course, draft, job.statement) }
    }
    case "commit": {
      const draft = new Draft(known(txn))
      return { type: "decided", draft, decided: yield* commit(course, draft, job.last, job.results) }
    }
    case "settle":
      yield* settle(course, job.settlement)
      return NOTHING
    case "heartbeat": {
      const { anchor, begun: named } = known(txn)
      const state = yield* askRecord(course, named.tenant, { type: "heartbeat", txn: job.txn, anchor })
      return { type: "beaten", state }
    }
    case "push":
      return { type: "pushed", pushed: yield* push(course, job.push) }
    case "confirm":
      return { type: "confirmed", isCycle: yield* confirmCycle(course, job.path) }
    case "outcome":
      return { type: "found", outcome: yield* findOutcome(course, job.tenant, job.token, job.key) }
    case "cancelWait":
      for (const rangeId of job.ranges) {
        const range = yield* course.locate(rangeId)
        if (range !== null) yield* course.ask([[range, command({ type: "cancelWait", txn: job.txn })]])
      }
      return NOTHING
    default:
      return unreachable(job)
  }
}

function known(txn: Transaction | null): Transaction {
  invariant(txn !== null, "A flow of a transaction cannot run without it")
  return txn
}

const JOBS: readonly Job["type"][] = [
  "execute",
  "commit",
  "settle",
  "heartbeat",
  "push",
  "confirm",
  "outcome",
  "cancelWait",
]

export function saveRun({ job, begun, deadline, run }: JobRun, sink: Sink): void {
  writeJob(job, sink)
  sink.uint(begun.mono)
  sink.uint(begun.wall)
  sink.uint(deadline)
  run.save(sink)
}

export function loadRun(reader: ByteReader, txnOf: (id: TxnId) => Transaction | null): JobRun {
  const job = readJob(reader)
  const begun = { mono: reader.uint(), wall: reader.uint() }
  const deadline = reader.uint()
  const txn =
    job.type === "execute" || job.type === "commit" || job.type === "heartbeat" ? txnOf(job.txn) : null
  const run = FlowRun.load(reader, flowOf(job, begun, deadline, txn), TOLD_CODEC, begun)
  return { job, begun, deadline, run }
}

function writeStatement({ ops, wait, lock }: Statement, sink: Sink): void {
  writeOps(ops, sink)
  writeWaitPolicy(wait, sink)
  writeLock(lock, sink)
}

function readStatement(reader: ByteReader): Statement {
  return { ops: readOps(reader), wait: readWaitPolicy(reader), lock: readLock(reader) }
}

function writeJob(job: Job, sink: Sink): void {
  writeWord(JOBS, job.type, sink)
  switch (job.type) {
    case "execute":
      writeTxnId(job.txn, sink)
      writeStatement(job.statement, sink)
      break
    case "commit":
      writeTxnId(job.txn, sink)
      sink.bool(job.last !== null)
      if (job.last !== null) writeStatement(job.last, sink)
      writeResults(job.results, sink)
      break
    case "settle":
      writeSettlement(job.settlement, sink)
      break
    case "heartbeat":
      writeTxnId(job.txn, sink)
      break
    case "push":
      sink.uint(job.group)
      writeTxnId(job.push.txn, sink)
      writeAnchor(job.push.anchor, sink)
      sink.uint(job.push.minCommitTs)
      break
    case "confirm":
      writeItems(job.path, sink, writeWait)
      break
    case "outcome":
      sink.uint(job.session)
      sink.uint(job.id)
      sink.uint(job.tenant)
      writeToken(job.token, sink)
      sink.str(job.key)
      break
    case "cancelWait":
      writeTxnId(job.txn, sink)
      sink.uint(job.ranges.length)
      for (const range of job.ranges) sink.uint(range)
      break
    default:
      unreachable(job)
  }
}

function readJob(reader: ByteReader): Job {
  const type = readWord(JOBS, reader)
  switch (type) {
    case "execute":
      return { type, txn: readTxnId(reader), statement: readStatement(reader) }
    case "commit": {
      const txn = readTxnId(reader)
      const last = reader.bool() ? readStatement(reader) : null
      return { type, txn, last, results: readResults(reader) }
    }
    case "settle":
      return { type, settlement: readSettlement(reader) }
    case "heartbeat":
      return { type, txn: readTxnId(reader) }
    case "push": {
      const group = reader.uint()
      const [txn, anchor] = [readTxnId(reader), readAnchor(reader)]
      return { type, group, push: { txn, anchor, minCommitTs: reader.uint() } }
    }
    case "confirm":
      return { type, path: readItems(reader, 20, readWait) }
    case "outcome": {
      const [session, id, tenant] = [reader.uint(), reader.uint(), reader.uint()]
      return { type, session, id, tenant, token: readToken(reader), key: reader.str() }
    }
    case "cancelWait":
      return { type, txn: readTxnId(reader), ranges: readItems(reader, 1, (from) => from.uint()) }
    default:
      return unreachable(type)
  }
}
