import { assert, describe, test } from "vitest"
import { SPACE_INTENTS, SPACE_RECORDS, SPACE_VERSIONS } from "#kernel/engine/engine.ts"
import { VERSION_TTL_US } from "#kernel/limits.ts"
import { DEFAULT_TIMING } from "#kernel/node/config.ts"
import { fromWall } from "#kernel/time/hlc.ts"
import type { KvOp } from "#kernel/range/request.ts"
import { makeTxnId } from "#kernel/txn/txn-id.ts"
import { ANCHOR, type TxnRig } from "../../support/txn-rig.ts"
import { get, put, rigWith, rowsIn, said, send, wordOf } from "../../support/txn-words.ts"

describe("records", () => {
  /** Lets time pass, and what the leader tidies by itself be done. */
  function tidy(rig: TxnRig, us: number): void {
    for (let left = us; left > 0; left -= 1_000_000) {
      rig.pass(1_000_000)
      const batch = rig.service.housekeeping.collectRecords(rig.now)
      if (batch !== null) rig.append(batch, false)
      rig.run()
    }
  }

  test("of who is over are collected, those of others stay, and what is gone is not made anew", () => {
    const rig = rigWith({ a: "0" })
    const [done, lost] = [rig.begin("snapshot"), rig.begin("snapshot")]
    done.put("a", "1").commit()
    lost.put("b", "1")
    rig.command({ type: "heartbeat", txn: lost.id, anchor: ANCHOR })
    const alive = rig.begin("snapshot").put("c", "1")
    // Committed, and nobody has said that it is resolved.
    const open = rig.begin("snapshot").put("d", "1")
    const stage = { type: "stage", anchor: ANCHOR, promised: [], rolledBack: [], results: [] } as const
    rig.command({ ...stage, txn: open.id, commitTs: open.writeTs })
    assert.equal(rowsIn(rig, SPACE_RECORDS), 3)
    for (let i = 0; i < 8; i++) {
      rig.command({ type: "heartbeat", txn: alive.id, anchor: ANCHOR })
      tidy(rig, 4_000_000)
    }
    assert.equal(rowsIn(rig, SPACE_RECORDS), 3, "those of the two that are not over, and the floor")
    for (const { id } of [done, lost]) {
      const late = wordOf(rig.answer([], { command: { ...stage, txn: id, commitTs: fromWall(rig.wall) } }))
      assert.equal(late, "txnRestart")
    }
    alive.commit()
    assert.equal(alive.status, "committed")
    assert.equal(send(rig, [get("d")]), "1")
    rig.command({ type: "forget", txn: open.id, anchor: ANCHOR })
    tidy(rig, 24_000_000)
    assert.equal(rowsIn(rig, SPACE_RECORDS), 1)
    assert.isAbove(rig.service.deadline, rig.mono + 60_000_000, "nothing is left to be done")
  })

  test("left by an older leader are found by the next", () => {
    const rig = rigWith({})
    rig.begin("snapshot").put("a", "1").commit()
    rig.lose()
    rig.context = {}
    rig.service.becameLeader(null, rig.now)
    rig.run()
    tidy(rig, 12_000_000)
    assert.equal(rowsIn(rig, SPACE_RECORDS), 1)
  })
})

