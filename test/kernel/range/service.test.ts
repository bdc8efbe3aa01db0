import fc from "fast-check"
import { assert, describe, test } from "vitest"
import { SPACE_IDEMPOTENCY } from "#kernel/engine/engine.ts"
import { DEFAULT_TIMING } from "#kernel/node/config.ts"
import { fromWall } from "#kernel/time/hlc.ts"
import type { KvOp, KvResult, Token } from "#kernel/range/request.ts"
import { ServiceRig } from "../../support/service-rig.ts"
import { EPOCH_US } from "../../support/store-rig.ts"

const { clockBoundUs, requestDeadlineUs, tokenTtlUs } = DEFAULT_TIMING

function token(seq: number, more: Partial<Token> = {}): { readonly token: Token } {
  return { token: { client: 7, birth: fromWall(EPOCH_US), seq, ackedSeq: 0, ...more } }
}

describe("who is served", () => {
  test("a request is refused with the one code that says what a caller may do about it", () => {
    const refusals: readonly (readonly [string, (rig: ServiceRig) => void])[] = [
      ["badRequest", (rig) => rig.put("", "x")],
      ["badRequest", (rig) => rig.put("a", "x", { tenant: 5 })],
      ["staleGeneration", (rig) => rig.put("a", "x", { generation: 2 })],
      ["notLeader", (rig) => ((rig.context = { isLeader: false }), rig.put("a", "x"))],
      ["notLeader", (rig) => ((rig.context = { isTransferring: true }), rig.get("a"))],
      [
        "recovering",
        (rig) => ((rig.context = { refusal: { code: "recovering" }, isLeader: false }), rig.get("a")),
      ],
      ["clockOutOfBound", (rig) => ((rig.context = { isFenced: true }), rig.put("a", "x"))],
      ["clockOutOfBound", (rig) => rig.get("a", { readTs: fromWall(rig.wall + clockBoundUs + 2_000) })],
      ["diskFull", (rig) => ((rig.context = { isDiskFull: true }), rig.put("a", "x"))],
      [
        "overloaded",
        (rig) => ((rig.context = { uncommittedBytes: rig.limits.uncommittedBytesMax }), rig.put("a", "x")),
      ],
      [
        "overloaded",
        (rig) => ((rig.context = { pendingLogBytes: rig.limits.pendingLogBytesMax }), rig.put("a", "x")),
      ],
      [
        "overloaded",
        (rig) => ((rig.context = { requestsBeside: rig.limits.storeRequestsMax }), rig.get("a")),
      ],
      ["diskFull", (rig) => ((rig.context = { isDiskFull: true, isDiskExhausted: true }), rig.drop("a"))],
      ["tooLarge", (rig) => rig.put("k".repeat(2_000), "x")],
    ]
    for (const [code, act] of refusals) {
      const rig = new ServiceRig()
      act(rig)
      assert.deepEqual([rig.words(), rig.service.size], [[`1 ${code}`], 0])
    }
  })

  test("a full disk or a full log refuses writes and serves reads", () => {
    const rig = new ServiceRig()
    rig.context = { isDiskFull: true, uncommittedBytes: rig.limits.uncommittedBytesMax }
    rig.get("a")
    rig.settle()
    assert.deepEqual(rig.words(), ["1 ok"])
  })

  test("no more requests are held than the limit, and each that leaves makes room", () => {
    const rig = new ServiceRig({ requestsMax: 2 })
    rig.put("a", "1")
    rig.get("a")
    rig.put("b", "1")
    assert.deepEqual(rig.words(), ["3 overloaded"])
    rig.settle()
    rig.put("b", "1")
    rig.settle()
    assert.deepEqual(rig.words(), ["1 ok", "2 ok", "4 ok"])
  })

  test("a read that asks for no promise is served from what is applied, wherever it is asked", () => {
    const rig = new ServiceRig()
    rig.put("a", "1")
    rig.settle()
    rig.words()
    rig.context = { isLeader: false }
    rig.get("a", { read: "eventual" })
    assert.deepEqual(rig.result().results, [{ type: "value", value: "1" }])
  })

  test("nothing is evaluated before an entry of the leader's own term is applied", () => {
    const rig = new ServiceRig()
    rig.context = { termStartIndex: 2 }
    rig.put("a", "1")
    rig.get("a")
    rig.confirm(1)
    assert.deepEqual([rig.pump(), rig.words()], [[], []])
    rig.append({ generation: 1, leaseSequence: 0, closedTs: 0, minVersion: 1, writes: [] }, false)
    rig.apply()
    assert.equal(rig.pump().length, 1)
  })
})

