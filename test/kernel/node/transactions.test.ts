import { assert, test } from "vitest"
import type { TxnAction, TxnReply } from "#kernel/gateway/client.ts"
import type { KernelConfig } from "#kernel/node/config.ts"
import type { RangeDescriptor } from "#kernel/range/descriptor.ts"
import type { KvOp } from "#kernel/range/request.ts"
import type { Control, Isolation } from "#kernel/txn/protocol.ts"
import { configurationOf } from "../../support/raft-group.ts"
import { Cluster, configOf } from "../../support/store-rig.ts"

const STORES = [1, 2, 3]
const BORDERS = ["", "h", "p", ""]

/** Three ranges, each on all of three stores; range n is led by store n. */
class World {
  readonly cluster: Cluster
  #ids = 0

  constructor() {
    const groups = [1, 2, 3].map((id) => {
      const span = { start: BORDERS[id - 1]!, end: BORDERS[id]! }
      const descriptor: RangeDescriptor = { rangeId: id, groupId: id, tenant: 0, generation: 1, ...span }
      return { descriptor, configuration: configurationOf(STORES) }
    })
    this.cluster = new Cluster(STORES, (id): KernelConfig => {
      const config = configOf(id)
      return { ...config, places: groups, bootstrap: { ...config.bootstrap!, groups } }
    })
    this.cluster.elect()
    for (let tries = 0; tries < 20; tries++) {
      for (const store of this.cluster.stores) {
        for (const { group, role } of store.kernel.status()) {
          const target: number = group
          if (role !== "leader" || target === store.id) continue
          const action = { type: "transferLeader", store: target } as const
          store.step({ type: "admin", session: 1, request: { id: 1, group, action } })
        }
      }
      this.cluster.settle()
      this.cluster.pass(500_000)
    }
    for (const store of this.cluster.stores) {
      assert.equal(store.kernel.status().find(({ group }) => group === store.id)?.role, "leader")
      store.bearTwin()
    }
    this.cluster.pass(1_000_000)
  }

  send(store: number, session: number, txn: number, action: TxnAction): () => TxnReply | null {
    const to = this.cluster.store(store)
    const id = ++this.#ids
    to.step({
      type: "txn",
      session,
      request: { id, tenant: 0, txn, deadlineUs: 0, action },
    })
    return () => to.txnReplies.find((reply) => reply.id === id) ?? null
  }

  run(us: number, done: () => boolean): void {
    for (let passed = 0; !done() && passed < us; passed += 10_000) {
      this.cluster.settle()
      if (done()) return
      this.cluster.pass(10_000)
      for (const store of this.cluster.stores) store.reloadTwin()
    }
  }
}

class Client {
  readonly #world: World
  readonly #store: number
  constructor(world: World, store: number) {
    this.#world = world
    this.#store = store
  }
  send(txn: number, action: TxnAction): () => TxnReply | null {
    return this.#world.send(this.#store, 1, txn, action)
  }
  ask(txn: number, action: TxnAction): TxnReply {
    const reply = this.send(txn, action)
    this.#world.run(15_000_000, () => reply() !== null)
    assert.isNotNull(reply(), JSON.stringify(action))
    return reply()!
  }
  begin(
    level: Isolation,
    control: Control = "locking",
    token: Extract<TxnAction, { readonly type: "begin" }>["token"] = null,
  ): void {
    assert.equal(this.ask(1, { type: "begin", level, control, readOnly: false, readTs: 0, token }).type, "ok")
  }
  do(...ops: KvOp[]): unknown {
    return valuesOf(this.ask(1, { type: "execute", ops, wait: "wait", lock: null, commit: false }))
  }
  commit(): TxnReply {
    return this.ask(1, { type: "commit" })
  }
}

function valuesOf(reply: TxnReply): unknown {
  if (reply.type === "error") return reply.error.code
  if (reply.type === "outcome") return reply.status
  return reply.results.map((result) => {
    if (result.type === "value" || result.type === "count") return result.value
    if (result.type === "rows") return result.rows.map(([key]) => key).join("")
    return result.type === "swapped" ? result.swapped : "done"
  })
}

const put = (key: string, value: string): KvOp => ({ type: "put", key, value })
const get = (key: string): KvOp => ({ type: "get", key })
const add = (key: string): KvOp => ({ type: "increment", key, by: 1 })
const all: KvOp = { type: "scan", start: "", end: "", limit: 100, reverse: false }

const MODES: readonly (readonly [Isolation, Control])[] = [
  ["readCommitted", "locking"],
  ["snapshot", "locking"],
  ["serializable", "locking"],
  ["serializable", "optimistic"],
]