describe("old versions", () => {
  const day = VERSION_TTL_US

  /** A day and a half goes by, then the leader tidies as long as there is something to be done. */
  function age(rig: TxnRig): void {
    rig.pass(day + day / 2)
    const { housekeeping } = rig.service
    const threshold = housekeeping.moveThreshold(rig.now)
    if (threshold !== null) rig.append(threshold, false)
    rig.run()
    for (let i = 0; i < 20; i++) {
      rig.pass(50_000)
      const batch = rig.service.housekeeping.collectVersions(rig.now)
      if (batch !== null) rig.append(batch, false)
      rig.run()
    }
  }

  test("go when they were written over long ago, and whoever would read there is told so", () => {
    const rig = rigWith({ a: "0", b: "0" })
    const then = fromWall(rig.wall)
    rig.answer([put("a", "1"), { type: "delete", key: "b" }], {})
    assert.equal(rowsIn(rig, SPACE_VERSIONS), 4)
    age(rig)
    assert.equal(rowsIn(rig, SPACE_VERSIONS), 1)
    assert.deepEqual([...rig.rows()], [["a", "1"]])
    const tooOld = [
      send(rig, [get("a")], { readTs: then }),
      send(rig, [get("a")], { txn: rig.begin("snapshot").meta({ readTs: then, limitTs: 0 }) }),
      send(rig, [put("a", "2")], { txn: rig.begin("snapshot").meta({ readTs: then, limitTs: 0 }) }),
      send(rig, [], {
        command: {
          type: "refresh",
          txn: rig.begin("snapshot").id,
          spans: [{ start: "b", end: "", fromTs: then }],
          toTs: fromWall(rig.wall),
        },
      }),
      send(rig, [], { command: { type: "protect", id: 1, ts: then } }),
    ]
    assert.deepEqual(new Set(tooOld), new Set(["snapshotTooOld"]))
    rig.lose()
    assert.equal(send(rig, [get("a")], { read: "timeline", readTs: then }), "snapshotTooOld")
    rig.context = {}
    rig.service.becameLeader(null, rig.now)
    rig.pass(DEFAULT_TIMING.clockBoundUs * 2)
    assert.equal(send(rig, [get("a")], { readTs: then }), "snapshotTooOld", "and by the next leader")
  })

  test("stay as long as somebody protects them, and go when nobody does", () => {
    const rig = rigWith({ a: "0" })
    const then = fromWall(rig.wall)
    assert.equal(send(rig, [], { command: { type: "protect", id: 7, ts: then } }), "")
    rig.pass(1_000)
    rig.answer([put("a", "1")], {})
    rig.reload()
    age(rig)
    assert.deepEqual([rowsIn(rig, SPACE_VERSIONS), send(rig, [get("a")], { readTs: then })], [2, "0"])
    rig.lose()
    rig.context = {}
    rig.service.becameLeader(null, rig.now)
    rig.pass(DEFAULT_TIMING.clockBoundUs * 2)
    rig.run()
    age(rig)
    assert.equal(send(rig, [get("a")], { readTs: then }), "0", "the next leader knows of it")
    send(rig, [], { command: { type: "protect", id: 7, ts: 0 } })
    age(rig)
    assert.deepEqual(
      [rowsIn(rig, SPACE_VERSIONS), send(rig, [get("a")], { readTs: then })],
      [1, "snapshotTooOld"],
    )
  })

  test("beneath an intent stay readable for whoever may read there, whatever becomes of it", () => {
    const rig = rigWith({ a: "0" })
    const txn = rig.begin("readCommitted").put("a", "1")
    age(rig)
    const now = fromWall(rig.wall)
    rig.command({ type: "heartbeat", txn: txn.id, anchor: ANCHOR })
    assert.equal(send(rig, [get("a")], { readTs: now }), "0")
    txn.commit()
    assert.deepEqual([txn.status, send(rig, [get("a")], { readTs: now })], ["committed", "0"])
  })
})

describe("closed timestamps", () => {
  test("every entry closes what was assigned before it, and nothing is assigned there any more", () => {
    const rig = rigWith({ a: "0" })
    const before = rig.machine.lowWater
    const reply = rig.answer([put("a", "1")], {})
    assert.ok(reply.type === "ok")
    assert.deepEqual([rig.machine.lowWater, before < reply.commitTs], [reply.commitTs, true])
    // The clock goes back, leadership changes: the next is above all the same.
    rig.wallOffsetUs -= 100_000
    rig.lose()
    rig.context = {}
    assert.isAbove(rig.service.becameLeader(null, rig.now), reply.commitTs)
  })

  test("a follower serves what is closed, but for what an intent may become", () => {
    const rig = rigWith({ a: "0", b: "0" })
    const readTs = rig.machine.lowWater
    rig.put("a", "1")
    rig.begin("readCommitted").put("b", "1")
    const closed = rig.machine.lowWater
    rig.plain.length = 0
    rig.context = { isLeader: false, leaderStore: 2 }
    const ask = (key: string, at: number): string => send(rig, [get(key)], { read: "timeline", readTs: at })
    assert.deepEqual([ask("a", readTs), ask("b", readTs), ask("a", closed)], ["0", "0", "1"])
    assert.deepEqual([ask("b", closed), ask("a", closed + 1)], ["notLeader", "notLeader"])
    assert.include(rig.marks, "range.read.closed")
  })
})