describe("writes", () => {
  test("a write is answered when its entry is applied, and not before", () => {
    const rig = new ServiceRig()
    rig.put("a", "1")
    assert.equal(rig.pump().length, 1)
    assert.deepEqual(rig.words(), [])
    rig.apply()
    assert.deepEqual(rig.words(), ["1 ok"])
  })

  test("writers of one key go one after the other, each on what the one before left; others do not wait", () => {
    const rig = new ServiceRig()
    for (let i = 0; i < 3; i++) rig.ask([{ type: "increment", key: "n", by: 1 }])
    rig.put("other", "x")
    assert.equal(rig.pump().length, 2, "the first increment and the put")
    rig.settle()
    const counts = rig.replies.flatMap((reply) => (reply.type === "ok" ? reply.results : []))
    assert.deepEqual(
      counts.filter(({ type }) => type === "count"),
      [1, 2, 3].map((value) => ({ type: "count" as const, value })),
    )
  })

  test("commit timestamps rise, and lie above everything that was read before", () => {
    const rig = new ServiceRig()
    rig.get("a")
    rig.settle()
    const readTs = rig.result().commitTs
    rig.put("a", "1")
    rig.settle()
    const first = rig.result().commitTs
    assert.isAbove(first, readTs)
    rig.get("a", { readTs: first + 500 })
    rig.settle()
    rig.words()
    rig.put("a", "2")
    rig.settle()
    // 500 logical steps are less than a millisecond, which the clock need not wait for.
    assert.isAbove(rig.result().commitTs, first + 500)
  })

  test("an entry that apply rejects took no effect, and its client may route anew", () => {
    const rig = new ServiceRig()
    rig.put("a", "1")
    const [batch] = rig.pump()
    // Another entry with the same index, as if the range had changed meanwhile.
    rig.log.pop()
    const index = rig.log.length + 1
    rig.log.push({ ...rig.log[0]!, index, payload: { type: "batch", batch: { ...batch!, generation: 9 } } })
    assert.isTrue(rig.apply()!.rejected)
    assert.deepEqual(rig.words(), ["1 staleGeneration"])
    rig.put("a", "2")
    assert.equal(rig.pump().length, 1, "its latch is free")
  })

  test("a failed op fails the whole request, writes nothing and holds nobody up", () => {
    const rig = new ServiceRig()
    rig.put("a", "text")
    rig.settle()
    rig.ask([
      { type: "put", key: "b", value: "x" },
      { type: "increment", key: "a", by: 1 },
    ])
    assert.deepEqual([rig.pump(), rig.words()], [[], ["1 ok", "2 notAnInteger"]])
    rig.put("b", "y")
    assert.equal(rig.pump().length, 1)
  })
})

