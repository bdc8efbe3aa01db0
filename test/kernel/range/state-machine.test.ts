import fc from "fast-check"
import { assert, test } from "vitest"
import {
  SPACE_IDEMPOTENCY,
  SPACE_INTENTS,
  SPACE_META,
  SPACE_RECORDS,
  SPACE_STAGING,
  SPACE_VERSIONS,
  type Space,
  type Write,
} from "#kernel/engine/engine.ts"
import { MemoryBase } from "#kernel/engine/memory-base.ts"
import { OverlayEngine } from "#kernel/engine/overlay.ts"
import { KV_TABLE, userKeyPrefix } from "#kernel/mvcc/key.ts"
import { makeEntry, type Entry } from "#kernel/raft/types.ts"
import { StateHash } from "#kernel/range/state-hash.ts"
import { horizonWrite, StateMachine } from "#kernel/range/state-machine.ts"
import { SnapshotReceiver, type Taken } from "#kernel/snapshot/receiver.ts"
import type { SnapshotSource } from "#kernel/snapshot/source.ts"
import { bytesOf } from "../../support/kernel-arbitraries.ts"
import { configurationOf, DESCRIPTOR } from "../../support/raft-group.ts"

const CONFIGURATION = configurationOf([1, 2, 3])
const BIRTH = makeEntry(1, 1, {
  type: "bootstrap",
  bootstrap: { descriptor: DESCRIPTOR, configuration: CONFIGURATION },
})

const rowSpace = fc.constantFrom<Space>(SPACE_VERSIONS, SPACE_INTENTS, SPACE_RECORDS, SPACE_IDEMPOTENCY)
/** Keys of one batch are written once each, as the evaluation makes sure. */
const writes = fc.uniqueArray(
  fc.record({
    space: rowSpace,
    type: fc.constantFrom("put" as const, "put" as const, "delete" as const),
    key: fc.constantFrom("a", "b", "c", "d", "").map((key) => userKeyPrefix(0, KV_TABLE, key)),
    value: fc.string({ maxLength: 3, unit: "binary-ascii" }),
  }),
  { selector: ({ space, key }) => `${space}${key}`, maxLength: 4 },
)
const batch = fc.record({
  writes: writes.map((list) =>
    list.map((each): Write => (each.type === "delete" ? { ...each, value: "" } : each)),
  ),
  closedTs: fc.nat(100),
  generation: fc.constantFrom(1, 1, 1, 2),
  horizon: fc.option(fc.nat(100), { freq: 3 }),
})
type Draw = Omit<typeof batch extends fc.Arbitrary<infer Type> ? Type : never, "writes"> & {
  readonly writes: readonly Write[]
}

function entryOf(index: number, draw: Draw): Entry {
  const { generation, closedTs, horizon } = draw
  const list = horizon === null ? draw.writes : [horizonWrite(horizon), ...draw.writes]
  const made = { generation, leaseSequence: 0, closedTs, minVersion: 1, writes: list }
  return makeEntry(index, 1, { type: "batch", batch: made })
}

function machineWith(draws: readonly Draw[]): {
  readonly engine: OverlayEngine
  readonly machine: StateMachine
} {
  const engine = new OverlayEngine(MemoryBase.empty())
  const machine = StateMachine.create(engine, DESCRIPTOR, 1)
  machine.apply(BIRTH)
  for (const [i, draw] of draws.entries()) machine.apply(entryOf(i + 2, draw))
  return { engine, machine }
}

/** Hands over all chunks in order; what came of the last. */
function take(receiver: SnapshotReceiver, source: SnapshotSource): Taken | null {
  receiver.begin(source.head, 2, 0, () => {})
  let taken: Taken | null = null
  for (let number = 0, chunk = source.chunk(0); chunk !== null; chunk = source.chunk(++number))
    taken = receiver.take(source.head.id, chunk, 0, () => {})
  return taken
}

function hashOf(machine: StateMachine): readonly [number, number] {
  return [machine.hashHigh, machine.hashLow]
}

test("the hash kept along the way is what a count of all rows gives, whatever was written", () => {
  fc.assert(
    fc.property(fc.array(batch, { size: "max", maxLength: 20 }), (draws) => {
      const { machine } = machineWith([])
      for (const [i, draw] of draws.entries()) {
        machine.apply(entryOf(i + 2, draw))
        assert.isTrue(machine.recount())
      }
    }),
    { numRuns: 200 },
  )
})

