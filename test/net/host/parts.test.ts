import assert from "node:assert/strict"
import { describe, test } from "vitest"
import type { Effect, Frame, KvOp } from "#kernel"
import { MachineClock } from "#net/host/clock.ts"
import { HeldEffects } from "#net/host/held-effects.ts"
import { Inbox, REQUESTS_WAITING_MAX } from "#net/host/inbox.ts"
import { Outbox } from "#net/host/outbox.ts"
import { WakeTimer } from "#net/host/wake-timer.ts"
import { until } from "../../../bench/support/host-cluster.ts"
import { requestOf } from "../../support/requests.ts"

function frameOf(fromStore: number): Frame {
  const header = {
    version: 2,
    cluster: "orbit",
    fromStore,
    toStore: 1,
    fromIncarnation: 1,
    fromBoot: 1,
    fromNonce: 1,
    volumes: [],
    configEpoch: 0,
    wall: 0,
  }
  return { header, messages: [] }
}

function askIn(inbox: Inbox, id: number, ops: readonly KvOp[] = []): boolean {
  return inbox.ask({ type: "request", session: 1, request: requestOf(ops, { id }) })
}

/** What one turn takes. */
function turnOf(inbox: Inbox): readonly string[] {
  inbox.beginTurn()
  const taken: string[] = []
  for (let input = inbox.next(1, 1); input !== null; input = inbox.next(1, 1)) {
    taken.push(input.type === "frame" ? `frame ${input.frame.header.fromStore}` : input.type)
  }
  return taken
}

describe("the inbox", () => {
  test("is drained by what waits, not by when it came", () => {
    const inbox = new Inbox()
    askIn(inbox, 1)
    inbox.frame(frameOf(4), "bulk")
    inbox.frame(frameOf(3), "raft")
    inbox.frame(frameOf(2), "liveness")
    inbox.woken()
    inbox.completed({ type: "appendSynced", volume: 1, lsn: 1 })
    assert.deepEqual(turnOf(inbox), ["appendSynced", "wake", "frame 2", "frame 3", "frame 4", "request"])
    assert.equal(inbox.count, 0)
  })

  test("a turn takes so much and no more, and however many frames wait it takes some requests", () => {
    const inbox = new Inbox()
    for (let i = 0; i < 5_000; i++) inbox.frame(frameOf(3), "raft")
    for (let i = 0; i < 100; i++) askIn(inbox, i)
    inbox.frame(frameOf(2), "liveness")
    const taken = turnOf(inbox)
    assert.equal(taken[0], "frame 2")
    assert.equal(taken.filter((what) => what === "frame 3").length, 1_024)
    assert.equal(taken.filter((what) => what === "request").length, 16)
  })

  test("one that is told to hurry takes what may not wait, and a few requests", () => {
    const inbox = new Inbox()
    for (let i = 0; i < 100; i++) askIn(inbox, i)
    inbox.frame(frameOf(3), "raft")
    inbox.beginTurn()
    inbox.hurry()
    inbox.completed({ type: "segmentCreated", volume: 1, segment: 1 })
    const types: string[] = []
    for (let input = inbox.next(1, 1); input !== null; input = inbox.next(1, 1)) types.push(input.type)
    assert.deepEqual(types, ["segmentCreated", ...Array.from({ length: 16 }, () => "request")])
    assert.equal(inbox.count, 85)
  })

  test("a wake-up asked for while a turn lasts comes with the next", () => {
    const inbox = new Inbox()
    inbox.woken()
    inbox.beginTurn()
    assert.equal(inbox.next(1, 1)?.type, "wake")
    inbox.woken()
    assert.equal(inbox.next(1, 1), null)
    assert.deepEqual(turnOf(inbox), ["wake"])
  })

  test("requests are refused beyond a count, and beyond bytes", () => {
    const inbox = new Inbox()
    for (let i = 0; i < REQUESTS_WAITING_MAX; i++) assert.ok(askIn(inbox, i))
    assert.equal(askIn(inbox, 0), false)
    inbox.clear()
    const value = "v".repeat(1 << 20)
    let taken = 0
    while (askIn(inbox, taken, [{ type: "put", key: "k", value }])) taken++
    assert.equal(taken, 63)
    turnOf(inbox)
    assert.ok(askIn(inbox, 0, [{ type: "put", key: "k", value }]), "what was taken makes room")
  })

  test("frames beyond a bound are lost, and are counted", () => {
    const inbox = new Inbox()
    for (let i = 0; i < 20_000; i++) inbox.frame(frameOf(3), "raft")
    assert.equal(inbox.count + inbox.framesDropped, 20_000)
    assert.ok(inbox.framesDropped > 0)
  })
})