describe("reads", () => {
  test("a strong read waits for its round, and for the index the round was sent with", () => {
    const rig = new ServiceRig()
    rig.put("a", "1")
    rig.pump()
    rig.get("b")
    rig.pump()
    assert.deepEqual(rig.words(), [], "no round yet")
    rig.confirm(2)
    rig.pump()
    assert.deepEqual(rig.words(), [], "index 2 is not applied here")
    rig.apply()
    rig.pump()
    assert.deepEqual(rig.words(), ["1 ok", "2 ok"])
  })

  test("a round that was sent before the read came does not confirm it", () => {
    const rig = new ServiceRig()
    rig.get("a")
    rig.service.readConfirmed(rig.round, 1)
    rig.pump()
    assert.deepEqual(rig.words(), [])
  })

  test("a read waits for the writers of its keys that were there before it, and holds nobody up", () => {
    const rig = new ServiceRig()
    rig.put("a", "1")
    rig.pump()
    rig.get("a")
    rig.get("b")
    rig.confirm()
    rig.pump()
    assert.deepEqual(rig.words(), ["3 ok"], "nobody writes b")
    rig.apply()
    rig.pump()
    assert.deepEqual(
      rig.replies.map(({ id }) => id),
      [1, 2],
    )
    assert.deepInclude(rig.replies[1], { results: [{ type: "value", value: "1" }] })
  })

  test("a read at a timestamp sees what was committed up to it and nothing later", () => {
    const rig = new ServiceRig()
    rig.put("a", "1")
    rig.settle()
    const { commitTs } = rig.result()
    rig.pass(5_000)
    rig.put("a", "2")
    rig.settle()
    rig.words()
    const readAt = (readTs: number): KvResult => {
      rig.get("a", { readTs })
      rig.settle()
      return rig.result().results[0]!
    }
    assert.deepEqual(readAt(commitTs), { type: "value", value: "1" })
    assert.deepEqual(readAt(commitTs - 1), { type: "value", value: null })
  })
})

describe("clocks and leaders", () => {
  test("a new leader assigns nothing at or below two bounds above all that an old one may have assigned", () => {
    const rig = new ServiceRig()
    const lowWater = rig.service.becameLeader(null, rig.now)
    assert.equal(lowWater, fromWall(rig.wall) + 2 * fromWall(clockBoundUs))
    rig.put("a", "1")
    rig.settle()
    assert.deepEqual(rig.words(), [], "it waits for its clock to come near")
    assert.isBelow(rig.service.deadline, rig.mono + requestDeadlineUs)
    while (rig.replies.length === 0) {
      rig.mono = rig.service.deadline
      rig.service.timePassed(rig.now)
      rig.settle()
    }
    const { commitTs } = rig.result()
    assert.isAbove(commitTs, lowWater)
    assert.isAtMost(commitTs, fromWall(rig.wall) + 2047, "and is not shown before the clock has reached it")
  })

  test("the heir of a transfer goes on right above what was handed over", () => {
    const rig = new ServiceRig()
    const handedOver = fromWall(rig.wall) + 5
    assert.equal(rig.service.becameLeader(handedOver, rig.now), handedOver)
    rig.put("a", "1")
    rig.settle()
    assert.equal(rig.result().commitTs, handedOver + 1)
  })

  test("a low-water far beyond the clock is refused at once rather than waited for", () => {
    const rig = new ServiceRig()
    rig.service.becameLeader(fromWall(rig.wall + 10 * clockBoundUs), rig.now)
    rig.put("a", "1")
    rig.pump()
    assert.deepEqual(rig.words(), ["1 clockOutOfBound"])
  })

  test("nothing above the high-water was assigned or served, so it may be handed over", () => {
    const rig = new ServiceRig()
    rig.put("a", "1")
    rig.settle()
    assert.isAtLeast(rig.service.highWater, rig.result().commitTs)
    rig.get("a", { readTs: fromWall(rig.wall) + 2_000 })
    rig.settle()
    assert.isAtLeast(rig.service.highWater, fromWall(rig.wall) + 2_000)
  })

  test("who loses leadership answers everyone once: what was not proposed may be tried elsewhere, what was is unknown", () => {
    const rig = new ServiceRig()
    rig.put("a", "1")
    rig.pump()
    rig.put("a", "2")
    rig.get("b")
    rig.lose()
    assert.deepEqual(rig.words().toSorted(), ["1 outcomeUnknown", "2 notLeader", "3 notLeader"])
    rig.apply()
    rig.settle()
    assert.deepEqual(
      [rig.words(), rig.service.size],
      [[], 0],
      "the entry commits after all, and nobody is told twice",
    )
    rig.context = {}
    rig.put("a", "3")
    assert.equal(rig.pump().length, 1, "latches live no longer than leadership")
  })
})

