import fc from "fast-check"
import { assert, test } from "vitest"
import { ByteReader } from "#kernel/lib/bytes.ts"
import {
  ConfigurationLog,
  EMPTY_CONFIGURATION,
  enterJointToPromote,
  isGone,
  leaveJoint,
  onStore,
  withLearner,
  withoutReplica,
} from "#kernel/raft/membership.ts"
import { makeEntry, type Configuration, type Entry } from "#kernel/raft/types.ts"
import { bytesOf } from "../../support/kernel-arbitraries.ts"
import { configurationEntry, configurationOf, DESCRIPTOR, entry } from "../../support/raft-group.ts"

const command = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant("append" as const),
      back: fc.oneof(fc.constant(0), fc.nat(5)),
      kinds: fc.array(fc.constantFrom("batch", "configuration", "bootstrap"), { minLength: 1, maxLength: 4 }),
    }),
  },
  fc.record({ type: fc.constant("truncate" as const), back: fc.nat(5) }),
  fc.record({ type: fc.constant("compact" as const), back: fc.nat(5) }),
  fc.record({ type: fc.constant("reset" as const), ahead: fc.nat(3) }),
  fc.record({ type: fc.constant("reload" as const) }),
)

/** A configuration like no other. */
function numbered(n: number): Configuration {
  return { ...EMPTY_CONFIGURATION, nextReplica: n }
}

function draw(kind: string, index: number, n: number): Entry {
  if (kind === "batch") return entry(index, n)
  if (kind === "configuration") return configurationEntry(index, n, numbered(n))
  const bootstrap = { descriptor: DESCRIPTOR, configuration: numbered(n) }
  return makeEntry(index, n, { type: "bootstrap", bootstrap })
}

/** What a walk over the whole log says is in force after `index`. */
function replayed(
  start: { readonly index: number; readonly configuration: Configuration },
  log: readonly Entry[],
  index: number,
): { readonly index: number; readonly configuration: Configuration } {
  let found = start
  for (const { index: at, payload } of log) {
    if (at > index) break
    if (payload.type === "configuration") found = { index: at, configuration: payload.configuration }
    if (payload.type === "bootstrap") found = { index: at, configuration: payload.bootstrap.configuration }
  }
  return found
}

test("the configuration in force at every index is what a walk over the log finds there", () => {
  fc.assert(
    fc.property(fc.array(command, { size: "max", maxLength: 40 }), (commands) => {
      let start = { index: 0, configuration: numbered(1) }
      let first = 1
      let log: Entry[] = []
      let n = 1
      let configurations = new ConfigurationLog(0, start.configuration)
      for (const step of commands) {
        const last = first + log.length - 1
        if (step.type === "append") {
          n++
          const from = Math.max(first, last + 1 - step.back)
          const entries = step.kinds.map((kind, i) => draw(kind, from + i, n))
          const before = replayed(start, log, Infinity)
          log = [...log.filter((each) => each.index < from), ...entries]
          const isChanged = configurations.appended(entries)
          assert.equal(isChanged, replayed(start, log, Infinity).configuration !== before.configuration)
        } else if (step.type === "truncate") {
          const from = Math.max(first, last + 1 - step.back)
          configurations.truncated(from)
          log = log.filter((each) => each.index < from)
        } else if (step.type === "compact") {
          const to = Math.max(first - 1, last - step.back)
          configurations.compacted(to)
          start = replayed(start, log, to)
          log = log.filter((each) => each.index > to)
          first = to + 1
        } else if (step.type === "reset") {
          n++
          first = last + step.ahead + 1
          start = { index: first - 1, configuration: numbered(n) }
          log = []
          configurations.reset(start.index, start.configuration)
        } else {
          configurations = ConfigurationLog.load(new ByteReader(bytesOf(configurations)))
        }
        const end = first + log.length
        const inForce = replayed(start, log, end)
        assert.deepEqual(
          [configurations.currentIndex, configurations.current],
          [inForce.index, inForce.configuration],
        )
        for (let index = first - 1; index <= end; index++) {
          assert.deepEqual(configurations.at(index), replayed(start, log, index))
        }
      }
    }),
    { numRuns: 300 },
  )
})

test("a new learner has a name of its own, and no quorum changes by it", () => {
  const before = configurationOf([1, 2, 3])
  const after = withLearner(before, 2, 7, 70, true)
  assert.deepEqual(after.voters, before.voters)
  const id = 2 * 4096
  assert.deepEqual([after.learners, after.promoting], [[{ replica: id, store: 7, incarnation: 70 }], [id]])
  const another = withLearner(after, 2, 8, 80, false)
  assert.deepEqual([another.promoting, another.nextReplica], [[id], id + 2])
})

test("two leaders never give one name away twice, though only one of the changes is committed", () => {
  const before = configurationOf([1, 2, 3])
  const lost = withLearner(before, 3, 7, 70, true).promoting[0]!
  const kept = withLearner(before, 4, 8, 80, true)
  assert.notEqual(kept.promoting[0], lost)
  assert.equal(isGone(kept, 4, lost), true)
  assert.equal(isGone(kept, 4, kept.promoting[0]!), false)
  // Until an entry of a later term is committed, the lost one may still turn out to be the one that is kept.
  assert.equal(isGone(EMPTY_CONFIGURATION, 4, lost), false, "who does not know the members buries none")
  assert.equal(isGone(before, 3, lost), false)
  assert.equal(isGone(before, 4, lost), true)
  assert.equal(isGone(EMPTY_CONFIGURATION, 4, lost), false, "who knows no members sends nobody away")
})

test("a learner becomes a voter by way of a joint configuration", () => {
  const before = withLearner(withLearner(configurationOf([1, 2, 3]), 0, 4, 4, true), 0, 5, 5, false)
  const joint = enterJointToPromote(before, [4])
  assert.deepEqual(
    joint.voters.map(({ replica }) => replica),
    [1, 2, 3, 4],
  )
  assert.deepEqual(joint.outgoing, before.voters)
  assert.deepEqual([joint.learners.map(({ replica }) => replica), joint.promoting], [[5], []])
  assert.deepEqual(leaveJoint(joint), { ...joint, outgoing: [] })
})

test("a voter leaves by way of a joint configuration, a learner at once, and no name becomes free", () => {
  const before = withLearner(configurationOf([1, 2, 3]), 0, 4, 4, true)
  const joint = withoutReplica(before, 2)
  assert.deepEqual(
    joint.voters.map(({ replica }) => replica),
    [1, 3],
  )
  assert.deepEqual([joint.outgoing, joint.nextReplica], [before.voters, 5])
  const simple = withoutReplica(before, 4)
  assert.deepEqual([simple.outgoing, simple.learners, simple.promoting, simple.nextReplica], [[], [], [], 5])
})

test("no change starts in a joint configuration", () => {
  const joint = configurationOf([1, 2], [1, 2, 3])
  assert.throws(() => enterJointToPromote(joint, [4]), "from a joint one")
  assert.throws(() => withoutReplica(joint, 1), "from a joint one")
})

test("a store holds one replica of a group, in whatever set it stands", () => {
  const joint = configurationOf([1, 2], [3, 1], [4])
  assert.deepEqual(
    [1, 2, 3, 4, 5].map((store) => onStore(joint, store)?.replica ?? null),
    [1, 2, 3, 4, null],
  )
})
