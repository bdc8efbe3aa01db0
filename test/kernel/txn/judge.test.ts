import { assert, describe, test } from "vitest"
import { SPACE_INTENTS, SPACE_RECORDS } from "#kernel/engine/engine.ts"
import { TXN_ABANDONED_US } from "#kernel/limits.ts"
import { DEFAULT_TIMING } from "#kernel/node/config.ts"
import { fromWall } from "#kernel/time/hlc.ts"
import type { KvOp } from "#kernel/range/request.ts"
import type { TxnCommand, TxnId } from "#kernel/txn/protocol.ts"
import { ANCHOR, type Txn } from "../../support/txn-rig.ts"
import { get, put, rigWith, rowsIn, said, send, wordOf } from "../../support/txn-words.ts"

describe("what a transaction wrote", () => {
  test("is seen by itself, by nobody else, and by all once it is committed", () => {
    const rig = rigWith({ a: "0" })
    const txn = rig.begin("snapshot").put("a", "1").put("b", "2")
    assert.equal(txn.get("a").value, "1")
    assert.deepEqual(txn.scan("", "").value, [
      ["a", "1"],
      ["b", "2"],
    ])
    assert.equal(rig.begin("snapshot").get("a").value, "0")
    txn.commit()
    // Within the same millisecond it is above the snapshot, which moves.
    assert.deepEqual([rowsIn(rig, SPACE_INTENTS), rig.begin("snapshot").get("a").value], [0, "1"])
    rig.pass(5_000)
    assert.deepEqual(
      [...rig.rows()],
      [
        ["a", "1"],
        ["b", "2"],
      ],
    )
  })

  test("is gone when it is rolled back, wholly or to a savepoint", () => {
    const rig = rigWith({ a: "0", b: "0" })
    const txn = rig.begin("snapshot").put("a", "1").put("b", "1")
    const savepoint = txn.seq
    txn.put("b", "2").do([{ type: "delete", key: "a" }])
    assert.equal(txn.get("a").value, null)
    txn.rolledBack = [{ from: savepoint, to: txn.seq - 1 }]
    assert.deepEqual([txn.get("a").value, txn.get("b").value], ["1", "1"])
    txn.put("c", "3").commit()
    rig.begin("snapshot").put("a", "9").abort()
    rig.pass(5_000)
    assert.deepEqual([...rig.rows()].join(" "), "a,1 b,1 c,3")
  })

  test("is answered as the first time when a request comes again, and written once", () => {
    const rig = rigWith({ n: "5" })
    const txn = rig.begin("readCommitted")
    const ops: readonly KvOp[] = [
      { type: "increment", key: "n", by: 1 },
      { type: "append", key: "t", value: "x" },
    ]
    const meta = txn.meta()
    const first = rig.answer(ops, { txn: meta })
    txn.seq += 2
    assert.equal(wordOf(rig.answer([{ type: "increment", key: "n", by: 10 }], { txn: txn.meta() })), "16")
    const again = rig.answer(ops, { txn: meta })
    assert.ok(first.type === "ok" && again.type === "ok")
    assert.deepEqual(again.results, first.results)
    txn.keys.set("n", 3).set("t", 2)
    txn.writeTs = again.commitTs
    txn.commit()
    rig.pass(5_000)
    assert.deepEqual([...rig.rows()].join(" "), "n,16 t,x")
  })

  test("that came late, and twice, does not become part of what was committed", () => {
    const rig = rigWith({})
    const txn = rig.begin("readCommitted")
    const meta = txn.meta()
    txn.do([{ type: "append", key: "t", value: "x" }])
    txn.commit()
    // The same request again, after everything was over: nobody knows it any more.
    rig.answer([{ type: "append", key: "t", value: "x" }], { txn: meta })
    assert.equal(rowsIn(rig, SPACE_INTENTS), 1)
    rig.pass(TXN_ABANDONED_US)
    assert.equal(send(rig, [get("t")]), "x")
    assert.equal(rowsIn(rig, SPACE_INTENTS), 0)
  })

  test("may be answered before it is there, and is there when it is asked for", () => {
    const rig = rigWith({})
    const txn = rig.begin("snapshot")
    rig.ask([put("a", "1")], { txn: txn.meta({ pipelined: true }), id: 77 })
    rig.pump()
    assert.deepEqual(
      rig.replies.splice(0).map(({ id, type }) => [id, type]),
      [[77, "ok"]],
    )
    assert.equal(rowsIn(rig, SPACE_INTENTS), 0)
    const ask: TxnCommand = {
      type: "queryIntent",
      txn: txn.id,
      writes: [{ key: "a", seq: 1 }],
      ts: fromWall(rig.wall) + 1_000,
      prevent: false,
    }
    assert.deepEqual(rig.command(ask), { type: "intent", isThere: true })
  })
})