for (const [level, control] of MODES) {
  test(`real ranges carry out transactions whole, at ${level} by ${control}`, () => {
    const world = new World()
    const [one, two] = [new Client(world, 1), new Client(world, 2)]
    one.begin(level, control)
    assert.deepEqual(one.do(put("a", "1"), put("k", "2"), put("z", "3")), ["done", "done", "done"])
    assert.deepEqual(one.do(get("k"), all), ["2", "akz"])
    one.ask(1, { type: "savepoint", name: "s" })
    one.do(put("a", "gone"), put("q", "gone"))
    one.ask(1, { type: "rollbackTo", name: "s" })
    assert.deepEqual(one.do(get("a"), get("q")), ["1", null])
    assert.deepEqual(one.do(put("b", "x"), add("a"), add("k")), ["done", 2, 3])
    assert.equal(one.commit().type, "ok")
    two.begin(level, control)
    assert.deepEqual(two.do(all, get("a"), get("k"), get("z")), ["abkz", "2", "3", "3"])
    assert.equal(two.commit().type, "ok")
    const run = (ops: readonly KvOp[]): unknown =>
      valuesOf(two.ask(0, { type: "run", level, control, ops, wait: "wait", lock: null, token: null }))
    assert.deepEqual(run([add("c")]), [1])
    assert.deepEqual(run([add("c"), add("y")]), [2, 1])
    const token = { client: 7, birth: 2 ** 51, seq: 1, ackedSeq: 0 }
    const twice: TxnAction = {
      type: "run",
      level,
      control,
      ops: [add("c"), add("y")],
      wait: "wait",
      lock: null,
      token,
    }
    assert.deepEqual(
      [valuesOf(one.ask(0, twice)), valuesOf(two.ask(0, twice))],
      [
        [3, 2],
        [3, 2],
      ],
    )
    assert.equal(valuesOf(two.ask(0, { type: "outcome", token, key: "c" })), "committed")
    const other = { ...token, seq: 2 }
    assert.equal(valuesOf(two.ask(0, { type: "outcome", token: other, key: "" })), "prevented")
    one.begin(level, control, other)
    one.do(put("a", "late"), put("z", "late"))
    assert.equal(valuesOf(one.commit()), "tokenExpired")
    two.begin(level, control)
    assert.deepEqual(two.do(get("a"), get("z")), ["2", "3"])
  })
}

for (const control of ["locking", "optimistic"] as const) {
  test(`real ranges refuse write skew to one of two, by ${control}`, () => {
    const world = new World()
    const clients = [new Client(world, 1), new Client(world, 2)]
    for (const client of clients) client.begin("serializable", control)
    for (const client of clients) client.do(get("a"), get("z"))
    const writes = clients.map((client, i) =>
      client.send(1, {
        type: "execute",
        ops: [put(i === 0 ? "a" : "z", "x")],
        wait: "wait",
        lock: null,
        commit: true,
      }),
    )
    world.run(8_000_000, () => writes.every((reply) => reply() !== null))
    const ended = writes.map((reply) => reply()?.type)
    assert.isAtMost(
      ended.filter((type) => type === "ok").length,
      1,
      JSON.stringify(writes.map((reply) => reply())),
    )
    if (control === "locking") assert.sameMembers(ended, ["error", "ok"])
  })
}

test("real ranges: a deadlock across three is found, and only its youngest ends", () => {
  const world = new World()
  const clients = STORES.map((store) => new Client(world, store))
  const keys = ["a", "k", "z"]
  clients.forEach((client, i) => {
    client.begin("serializable")
    client.do(put(keys[i]!, "own"))
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
  assert.deepEqual([crossed[0]!(), valuesOf(crossed[2]!()!)], [null, "deadlock"])
  world.run(1_000_000, () => crossed[1]!() !== null)
  assert.equal(clients[1]!.commit().type, "ok")
  world.run(1_000_000, () => crossed[0]!() !== null)
  assert.equal(clients[0]!.commit().type, "ok")
})

test("real ranges: what a dead gateway leaves is decided by whoever meets it", () => {
  const world = new World()
  const [one, two] = [new Client(world, 1), new Client(world, 2)]
  one.begin("snapshot")
  one.do(put("k", "1"), put("z", "1"))
  world.cluster.cut.add(1)
  two.begin("snapshot")
  const read = two.send(1, {
    type: "execute",
    ops: [get("k"), get("z")],
    wait: "wait",
    lock: null,
    commit: false,
  })
  world.run(3_000_000, () => read() !== null)
  assert.deepEqual(valuesOf(read()!), [null, null], "a reader pushes and reads beneath")
  const write = two.send(1, { type: "execute", ops: [put("k", "2")], wait: "wait", lock: null, commit: true })
  world.run(9_000_000, () => write() !== null)
  assert.equal(write()!.type, "ok", JSON.stringify(write()))
})
