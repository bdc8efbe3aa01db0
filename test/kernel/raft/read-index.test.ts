import fc from "fast-check"
import { assert, test } from "vitest"
import { ByteReader } from "#kernel/lib/bytes.ts"
import { ReadIndexQueue } from "#kernel/raft/read-index.ts"
import { bytesOf } from "../../support/kernel-arbitraries.ts"
import { configurationOf } from "../../support/raft-group.ts"

const SELF = 1

const command = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant("request" as const) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("start" as const), commit: fc.nat(2) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("answer" as const),
      from: fc.integer({ min: 1, max: 6 }),
      back: fc.nat(3),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("reload" as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("clear" as const) }) },
)

/** A read, the moment it came, and the round it was told to wait for. */
type Read = { readonly cameAfterRound: number; readonly round: number; isServed: boolean }

test("a read is confirmed by a quorum's answers to rounds sent after it came, at the commit index of one of them", () => {
  fc.assert(
    fc.property(fc.array(command, { size: "max", maxLength: 60 }), fc.boolean(), (commands, isJoint) => {
      const sides = isJoint
        ? [
            [1, 2, 3],
            [1, 4, 5],
          ]
        : [[1, 2, 3]]
      const configuration = configurationOf(sides[0]!, sides[1] ?? [], [6])
      let queue = new ReadIndexQueue()
      let commit = 1
      /** Of each round: the commit index it was sent with, and who has answered it or a later one. */
      let rounds: { readonly round: number; readonly commit: number; readonly by: Set<number> }[] = []
      let reads: Read[] = []
      for (const step of commands) {
        if (step.type === "request") {
          const sent = queue.round
          reads.push({ cameAfterRound: sent, round: queue.request(), isServed: false })
        } else if (step.type === "start") {
          commit += step.commit
          rounds.push({ round: queue.start(commit), commit, by: new Set([SELF]) })
        } else if (step.type === "answer") {
          const round = queue.round - step.back
          for (const each of rounds) if (each.round <= round) each.by.add(step.from)
          const isConfirmed = (by: ReadonlySet<number>): boolean =>
            sides.every((side) => side.filter((id) => by.has(id)).length * 2 > side.length)
          const expected = rounds.filter((each) => each.round <= round && isConfirmed(each.by)).at(-1)
          const confirmed = queue.confirm(step.from, round, configuration, SELF)
          assert.deepEqual(
            confirmed,
            expected === undefined ? null : { round: expected.round, index: expected.commit },
          )
          if (confirmed === null) continue
          rounds = rounds.filter((each) => each.round > confirmed.round)
          for (const read of reads) {
            if (read.isServed || read.round > confirmed.round) continue
            read.isServed = true
            assert.isBelow(read.cameAfterRound, confirmed.round, "the round was sent after the read came")
          }
        } else if (step.type === "reload") queue = ReadIndexQueue.load(new ByteReader(bytesOf(queue)))
        else {
          queue.clear()
          rounds = []
          reads = []
        }
        assert.equal(queue.isWaiting, rounds.length > 0 || queue.isWanted)
        assert.equal(
          queue.isWanted,
          reads.some((read) => read.round > queue.round),
        )
      }
    }),
    { numRuns: 400 },
  )
})

test("one round serves all reads that waited when it was sent, and none that came later", () => {
  const queue = new ReadIndexQueue()
  const trio = configurationOf([1, 2, 3])
  assert.deepEqual([queue.request(), queue.request()], [1, 1])
  assert.equal(queue.start(7), 1)
  assert.equal(queue.request(), 2)
  assert.deepEqual(queue.confirm(2, 1, trio, SELF), { round: 1, index: 7 })
  assert.isNull(queue.confirm(3, 1, trio, SELF), "confirmed once")
  assert.isTrue(queue.isWaiting)
})

test("the answer to a later round confirms the earlier ones as well", () => {
  const queue = new ReadIndexQueue()
  queue.request()
  queue.start(7)
  queue.request()
  queue.start(9)
  assert.deepEqual(queue.confirm(2, 2, configurationOf([1, 2, 3]), SELF), { round: 2, index: 9 })
  assert.isFalse(queue.isWaiting)
})

test("a leader alone confirms its own reads", () => {
  const queue = new ReadIndexQueue()
  queue.request()
  assert.deepEqual(queue.confirm(SELF, queue.start(3), configurationOf([1]), SELF), { round: 1, index: 3 })
})

test("rounds are numbered on after a loss of leadership, so that an old answer confirms nothing new", () => {
  const queue = new ReadIndexQueue()
  queue.request()
  queue.start(3)
  queue.clear()
  assert.equal(queue.request(), 2)
  queue.start(4)
  assert.isNull(queue.confirm(2, 1, configurationOf([1, 2, 3]), SELF))
})
