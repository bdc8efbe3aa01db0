import fc from "fast-check"
import { assert, describe, test } from "vitest"
import { MemoryBase } from "#kernel/engine/memory-base.ts"
import { OverlayEngine } from "#kernel/engine/overlay.ts"
import { TXN_ABANDONED_US } from "#kernel/limits.ts"
import type { Token } from "#kernel/range/request.ts"
import { fromWall } from "#kernel/time/hlc.ts"
import { decide, queryOutcome, type RecordCommand } from "#kernel/txn/decide.ts"
import type { TxnAnswer, TxnState } from "#kernel/txn/protocol.ts"
import { putTxnRecord, readTxnRecord, type TxnRecord } from "#kernel/txn/record.ts"
import { makeTxnId } from "#kernel/txn/txn-id.ts"
import { EPOCH_US } from "../../support/store-rig.ts"

const TENANT = 0
const anchor = { tenant: TENANT, rangeId: 1, key: "home" }
const BEGIN = fromWall(EPOCH_US)
const txn = makeTxnId(BEGIN, 1, 7)
const promised = [{ rangeId: 1, key: "k", seq: 2 }]
const rolledBack = [{ from: 3, to: 4 }]
const token: Token = { client: 5, birth: BEGIN, seq: 1, ackedSeq: 0 }
/** A little after, and long after, the transaction began. */
const SOON = EPOCH_US + 10_000
const LATE = EPOCH_US + TXN_ABANDONED_US

class Rig {
  readonly engine = new OverlayEngine(MemoryBase.empty())
  wall = SOON
  floor = 0
  horizon = 0

  constructor(record: Partial<TxnRecord> | null = null, wall: number = SOON) {
    this.wall = wall
    if (record === null) return
    const whole = { ts: 0, heartbeat: BEGIN, promised: [], rolledBack: [], isForgotten: false }
    this.engine.apply([putTxnRecord(TENANT, "home", txn, { status: "pending", ...whole, ...record })])
  }

  get context(): Parameters<typeof decide>[2] {
    const { wall, floor, horizon } = this
    return { view: this.engine, tenant: TENANT, wall, floor, horizon }
  }

  ask(command: RecordCommand, withToken: Token | null = null): TxnAnswer | string {
    return this.take(decide(command, withToken, this.context))
  }

  take(decided: ReturnType<typeof decide>): TxnAnswer | string {
    if (decided.type === "answer") this.engine.apply(decided.writes)
    return decided.type === "answer"
      ? decided.answer
      : decided.type === "error"
        ? `${decided.error.code} ${decided.error.code === "txnRestart" ? decided.error.reason : ""}`
        : "damaged"
  }

  record(): TxnRecord | null {
    const record = readTxnRecord(this.engine, TENANT, "home", txn)
    assert.notEqual(record, "damaged")
    return record as TxnRecord | null
  }
}

const RECORDS: Readonly<Record<string, Partial<TxnRecord> | null>> = {
  none: null,
  pending: { status: "pending", ts: 0 },
  "pending above 50": { status: "pending", ts: 50 },
  "staging at 40": { status: "staging", ts: 40, promised },
  "committed at 40": { status: "committed", ts: 40 },
  aborted: { status: "aborted", heartbeat: 0 },
}

const COMMANDS: Readonly<Record<string, RecordCommand>> = {
  heartbeat: { type: "heartbeat", txn, anchor },
  "stage at 40": { type: "stage", txn, anchor, commitTs: 40, promised, rolledBack, results: [] },
  "stage at 60": { type: "stage", txn, anchor, commitTs: 60, promised, rolledBack, results: [] },
  "commit all at 60": {
    type: "stage",
    txn,
    anchor,
    commitTs: 60,
    promised: [],
    rolledBack,
    results: [],
  },
  "commit at 40": { type: "commit", txn, anchor, commitTs: 40 },
  "commit at 60": { type: "commit", txn, anchor, commitTs: 60 },
  abort: { type: "abort", txn, anchor, ifStagedAt: null },
  "abort if at 40": { type: "abort", txn, anchor, ifStagedAt: 40 },
  "abort if at 60": { type: "abort", txn, anchor, ifStagedAt: 60 },
  look: { type: "push", txn, anchor, minCommitTs: 0 },
  "push above 45": { type: "push", txn, anchor, minCommitTs: 45 },
}