describe("a reader that meets an intent", () => {
  test("pushes the writer above itself and reads beneath, without waiting for it", () => {
    const rig = rigWith({ a: "0" })
    const writer = rig.begin("snapshot").put("a", "1")
    const readers = [rig.begin("snapshot").get("a"), rig.begin("readCommitted").get("a")]
    assert.deepEqual(
      readers.map(({ value, isWaiting }) => [value, isWaiting]),
      [
        ["0", false],
        ["0", false],
      ],
    )
    assert.equal(send(rig, [get("a")]), "0")
    assert.equal(rowsIn(rig, SPACE_RECORDS), 1)
    const readTs = Math.max(...readers.flatMap(({ spans }) => spans.map(({ fromTs }) => fromTs)))
    writer.commit()
    assert.equal(writer.status, "committed")
    assert.isAbove(writer.commitTs, readTs, "it commits above whoever read beneath it")
    assert.equal(readers[0]!.get("a").value, "0")
  })

  test("sees what was committed before it came, though nobody has resolved it", () => {
    const rig = rigWith({ a: "0" })
    const writer = rig.begin("snapshot").put("a", "1")
    const answer = rig.command({
      type: "stage",
      txn: writer.id,
      anchor: ANCHOR,
      commitTs: writer.writeTs,
      promised: [],
      rolledBack: [],
      results: [],
    })
    assert.equal(answer.type === "state" ? answer.state.status : "", "committed")
    assert.equal(send(rig, [get("a")]), "1")
    assert.deepEqual([rowsIn(rig, SPACE_INTENTS), rig.marks.includes("txn.cleaned")], [0, true])
  })

  test("waits for one that is about to be committed beneath it, until it is", () => {
    const rig = rigWith({ a: "0" })
    const writer = rig.begin("snapshot").put("a", "1")
    const promised = [{ rangeId: 1, key: "a", seq: 1 }]
    const commitTs = writer.writeTs
    rig.command({
      type: "stage",
      txn: writer.id,
      anchor: ANCHOR,
      commitTs,
      promised,
      rolledBack: [],
      results: [],
    })
    rig.get("a", { id: 5 })
    rig.run()
    assert.deepEqual(said(rig), [])
    rig.command({ type: "commit", txn: writer.id, anchor: ANCHOR, commitTs })
    rig.pass(20_000)
    rig.run()
    assert.deepEqual(said(rig), ["1"])
  })

  test("helps to decide one whose coordinator is gone: all promised writes are there, or one never will be", () => {
    for (const seq of [1, 2]) {
      const rig = rigWith({ a: "0" })
      const writer = rig.begin("snapshot").put("a", "1")
      const promised = [{ rangeId: 1, key: seq === 1 ? "a" : "b", seq }]
      const commitTs = writer.writeTs
      rig.command({
        type: "stage",
        txn: writer.id,
        anchor: ANCHOR,
        commitTs,
        promised,
        rolledBack: [],
        results: [],
      })
      rig.pass(TXN_ABANDONED_US + 1_000)
      assert.equal(send(rig, [get("a")]), seq === 1 ? "1" : "0")
      if (seq === 1) continue
      // The write that was prevented comes after all: above the timestamp it was promised for.
      const late = rig.answer([put("b", "2")], { txn: writer.meta() })
      assert.isTrue(late.type === "ok" && late.commitTs > commitTs)
    }
  })

  test("gives up nobody who is heard of, and aborts whoever is not", () => {
    const rig = rigWith({ a: "0" })
    const writer = rig.begin("snapshot").put("a", "1")
    rig.pass(TXN_ABANDONED_US - 1_000)
    rig.command({ type: "heartbeat", txn: writer.id, anchor: ANCHOR })
    rig.pass(TXN_ABANDONED_US - 1_000)
    assert.equal(send(rig, [get("a")]), "0")
    assert.equal(rowsIn(rig, SPACE_INTENTS), 1)
    rig.pass(1_000)
    assert.equal(send(rig, [get("a")]), "0")
    assert.equal(rowsIn(rig, SPACE_INTENTS), 0)
    writer.commit()
    assert.deepEqual([writer.status, writer.error?.code], ["aborted", "txnAborted"])
  })
})

