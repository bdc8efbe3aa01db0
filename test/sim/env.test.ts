import assert from "node:assert/strict"
import fc from "fast-check"
import { test } from "vitest"
import type { Frame } from "#kernel"
import { Clock, WALL_START } from "#sim/env/clock.ts"
import { LinkOverlay, type LinkFault } from "#sim/env/link-overlay.ts"
import { Network } from "#sim/env/network.ts"
import { EVENT } from "#sim/events.ts"
import { Scheduler } from "#sim/scheduler.ts"
import { plan } from "./support/plans.ts"
import { toyBuild } from "./support/toy-kernel.ts"

// Clocks.

test("a clock without faults shows true time, and its monotonic one starts where the boot says", () => {
  const clock = new Clock()
  clock.boot(1_000, 500)
  assert.equal(clock.wall(4_000), WALL_START + 4_000)
  assert.equal(clock.mono(4_000), 3_500)
  assert.equal(clock.trueTimeOf(4_000, 3_600), 4_100)
  assert.equal(clock.trueTimeOf(4_000, 10), 4_000)
})

test("an offset moves wall time alone, and lifting it gives it back", () => {
  const clock = new Clock()
  clock.boot(0, 0)
  clock.overlay(1_000, 1, { type: "offset", offsetUs: -3_600 })
  assert.equal(clock.wall(2_000), WALL_START + 2_000 - 3_600)
  assert.equal(clock.mono(2_000), 2_000)
  assert.equal(clock.lift(3_000, 1), true)
  assert.equal(clock.lift(3_000, 1), false)
  assert.equal(clock.wall(3_000), WALL_START + 3_000)
})

test("a drift moves both clocks; lifted, wall time jumps back and the monotonic clock goes on", () => {
  const clock = new Clock()
  clock.boot(0, 0)
  clock.overlay(0, 1, { type: "drift", ppm: 500 })
  assert.equal(clock.wall(10_000_000), WALL_START + 10_005_000)
  assert.equal(clock.mono(10_000_000), 10_005_000)
  clock.lift(10_000_000, 1)
  assert.equal(clock.wall(10_000_000), WALL_START + 10_000_000)
  assert.equal(clock.mono(11_000_000), 11_005_000)
})

test("frozen wall time stands still, with a step taken inside the freeze showing after it", () => {
  const clock = new Clock()
  clock.boot(0, 0)
  clock.overlay(1_000, 1, { type: "freeze", mono: false })
  clock.overlay(1_500, 2, { type: "offset", offsetUs: 70 })
  assert.equal(clock.wall(9_000), WALL_START + 1_000)
  assert.equal(clock.mono(9_000), 9_000)
  clock.lift(9_000, 1)
  assert.equal(clock.wall(9_000), WALL_START + 9_070)
})

test("a monotonic clock that stands still has no time for its deadlines", () => {
  const clock = new Clock()
  clock.boot(0, 0)
  clock.overlay(1_000, 1, { type: "freeze", mono: true })
  assert.equal(clock.mono(5_000), 1_000)
  assert.equal(clock.trueTimeOf(5_000, 1_001), null)
  clock.lift(5_000, 1)
  assert.equal(clock.trueTimeOf(5_000, 1_001), 5_001)
})

test("whatever happens to a clock, its monotonic time never goes back and deadlines are met exactly", () => {
  const change = fc.record({
    after: fc.nat(5_000_000),
    kind: fc.constantFrom("drift", "offset", "freeze", "freezeMono", "lift"),
    size: fc.integer({ min: -900, max: 900 }),
  })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
      const clock = new Clock()
      clock.boot(0, 1_000)
      let now = 0
      let mono = clock.mono(0)
      changes.forEach(({ after, kind, size }, id) => {
        now += after
        if (kind === "lift") clock.lift(now, Math.abs(size) % (id + 1))
        else if (kind === "drift") clock.overlay(now, id, { type: "drift", ppm: size })
        else if (kind === "offset") clock.overlay(now, id, { type: "offset", offsetUs: size })
        else clock.overlay(now, id, { type: "freeze", mono: kind === "freezeMono" })
        assert.ok(clock.mono(now) >= mono, "mono went back")
        mono = clock.mono(now)
        const deadline = mono + 1 + Math.abs(size)
        const at = clock.trueTimeOf(now, deadline)
        if (at === null) return
        assert.ok(clock.mono(at) >= deadline)
        assert.ok(at === now || clock.mono(at - 1) < deadline)
      })
    }),
  )
})

