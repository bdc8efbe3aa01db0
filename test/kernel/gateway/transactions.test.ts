import { assert, test } from "vitest"
import type { TxnAction, TxnReply } from "#kernel/gateway/client.ts"
import { SESSION_TXNS_MAX } from "#kernel/limits.ts"
import type { KvOp } from "#kernel/range/request.ts"
import { TxnWorld } from "../../support/txn-world.ts"

type Level = Extract<TxnAction, { readonly type: "begin" }>["level"]
type Control = Extract<TxnAction, { readonly type: "begin" }>["control"]
const MODES: readonly (readonly [Level, Control])[] = [
  ["readCommitted", "locking"],
  ["snapshot", "locking"],
  ["serializable", "locking"],
  ["serializable", "optimistic"],
]

/** A session that waits for each answer. */
class Client {
  readonly #world: TxnWorld
  readonly #store: number
  readonly #session: number
  constructor(world: TxnWorld, store: number, session = 1) {
    this.#world = world
    this.#store = store
    this.#session = session
  }

  /** Gives a function that says what was answered, null as long as nothing was. */
  send(txn: number, action: TxnAction, deadlineUs = 0): () => TxnReply | null {
    let reply: TxnReply | null = null
    this.#world.ask(this.#store, this.#session, txn, action, (answer) => (reply = answer), deadlineUs)
    return () => reply
  }

  ask(txn: number, action: TxnAction): TxnReply {
    const reply = this.send(txn, action)
    this.#world.run(20_000_000, () => reply() !== null)
    assert.isNotNull(reply(), `answered: ${JSON.stringify(action)}`)
    return reply()!
  }

  begin(txn: number, level: Level, control: Control = "locking", more: Partial<TxnAction> = {}): TxnReply {
    return this.ask(txn, {
      type: "begin",
      level,
      control,
      readOnly: false,
      readTs: 0,
      token: null,
      ...more,
    } as TxnAction)
  }
  do(txn: number, ...ops: KvOp[]): TxnReply {
    return this.ask(txn, { type: "execute", ops, wait: "wait", lock: null, commit: false })
  }
  commit(txn: number): TxnReply {
    return this.ask(txn, { type: "commit" })
  }
}

function valuesOf(reply: TxnReply): unknown {
  if (reply.type === "error") return reply.error.code
  if (reply.type === "outcome") return reply.status
  return (reply.results ?? []).map((result) => {
    if (result.type === "value") return result.value
    if (result.type === "count") return result.value
    if (result.type === "rows") return result.rows.map(([key]) => key).join("")
    return result.type === "swapped" ? result.swapped : "done"
  })
}

const put = (key: string, value: string): KvOp => ({ type: "put", key, value })
const get = (key: string): KvOp => ({ type: "get", key })
const scan = (start: string, end: string, limit = 100, reverse = false): KvOp => ({
  type: "scan",
  start,
  end,
  limit,
  reverse,
})