/** By command: what becomes of each record, in the order of `RECORDS`; "=" is that it stays. */
const SOON_TABLE: Readonly<Record<string, readonly string[]>> = {
  heartbeat: ["pending 0", "pending 0", "pending 50", "staging 40", "=", "="],
  "stage at 40": ["staging 40", "staging 40", "=", "=", "=", "="],
  "stage at 60": ["staging 60", "staging 60", "staging 60", "staging 60", "=", "="],
  "commit all at 60": ["committed 60", "committed 60", "committed 60", "committed 60", "=", "="],
  "commit at 40": ["=", "=", "=", "committed 40", "=", "="],
  "commit at 60": ["=", "=", "=", "=", "=", "="],
  abort: ["aborted 0", "aborted 0", "aborted 0", "aborted 0", "=", "="],
  "abort if at 40": ["=", "=", "=", "aborted 0", "=", "="],
  "abort if at 60": ["=", "=", "=", "=", "=", "="],
  look: ["=", "=", "=", "=", "=", "="],
  "push above 45": ["pending 45", "pending 45", "=", "=", "=", "="],
}

/** Of the pushes alone, when nobody has heard of the coordinator for five heartbeats. */
const LATE_TABLE: Readonly<Record<string, readonly string[]>> = {
  ...SOON_TABLE,
  look: ["aborted 0", "aborted 0", "aborted 0", "=", "=", "="],
  "push above 45": ["aborted 0", "aborted 0", "aborted 0", "=", "=", "="],
}

function wordOf(record: TxnRecord | null): string {
  return record === null ? "none" : `${record.status} ${record.ts}`
}

for (const [name, table, wall] of [
  ["soon after its coordinator was heard of", SOON_TABLE, SOON],
  ["when it is abandoned", LATE_TABLE, LATE],
] as const) {
  describe(`what becomes of a record ${name}`, () => {
    for (const [word, command] of Object.entries(COMMANDS)) {
      test(word, () => {
        for (const [i, [before, record]] of Object.entries(RECORDS).entries()) {
          const rig = new Rig(record, wall)
          const old = rig.record()
          const answer = rig.ask(command) as { readonly type: "state"; readonly state: TxnState }
          const expected = table[word]![i]!
          const now = rig.record()
          assert.equal(wordOf(now), expected === "=" ? wordOf(old) : expected, before)
          if (expected === "=") assert.deepEqual(now, old, before)
          // What is answered is what is stored: a record that never was is pending.
          const said = `${answer.state.status} ${answer.state.ts}`
          assert.equal(said, now === null ? "pending 0" : wordOf(now), before)
          assert.deepEqual(answer.state.promised, now?.promised ?? [], before)
          assert.deepEqual(answer.state.rolledBack, now?.rolledBack ?? [], before)
          // Asked again it is as if it had not been, but for what a heartbeat brings.
          rig.ask(command)
          assert.deepEqual(rig.record(), now, before)
        }
      })
    }
  })
}

test("whatever is asked in whatever order: what is decided stays, and never both ways", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...Object.keys(COMMANDS)), fc.boolean()), { maxLength: 12 }),
      (steps) => {
        const rig = new Rig()
        let decided: string | null = null
        let least = 0
        for (const [word, late] of steps) {
          if (late) rig.wall = LATE
          rig.ask(COMMANDS[word]!)
          const record = rig.record()
          if (record === null) continue
          // Whoever was told that it will not commit below may read there.
          if (record.status === "pending") {
            assert.isAtLeast(record.ts, least)
            least = record.ts
          } else if (record.status !== "aborted") assert.isAtLeast(record.ts, least)
          if (decided !== null) assert.equal(wordOf(record), decided)
          if (record.status === "committed" || record.status === "aborted") decided = wordOf(record)
        }
      },
    ),
    { numRuns: 2000 },
  )
})

describe("a coordinator that is heard of", () => {
  test("is not given up, from its beginning or its last heartbeat on", () => {
    const rig = new Rig()
    rig.wall = LATE - 1_000
    rig.ask(COMMANDS["heartbeat"]!)
    rig.wall = LATE + TXN_ABANDONED_US - 2_000
    rig.ask(COMMANDS["look"]!)
    assert.equal(rig.record()?.status, "pending")
    rig.wall += 2_000
    rig.ask(COMMANDS["look"]!)
    assert.equal(rig.record()?.status, "aborted")
  })

  test("of a staging one a pusher is told whether it may be recovered", () => {
    for (const [wall, isAbandoned] of [
      [SOON, false],
      [LATE, true],
    ] as const) {
      const rig = new Rig(RECORDS["staging at 40"], wall)
      const answer = rig.ask(COMMANDS["look"]!)
      assert.deepEqual(answer, {
        type: "state",
        state: { status: "staging", ts: 40, promised, rolledBack: [], isAbandoned },
      })
    }
  })
})

