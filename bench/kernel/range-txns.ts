/**
 * How many transactions does the leader of one range judge? One range service over a memory base, its log a list that is
 * committed at once: no replication, no network, no disk. `node bench/kernel/range-txns.ts [--seconds 2] [--keys 10000]
 * [--json]`. "one phase" reads one key and writes two in one request; "intents" writes two keys by two requests, stages,
 * resolves and forgets them by three more; "snapshot reads" are of single keys while one writer commits by intents between
 * every 16 of them.
 */
import {
  DEFAULT_LIMITS,
  DEFAULT_TIMING,
  plainRequest,
  type KvOp,
  type KvReply,
  type KvRequest,
} from "#kernel"
import { MemoryBase } from "#kernel/engine/memory-base.ts"
import { OverlayEngine } from "#kernel/engine/overlay.ts"
import { NO_SWITCHES } from "#kernel/node/switches.ts"
import { makeEntry } from "#kernel/raft/types.ts"
import { RangeService } from "#kernel/range/service.ts"
import type { ReadPath, ServiceContext } from "#kernel/range/service-context.ts"
import { StateMachine } from "#kernel/range/state-machine.ts"
import { fromWall } from "#kernel/time/hlc.ts"
import type { Isolation, TxnCommand, TxnMeta } from "#kernel/txn/protocol.ts"
import { makeTxnId } from "#kernel/txn/txn-id.ts"
import { about, benchOptions, cpuSeconds, printReport, type Row } from "../support/report.ts"

const RANGE = { rangeId: 1, groupId: 1, tenant: 0, start: "", end: "", generation: 1 }
const ANCHOR = { tenant: 0, rangeId: 1, key: "anchor" }
const VALUE = "v".repeat(64)
const EPOCH_US = 1_700_000_000_000_000

const { seconds, keys } = benchOptions(import.meta.filename, { seconds: 2, keys: 10_000 })

/** A leader whose log is committed as soon as it is written. */
class Leader {
  readonly #machine: StateMachine
  readonly #service: RangeService
  #index = 1
  #mono = 0
  #begun = 0
  readonly #path: ReadPath

  constructor() {
    this.#machine = StateMachine.create(new OverlayEngine(MemoryBase.empty()), RANGE, 1)
    const configuration = {
      voters: [{ replica: 1, store: 1, incarnation: 1 }],
      outgoing: [],
      learners: [],
      promoting: [],
      nextReplica: 2,
    }
    this.#machine.apply(
      makeEntry(1, 1, { type: "bootstrap", bootstrap: { descriptor: RANGE, configuration } }),
    )
    this.#service = new RangeService(this.#machine, DEFAULT_TIMING, DEFAULT_LIMITS)
    this.#path = {
      leaseIndex: () => this.#index,
      nextRound: () => 1,
      timelineWall: () => null,
      closedTs: () => 0,
    }
  }

  get #context(): ServiceContext {
    this.#mono++
    return {
      mono: this.#mono,
      wall: EPOCH_US + this.#mono,
      isLeader: true,
      refusal: null,
      leaderStore: 1,
      term: 1,
      isTransferring: false,
      isFenced: false,
      isDiskFull: false,
      isDiskExhausted: false,
      termStartIndex: 1,
      uncommittedBytes: 0,
      pendingLogBytes: 0,
      requestsBeside: 0,
      switches: NO_SWITCHES,
    }
  }

  ask(ops: readonly KvOp[], more: Partial<KvRequest>): Extract<KvReply, { readonly type: "ok" }> {
    const context = this.#context
    this.#service.request(1, plainRequest(RANGE, ops, { ...more, id: 1 }), context, this.#path)
    for (let batch = this.#service.pump(context); batch !== null; batch = this.#service.pump(context)) {
      const entry = makeEntry(++this.#index, 1, { type: "batch", batch })
      this.#service.proposed(this.#index)
      this.#service.applied(entry, this.#machine.apply(entry)!, context)
    }
    for (const effect of this.#service.drain())
      if (effect.type === "reply" && effect.reply.type === "ok") return effect.reply
    throw new Error("A request was not answered at once")
  }

  meta(level: Isolation, more: Partial<TxnMeta>): TxnMeta {
    const now = fromWall(EPOCH_US + this.#mono)
    return {
      id: makeTxnId(now + this.#begun++, 1, 1),
      anchor: ANCHOR,
      level,
      control: "optimistic",
      readTs: 0,
      writeTs: 0,
      limitTs: 0,
      seq: 1,
      rolledBack: [],
      wait: "wait",
      lock: null,
      pipelined: false,
      onePhase: null,
      ...more,
    }
  }

  get snapshot(): number {
    return fromWall(EPOCH_US + this.#mono)
  }

  /** Two writes by requests of their own, and what makes them count. */
  commit(level: Isolation, first: string, second: string): void {
    const meta = this.meta(level, {})
    const txn = meta.id
    this.ask([{ type: "put", key: first, value: VALUE }], { txn: meta })
    const { commitTs } = this.ask([{ type: "put", key: second, value: VALUE }], { txn: { ...meta, seq: 2 } })
    const say = (command: TxnCommand): unknown => this.ask([], { command })
    say({ type: "stage", txn, anchor: ANCHOR, commitTs, promised: [], rolledBack: [], results: [] })
    say({ type: "resolve", txn, commitTs, rolledBack: [], keys: [first, second], spans: [] })
    say({ type: "forget", txn, anchor: ANCHOR })
  }
}

let drawn = 1
function key(): string {
  drawn = (drawn * 48_271) % 2_147_483_647
  return `key-${drawn % keys}`
}

function measure(step: (leader: Leader) => number): Row {
  const leader = new Leader()
  for (let i = 0; i < keys; i++) leader.ask([{ type: "put", key: `key-${i}`, value: VALUE }], {})
  for (const start = cpuSeconds(); cpuSeconds() - start < seconds / 3;)
    for (let i = 0; i < 100; i++) step(leader)
  let done = 0
  const start = cpuSeconds()
  while (cpuSeconds() - start < seconds) for (let i = 0; i < 100; i++) done += step(leader)
  const used = cpuSeconds() - start
  return { "a CPU second": about(done / used), "µs each": about((used / done) * 1e6) }
}

const rows: Record<string, Row> = {
  "plain put": measure((leader) => {
    leader.ask([{ type: "put", key: key(), value: VALUE }], {})
    return 1
  }),
  "one phase": measure((leader) => {
    const txn = leader.meta("serializable", { onePhase: [] })
    leader.ask(
      [
        { type: "get", key: key() },
        { type: "put", key: key(), value: VALUE },
        { type: "put", key: key(), value: VALUE },
      ],
      { txn },
    )
    return 1
  }),
  intents: measure((leader) => {
    leader.commit("snapshot", key(), key())
    return 1
  }),
  "snapshot reads": measure((leader) => {
    const txn = leader.meta("snapshot", { readTs: leader.snapshot })
    for (let i = 0; i < 16; i++) leader.ask([{ type: "get", key: key() }], { txn: { ...txn, seq: i + 1 } })
    leader.commit("snapshot", key(), key())
    return 16
  }),
}

printReport({
  bench: "kernel/range-txns",
  question: "How many transactions does the leader of one range judge?",
  rows,
  notes: [`${keys} keys, ${VALUE.length} B values; one client, which waits for every answer.`],
})
