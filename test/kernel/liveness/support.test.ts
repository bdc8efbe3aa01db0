import fc from "fast-check"
import { assert, describe, test } from "vitest"
import { ByteReader, ByteWriter } from "#kernel/lib/bytes.ts"
import { GroupIndex } from "#kernel/liveness/group-index.ts"
import type { StoreHeartbeat } from "#kernel/liveness/message.ts"
import { Pulse } from "#kernel/liveness/pulse.ts"
import { StoreSupport, type SupportChange } from "#kernel/liveness/support.ts"
import { SyncWatch } from "#kernel/liveness/sync-watch.ts"
import { DEFAULT_TIMING } from "#kernel/node/config.ts"
import { configurationOf } from "../../support/raft-group.ts"

const SECOND = 1_000_000
const EPOCH = 1_700_000_000_000_000
/** What a lease is worth: 3 s less 1 % and the clock bound. */
const RELIED = 2_720_000

/** One store with its two clocks, told by hand what reaches it. */
class Store {
  readonly id: number
  support: StoreSupport
  boot = 1
  /** How far its clocks are from the true time. */
  monoOff = 0
  wallOff = 0

  constructor(id: number, now = 0) {
    this.id = id
    this.support = new StoreSupport(DEFAULT_TIMING, id, 1, now, true)
  }

  mono(now: number): number {
    return now + this.monoOff
  }
  wall(now: number): number {
    return EPOCH + now + this.wallOff
  }

  restart(now: number): void {
    this.boot++
    this.support = new StoreSupport(DEFAULT_TIMING, this.id, this.boot, this.mono(now), false)
  }

  beat(to: Store, now: number): StoreHeartbeat {
    return this.support.heartbeatTo(to.id, this.mono(now), this.wall(now))
  }

  hear(from: Store, message: StoreHeartbeat, now: number, boot = from.boot): readonly SupportChange[] {
    return this.support.heard(from.id, from.id, boot, message, this.mono(now), this.wall(now)).changes
  }

  gives(to: Store, now: number): number {
    return this.support.givenTo(to.id, this.mono(now))
  }

  has(from: Store, now: number): boolean {
    return this.support.hadFrom(from.id, this.mono(now), this.wall(now)) !== null
  }
}

/** A asks at `asked`, B hears it at `heard` and says so at `said`. */
function supported(a: Store, b: Store, asked: number, heard = asked, said = heard): readonly SupportChange[] {
  b.hear(a, a.beat(b, asked), heard)
  return a.hear(b, b.beat(a, said), said)
}

/** The supporter's side: each of the two supports the other in these tests. */
function given(changes: readonly SupportChange[]): readonly SupportChange[] {
  return changes.filter((change) => change.type === "givenEnded" || change.type === "givenRenewed")
}