test("a sum over rows does not depend on the order they came in, and tells apart space, key and value", () => {
  const row = fc.record({
    space: rowSpace,
    key: fc.string({ maxLength: 3 }),
    value: fc.string({ maxLength: 3 }),
  })
  fc.assert(
    fc.property(
      fc.uniqueArray(row, { selector: ({ space, key }) => `${space}${key}`, maxLength: 8 }),
      fc.integer(),
      (rows, n) => {
        const sum = (list: typeof rows): readonly [number, number] => {
          const hash = new StateHash()
          for (const { space, key, value } of list) hash.add(space, key, value)
          return [hash.high, hash.low]
        }
        const shuffled = rows.toSorted(
          (a, b) => ((a.key.length * 7 + a.space * n) % 5) - ((b.key.length * 7 + b.space * n) % 5),
        )
        assert.deepEqual(sum(shuffled), sum(rows))
        assert.deepEqual(sum(rows.toReversed()), sum(rows))
        if (rows.length === 0) return
        const [first, ...rest] = rows
        assert.notDeepEqual(sum([{ ...first!, value: first!.value + "x" }, ...rest]), sum(rows))
        assert.notDeepEqual(sum([{ ...first!, key: first!.key + "x" }, ...rest]), sum(rows))
        const elsewhere = first!.space === SPACE_INTENTS ? SPACE_RECORDS : SPACE_INTENTS
        assert.notDeepEqual(sum([{ ...first!, space: elsewhere }, ...rest]), sum(rows))
        assert.notDeepEqual(sum(rest), sum(rows))
      },
    ),
    { numRuns: 300 },
  )
})

test("a snapshot taken in gives the state that replaying the log gives: rows, hash, indexes, and the next snapshot", () => {
  const life = fc.array(batch, { size: "max", maxLength: 15 })
  fc.assert(
    fc.property(life, life, life, fc.integer({ min: 1, max: 200 }), (before, other, after, chunkBytes) => {
      const { machine: source } = machineWith(before)
      // It held something else until now.
      const { engine, machine: target } = machineWith(other)
      const hashBefore = hashOf(target)
      if (source.appliedIndex < target.appliedIndex) return
      const pinned = source.pin(chunkBytes)
      const receiver = new SnapshotReceiver(engine, 1, 1)
      assert.equal(take(receiver, pinned), "complete")
      assert.deepEqual(hashOf(target), hashBefore, "nothing has changed yet")
      target.installSnapshot(pinned.head, receiver.rows!)
      assert.isFalse(engine.cursor(SPACE_STAGING, "", "", false).valid)
      assert.deepEqual(hashOf(target), hashOf(source))
      assert.isTrue(target.recount())
      assert.deepEqual(bytesOf(target.pin(chunkBytes)), bytesOf(pinned))
      const standing = (machine: StateMachine): readonly unknown[] => {
        const { appliedIndex, appliedTerm, lowWater, horizon, leaseSequence, configurationIndex } = machine
        return [appliedIndex, appliedTerm, lowWater, horizon, leaseSequence, configurationIndex]
      }
      assert.deepEqual(standing(target), standing(source))
      assert.equal(target.snapshotIndex, source.appliedIndex)
      for (const [i, draw] of after.entries()) {
        const next = entryOf(before.length + 2 + i, draw)
        assert.deepEqual(target.apply(next), source.apply(next))
      }
      assert.deepEqual([hashOf(target), bytesOf(target.pin(64))], [hashOf(source), bytesOf(source.pin(64))])
      // And all of it is in the engine.
      const again = StateMachine.open(engine, 1, 1)!
      assert.deepEqual([hashOf(again), standing(again)], [hashOf(target), standing(target)])
    }),
    { numRuns: 150 },
  )
})

test("index and data reach the engine in one batch: what is opened stands exactly where its rows do", () => {
  fc.assert(
    fc.property(fc.array(batch, { maxLength: 10 }), (draws) => {
      const { engine, machine } = machineWith(draws)
      const again = StateMachine.open(engine, 1, 1)!
      assert.equal(again.appliedIndex, machine.appliedIndex)
      assert.isTrue(again.recount())
      assert.deepEqual(bytesOf(engine), bytesOf(engine))
    }),
    { numRuns: 100 },
  )
})

test("a batch that was evaluated under another generation or lease is void, alike everywhere, and only its writes", () => {
  const { machine } = machineWith([])
  const key = userKeyPrefix(0, KV_TABLE, "a")
  const writes: readonly Write[] = [horizonWrite(9), { space: SPACE_VERSIONS, type: "put", key, value: "x" }]
  const base = { generation: 1, leaseSequence: 0, closedTs: 50, minVersion: 1, writes }
  const apply = (index: number, more: Partial<typeof base>): boolean =>
    machine.apply(makeEntry(index, 1, { type: "batch", batch: { ...base, ...more } }))!.rejected
  assert.isTrue(apply(2, { generation: 2 }))
  assert.isTrue(apply(3, { leaseSequence: 1 }))
  assert.deepEqual(
    [machine.appliedIndex, machine.lowWater, machine.horizon, ...hashOf(machine)],
    [3, 50, 0, 0, 0],
  )
  assert.isFalse(apply(4, {}))
  assert.equal(machine.horizon, 9)
  assert.isNotNull(machine.view.get(SPACE_VERSIONS, key))
})