function sendOf(volume: number, lsn: number): Effect {
  const message = { type: "timeoutNow" } as never
  return { type: "send", to: 2, lane: "raft", message, barrier: { volume, lsn } }
}

describe("held effects", () => {
  test("leave when their volume is durable, in the order they were emitted", () => {
    const held = new HeldEffects()
    const effects = [sendOf(1, 1), sendOf(1, 3), sendOf(2, 1), sendOf(1, 2)]
    for (const effect of effects) assert.ok(held.holds(effect))
    assert.deepEqual(held.synced(1, 2), [effects[0], effects[3]])
    assert.deepEqual(held.synced(2, 1), [effects[2]])
    assert.deepEqual(held.synced(1, 3), [effects[1]])
    assert.equal(held.count, 0)
    assert.equal(held.peak, 4)
  })

  test("what is durable already does not wait, nor what has no barrier", () => {
    const held = new HeldEffects()
    held.synced(1, 5)
    assert.equal(held.holds(sendOf(1, 5)), false)
    assert.equal(held.holds(sendOf(1, 6)), true)
    assert.equal(held.holds({ type: "wakeAt", mono: 1 }), false)
  })
})

describe("the outbox", () => {
  test("what leaves for one peer on one lane at one moment is one frame, in order", () => {
    const outbox = new Outbox()
    const identity = {
      cluster: "orbit",
      store: 1,
      incarnation: 7,
      boot: 2,
      nonce: 3,
      volumes: [],
      configEpoch: 0,
    }
    const message = (n: number): never => ({ n }) as never
    outbox.add(2, "raft", message(1))
    outbox.add(3, "raft", message(2))
    outbox.add(2, "liveness", message(3))
    outbox.add(2, "raft", message(4))
    const sent: unknown[] = []
    const links = {
      send: (to: number, lane: string, frame: Frame) =>
        sent.push([to, lane, frame.messages, frame.header.wall]),
      onFrame: () => {},
      close: () => Promise.resolve(),
    }
    outbox.flush(identity, 99, links)
    assert.deepEqual(sent, [
      [2, "raft", [{ n: 1 }, { n: 4 }], 99],
      [3, "raft", [{ n: 2 }], 99],
      [2, "liveness", [{ n: 3 }], 99],
    ])
    assert.ok(outbox.isEmpty)
  })
})

describe("the wake-up", () => {
  test("comes at its time, never before it and not long after", async () => {
    const clock = new MachineClock()
    const late: number[] = []
    for (const delayUs of [1, 300, 1_000, 5_500, 20_000]) {
      const { promise, resolve } = Promise.withResolvers<number>()
      const timer = new WakeTimer(clock, () => resolve(clock.mono()))
      const at = clock.mono() + delayUs
      timer.ask(at)
      late.push((await promise) - at)
    }
    assert.ok(
      late.every((us) => us >= 0),
      `too early: ${late.join(", ")} µs`,
    )
    // A busy machine is late now and then, not every time.
    assert.ok(Math.min(...late) < 20_000, `too late: ${late.join(", ")} µs`)
  })

  test("the last one asked for counts, earlier or later, and none is none", async () => {
    const clock = new MachineClock()
    let wokenAt: number | null = null
    const timer = new WakeTimer(clock, () => {
      wokenAt = clock.mono()
    })
    timer.ask(clock.mono() + 60_000_000)
    timer.ask(clock.mono() + 2_000)
    const at = clock.mono() + 15_000
    timer.ask(at)
    await until("it wakes", () => wokenAt !== null)
    assert.ok(wokenAt! >= at)
    wokenAt = null
    timer.ask(clock.mono() + 2_000)
    timer.ask(null)
    const end = clock.mono() + 10_000
    await until("some time has passed", () => clock.mono() > end)
    assert.equal(wokenAt, null)
  })

  test("a time that has passed wakes at once", () => {
    const clock = new MachineClock()
    let count = 0
    new WakeTimer(clock, () => count++).ask(clock.mono())
    assert.equal(count, 1)
  })
})