test("a read that waits for one writer misses nothing of another who came later and was quicker", () => {
  for (const level of ["snapshot", "readCommitted"] as const) {
    const rig = rigWith({ a: "0" })
    rig.put("a", "1", { id: 5 })
    assert.equal(rig.pump().length, 1)
    const reader = rig.begin(level)
    reader.readTs = fromWall(rig.wall) + 1_000
    rig.ask([{ type: "scan", start: "", end: "", limit: 9, reverse: false }], {
      txn: reader.meta({ limitTs: 0 }),
      id: 6,
    })
    rig.confirm(rig.machine.appliedIndex)
    rig.pump()
    const late = rig.begin("readCommitted")
    rig.ask([put("b", "1")], { txn: late.meta({ pipelined: true }), id: 7 })
    rig.pump()
    const write = rig.replies.splice(0).find(({ id }) => id === 7)
    rig.apply()
    rig.pump()
    const scan = rig.replies.splice(0).find(({ id }) => id === 6)
    assert.ok(scan?.type === "ok" && write?.type === "ok")
    assert.isAbove(write.commitTs, scan.commitTs, level)
  }
})

describe("uncertainty", () => {
  const boundUs = DEFAULT_TIMING.clockBoundUs

  test("what may have been acknowledged before a transaction began moves its snapshot, if it read nothing else", () => {
    const rig = rigWith({ a: "0" })
    // Its gateway's clock is behind: what was written just now lies above its snapshot.
    const txn = rig.begin("snapshot")
    txn.readTs -= fromWall(20_000)
    assert.equal(txn.get("a").value, "0")
    assert.isAbove(txn.readTs, fromWall(rig.wall - 20_000))
  })

  test("it fails when what it read before has changed", () => {
    const rig = rigWith({ a: "0", b: "0" })
    const txn = rig.begin("snapshot")
    txn.readTs = fromWall(rig.wall - 20_000)
    txn.limitTs = txn.readTs + fromWall(boundUs)
    const meta = txn.meta({ limitTs: 0 })
    assert.equal(wordOf(rig.answer([get("a")], { txn: meta })), "-", "beyond doubt it was not there")
    assert.equal(wordOf(rig.answer([get("a")], { txn: txn.meta() })), "txnRestart")
    txn.spans.push({ start: "a", end: "a\0", fromTs: txn.readTs })
    txn.get("b")
    assert.deepEqual([txn.status, txn.error?.code], ["aborted", "txnRestart"])
  })

  test("what was written after the leader first heard of the transaction is not part of its snapshot, and no doubt", () => {
    const rig = rigWith({ a: "0", b: "0" })
    const txn = rig.begin("snapshot").get("a")
    rig.put("b", "1")
    rig.begin("readCommitted").put("a", "1").commit()
    rig.run()
    assert.equal(txn.get("b").value, "0")
    assert.equal(txn.get("a").value, "0")
  })

  test("what lies above the bound was not acknowledged before it began", () => {
    const rig = rigWith({})
    const readTs = fromWall(rig.wall)
    rig.pass(boundUs + 1_000)
    rig.put("a", "1")
    rig.run()
    const txn = rig.begin("snapshot")
    txn.readTs = readTs
    txn.limitTs = readTs + fromWall(boundUs)
    assert.equal(txn.get("a").value, null)
  })
})