describe("deadlines", () => {
  test("a request that waits too long is told so once, and gives its place up", () => {
    const rig = new ServiceRig()
    rig.put("a", "1")
    rig.pump()
    rig.put("a", "2", { deadlineUs: 1_000 })
    rig.get("b", { deadlineUs: 2_000 })
    rig.put("a", "3", { deadlineUs: 5_000_000 })
    assert.equal(rig.service.deadline, rig.mono + 1_000)
    rig.pass(1_000)
    assert.deepEqual(rig.words(), ["2 deadlineExceeded"])
    rig.pass(1_000)
    assert.deepEqual(rig.words(), ["3 deadlineExceeded"])
    rig.settle()
    assert.deepEqual(rig.words(), ["1 ok", "4 ok"])
    rig.get("a")
    rig.settle()
    assert.deepEqual(rig.result().results, [{ type: "value", value: "3" }])
  })

  test("a write that was proposed keeps its latch past its deadline, until its fate is known", () => {
    const rig = new ServiceRig()
    rig.put("a", "1", { deadlineUs: 1_000 })
    rig.pump()
    rig.pass(1_000)
    assert.deepEqual(rig.words(), ["1 deadlineExceeded"])
    rig.ask([{ type: "append", key: "a", value: "+" }])
    assert.deepEqual(rig.pump(), [])
    rig.settle()
    assert.deepEqual(rig.words(), ["2 ok"])
    rig.get("a")
    rig.settle()
    assert.deepEqual(rig.result().results, [{ type: "value", value: "1+" }])
  })

  test("a request without a deadline of its own has the store's", () => {
    const rig = new ServiceRig()
    rig.get("a")
    rig.pass(requestDeadlineUs - 1)
    assert.deepEqual(rig.words(), [])
    rig.pass(1)
    assert.deepEqual(rig.words(), ["1 deadlineExceeded"])
  })
})

