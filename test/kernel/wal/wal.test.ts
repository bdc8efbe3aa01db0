import { ByteReader, ByteWriter } from "#kernel/lib/bytes.ts"
import { Sfc32 } from "#kernel/lib/rng.ts"
import { NO_SWITCHES } from "#kernel/node/switches.ts"
import { decodeFrame } from "#kernel/wal/frame.ts"
import { decodeWitness } from "#kernel/wal/identifiers.ts"
import { decodeSegmentHeader } from "#kernel/wal/segment.ts"
import { emptyWalStart, Wal } from "#kernel/wal/wal.ts"
import { assert, test } from "vitest"
import {
  cloneModel,
  createdItem,
  describeModel,
  describeRecovered,
  History,
  IDENTITY,
  LIMITS,
  putEntry,
  Rig,
} from "../../support/wal-arbitraries.ts"

function fresh(): Wal {
  return new Wal(
    { identity: IDENTITY, limits: LIMITS, rng: new Sfc32(1, 1), switches: NO_SWITCHES },
    emptyWalStart(1),
  )
}

function saved(wal: Wal): Uint8Array {
  const writer = new ByteWriter()
  wal.save(writer)
  return writer.finish()
}

test("a turn makes one frame of everything appended in it, and the next waits for its sync", () => {
  const rig = new Rig()
  assert.equal(rig.wal.append(createdItem(1, 1)), 1)
  assert.equal(rig.wal.append({ type: "hardState", group: 1, term: 1, votedFor: 1 }), 1)
  assert.deepEqual(
    rig.turn().map((effect) => effect.type),
    ["createSegment", "append"],
  )
  assert.isTrue(rig.wal.inFlight)
  assert.equal(rig.wal.append({ type: "hardState", group: 1, term: 2, votedFor: 0 }), 2)
  assert.deepEqual(rig.turn(), [])
  assert.equal(rig.wal.durableLsn, 0)
  rig.sync()
  assert.equal(rig.wal.durableLsn, 1)
  assert.deepEqual(
    rig.turn().map((effect) => effect.type),
    ["append"],
  )
})

test("a frame begins with identifiers of the groups that the frame before it changed", () => {
  const rig = new Rig()
  rig.write(createdItem(1, 1), createdItem(2, 1))
  rig.write({ type: "entries", group: 1, entries: [putEntry(1, 1, "a")] })
  rig.write({ type: "replicaRemoved", group: 2, replica: 1 })
  rig.write({ type: "hardState", group: 1, term: 2, votedFor: 1 })
  const header = decodeSegmentHeader(rig.segments.get(1)!)
  assert(header.type === "header")
  const groups = rig.synced.map((append) => {
    const frame = decodeFrame(rig.segments.get(1)!, append.offset, header.header)
    const leading = frame.type === "frame" ? frame.items[0] : null
    return leading?.type === "identifiers"
      ? leading.identifiers.map((known) => [known.group, known.lastIndex])
      : null
  })
  assert.deepEqual(groups, [
    [],
    [
      [1, 0],
      [2, 0],
    ],
    [[1, 1]],
    [[2, 0]],
  ])
})

test("the first idle turn, and no other, writes a witness of every group", () => {
  const rig = new Rig()
  rig.write(createdItem(1, 1), createdItem(2, 1))
  assert.deepEqual(
    rig.turn().map((effect) => effect.type),
    ["writeWitness"],
  )
  assert.deepEqual(rig.turn(), [])
  const witness = decodeWitness(rig.witness!)
  assert.equal(witness?.lsn, 1)
  assert.deepEqual(
    witness?.identifiers.map((identifier) => identifier.group),
    [1, 2],
  )
  assert.deepEqual(
    rig.wal.takeWitnessed().map((identifier) => identifier.group),
    [1, 2],
  )
  rig.write({ type: "hardState", group: 2, term: 1, votedFor: 0 })
  rig.turn()
  assert.deepEqual(
    rig.wal.takeWitnessed().map((identifier) => identifier.group),
    [2],
  )
})