test("a snapshot that is ahead of the leader's clock is written above", () => {
  const rig = rigWith({ a: "0" })
  const txn = rig.begin("snapshot")
  txn.readTs = fromWall(rig.wall + 100_000)
  txn.limitTs = 0
  const reply = rig.answer([put("a", "1"), get("a")], { txn: txn.meta() })
  assert.ok(reply.type === "ok")
  assert.isAbove(reply.commitTs, txn.readTs)
  txn.readTs = fromWall(rig.wall + 300_000)
  assert.equal(wordOf(rig.answer([put("a", "1")], { txn: txn.meta() })), "clockOutOfBound")
})

describe("who wants what another has", () => {
  test("waits, and goes on when it is free; a plain request as well", () => {
    const rig = rigWith({ n: "0" })
    const first = rig.begin("readCommitted").do([{ type: "increment", key: "n", by: 1 }])
    const second = rig.begin("readCommitted").do([{ type: "increment", key: "n", by: 10 }])
    rig.ask([{ type: "increment", key: "n", by: 100 }], { id: 5 })
    rig.run()
    assert.deepEqual([second.isWaiting, said(rig)], [true, []])
    first.commit()
    assert.deepEqual([second.isWaiting, said(rig)], [false, []])
    second.commit()
    assert.deepEqual(said(rig), ["111"])
    assert.isTrue(rig.marks.includes("txn.blocked"))
  })

  test("is refused at once when it does not want to wait, and not for one who is decided", () => {
    const rig = rigWith({ a: "0" })
    const holder = rig.begin("readCommitted").put("a", "1")
    const other = rig.begin("readCommitted")
    other.get("a", "exclusive", "noWait")
    assert.deepEqual(other.error, { code: "lockNotAvailable", key: "a", by: holder.id })
    const writer = rig.begin("readCommitted").do([put("a", "2")], { wait: "noWait" })
    assert.equal(writer.error?.code, "lockNotAvailable")
    const stage = {
      type: "stage",
      txn: holder.id,
      anchor: ANCHOR,
      commitTs: holder.writeTs,
      results: [],
    } as const
    rig.command({ ...stage, promised: [], rolledBack: [] })
    const late = rig.begin("readCommitted").get("a", "exclusive", "noWait")
    assert.deepEqual([late.error, late.value], [null, "1"])
    const shared = rig.begin("readCommitted").get("a", "shared", "noWait")
    assert.deepEqual(shared.error, { code: "lockNotAvailable", key: "a", by: late.id })
  })

  test("leaves out what is locked, and takes the next", () => {
    const rig = rigWith({ a: "0", b: "0", c: "0", d: "0" })
    const next = (): Txn =>
      rig.begin("readCommitted").scan("", "", 1, { lock: "exclusive", wait: "skipLocked" })
    const workers = [next(), next(), next()]
    assert.deepEqual(
      workers.map(({ value }) => value),
      [[["a", "0"]], [["b", "0"]], [["c", "0"]]],
    )
    workers[1]!.commit()
    assert.deepEqual(next().value, [["b", "0"]])
    rig.begin("readCommitted").put("d", "1")
    assert.deepEqual(next().value, [])
  })

  test("shares what is read for sharing, and waits to write it; a lock of a span keeps new rows out", () => {
    const rig = rigWith({ a: "0", c: "0" })
    const [one, two] = [rig.begin("readCommitted"), rig.begin("readCommitted")]
    one.scan("a", "c", 10, { lock: "shared" })
    two.get("a", "shared")
    assert.deepEqual([one.isWaiting, two.isWaiting], [false, false])
    rig.put("b", "new", { id: 5 })
    rig.put("c", "1", { id: 6 })
    rig.run()
    assert.deepEqual(
      rig.plain.splice(0).map(({ id }) => id),
      [6],
    )
    one.commit()
    assert.deepEqual(said(rig), ["ok"])
  })

  test("waits no longer when its time is over, and whoever waits behind it goes on", () => {
    const rig = rigWith({})
    const holder = rig.begin("readCommitted").get("a", "shared")
    rig.put("a", "1", { id: 5, deadlineUs: 50_000 })
    rig.run()
    const reader = rig.begin("readCommitted").get("a", "shared")
    assert.isTrue(reader.isWaiting)
    rig.pass(50_000)
    rig.run()
    assert.deepEqual([said(rig), reader.isWaiting], [["deadlineExceeded"], false])
    assert.equal(holder.status, "open")
  })

  test("is told of to its gateway after a while, with those it waits for; and can be asked", () => {
    const rig = rigWith({})
    const holder = rig.begin("readCommitted").put("a", "1")
    const waiter = rig.begin("readCommitted").put("a", "2")
    rig.put("a", "3", { id: 5 })
    rig.run()
    const last = rig.begin("readCommitted").put("a", "4")
    rig.pass(90_000)
    assert.deepEqual(rig.waits, [])
    rig.pass(20_000)
    const [first, second] = rig.waits.splice(0)
    assert.deepEqual([first?.txn, first?.for], [waiter.id, [holder.id]])
    assert.deepEqual([second?.txn, second?.for], [last.id, [holder.id, waiter.id]])
    const ticket = first!.ticket
    const ask = (txn: TxnId): unknown => rig.command({ type: "queryWait", txn, ticket })
    assert.deepEqual(ask(waiter.id), { type: "waits", for: [holder.id] })
    assert.deepEqual(ask(last.id), { type: "waits", for: [] })
    rig.command({ type: "cancelWait", txn: waiter.id })
    assert.deepEqual([waiter.error?.code, ask(waiter.id)], ["txnAborted", { type: "waits", for: [] }])
    rig.pass(100_000)
    assert.deepEqual(
      rig.waits.splice(0).map((each) => each.for),
      [[holder.id]],
    )
  })

  test("asks for the holder's record now and then, and goes on when that was abandoned", () => {
    const rig = rigWith({})
    const holder = rig.begin("readCommitted").put("a", "1")
    rig.put("a", "2", { id: 5, deadlineUs: 60_000_000 })
    rig.run()
    rig.pass(TXN_ABANDONED_US / 2)
    rig.run()
    assert.deepEqual(said(rig), [])
    for (let i = 0; i < 12 && rig.plain.length === 0; i++) {
      rig.pass(TXN_ABANDONED_US / 10)
      rig.run()
    }
    assert.deepEqual(said(rig), ["ok"])
    holder.commit()
    assert.equal(holder.status, "aborted")
  })
})

test("the locks of whoever is not heard of any more are free, those of whoever is are not", () => {
  const rig = rigWith({ a: "0", b: "0" })
  const [gone, alive] = [rig.begin("readCommitted"), rig.begin("readCommitted")]
  gone.get("a", "shared")
  alive.get("b", "exclusive")
  rig.command({ type: "heartbeat", txn: alive.id, anchor: ANCHOR })
  for (const key of ["a", "b"]) rig.put(key, "1", { deadlineUs: 60_000_000 })
  rig.run()
  for (let i = 0; i < 70; i++) {
    rig.pass(TXN_ABANDONED_US / 50)
    if (i % 10 === 0) rig.command({ type: "heartbeat", txn: alive.id, anchor: ANCHOR })
    rig.run()
  }
  assert.deepEqual(said(rig), ["ok"])
  alive.commit()
  assert.deepEqual([said(rig), send(rig, [get("b")])], [["ok"], "1"])
})