describe("tokens", () => {
  test("a token takes effect once, and is answered alike each time, in flight or long after", () => {
    const rig = new ServiceRig()
    const add = [{ type: "increment", key: "n", by: 1 }] as const
    rig.ask(add, token(1))
    rig.pump()
    rig.ask(add, token(1))
    rig.settle()
    rig.ask(add, token(1))
    rig.settle()
    const replies = rig.replies.splice(0)
    assert.equal(replies.length, 3)
    for (const reply of replies) assert.deepEqual({ ...reply, id: 0 }, { ...replies[0]!, id: 0 })
    assert.deepInclude(replies[0], { results: [{ type: "count", value: 1 }] })
    assert.deepEqual(rig.log.length, 2)
  })

  test("the outcome of a failure is remembered too: a retry does not succeed where the first failed", () => {
    const rig = new ServiceRig()
    rig.put("a", "text")
    rig.settle()
    rig.ask([{ type: "increment", key: "a", by: 1 }], token(1))
    rig.settle()
    rig.put("a", "5")
    rig.settle()
    rig.ask([{ type: "increment", key: "a", by: 1 }], token(1))
    rig.settle()
    assert.deepEqual(rig.words(), ["1 ok", "2 notAnInteger", "3 ok", "4 notAnInteger"])
  })

  test("behind the horizon the answer is that the token is too old, never a second execution", () => {
    const rig = new ServiceRig()
    rig.ask([{ type: "increment", key: "n", by: 1 }], token(1))
    rig.settle()
    rig.words()
    rig.pass(2 * tokenTtlUs)
    rig.append(rig.service.housekeeping.moveHorizon(rig.now)!, false)
    rig.settle()
    rig.pass(rig.service.deadline - rig.mono)
    rig.append(rig.service.housekeeping.forgetTokens(rig.now)!, false)
    rig.settle()
    assert.isAbove(rig.machine.horizon, fromWall(EPOCH_US))
    rig.ask([{ type: "increment", key: "n", by: 1 }], token(1))
    rig.settle()
    assert.deepEqual(rig.words(), ["2 tokenExpired"])
    rig.get("n")
    rig.settle()
    assert.deepEqual(rig.result().results, [{ type: "value", value: "1" }])
    assert.isTrue(rig.machine.recount())
  })

  test("a horizon that is proposed and not applied yet refuses already: what it lets be forgotten may go first", () => {
    const rig = new ServiceRig()
    rig.mono += 2 * tokenTtlUs
    assert.isNotNull(rig.service.housekeeping.moveHorizon(rig.now))
    rig.ask([{ type: "increment", key: "n", by: 1 }], token(1))
    rig.pump()
    assert.deepEqual(rig.words(), ["1 tokenExpired"])
  })

  test("behind a horizon that has moved all records go, some at a time, and then nothing is due", () => {
    const rig = new ServiceRig()
    const records = (): number => {
      let count = 0
      const cursor = rig.machine.view.cursor(SPACE_IDEMPOTENCY, "", "", false)
      for (; cursor.valid; cursor.next()) count++
      return count
    }
    for (let seq = 1; seq <= 3_000; seq++) {
      rig.put("k" + seq, "x", token(seq))
      rig.settle()
    }
    rig.pass(2 * tokenTtlUs)
    rig.append(rig.service.housekeeping.moveHorizon(rig.now)!, false)
    assert.isNull(rig.service.housekeeping.forgetTokens(rig.now), "not before its time")
    rig.pass(rig.service.deadline - rig.mono)
    assert.isNull(rig.service.housekeeping.forgetTokens(rig.now), "not before the horizon is applied")
    rig.settle()
    const left: number[] = []
    while (rig.service.deadline < Number.MAX_SAFE_INTEGER) {
      rig.pass(rig.service.deadline - rig.mono)
      const batch = rig.service.housekeeping.forgetTokens(rig.now)
      if (batch === null) continue
      rig.append(batch, false)
      rig.settle()
      left.push(records())
    }
    assert.deepEqual(left, [3_000 - 1_024, 3_000 - 2_048, 0])
    assert.isTrue(rig.machine.recount())
    rig.pass(tokenTtlUs)
    rig.append(rig.service.housekeeping.moveHorizon(rig.now)!, false)
    assert.isBelow(rig.service.deadline, Number.MAX_SAFE_INTEGER)
    rig.lose()
    assert.equal(rig.service.deadline, Number.MAX_SAFE_INTEGER)
  })

  test("a large answer goes once it is acknowledged, wherever in the range; a small one is kept", () => {
    const rig = new ServiceRig()
    const asked: readonly (readonly KvOp[])[] = [
      [{ type: "put", key: "small", value: "x" }],
      [
        { type: "put", key: "large", value: "x".repeat(300) },
        { type: "get", key: "large" },
      ],
      [{ type: "put", key: "other", value: "x" }],
    ]
    for (const [i, ops] of asked.entries()) {
      rig.ask(ops, token(i + 1, { ackedSeq: i }))
      rig.settle()
    }
    asked.forEach((ops, i) => rig.ask(ops, token(i + 1, { ackedSeq: i })))
    rig.settle()
    assert.deepEqual(rig.words(), ["1 ok", "2 ok", "3 ok", "4 ok", "5 tokenExpired", "6 ok"])
    assert.isTrue(rig.machine.recount())
  })

  test("the horizon moves only when it is worth an entry, and only where its leader may write", () => {
    const rig = new ServiceRig()
    rig.mono += 2 * tokenTtlUs
    assert.isNotNull(rig.service.housekeeping.moveHorizon(rig.now))
    assert.isNull(rig.service.housekeeping.moveHorizon(rig.now))
    const other = new ServiceRig()
    other.mono += 2 * tokenTtlUs
    other.context = { isLeader: false }
    assert.isNull(other.service.housekeeping.moveHorizon(other.now))
    other.context = { termStartIndex: 9 }
    assert.isNull(other.service.housekeeping.moveHorizon(other.now))
  })
})

// ── Everything at once ─────────────────────────────────────────────────────────────────────────────