describe("below the floor", () => {
  test("no record is made anew, and a transaction without one is aborted for whoever asks", () => {
    for (const word of ["heartbeat", "stage at 40", "commit all at 60"]) {
      const rig = new Rig()
      rig.floor = BEGIN
      assert.equal(rig.ask(COMMANDS[word]!), "txnRestart recordFloor")
      assert.isNull(rig.record())
    }
    for (const word of ["look", "push above 45", "abort"]) {
      const rig = new Rig()
      rig.floor = BEGIN
      const answer = rig.ask(COMMANDS[word]!) as { readonly type: "state"; readonly state: TxnState }
      assert.deepEqual([answer.state.status, rig.record()], ["aborted", null])
    }
  })

  test("one that is there goes on, and one that is decided goes when it is forgotten", () => {
    const rig = new Rig(RECORDS["pending"])
    rig.floor = BEGIN
    rig.ask(COMMANDS["stage at 40"]!)
    assert.equal(rig.record()?.status, "staging")
    assert.deepEqual(rig.ask({ type: "forget", txn, anchor }), { type: "done" })
    assert.equal(rig.record()?.status, "staging", "undecided ones stay")
    rig.ask(COMMANDS["commit at 40"]!)
    rig.ask({ type: "forget", txn, anchor })
    assert.isNull(rig.record())
    assert.deepEqual(rig.ask({ type: "forget", txn, anchor }), { type: "done" })
  })

  test("above it a forgotten record waits for it", () => {
    const rig = new Rig(RECORDS["committed at 40"])
    rig.ask({ type: "forget", txn, anchor })
    assert.isTrue(rig.record()?.isForgotten)
    rig.ask({ type: "forget", txn, anchor })
    assert.isTrue(rig.record()?.isForgotten)
  })
})

describe("a token", () => {
  const results = [{ type: "count", value: 3 }] as const
  const stage = { ...COMMANDS["commit all at 60"]!, results } as RecordCommand

  test("commits one transaction: the next that brings it is told what came of the first", () => {
    const rig = new Rig()
    rig.ask(stage, token)
    const other = makeTxnId(BEGIN + 1, 2, 9)
    const answer = rig.ask({ ...stage, txn: other }, token)
    assert.deepEqual(answer, { type: "outcome", status: "committed", commitTs: 60, results })
    assert.isNull(readTxnRecord(rig.engine, TENANT, "home", other))
  })

  test("whose outcome was asked for and prevented commits nothing", () => {
    const rig = new Rig()
    const ask = { type: "queryOutcome", key: "home", token } as const
    const none: TxnAnswer = { type: "outcome", status: "none", commitTs: 0, results: null }
    assert.deepEqual(rig.take(queryOutcome({ ...ask, prevent: false }, rig.context)), none)
    const prevented: TxnAnswer = { ...none, status: "prevented" }
    assert.deepEqual(rig.take(queryOutcome({ ...ask, prevent: true }, rig.context)), prevented)
    assert.deepEqual(rig.ask(stage, token), prevented)
    assert.isNull(rig.record())
  })

  test("that is older than what is remembered commits nothing", () => {
    const rig = new Rig()
    rig.horizon = token.birth
    assert.deepEqual(rig.ask(stage, token), {
      type: "outcome",
      status: "expired",
      commitTs: 0,
      results: null,
    })
    assert.isNull(rig.record())
  })

  test("is not used up by a transaction that could not commit", () => {
    const rig = new Rig({ status: "pending", ts: 70 })
    rig.ask(stage, token)
    rig.ask({ ...stage, commitTs: 70 } as RecordCommand, token)
    assert.deepEqual([rig.record()?.status, rig.record()?.ts], ["committed", 70])
  })
})

test("a damaged record is no answer", () => {
  const rig = new Rig(RECORDS["pending"])
  const key = putTxnRecord(TENANT, "home", txn, rig.record()!).key
  rig.engine.apply([{ space: 3, type: "put", key, value: "?" }])
  for (const command of Object.values(COMMANDS)) assert.equal(rig.ask(command), "damaged")
})