test("segments double up to the limit, are asked for when half of one is used, and grow for a large frame", () => {
  const rig = new Rig()
  rig.write(createdItem(1, 1))
  for (let i = 1; i <= 90; i++)
    rig.write({ type: "entries", group: 1, entries: [putEntry(i, 1, "x".repeat(2000))] })
  const sizes = [...rig.segments.values()].map((bytes) => bytes.length)
  assert.deepEqual(sizes.slice(0, 4), [16 << 10, 32 << 10, 64 << 10, 64 << 10])
  const asked = rig.effects.findIndex((effect) => effect.type === "createSegment" && effect.segment === 2)
  assert.isTrue(rig.effects.slice(asked).some((effect) => effect.type === "append" && effect.segment === 1))
  rig.write({ type: "entries", group: 1, entries: [putEntry(91, 1, "x".repeat(200_000))] })
  assert.isAbove(Math.max(...[...rig.segments.values()].map((bytes) => bytes.length)), 200_000)
  assert.equal(rig.recover().verdict, "clean")
  assert.equal(rig.recover().groups[0]!.entries.length, 91)
})

test("a full disk keeps what is pending, and a retry asks again with the same sequence", () => {
  const wal = fresh()
  wal.append(createdItem(1, 1))
  const [first] = wal.endTurn()
  assert(first?.type === "createSegment")
  wal.segmentRefused(first.segment)
  assert.isTrue(wal.full)
  assert.deepEqual(wal.endTurn(), [])
  wal.retry()
  const [second] = wal.endTurn()
  assert(second?.type === "createSegment")
  assert.equal(second.segment, first.segment)
  wal.segmentCreated(second.segment)
  assert.isFalse(wal.full)
  assert.equal(wal.endTurn()[0]?.type, "append")
})

test("after a failed sync nothing more is written", () => {
  const rig = new Rig()
  rig.wal.append(createdItem(1, 1))
  rig.turn()
  rig.wal.failed(1)
  rig.wal.append({ type: "hardState", group: 1, term: 1, votedFor: 1 })
  assert.deepEqual(rig.turn(), [])
  assert.equal(rig.wal.durableLsn, 0)
})

test("what an append may not say is refused", () => {
  const rig = new Rig()
  rig.write(createdItem(1, 1))
  assert.throws(() => rig.wal.append({ type: "identifiers", identifiers: [] }))
  assert.throws(() => rig.wal.append({ type: "entries", group: 1, entries: [] }))
  assert.throws(() => rig.wal.append({ type: "entries", group: 1, entries: [putEntry(2, 1, "")] }))
  assert.throws(() => rig.wal.synced(1))
})

test("segments are freed only when what they alone say of votes, replicas and log starts is durable elsewhere", () => {
  const rig = new Rig()
  rig.write(createdItem(1, 1), createdItem(2, 1), { type: "hardState", group: 2, term: 7, votedFor: 3 })
  for (let i = 1; i <= 20; i++)
    rig.write({ type: "entries", group: 1, entries: [putEntry(i, 1, "x".repeat(3000))] })
  assert.deepEqual(rig.wal.pinnedBy(1), [1])
  rig.wal.release(() => 20)
  assert.equal(rig.wal.pendingBytes, 0, "without a log start nothing may go, whatever the floor")
  rig.write({ type: "logStart", group: 1, index: 20, term: 1 })
  assert.deepEqual(rig.wal.pinnedBy(1), [])
  rig.wal.release(() => 20)
  assert.deepEqual(
    rig.turn().map((effect) => effect.type),
    ["append"],
  )
  assert.isTrue(rig.segments.has(1), "said again, not yet durable")
  rig.sync()
  assert.include(
    rig.turn().map((effect) => effect.type),
    "releaseSegments",
  )
  assert.isFalse(rig.segments.has(1))
  const groups = rig.recover().groups
  assert.deepEqual(
    groups.map((group) => [group.replica, group.term, group.votedFor]),
    [
      [1, 0, 0],
      [1, 7, 3],
    ],
  )
})

