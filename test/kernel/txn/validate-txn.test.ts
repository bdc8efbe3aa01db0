import { assert, describe, test } from "vitest"
import { KEY_BYTES_MAX, TXN_ITEMS_MAX } from "#kernel/limits.ts"
import type { KvOp, KvRequest } from "#kernel/range/request.ts"
import type { TxnCommand, TxnMeta } from "#kernel/txn/protocol.ts"
import { outsideOf, validateTxn } from "#kernel/txn/validate-txn.ts"
import { makeTxnId } from "#kernel/txn/txn-id.ts"
import { requestOf } from "../../support/requests.ts"

const txn = makeTxnId(5, 1, 1)
const anchor = { tenant: 0, rangeId: 1, key: "home" }
const token = { client: 1, birth: 1, seq: 1, ackedSeq: 0 }
const put: KvOp = { type: "put", key: "a", value: "1" }
const get: KvOp = { type: "get", key: "a" }
const LONG = "k".repeat(KEY_BYTES_MAX + 1)

function meta(more: Partial<TxnMeta> = {}): TxnMeta {
  return {
    id: txn,
    anchor,
    level: "snapshot",
    control: "locking",
    readTs: 1,
    writeTs: 0,
    limitTs: 2,
    seq: 1,
    rolledBack: [],
    wait: "wait",
    lock: null,
    pipelined: false,
    onePhase: null,
    ...more,
  }
}

const COMMANDS: readonly TxnCommand[] = [
  { type: "refresh", txn, spans: [{ start: "b", end: "", fromTs: 1 }], toTs: 2 },
  { type: "heartbeat", txn, anchor },
  { type: "stage", txn, anchor, commitTs: 3, promised: [], rolledBack: [], results: [] },
  { type: "commit", txn, anchor, commitTs: 3 },
  { type: "abort", txn, anchor, ifStagedAt: null },
  { type: "push", txn, anchor, minCommitTs: 0 },
  { type: "queryIntent", txn, writes: [{ key: "c", seq: 1 }], ts: 3, prevent: true },
  { type: "resolve", txn, commitTs: null, rolledBack: [], keys: ["d"], spans: [{ start: "b", end: "" }] },
  { type: "forget", txn, anchor },
  { type: "queryWait", txn, ticket: 1 },
  { type: "cancelWait", txn },
  { type: "queryOutcome", key: "home", token, prevent: false },
]

function refused(ops: readonly KvOp[], more: Partial<KvRequest>): string {
  const error = validateTxn(requestOf(ops, more))
  return error === null ? "fine" : error.code
}

test("what is whole is not refused", () => {
  assert.equal(refused([put, get], {}), "fine")
  assert.equal(refused([put, get], { txn: meta() }), "fine")
  assert.equal(
    refused([put], { txn: meta({ onePhase: [{ start: "a", end: "b", fromTs: 1 }] }), token }),
    "fine",
  )
  for (const command of COMMANDS) assert.equal(refused([], { command }), "fine", command.type)
  const [, , stage] = COMMANDS
  assert.equal(refused([], { command: stage!, token }), "fine")
})

describe("refused is", () => {
  const cases: Readonly<Record<string, readonly [readonly KvOp[], Partial<KvRequest>]>> = {
    "a snapshot said twice": [[get], { txn: meta(), readTs: 5 }],
    "a transaction that reads as it comes": [[get], { txn: meta(), read: "timeline" }],
    "a command with ops": [[get], { command: COMMANDS[1]! }],
    "a command of a transaction's request": [[], { command: COMMANDS[1]!, txn: meta() }],
    "a token of what does not commit": [[put], { txn: meta(), token }],
    "a token of a heartbeat": [[], { command: COMMANDS[1]!, token }],
    "one phase without a write": [[get], { txn: meta({ onePhase: [] }) }],
    "an id that is none": [[get], { txn: meta({ id: "short" }) }],
    "an id beyond all time": [[get], { txn: meta({ id: "\xff".repeat(16) }) }],
    "a timestamp that is none": [[get], { txn: meta({ readTs: -1 }) }],
    "a seq that runs over": [[get], { txn: meta({ seq: Number.MAX_SAFE_INTEGER }) }],
    "an anchor of another tenant": [[get], { txn: meta({ anchor: { ...anchor, tenant: 2 } }) }],
    "an anchor without a key": [[get], { txn: meta({ anchor: { ...anchor, key: "" } }) }],
    "a key that is no bytes": [[], { command: { type: "heartbeat", txn, anchor: { ...anchor, key: "€" } } }],
    "a span that ends before it starts": [
      [],
      {
        command: {
          type: "resolve",
          txn,
          commitTs: 1,
          rolledBack: [],
          keys: [],
          spans: [{ start: "b", end: "a" }],
        },
      },
    ],
    "a seq rolled back that is none": [[get], { txn: meta({ rolledBack: [{ from: 1, to: 1.5 }] }) }],
  }
  for (const [what, [ops, more]] of Object.entries(cases)) {
    test(what, () => assert.equal(refused(ops, more), "badRequest"))
  }
})

test("too much of it is too large", () => {
  const keys = Array.from({ length: TXN_ITEMS_MAX + 1 }, (_, i) => `k${i}`)
  const resolve = { type: "resolve", txn, commitTs: 1, rolledBack: [], spans: [] } as const
  assert.equal(refused([], { command: { ...resolve, keys } }), "tooLarge")
  assert.equal(refused([], { command: { ...resolve, keys: keys.slice(1) } }), "fine")
  assert.equal(refused([], { command: { ...resolve, keys: [LONG] } }), "tooLarge")
  assert.equal(refused([get], { txn: meta({ anchor: { ...anchor, key: LONG } }) }), "tooLarge")
})

test("what lies in another range is not asked here, but who waits may be", () => {
  const range = { rangeId: 1, groupId: 1, tenant: 0, start: "x", end: "z", generation: 1 }
  for (const command of COMMANDS) {
    const error = outsideOf(requestOf([], { command }), range)
    const isAnywhere = command.type === "queryWait" || command.type === "cancelWait"
    assert.equal(error?.code ?? "fine", isAnywhere ? "fine" : "keyOutOfRange", command.type)
    assert.isNull(outsideOf(requestOf([], { command }), { ...range, start: "", end: "" }))
  }
  const onePhase = [{ start: "x", end: "zz", fromTs: 1 }]
  assert.equal(outsideOf(requestOf([put], { txn: meta({ onePhase }) }), range)?.code, "keyOutOfRange")
})