for (const [level, control] of MODES) {
  test(`a transaction over three ranges is seen whole, at ${level} by ${control}`, () => {
    const world = new TxnWorld(1, [1, 2, 3])
    const [one, two] = [new Client(world, 1), new Client(world, 2)]
    assert.equal(one.begin(1, level, control).type, "ok")
    assert.deepEqual(valuesOf(one.do(1, put("a", "1"), put("h", "2"), put("z", "3"))), [
      "done",
      "done",
      "done",
    ])
    assert.deepEqual(valuesOf(one.do(1, get("h"), scan("", ""))), ["2", "ahz"], "it sees its own writes")
    const commit = one.commit(1)
    assert.equal(commit.type, "ok")
    two.begin(1, level, control)
    assert.deepEqual(valuesOf(two.do(1, scan("", ""), get("z"))), ["ahz", "3"])
    assert.equal(two.commit(1).type, "ok")
    world.run(2_000_000)
    for (const key of ["a", "h", "z"]) {
      assert.deepEqual(
        world.versionsOf(key).map(({ ts }) => ts),
        [(commit as { commitTs: number }).commitTs],
      )
    }
    for (const range of world.ranges) assert.deepEqual([range.intents.size, range.records.size], [0, 0])
  })

  test(`savepoints take back what came after them, at ${level} by ${control}`, () => {
    const world = new TxnWorld(2, [1, 2])
    const client = new Client(world, 1)
    client.begin(1, level, control)
    client.do(1, put("a", "1"))
    client.ask(1, { type: "savepoint", name: "s" })
    client.do(1, put("a", "2"), put("z", "2"))
    client.ask(1, { type: "rollbackTo", name: "s" })
    assert.deepEqual(valuesOf(client.do(1, get("a"), get("z"))), ["1", null])
    client.do(1, put("b", "3"))
    assert.equal(client.commit(1).type, "ok")
    client.begin(2, level, control)
    assert.deepEqual(valuesOf(client.do(2, get("a"), get("b"), get("z"))), ["1", "3", null])
    world.run(70_000_000)
    for (const range of world.ranges) assert.equal(range.intents.size, 0)
  })

  test(`a failed statement is undone and the transaction goes on, at ${level} by ${control}`, () => {
    const world = new TxnWorld(3, [1, 2])
    const client = new Client(world, 1)
    client.begin(1, level, control)
    client.do(1, put("a", "x"))
    const failed = client.do(1, put("z", "9"), { type: "increment", key: "a", by: 1 })
    assert.deepEqual([valuesOf(failed), (failed as { isOpen: boolean }).isOpen], ["notAnInteger", true])
    assert.equal(client.commit(1).type, "ok")
    client.begin(1, level, control)
    assert.deepEqual(valuesOf(client.do(1, get("a"), get("z"))), ["x", null])
  })

  test(`a whole transaction in one request, at ${level} by ${control}`, () => {
    const world = new TxnWorld(4, [1, 2])
    const client = new Client(world, 1)
    const run = (ops: readonly KvOp[]): TxnReply =>
      client.ask(0, { type: "run", level, control, ops, wait: "wait", lock: null, token: null })
    assert.deepEqual(valuesOf(run([put("a", "1"), get("a")])), ["done", "1"])
    assert.deepEqual(
      valuesOf(
        run([
          { type: "increment", key: "a", by: 4 },
          { type: "increment", key: "z", by: 1 },
        ]),
      ),
      [5, 1],
    )
    assert.deepEqual(valuesOf(run([get("a"), get("z"), scan("", "", 1, true)])), ["5", "1", "z"])
  })

  test(`a token is carried out once, at ${level} by ${control}`, () => {
    const world = new TxnWorld(5, [1, 2])
    const [one, two] = [new Client(world, 1), new Client(world, 2)]
    const token = { client: 7, birth: 1, seq: 1, ackedSeq: 0 }
    for (const ops of [
      ["a", "b"],
      ["c", "z"],
    ]) {
      const action: TxnAction = {
        type: "run",
        level,
        control,
        wait: "wait",
        lock: null,
        token,
        ops: ops.map((key) => ({ type: "increment", key, by: 1 })),
      }
      assert.deepEqual(valuesOf(one.ask(0, action)), [1, 1])
      assert.deepEqual(valuesOf(two.ask(0, action)), [1, 1])
      const outcome = two.ask(0, { type: "outcome", token, key: ops[0]! })
      assert.deepEqual(
        [valuesOf(outcome), (outcome as { results: unknown }).results],
        [
          "committed",
          [
            { type: "count", value: 1 },
            { type: "count", value: 1 },
          ],
        ],
      )
    }
    const other = { ...token, seq: 2 }
    assert.equal(valuesOf(two.ask(0, { type: "outcome", token: other, key: "" })), "prevented")
    one.begin(1, level, control, { token: other })
    one.do(1, put("a", "late"), put("z", "late"))
    assert.equal(valuesOf(one.commit(1)), "tokenExpired", "what was said never to happen does not")
    const third = { ...token, seq: 3 }
    one.begin(1, level, control, { token: third })
    one.do(1, put("a", "now"), put("z", "now"))
    assert.equal(one.commit(1).type, "ok")
    assert.equal(valuesOf(two.ask(0, { type: "outcome", token: third, key: "" })), "committed")
  })
}