// The network.

type Arrived = { readonly at: number; readonly to: number; readonly boot: number | null }

/** Stores 1 to 3 and a client; frames are told apart by the boot in their header. */
class Wire {
  readonly scheduler = new Scheduler()
  readonly network: Network
  readonly arrived: Arrived[] = []
  readonly tally = { changes: 0 }

  constructor(transport: "objects" | "bytes" = "objects") {
    this.network = new Network(3, this.scheduler, { ...plan().host, transport }, toyBuild(3), 3, 1)
  }

  send(from: number, to: number, fromBoot: number, lane: "raft" | "bulk" = "raft"): void {
    this.network.sendFrame(from, to, lane, frameOf(from, to, fromBoot))
  }

  overlay(
    id: number,
    fault: LinkFault,
    from: readonly number[],
    to: readonly number[],
    oneWay = false,
  ): void {
    const sides = { from, to, oneWay }
    this.network.overlay(
      new LinkOverlay(id, fault, this.scheduler.now, this.tally, sides, this.network.endpointCount),
    )
  }

  runUntil(until: number): readonly Arrived[] {
    const from = this.arrived.length
    while (this.scheduler.next(until)) {
      const { now: at, b: to, payload } = this.scheduler
      assert.equal(this.scheduler.kind, EVENT.frame)
      if (!this.network.arrives(this.scheduler.a, payload)) continue
      const frame = this.network.frameOf(payload)
      this.arrived.push({ at, to, boot: frame === null ? null : frame.header.fromBoot })
    }
    return this.arrived.slice(from)
  }
}

function frameOf(from: number, to: number, fromBoot: number): Frame {
  const header = {
    version: 2,
    cluster: "c",
    fromStore: from,
    toStore: to,
    fromIncarnation: 1,
    fromBoot,
    fromNonce: fromBoot,
    volumes: [],
    configEpoch: 0,
    wall: 5,
  }
  return {
    header,
    messages: [{ type: "snapshotReply", group: 1, from, to, term: 3, lastIndex: 8, success: true }],
  }
}

const boots = (arrived: readonly Arrived[]) => arrived.map(({ boot }) => boot)
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

test("a healthy lane keeps its order, whatever the latencies; two lanes do not wait for each other", () => {
  const wire = new Wire()
  for (const i of numbers(200)) {
    wire.send(1, 2, i, "raft")
    wire.send(1, 2, 1_000 + i, "bulk")
  }
  const arrived = boots(wire.runUntil(1e6)) as number[]
  assert.deepEqual(
    arrived.filter((boot) => boot < 1_000),
    numbers(200),
  )
  assert.deepEqual(
    arrived.filter((boot) => boot >= 1_000),
    numbers(200).map((i) => 1_000 + i),
  )
  assert.notDeepEqual(
    arrived,
    [...arrived].sort((x, y) => (x % 1_000) - (y % 1_000)),
  )
})

test("a partition cuts both ways, what is under way as well, and heals", () => {
  const wire = new Wire()
  wire.send(1, 2, 1)
  wire.overlay(9, { type: "partition" }, [0], [1])
  wire.send(1, 2, 2)
  wire.send(2, 1, 3)
  wire.send(1, 3, 4)
  assert.deepEqual(boots(wire.runUntil(1e6)), [4])
  assert.equal(wire.tally.changes, 3)
  wire.network.lift(9)
  wire.send(1, 2, 5)
  assert.deepEqual(boots(wire.runUntil(2e6)), [5])
})

test("a one-way partition lets the other way through", () => {
  const wire = new Wire()
  wire.overlay(9, { type: "partition" }, [0], [1, 2], true)
  wire.send(1, 2, 1)
  wire.send(2, 1, 2)
  assert.deepEqual(boots(wire.runUntil(1e6)), [2])
})

test("a flapping link is cut for part of each period", () => {
  const wire = new Wire()
  wire.overlay(9, { type: "flap", upUs: 50_000, downUs: 50_000 }, [0], [1])
  for (const i of numbers(20)) {
    wire.runUntil(i * 25_000)
    wire.send(1, 2, i)
  }
  wire.runUntil(1e6)
  const { arrived } = wire
  assert.ok(arrived.length > 5 && arrived.length <= 10, `${arrived.length} arrived`)
  assert.equal(arrived.length + wire.tally.changes, 20)
})