describe("one phase", () => {
  test("commits what is all in one range, and leaves neither an intent nor a record", () => {
    const rig = rigWith({ n: "1" })
    for (const level of ["readCommitted", "snapshot", "serializable"] as const) {
      const txn = rig.begin(level)
      const meta = txn.meta({ readTs: 0, limitTs: 0, onePhase: [] })
      const reply = rig.answer([{ type: "increment", key: "n", by: 1 }, get("n")], { txn: meta })
      assert.equal(reply.type, "ok")
    }
    assert.equal(send(rig, [get("n")]), "4")
    assert.deepEqual([rowsIn(rig, SPACE_INTENTS), rowsIn(rig, SPACE_RECORDS)], [0, 0])
  })

  test("of a serializable one what was read before must still be so, and the locks it has go with it", () => {
    const rig = rigWith({ a: "0", b: "0" })
    const fine = rig.begin("serializable", "locking").get("a")
    const onePhase = [...fine.spans]
    rig.put("a", "late", { id: 5 })
    rig.run()
    assert.deepEqual(said(rig), [], "it waits for the shared lock")
    assert.equal(send(rig, [put("b", "1")], { txn: fine.meta({ onePhase }) }), "ok")
    assert.deepEqual(said(rig), ["ok"])
    const stale = rig.begin("serializable", "optimistic").get("a")
    rig.pass(1_000)
    rig.put("a", "later")
    rig.run()
    const reply = rig.answer([put("b", "2")], { txn: stale.meta({ onePhase: [...stale.spans] }) })
    assert.equal(
      reply.type === "error" && reply.error.code === "txnRestart" ? reply.error.reason : "",
      "readSpanChanged",
    )
  })

  test("with a token it is done once, and so is what fails", () => {
    const rig = rigWith({ n: "1", t: "x" })
    const token = { client: 7, birth: fromWall(rig.wall), seq: 1, ackedSeq: 0 }
    const meta = rig.begin("snapshot").meta({ readTs: 0, limitTs: 0, onePhase: [] })
    const add: readonly KvOp[] = [{ type: "increment", key: "n", by: 1 }]
    for (let i = 0; i < 3; i++) assert.equal(send(rig, add, { txn: meta, token }), "2")
    const wrong: readonly KvOp[] = [{ type: "increment", key: "t", by: 1 }]
    const other = { ...token, seq: 2 }
    assert.equal(send(rig, wrong, { txn: meta, token: other }), "notAnInteger")
    rig.answer([put("t", "5")], {})
    assert.equal(send(rig, wrong, { txn: meta, token: other }), "notAnInteger")
  })
})

describe("refresh", () => {
  test("finds versions and intents in the way, but not its own", () => {
    const rig = rigWith({ a: "0" })
    const older = rig.begin("snapshot")
    const txn = rig.begin("snapshot").put("a", "1")
    const fromTs = fromWall(rig.wall)
    const spans = [{ start: "a", end: "c", fromTs }]
    let steps = 0
    const toTs = (): number => fromWall(rig.wall) + ++steps * 500
    assert.equal(rig.command({ type: "refresh", txn: txn.id, spans, toTs: toTs() }).type, "refreshed")
    older.put("b", "1")
    assert.isAtMost(older.writeTs, toTs())
    const changed = rig.command({ type: "refresh", txn: txn.id, spans, toTs: toTs() })
    assert.deepEqual(changed.type === "changed" ? [changed.key, changed.by] : [], ["b", older.id])
    older.abort()
    assert.equal(rig.command({ type: "refresh", txn: txn.id, spans, toTs: toTs() }).type, "refreshed")
    // One that is younger is pushed above, and commits later.
    const younger = rig.begin("snapshot").put("b", "2")
    const reach = toTs()
    assert.equal(rig.command({ type: "refresh", txn: txn.id, spans, toTs: reach }).type, "refreshed")
    younger.commit()
    assert.deepEqual([younger.status, younger.commitTs > reach], ["committed", true])
    rig.pass(1_000)
    const later = rig.command({ type: "refresh", txn: txn.id, spans, toTs: toTs() })
    assert.deepEqual(later.type === "changed" ? [later.key, later.at] : [], ["b", younger.commitTs])
  })

  test("keeps everything that is written from then on above", () => {
    const rig = rigWith({})
    const toTs = fromWall(rig.wall + 50_000)
    const spans = [{ start: "", end: "", fromTs: 1 }]
    const id = makeTxnId(1, 1, 1)
    assert.equal(rig.command({ type: "refresh", txn: id, spans, toTs }).type, "refreshed")
    const reply = rig.answer([put("a", "1")], { txn: rig.begin("readCommitted").meta() })
    assert.isTrue(reply.type === "ok" && reply.commitTs > toTs)
  })
})