const key = fc.constantFrom("a", "b", "c")
const op: fc.Arbitrary<KvOp> = fc.oneof(
  fc.record({ type: fc.constant("get" as const), key }),
  fc.record({ type: fc.constant("put" as const), key, value: fc.constantFrom("1", "x") }),
  fc.record({ type: fc.constant("delete" as const), key }),
  fc.record({
    type: fc.constant("cas" as const),
    key,
    expected: fc.option(fc.constantFrom("1", "x")),
    value: fc.constant("2"),
  }),
  fc.record({ type: fc.constant("increment" as const), key, by: fc.integer({ min: -2, max: 2 }) }),
  fc.record({ type: fc.constant("append" as const), key, value: fc.constant("7") }),
  fc.record({
    type: fc.constant("scan" as const),
    start: fc.constant(""),
    end: fc.constant(""),
    limit: fc.constant(9),
    reverse: fc.boolean(),
  }),
)
const command = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant("ask" as const),
      ops: fc.array(op, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("pump" as const) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("apply" as const) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("confirm" as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("reload" as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("pass" as const) }) },
)

/** The ops in order over a plain map; null when one fails, and then nothing has changed. */
function play(state: Map<string, string>, ops: readonly KvOp[]): readonly KvResult[] | null {
  const next = new Map(state)
  const results: KvResult[] = []
  for (const each of ops) {
    if (each.type === "scan") {
      const rows = [...next].sort((a, b) => (a[0] < b[0] !== each.reverse ? -1 : 1))
      results.push({ type: "rows", rows, more: false })
      continue
    }
    const value = next.get(each.key) ?? null
    if (each.type === "get") results.push({ type: "value", value })
    else if (each.type === "cas") {
      results.push({ type: "swapped", swapped: value === each.expected })
      if (value === each.expected) next.set(each.key, each.value)
    } else if (each.type === "increment") {
      const sum = Number(value ?? "0") + each.by
      if (!/^(-?[1-9][0-9]*|0)$/.test(value ?? "0") || !Number.isSafeInteger(sum)) return null
      next.set(each.key, String(sum))
      results.push({ type: "count", value: sum })
    } else {
      if (each.type === "delete") next.delete(each.key)
      else next.set(each.key, each.type === "put" ? each.value : (value ?? "") + each.value)
      results.push({ type: "done" })
    }
  }
  state.clear()
  for (const [name, value] of next) state.set(name, value)
  return results
}

test("requests that overlap as they like come to what they would come to one after the other, each answered once", () => {
  fc.assert(
    fc.property(fc.array(command, { size: "max", maxLength: 60 }), (commands) => {
      const rig = new ServiceRig()
      const asked = new Map<number, readonly KvOp[]>()
      const state = new Map<string, string>()
      /** What there was from each commit on. */
      const states: { readonly ts: number; readonly rows: Map<string, string> }[] = [
        { ts: 0, rows: new Map() },
      ]
      /** In the order of the answers, which is that of the entries; reads where their timestamps put them. */
      const hear = (): void => {
        for (const reply of rig.replies.splice(0)) {
          const ops = asked.get(reply.id)
          assert.isDefined(ops, `${reply.id} is answered twice`)
          asked.delete(reply.id)
          const isRead = ops.every(({ type }) => type === "get" || type === "scan")
          const ts = reply.type === "ok" ? reply.commitTs : 0
          const then = isRead ? new Map(states.findLast((each) => each.ts <= ts)!.rows) : state
          const expected = play(then, ops)
          if (!isRead && reply.type === "ok") states.push({ ts, rows: new Map(state) })
          if (expected === null) assert.equal(reply.type === "error" && reply.error.code, "notAnInteger")
          else assert.deepEqual(reply.type === "ok" ? reply.results : reply.error, expected)
        }
      }
      for (const step of commands) {
        if (step.type === "ask") asked.set(rig.ask(step.ops), step.ops)
        else if (step.type === "pump") rig.pump()
        else if (step.type === "apply") rig.apply()
        else if (step.type === "confirm") rig.confirm(rig.log.length)
        else if (step.type === "reload") rig.reload()
        else rig.pass(1_000)
        hear()
      }
      rig.settle()
      hear()
      assert.deepEqual([asked.size, rig.service.size], [0, 0])
      assert.isTrue(rig.machine.recount())
    }),
    { numRuns: 300 },
  )
})
