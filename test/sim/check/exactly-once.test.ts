import assert from "node:assert/strict"
import fc from "fast-check"
import { test } from "vitest"
import { checkCommitOrder, checkExactlyOnce } from "#sim/check/exactly-once.ts"
import type { KvOp, Operation, Outcome } from "#sim/check/history.ts"
import { MapKeys, runRequest } from "#sim/check/models.ts"
import { trueRun } from "../../support/history-arbitraries.ts"

/** Operation `id` of client `client`, at `[10 * id, 10 * id + 5]`, its token numbered by its id. */
function sent(id: number, client: number, op: KvOp, outcome: Outcome = "ok", commitTs = id): Operation {
  const times = { invokedAt: 10 * id, endedAt: 10 * id + 5 }
  const results = outcome === "ok" ? ([{ type: "done" }] as const) : null
  return {
    id,
    process: client,
    request: [op],
    ...times,
    outcome,
    results,
    commitTs,
    token: { client, seq: id },
    retries: 0,
  }
}

function add(by: number): KvOp {
  return { type: "increment", key: "n", by }
}

function append(value: string): KvOp {
  return { type: "append", key: "l", value }
}

function messages(history: readonly Operation[], key: string, value: string): readonly string[] {
  return checkExactlyOnce(history, new Map([[key, value]])).map(({ message }) => message)
}

test("a counter holds all acknowledged increments and at most those of unknown outcome besides", () => {
  const history = [
    sent(1, 1, add(2)),
    sent(2, 1, add(3)),
    sent(3, 2, add(4), "info"),
    sent(4, 2, add(9), "fail"),
  ]
  assert.deepEqual(messages(history, "n", "5"), [])
  assert.deepEqual(messages(history, "n", "9"), [])
  const lost = 'Counter "n" holds 4 where its increments allow 5 to 9: an acknowledged increment is lost.'
  assert.deepEqual(messages(history, "n", "4"), [lost])
  const twice = 'Counter "n" holds 10 where its increments allow 5 to 9: an increment took effect twice.'
  assert.deepEqual(messages(history, "n", "10"), [twice])
  assert.deepEqual(messages(history, "n", "5x"), ['Counter "n" holds "5x", which is no integer.'])
})

test("unknown decrements widen what a counter may hold downwards", () => {
  const history = [sent(1, 1, add(5)), sent(2, 1, add(-2), "info")]
  assert.deepEqual(
    ["3", "5"].flatMap((value) => messages(history, "n", value)),
    [],
  )
  assert.equal(messages(history, "n", "2").length + messages(history, "n", "6").length, 2)
})

test("a counter that was acknowledged and is absent is lost", () => {
  assert.equal(checkExactlyOnce([sent(1, 1, add(1))], new Map()).length, 1)
})

test("a list holds each acknowledged element once, none that failed, none from nowhere", () => {
  const history = [
    sent(1, 1, append("a,")),
    sent(2, 2, append("b,"), "info"),
    sent(3, 2, append("c,"), "fail"),
  ]
  assert.deepEqual(messages(history, "l", "a,"), [])
  assert.deepEqual(messages(history, "l", "b,a,"), [])
  assert.deepEqual(messages(history, "l", "b,"), [
    'List "l" lacks "a,", though operation 1 was acknowledged.',
  ])
  assert.deepEqual(messages(history, "l", "a,b,a,"), ['List "l" holds "a," of operation 1 more than once.'])
  assert.deepEqual(messages(history, "l", "a,c,"), ['List "l" holds "c,", though operation 3 failed.'])
  assert.deepEqual(messages(history, "l", "a,d,"), [
    'List "l" holds "d," at offset 2, which nobody appended.',
  ])
})

test("a list keeps the order of each client, but not of two, nor of what was still on its way", () => {
  const [first, second] = [sent(1, 1, append("a,")), sent(2, 1, append("b,"))]
  const order = 'List "l" holds "b," before "a,", against the order of client 1 (1).'
  assert.deepEqual(messages([first, second], "l", "b,a,"), [order])
  assert.deepEqual(messages([first, sent(2, 2, append("b,"))], "l", "b,a,"), [])
  assert.deepEqual(messages([sent(1, 1, append("a,"), "info"), second], "l", "b,a,"), [])
})

test("a key is passed over when a request without a token, or a put, writes it", () => {
  const bare = { ...sent(1, 1, add(1)), token: null }
  assert.deepEqual(messages([bare], "n", "7"), [])
  assert.deepEqual(
    messages([sent(1, 1, add(1)), sent(2, 1, { type: "put", key: "n", value: "7" })], "n", "7"),
    [],
  )
})

test("elements that cannot be told apart are not judged", () => {
  assert.deepEqual(messages([sent(1, 1, append("a")), sent(2, 1, append("ab"))], "l", "zzz"), [])
})

test("a true run of counters and lists has no violation, and its last acknowledged write taken away has one", () => {
  fc.assert(
    fc.property(fc.integer(), fc.constantFrom<KvOp["type"]>("increment", "append"), (seed, type) => {
      const shape = {
        count: 60,
        clients: 5,
        keys: 1,
        types: [type],
        values: 0,
        infoPercent: 0,
        manyPercent: 10,
      }
      const history = trueRun(seed, shape)
      const held = (operations: readonly Operation[]): ReadonlyMap<string, string> => {
        const keys = new MapKeys()
        for (const { request } of operations) runRequest(request, keys)
        return keys.toMap()
      }
      assert.deepEqual(checkExactlyOnce(history, held(history)), [])
      assert.notEqual(checkExactlyOnce(history, held(history.slice(0, -1))).length, 0)
      assert.notEqual(checkExactlyOnce(history, held([...history, history[0]!])).length, 0)
    }),
    { numRuns: 100, seed: 1 },
  )
})

test("of two writes of a key the one over before the other began has the smaller timestamp", () => {
  const put: KvOp = { type: "put", key: "x", value: "1" }
  assert.deepEqual(checkCommitOrder([sent(1, 1, put, "ok", 7), sent(2, 2, put, "ok", 8)]), [])
  assert.deepEqual(checkCommitOrder([sent(1, 1, put, "ok", 8), sent(2, 2, put, "ok", 8)]), [
    {
      key: "x",
      operations: [1, 2],
      message: 'Key "x": operation 1 ended at 15 with timestamp 8, yet operation 2, begun at 20, has 8.',
    },
  ])
})

test("timestamps of concurrent writes, of other keys, of reads, refused swaps and unknown ends are free", () => {
  const put: KvOp = { type: "put", key: "x", value: "1" }
  const first = sent(1, 1, put, "ok", 9)
  const swap: KvOp = { type: "cas", key: "x", expected: "2", value: "3" }
  const others: Operation[] = [
    { ...sent(2, 2, put, "ok", 3), invokedAt: 15 },
    sent(2, 2, { ...put, key: "y" }, "ok", 3),
    sent(2, 2, { type: "get", key: "x" }, "ok", 3),
    { ...sent(2, 2, swap, "ok", 3), results: [{ type: "swapped", swapped: false }] },
    sent(2, 2, put, "info", 3),
    sent(2, 2, put, "ok", 0),
  ]
  for (const other of others) assert.deepEqual(checkCommitOrder([first, other]), [])
})