test("records of the system volume outlive the segments that said them first", () => {
  const rig = new Rig(1, undefined, LIMITS, { ...IDENTITY, volume: 0 })
  const identifier = {
    group: 5,
    replica: 1,
    lastIndex: 3,
    lastTerm: 1,
    term: 1,
    votedFor: 0,
    checksum: 9,
    mark: null,
  }
  rig.write({ type: "identity", cluster: "orbit", store: 3, incarnation: 8 }, { type: "boot", boot: 4 })
  rig.write({ type: "volume", volume: 1, incarnation: 6 }, { type: "tombstone", group: 9, replica: 2 })
  rig.write({ type: "witness", volume: 1, identifiers: [identifier] }, createdItem(1, 1))
  rig.write({ type: "forgotten", volume: 7 })
  for (let i = 1; i <= 20; i++)
    rig.write({ type: "entries", group: 1, entries: [putEntry(i, 1, "x".repeat(3000))] })
  rig.write({ type: "logStart", group: 1, index: 20, term: 1 })
  rig.wal.release(() => 20)
  rig.turn()
  rig.sync()
  rig.turn()
  assert.isFalse(rig.segments.has(1))
  const ledger = rig.recover().start!.ledger
  assert.equal(ledger.identity?.incarnation, 8)
  assert.equal(ledger.boot?.boot, 4)
  assert.equal(ledger.volumes.get(1)?.incarnation, 6)
  assert.isTrue(ledger.forgetful.has(7))
  assert.isTrue(ledger.tombstones.get(9)?.has(2))
  assert.deepEqual(ledger.witnesses.get(5)?.identifier, identifier)
})

test("whatever is released whenever, a crash never costs a live vote, term, replica or entry", () => {
  let released = 0
  for (let seed = 1; seed <= 60; seed++) {
    const rng = new Sfc32(seed, 8)
    const rig = new Rig(seed)
    const history = new History(rng)
    let durable = cloneModel(history.model)
    for (let i = 0; i < 120; i++) {
      for (let n = rng.below(4); n >= 0; n--) rig.wal.append(history.next())
      if (rng.below(4) === 0) rig.wal.release(() => Number.MAX_SAFE_INTEGER)
      rig.turn()
      const framed = cloneModel(history.model)
      if (rng.below(25) === 0) {
        if (rig.crash(() => rng.below(2) === 0)) durable = framed
        const recovered = rig.recover()
        assert.deepEqual(
          describeRecovered(recovered.groups),
          describeModel(durable),
          `seed ${seed} step ${i}`,
        )
        assert.equal(recovered.damage.length, 0)
        rig.restart(recovered)
        history.model.clear()
        for (const [group, state] of cloneModel(durable)) history.model.set(group, state)
        continue
      }
      rig.sync()
      durable = framed
      if (rng.below(3) === 0) rig.turn()
    }
    released += rig.effects.filter((effect) => effect.type === "releaseSegments").length
  }
  assert.isAbove(released, 100)
})

test("a log replaced by load(save()) goes on alike, and its bytes are canonical", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const rng = new Sfc32(seed, 9)
    const rig = new Rig(seed)
    const history = new History(rng)
    for (let i = 0; i < 40; i++) {
      for (let n = rng.below(3); n >= 0; n--) rig.wal.append(history.next())
      if (rng.below(5) === 0) rig.wal.release(() => Number.MAX_SAFE_INTEGER)
      if (rng.below(2) === 0) {
        const bytes = saved(rig.wal)
        const loaded = Wal.load(new ByteReader(bytes), {
          identity: IDENTITY,
          limits: LIMITS,
          rng: rig.rng,
          switches: NO_SWITCHES,
        })
        assert.deepEqual(saved(loaded), bytes)
        rig.wal = loaded
      }
      rig.turn()
      if (rng.below(3) > 0) rig.sync()
    }
    rig.sync()
    rig.turn()
    rig.sync()
    assert.deepEqual(describeRecovered(rig.recover().groups), describeModel(history.model))
  }
})
