import { assert, test } from "vitest"
import type { Effect, Input, RaftMessage } from "#kernel"
import type { LogItem } from "#sim/check/mirror.ts"
import { SnapshotLogChecker } from "#sim/check/snapshots.ts"
import { snapshotReply } from "../../support/told-cluster.ts"
import { snapshotOffer } from "../../support/raft-group.ts"

const HEARTBEAT_US = 100_000

/** Store 1 leads group 1 and is told of by hand. */
class Told {
  readonly found: string[] = []
  mono = 1_000_000
  readonly #items = new Map<Uint8Array, readonly LogItem[]>()
  readonly #checker = new SnapshotLogChecker((bytes) => this.#items.get(bytes) ?? null, HEARTBEAT_US)

  step(effects: readonly Effect[], messages: readonly RaftMessage[] = []): this {
    const stamp = { mono: this.mono, wall: this.mono }
    const header = {} as never
    const input: Input = { ...stamp, type: "frame", frame: { header, messages } }
    const world = { now: 0, event: 0, leaseHolders: () => [], report: (id: string) => this.found.push(id) }
    this.#checker.stepped(world, 1, input, effects)
    return this
  }

  offer(to: number, index: number): this {
    const message = snapshotOffer(1, to, 2, index, 1)
    return this.step([{ type: "send", to, lane: "bulk", message, barrier: null }])
  }

  cut(index: number): this {
    const bytes = new Uint8Array(1)
    this.#items.set(bytes, [{ type: "logStart", group: 1, index, term: 1 }])
    return this.step([{ type: "append", volume: 1, lsn: 1, segment: 1, offset: 0, bytes }])
  }

  mark(name: string): this {
    return this.step([{ type: "observe", observation: { type: "mark", name } }])
  }
}

test("a log that is cut past a snapshot just sent fires, up to it or after an answer it does not", () => {
  assert.deepEqual(new Told().offer(3, 9).cut(9).found, [])
  assert.deepEqual(new Told().offer(3, 9).cut(10).found, ["RAFT-snapshot-log"])
  assert.deepEqual(
    new Told()
      .offer(3, 9)
      .step([], [snapshotReply(3, 1, 2, 9)])
      .cut(10).found,
    [],
  )
  assert.deepEqual(
    new Told()
      .offer(3, 9)
      .step([], [snapshotReply(2, 1, 2, 9)])
      .cut(10).found,
    ["RAFT-snapshot-log"],
  )
})

test("one that was given up, is long silent, or whose sender leads no more binds nobody", () => {
  assert.deepEqual(new Told().offer(3, 9).mark("raft.snapshot.givenUp").cut(10).found, [])
  assert.deepEqual(new Told().offer(3, 9).mark("raft.snapshot.logLetGo").cut(10).found, [])
  assert.deepEqual(new Told().offer(3, 9).mark("raft.snapshot.throttled").cut(10).found, [
    "RAFT-snapshot-log",
  ])
  const role = { type: "roleChanged", group: 1, replica: 1, term: 3, role: "follower" } as const
  assert.deepEqual(
    new Told()
      .offer(3, 9)
      .step([{ type: "observe", observation: role }])
      .cut(10).found,
    [],
  )
  const late = new Told().offer(3, 9)
  late.mono += 3 * HEARTBEAT_US
  assert.deepEqual(late.cut(10).found, [])
})