test("drops take about their share, and no draw of one link moves when another is struck", () => {
  const plain = new Wire()
  const struck = new Wire()
  struck.overlay(9, { type: "drop", ratioPpm: 300_000 }, [0], [2])
  for (const wire of [plain, struck]) {
    for (const i of numbers(500)) {
      wire.send(1, 2, i)
      wire.send(1, 3, i)
    }
  }
  const plainArrived = plain.runUntil(1e6)
  const struckArrived = struck.runUntil(1e6)
  const onTwo = (arrived: readonly Arrived[]) => arrived.filter(({ to }) => to === 1)
  assert.deepEqual(onTwo(plainArrived), onTwo(struckArrived))
  const lost = plainArrived.length - struckArrived.length
  assert.ok(lost > 110 && lost < 190, `${lost} of 500 lost`)
  assert.equal(lost, struck.tally.changes)
})

test("duplicates arrive twice, the second time late", () => {
  const wire = new Wire()
  wire.overlay(9, { type: "duplicate", ratioPpm: 1_000_000 }, [0], [1])
  for (const i of numbers(20)) wire.send(1, 2, i)
  const arrived = boots(wire.runUntil(1e6)) as number[]
  assert.equal(arrived.length, 40)
  for (const i of numbers(20)) assert.equal(arrived.filter((boot) => boot === i).length, 2)
})

test("a delay reorders what a healthy link would keep in order", () => {
  const wire = new Wire()
  wire.overlay(9, { type: "delay", minUs: 10, meanUs: 50_000, tailPpm: 50_000, tailUs: 400_000 }, [0], [1])
  for (const i of numbers(50)) wire.send(1, 2, i)
  const arrived = boots(wire.runUntil(10e6)) as number[]
  assert.equal(arrived.length, 50)
  assert.notDeepEqual(arrived, numbers(50))
})

for (const transport of ["objects", "bytes"] as const) {
  test(`a flipped bit is refused by the checksum, with messages as ${transport}`, () => {
    const wire = new Wire(transport)
    wire.overlay(9, { type: "corrupt", ratioPpm: 500_000 }, [0], [1])
    for (const i of numbers(100)) wire.send(1, 2, i)
    const arrived = wire.runUntil(1e6).filter(({ boot }) => boot !== null)
    assert.equal(arrived.length + wire.tally.changes, 100)
    assert.equal(wire.network.counts.refused, wire.tally.changes)
    assert.equal(wire.network.counts.mistaken, 0)
    assert.ok(arrived.length > 30 && arrived.length < 70)
  })
}

test("a link of little capacity drops what is too much at once", () => {
  const wire = new Wire()
  wire.overlay(9, { type: "capacity", messages: 3 }, [0], [1])
  for (const i of numbers(10)) wire.send(1, 2, i)
  assert.deepEqual(boots(wire.runUntil(1e6)), [0, 1, 2])
  wire.send(1, 2, 10)
  assert.deepEqual(boots(wire.runUntil(2e6)), [10])
})

test("a clog keeps everything back, and lets it go in order when lifted", () => {
  const wire = new Wire()
  wire.overlay(9, { type: "clog" }, [0], [1])
  for (const i of numbers(10)) wire.send(1, 2, i)
  assert.deepEqual(wire.runUntil(5e6), [])
  wire.network.lift(9)
  assert.deepEqual(boots(wire.runUntil(6e6)), numbers(10))
  assert.equal(wire.tally.changes, 10)
})

test("two clogs on one link hold until both are lifted", () => {
  const wire = new Wire()
  wire.overlay(8, { type: "clog" }, [0], [1])
  wire.send(1, 2, 0)
  wire.overlay(9, { type: "clog" }, [0], [1])
  wire.network.lift(8)
  assert.deepEqual(wire.runUntil(1e6), [])
  wire.network.lift(9)
  assert.deepEqual(boots(wire.runUntil(2e6)), [0])
})

test("a misrouted frame reaches another store", () => {
  const wire = new Wire()
  wire.overlay(9, { type: "misroute", ratioPpm: 1_000_000 }, [0], [1])
  for (const i of numbers(30)) wire.send(1, 2, i)
  const destinations = new Set(wire.runUntil(1e6).map(({ to }) => to))
  assert.deepEqual(
    [...destinations].sort((x, y) => x - y),
    [0, 2],
  )
})