describe("support", () => {
  test("is counted from when it was asked for by who has it, from receipt by who gives it", () => {
    const [a, b] = [new Store(1), new Store(2)]
    supported(a, b, SECOND, SECOND + 400_000, 2 * SECOND)
    assert.isTrue(a.has(b, SECOND + RELIED - 1))
    assert.isFalse(a.has(b, SECOND + RELIED))
    assert.equal(b.gives(a, SECOND + 400_000 + 3 * SECOND - 1), 1)
    assert.equal(b.gives(a, SECOND + 400_000 + 3 * SECOND), 0)
  })

  test("does not hold where the two clocks contradict each other by more than the bound, nor longer than either says", () => {
    const [a, b] = [new Store(1), new Store(2)]
    supported(a, b, 0)
    a.wallOff = -250_001
    assert.isFalse(a.has(b, SECOND))
    a.wallOff = -250_000
    assert.isTrue(a.has(b, SECOND))
    a.wallOff = 200_000
    assert.isFalse(a.has(b, RELIED - 200_000), "the wall clock says that it is over")
    a.wallOff = 0
    a.monoOff = -200_000
    assert.isFalse(a.has(b, RELIED), "a monotonic clock that stood still has one beside it that did not")
  })

  test("who asks for none is told which of its heartbeats was heard last, and since when", () => {
    const [a, b] = [new Store(1), new Store(2)]
    supported(a, b, 0)
    a.support.ask(false)
    b.hear(a, a.beat(b, SECOND), SECOND + 100)
    const answer = b.beat(a, 2 * SECOND)
    assert.deepInclude(answer, {
      epoch: 0,
      ofIncarnation: 1,
      ofBoot: 1,
      askedMono: SECOND,
      heldUs: SECOND - 100,
    })
    a.hear(b, answer, 2 * SECOND)
    assert.isFalse(a.has(b, 2 * SECOND), "it is no support")
    const pulse = new Pulse(DEFAULT_TIMING, 1, a.support)
    // The way there and back, and what the other's clock may go wrong by while it holds the heartbeat.
    assert.equal(pulse.roundTripUs(answer, 2 * SECOND + 50), 150 + (SECOND - 100) / 100)
    assert.isNull(pulse.roundTripUs({ ...answer, ofBoot: 2 }, 2 * SECOND + 50), "of another boot")
    assert.isNull(pulse.roundTripUs(new Store(3).beat(a, 0), SECOND), "it has heard nothing")
  })

  test("that ran out and begins again is another epoch", () => {
    const [a, b] = [new Store(1), new Store(2)]
    supported(a, b, 0)
    assert.equal(b.gives(a, 2 * SECOND), 1)
    supported(a, b, 2 * SECOND)
    assert.equal(b.gives(a, 4 * SECOND), 1)
    supported(a, b, 5 * SECOND)
    assert.equal(b.gives(a, 6 * SECOND), 2)
  })

  test("ends with a higher boot, which begins another epoch", () => {
    const [a, b] = [new Store(1), new Store(2)]
    supported(a, b, 0)
    const old = a.beat(b, 100)
    a.restart(SECOND)
    assert.deepEqual(given(b.hear(a, a.beat(b, SECOND), SECOND)), [{ store: 1, type: "givenEnded" }])
    assert.equal(b.gives(a, SECOND), 2)
    assert.deepEqual(given(b.hear(a, old, SECOND + 1, 1)), [], "what the boot before had sent says nothing")
    assert.equal(b.gives(a, SECOND + 1), 2)
  })

  test("ends at once when the one who has it gives it up, however frames pass each other", () => {
    const [a, b] = [new Store(1), new Store(2)]
    supported(a, b, 0)
    const late = a.beat(b, 100)
    assert.isNotNull(a.support.ask(false))
    assert.isFalse(a.has(b, 101), "before it says so")
    assert.deepEqual(given(b.hear(a, a.beat(b, 200), 200)), [{ store: 1, type: "givenEnded" }])
    b.hear(a, late, 300)
    assert.equal(b.gives(a, 300), 0)
    const withdrawn = a.beat(b, 400)
    assert.isNotNull(a.support.ask(true))
    assert.isNull(a.support.ask(true))
    supported(a, b, 500)
    b.hear(a, withdrawn, 600)
    assert.equal(b.gives(a, 600), 3)
    assert.isTrue(a.has(b, 600))
  })

  test("is renewed in another epoch by one who lives on", () => {
    const [a, b] = [new Store(1), new Store(2)]
    supported(a, b, 0)
    const answer = b.beat(a, 100)
    assert.deepEqual(a.support.giveUp(), [{ store: 2, type: "hadEnded" }])
    a.hear(b, answer, 200)
    assert.isFalse(a.has(b, 200), "an answer to the life before")
    assert.deepEqual(given(b.hear(a, a.beat(b, 300), 300)), [{ store: 1, type: "givenRenewed" }])
    assert.deepEqual(a.hear(b, b.beat(a, 400), 400), [{ store: 2, type: "hadBegan" }])
  })

  test("of another incarnation begins when the support of the one before has run out", () => {
    const [a, b] = [new Store(1), new Store(2)]
    supported(a, b, 0)
    const other = new StoreSupport(DEFAULT_TIMING, 77, 1, 0, true)
    const heard = (now: number): void => {
      b.support.heard(1, 77, 1, other.heartbeatTo(2, now, EPOCH + now), now, EPOCH + now)
    }
    heard(SECOND)
    assert.equal(b.gives(a, SECOND), 1)
    heard(3 * SECOND)
    assert.equal(b.gives(a, 3 * SECOND), 2)
  })

  test("a store that was started again may have forgotten, one that was never started before has not", () => {
    const a = new Store(1, 5 * SECOND)
    assert.equal(a.support.forgetfulUntil, 5 * SECOND)
    a.restart(6 * SECOND)
    assert.equal(a.support.forgetfulUntil, 9 * SECOND)
  })

  test("who relies on it always stops before the one who gave it, whatever is lost, late or doubled", () => {
    const delay = fc.integer({ min: 0, max: 4 * SECOND })
    const beats = fc.array(
      fc.record({
        every: fc.integer({ min: 1, max: 2 * SECOND }),
        there: delay,
        back: delay,
        lost: fc.boolean(),
      }),
      { minLength: 1, maxLength: 12 },
    )
    fc.assert(
      fc.property(beats, fc.integer({ min: -10_000, max: 10_000 }), (rounds, ppm) => {
        const [a, b] = [new Store(1), new Store(2)]
        const arrivals: { at: number; deliver: () => void }[] = []
        let asked = 0
        for (const { every, there, back, lost } of rounds) {
          asked += every
          const message = a.beat(b, asked)
          const heardAt = asked + there
          arrivals.push({
            at: heardAt,
            deliver() {
              // The clock of the one who gives runs a little faster or slower.
              b.monoOff = Math.floor((heardAt * ppm) / 1_000_000)
              b.hear(a, message, heardAt)
              const answer = b.beat(a, heardAt)
              if (!lost)
                arrivals.push({ at: heardAt + back, deliver: () => void a.hear(b, answer, heardAt + back) })
            },
          })
        }
        for (let now = 0; now < 30 * SECOND; now += 10_000) {
          for (;;) {
            const due = arrivals.filter((each) => each.at <= now).sort((x, y) => x.at - y.at)[0]
            if (due === undefined) break
            arrivals.splice(arrivals.indexOf(due), 1)
            due.deliver()
          }
          b.monoOff = Math.floor((now * ppm) / 1_000_000)
          const had = a.support.hadFrom(2, a.mono(now), a.wall(now))
          if (had !== null) assert.equal(b.gives(a, now), had.epoch)
        }
      }),
      { numRuns: 60 },
    )
  })

  test("says when it ends: no later than that is it asked again", () => {
    const [a, b] = [new Store(1), new Store(2)]
    assert.equal(a.support.deadline, Number.MAX_SAFE_INTEGER)
    supported(a, b, 0)
    assert.equal(a.support.deadline, RELIED)
    assert.equal(b.support.deadline, 3 * SECOND)
    assert.deepEqual(a.support.timePassed(RELIED, EPOCH + RELIED), [{ store: 2, type: "hadEnded" }])
    assert.deepEqual(b.support.timePassed(3 * SECOND, EPOCH), [{ store: 1, type: "givenEnded" }])
    assert.deepEqual(b.support.timePassed(3 * SECOND, EPOCH), [])
  })

  test("is saved and loaded as it is", () => {
    const [a, b] = [new Store(1), new Store(2)]
    supported(a, b, 0)
    supported(b, a, 10)
    a.support.giveUp()
    supported(a, b, 20)
    const bytes = (support: StoreSupport): Uint8Array => {
      const writer = new ByteWriter()
      support.save(writer)
      return writer.finish()
    }
    const loaded = StoreSupport.load(new ByteReader(bytes(a.support)), DEFAULT_TIMING)
    assert.deepEqual(bytes(loaded), bytes(a.support))
    assert.deepEqual(loaded.heartbeatTo(2, 30, EPOCH), a.support.heartbeatTo(2, 30, EPOCH))
  })
})