test("a snapshot does not see what is committed after it began, and its write over that is refused", () => {
  const world = new TxnWorld(6, [1, 2])
  const [one, two] = [new Client(world, 1), new Client(world, 2)]
  one.ask(0, {
    type: "run",
    level: "snapshot",
    control: "locking",
    ops: [put("a", "1"), put("z", "1")],
    wait: "wait",
    lock: null,
    token: null,
  })
  one.begin(1, "snapshot")
  assert.deepEqual(valuesOf(one.do(1, get("a"))), ["1"])
  // Beyond the bound of clocks nothing can have been acknowledged before it began.
  world.run(300_000)
  two.begin(1, "snapshot")
  two.do(1, put("a", "2"), put("z", "2"))
  assert.equal(two.commit(1).type, "ok")
  assert.deepEqual(valuesOf(one.do(1, get("z"))), ["1"])
  const refused = one.do(1, put("a", "3"))
  assert.deepEqual([valuesOf(refused), (refused as { isOpen: boolean }).isOpen], ["txnRestart", false])
  assert.equal(valuesOf(one.commit(1)), "noTransaction")
})

for (const control of ["locking", "optimistic"] as const) {
  test(`write skew is refused to one of two, by ${control}`, () => {
    const world = new TxnWorld(7, [1, 2])
    const clients = [new Client(world, 1), new Client(world, 2)]
    for (const client of clients) client.begin(1, "serializable", control)
    for (const client of clients) client.do(1, get("a"), get("z"))
    const writes = clients.map((client, i) =>
      client.send(1, {
        type: "execute",
        ops: [put(i === 0 ? "a" : "z", "x")],
        wait: "wait",
        lock: null,
        commit: true,
      }),
    )
    world.run(5_000_000, () => writes.every((reply) => reply() !== null))
    const ended = writes.map((reply) => reply()?.type)
    assert.isAtMost(ended.filter((type) => type === "ok").length, 1)
    if (control === "locking")
      assert.sameMembers(ended, ["error", "ok"], "by a deadlock: one of them goes on")
  })
}

test("a deadlock across three ranges is found within a second, and only its youngest ends", () => {
  const world = new TxnWorld(8, [1, 2, 3])
  const clients = [1, 2, 3].map((store) => new Client(world, store))
  const keys = ["a", "h", "z"]
  clients.forEach((client, i) => {
    client.begin(1, "serializable")
    client.do(1, put(keys[i]!, "own"))
  })
  const bystander = new Client(world, 1, 9)
  bystander.begin(1, "snapshot")
  const waits = bystander.send(1, {
    type: "execute",
    ops: [put("a", "b")],
    wait: "wait",
    lock: null,
    commit: false,
  })
  const crossed = clients.map((client, i) =>
    client.send(1, {
      type: "execute",
      ops: [put(keys[(i + 1) % 3]!, "other")],
      wait: "wait",
      lock: null,
      commit: false,
    }),
  )
  world.run(1_000_000, () => crossed.some((reply) => reply() !== null))
  assert.deepEqual(
    crossed.map((reply) => reply() && valuesOf(reply()!)),
    [null, null, "deadlock"],
  )
  world.run(1_000_000, () => crossed[1]!() !== null)
  assert.equal(crossed[1]!()?.type, "ok")
  assert.equal(clients[1]!.commit(1).type, "ok")
  world.run(1_000_000, () => crossed[0]!() !== null)
  assert.equal(clients[0]!.commit(1).type, "ok")
  world.run(1_000_000, () => waits() !== null)
  assert.deepEqual(valuesOf(waits()!), ["done"], "who only waited, and has read nothing, goes on")
})

test("NOWAIT is refused at once, and a cancelled wait leaves the transaction open", () => {
  const world = new TxnWorld(9, [1, 2])
  const [one, two] = [new Client(world, 1), new Client(world, 2)]
  one.begin(1, "readCommitted")
  one.do(1, put("a", "1"))
  two.begin(1, "readCommitted")
  const refused = two.ask(1, {
    type: "execute",
    ops: [put("z", "2"), put("a", "2")],
    wait: "noWait",
    lock: null,
    commit: false,
  })
  assert.deepEqual([valuesOf(refused), (refused as { isOpen: boolean }).isOpen], ["lockNotAvailable", true])
  const waiting = two.send(1, {
    type: "execute",
    ops: [put("a", "2")],
    wait: "wait",
    lock: null,
    commit: false,
  })
  world.run(300_000)
  assert.isNull(waiting())
  two.ask(1, { type: "cancel" })
  world.run(10_000)
  assert.equal(valuesOf(waiting()!), "cancelled")
  two.do(1, put("y", "2"))
  assert.equal(two.commit(1).type, "ok")
  assert.equal(one.commit(1).type, "ok")
  one.begin(1, "snapshot")
  assert.deepEqual(valuesOf(one.do(1, scan("", ""))), ["ay"])
})