test("low-water and horizon only rise", () => {
  const { machine } = machineWith([
    { writes: [], closedTs: 50, generation: 1, horizon: 40 },
    { writes: [], closedTs: 20, generation: 1, horizon: 10 },
  ])
  assert.deepEqual([machine.lowWater, machine.horizon], [50, 40])
})

test("a configuration entry moves the configuration and its index, and the descriptor stays", () => {
  const { engine, machine } = machineWith([])
  const changed = configurationOf([1, 2])
  machine.apply(makeEntry(2, 3, { type: "configuration", configuration: changed }))
  assert.deepEqual(
    [machine.configurationIndex, machine.configuration, machine.descriptor],
    [2, changed, DESCRIPTOR],
  )
  assert.deepEqual(StateMachine.open(engine, 1, 1)!.configuration, changed)
})

test("entries are applied in order and once", () => {
  const { machine } = machineWith([])
  const draw: Draw = { writes: [], closedTs: 0, generation: 1, horizon: null }
  assert.throws(() => machine.apply(entryOf(1, draw)), "in order")
  assert.throws(() => machine.apply(entryOf(3, draw)), "in order")
})

test("a replica does not take the state of the one that was here before it, and nothing of it stays", () => {
  const key = userKeyPrefix(0, KV_TABLE, "m")
  const writes: Write[] = [{ space: SPACE_VERSIONS, type: "put", key, value: "x" }]
  const { engine } = machineWith([{ writes, closedTs: 1, generation: 1, horizon: null }])
  assert.isNotNull(StateMachine.open(engine, 1, 1))
  assert.isNull(StateMachine.open(engine, 1, 2))
  assert.isNull(engine.get(SPACE_VERSIONS, key))
  assert.isNull(StateMachine.open(engine, 1, 1))
})

test("of a destroyed range nothing is left, and its neighbours keep theirs", () => {
  const engine = new OverlayEngine(MemoryBase.empty())
  const put = (descriptor: typeof DESCRIPTOR, user: string): StateMachine => {
    const machine = StateMachine.create(engine, descriptor, 1)
    const bootstrap = { descriptor, configuration: CONFIGURATION }
    machine.apply(makeEntry(1, 1, { type: "bootstrap", bootstrap }))
    const write: Write = {
      space: SPACE_VERSIONS,
      type: "put",
      key: userKeyPrefix(0, KV_TABLE, user),
      value: "x",
    }
    machine.apply(entryOf(2, { writes: [write], closedTs: 0, generation: 1, horizon: null }))
    return machine
  }
  const left = put({ ...DESCRIPTOR, end: "m" }, "a")
  const right = put({ ...DESCRIPTOR, groupId: 2, rangeId: 2, start: "m" }, "m")
  left.destroy()
  assert.isNull(StateMachine.open(engine, 1, 1))
  assert.isNull(engine.get(SPACE_VERSIONS, userKeyPrefix(0, KV_TABLE, "a")))
  assert.isTrue(right.recount())
  assert.isNotNull(StateMachine.open(engine, 2, 1))
  assert.isNull(engine.get(SPACE_META, "h"))
})

test("a replica made where a removed one was begins with none of its rows", () => {
  fc.assert(
    fc.property(fc.array(batch, { maxLength: 6 }), (draws) => {
      const { engine } = machineWith(draws)
      const next = StateMachine.create(engine, DESCRIPTOR, 2)
      assert.equal(next.appliedIndex, 0)
      assert.ok(next.recount())
    }),
  )
})

test("an insert of a key that holds something below gives rows that the hash does not have, and a recount says so", () => {
  const key = userKeyPrefix(0, KV_TABLE, "a")
  const write = (type: "put" | "insert", value: string): Draw => ({
    writes: [{ space: SPACE_VERSIONS, type, key, value }],
    closedTs: 0,
    generation: 1,
    horizon: null,
  })
  for (const type of ["put", "insert"] as const) {
    const { engine, machine } = machineWith([write("put", "one")])
    engine.settle(1, MemoryBase.empty().apply(engine.freeze(1)))
    machine.apply(entryOf(3, write(type, "two")))
    assert.equal(machine.recount(), type === "put")
  }
})