test("the index names the groups that have to do with a store, and forgets them", () => {
  const index = new GroupIndex()
  index.note(7, configurationOf([1, 2, 3]), 0)
  index.note(4, configurationOf([1, 3]), 0)
  assert.deepEqual([index.groupsOn(3), index.groupsOn(2), index.stores()], [[4, 7], [7], [1, 2, 3]])
  index.note(7, configurationOf([1, 2]), 5)
  assert.deepEqual([index.groupsOn(3), index.groupsOn(5)], [[4], [7]])
  index.forget(7)
  assert.deepEqual([index.groupsOn(2), index.stores()], [[], [1, 3]])
})

test("a volume that waits and does not become durable further is overdue, one that moves or waits for nothing is not", () => {
  const watch = new SyncWatch()
  watch.look(1, 5, true, 0)
  watch.look(1, 5, true, SECOND)
  assert.isFalse(watch.isOverdue(SECOND, 1_500_000))
  assert.isTrue(watch.isOverdue(1_500_000, 1_500_000))
  watch.look(1, 6, true, 2 * SECOND)
  assert.isFalse(watch.isOverdue(3 * SECOND, 1_500_000))
  watch.look(1, 6, false, 3 * SECOND)
  assert.isFalse(watch.isOverdue(9 * SECOND, 1_500_000))
})