test("a transaction whose session leaves, idles or runs out of time is rolled back", () => {
  for (const how of ["leave", "idle", "deadline"] as const) {
    const world = new TxnWorld(10, [1, 2])
    const [one, two] = [new Client(world, 1), new Client(world, 2)]
    if (how === "deadline") {
      const begun = one.send(
        1,
        { type: "begin", level: "snapshot", control: "locking", readOnly: false, readTs: 0, token: null },
        2_000_000,
      )
      world.run(1_000, () => begun() !== null)
    } else one.begin(1, "snapshot")
    one.do(1, put("a", "1"), put("z", "1"))
    if (how === "leave") one.send(0, { type: "leave" })
    world.run(how === "idle" ? 61_000_000 : 2_100_000)
    two.begin(1, "snapshot")
    assert.deepEqual(valuesOf(two.do(1, scan("", ""), put("a", "2"))), ["", "done"])
    for (const range of world.ranges) assert.equal(range.records.size, 0)
    assert.equal(valuesOf(one.do(1, get("a"))), "noTransaction")
  }
})

test("the past is read as it was, and never written", () => {
  const world = new TxnWorld(11, [1, 2])
  const client = new Client(world, 1)
  const commits = ["1", "2"].map((value) => {
    client.begin(1, "snapshot")
    client.do(1, put("a", value), put("z", value))
    const commit = client.commit(1)
    return commit.type === "ok" ? commit.commitTs : 0
  })
  client.begin(1, "serializable", "locking", { readOnly: true, readTs: commits[0]! })
  assert.deepEqual(valuesOf(client.do(1, get("a"), get("z"))), ["1", "1"])
  assert.equal(valuesOf(client.do(1, put("a", "3"))), "readOnlyTransaction")
  assert.equal(client.commit(1).type, "ok")
})

test("what cannot be asked is refused with its code, and changes nothing", () => {
  const world = new TxnWorld(12, [1, 2])
  const client = new Client(world, 1)
  const begin = {
    type: "begin",
    level: "snapshot",
    control: "locking",
    readOnly: false,
    readTs: 0,
    token: null,
  } as const
  assert.equal(valuesOf(client.commit(1)), "noTransaction")
  for (let txn = 1; txn <= SESSION_TXNS_MAX; txn++) assert.equal(client.ask(txn, begin).type, "ok")
  assert.equal(valuesOf(client.ask(99, begin)), "tooManyTransactions")
  assert.equal(new Client(world, 1, 2).ask(99, begin).type, "ok", "another session may")
  assert.equal(valuesOf(client.ask(1, begin)), "badRequest", "a name stands for one")
  client.ask(64, { type: "rollback" })
  assert.equal(valuesOf(client.ask(99, { ...begin, readTs: 1 })), "badRequest", "nobody writes the past")
  const future = { ...begin, readOnly: true, readTs: Number.MAX_SAFE_INTEGER }
  assert.equal(valuesOf(client.ask(99, future)), "clockOutOfBound")
  for (const action of [
    { type: "rollbackTo", name: "no such" },
    { type: "savepoint", name: "\u{100}" },
    { type: "execute", ops: [put("", "1")], wait: "wait", lock: null, commit: false },
    { type: "execute", ops: [{ type: "get", key: "\u{100}" }], wait: "wait", lock: null, commit: false },
  ] as const) {
    const refused = client.ask(1, action)
    assert.deepEqual([valuesOf(refused), (refused as { isOpen: boolean }).isOpen], ["badRequest", true])
  }
  assert.equal(valuesOf(client.ask(1, { type: "savepoint", name: "x".repeat(65) })), "tooLarge")
  client.do(1, put("a", "1"), put("z", "1"))
  assert.equal(client.commit(1).type, "ok")
})