describe("a leader that is one no longer", () => {
  test("hands its locks over, with what was read; in a crash they are lost, and the refresh says so", () => {
    for (const isHandedOver of [true, false]) {
      const rig = rigWith({ a: "0", b: "0" })
      const txn = rig.begin("serializable", "locking").get("a")
      const { memory, highWater } = rig.service
      rig.lose()
      rig.context = {}
      rig.service.becameLeader(isHandedOver ? highWater : null, rig.now, isHandedOver ? memory : null)
      rig.put("a", "1", { id: 5, deadlineUs: 60_000_000 })
      rig.run()
      rig.pass(DEFAULT_TIMING.clockBoundUs * 2)
      rig.run()
      assert.deepEqual(said(rig), isHandedOver ? [] : ["ok"])
      txn.put("b", "1").commit()
      assert.equal(txn.status, isHandedOver ? "committed" : "aborted")
      rig.pass(DEFAULT_TIMING.clockBoundUs * 2)
      rig.run()
      assert.deepEqual([said(rig), send(rig, [get("b")])], isHandedOver ? [["ok"], "1"] : [[], "0"])
    }
  })

  test("hands over what can be read, and nothing else is taken for it", () => {
    const rig = rigWith({ a: "0" })
    rig.begin("readCommitted").get("a", "exclusive")
    const { memory } = rig.service
    rig.lose()
    rig.context = {}
    rig.service.becameLeader(null, rig.now, memory.slice(0, -1))
    rig.put("a", "1", { id: 5 })
    rig.pass(DEFAULT_TIMING.clockBoundUs * 2)
    rig.run()
    assert.deepEqual(said(rig), ["ok"])
  })

  test("has answered everybody who waited, and the next one meets the intents again", () => {
    const rig = rigWith({ a: "0" })
    const holder = rig.begin("readCommitted").put("a", "1")
    rig.put("a", "2", { id: 5 })
    rig.get("b")
    rig.run()
    rig.plain.length = 0
    rig.lose()
    rig.run()
    assert.deepEqual(said(rig), ["notLeader"])
    assert.equal(rig.service.size, 0)
    rig.context = {}
    rig.service.becameLeader(null, rig.now)
    rig.pass(DEFAULT_TIMING.clockBoundUs * 3)
    rig.put("a", "3", { id: 6 })
    rig.run()
    assert.deepEqual(said(rig), [])
    holder.commit()
    rig.pass(DEFAULT_TIMING.clockBoundUs)
    rig.run()
    assert.deepEqual(said(rig), ["ok"])
  })

  test("what it was told of prevention and refresh holds under the next: its first timestamp lies above", () => {
    const rig = rigWith({})
    const ts = fromWall(rig.wall + DEFAULT_TIMING.clockBoundUs)
    const txn = rig.begin("snapshot")
    const writes = [{ key: "a", seq: 1 }]
    const ask = { type: "queryIntent", txn: txn.id, writes, prevent: true } as const
    assert.deepEqual(rig.command({ ...ask, ts }), { type: "intent", isThere: false })
    assert.isAtLeast(rig.service.highWater, ts, "what a transfer hands over")
    rig.lose()
    rig.context = {}
    assert.isAbove(rig.service.becameLeader(null, rig.now), ts, "and what any other begins with")
    const beyond = { command: { ...ask, ts: ts + fromWall(2_000) } }
    assert.equal(wordOf(rig.answer([], beyond)), "clockOutOfBound")
  })
})

test("a saved service goes on as if it had not been, whatever waits in it", () => {
  const rig = rigWith({ a: "0", b: "0" })
  const step = (): void => {
    rig.reload()
    rig.run()
    rig.reload()
  }
  const holder = rig.begin("readCommitted").put("a", "1").get("b", "shared")
  step()
  const waiters = [
    rig.begin("readCommitted").put("a", "2"),
    rig.begin("serializable", "locking").put("b", "3"),
  ]
  rig.get("a", { id: 5 })
  rig.ask([put("c", "1")], { txn: holder.meta({ pipelined: true }), id: 6 })
  rig.pump()
  step()
  rig.pass(110_000)
  step()
  assert.deepEqual(
    waiters.map(({ isWaiting }) => isWaiting),
    [true, true],
  )
  holder.commit()
  step()
  assert.deepEqual(
    waiters.map(({ isWaiting }) => isWaiting),
    [false, false],
  )
  assert.include(said(rig), "0")
})
