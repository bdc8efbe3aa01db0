import fc from "fast-check"
import { assert, test } from "vitest"
import { hasQuorum, isVoter, memberOf, members, quorumIndex, quorumLost } from "#kernel/raft/quorum.ts"
import { configurationOf } from "../../support/raft-group.ts"

const ids = (max: number): fc.Arbitrary<readonly number[]> =>
  fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { maxLength: max, minLength: max === 5 ? 1 : 0 })
const configuration = fc.record({ voters: ids(5), outgoing: ids(4), learners: ids(2) })
const matches = fc.array(fc.nat(9), { minLength: 8, maxLength: 8 })

/** More than half of them, spelled out. */
function majority(of: readonly number[], yes: (id: number) => boolean): boolean {
  return of.filter(yes).length * 2 > of.length
}

test("the quorum's index is the highest that a majority has, and while joint a majority of each side", () => {
  fc.assert(
    fc.property(configuration, matches, ({ voters, outgoing, learners }, match) => {
      let expected = 0
      for (let index = 0; index <= 10; index++) {
        const has = (id: number): boolean => match[id]! >= index
        if (majority(voters, has) && (outgoing.length === 0 || majority(outgoing, has))) expected = index
      }
      const index = quorumIndex(configurationOf(voters, outgoing, learners), (id) => match[id]!)
      assert.equal(index, expected)
    }),
    { numRuns: 2000 },
  )
})

test("a quorum says yes when a majority does, of each side while joint, whatever learners say", () => {
  fc.assert(
    fc.property(configuration, fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }), (sets, says) => {
      const { voters, outgoing, learners } = sets
      const joint = configurationOf(voters, outgoing, learners)
      const yes = (id: number): boolean => says[id]!
      const expected = majority(voters, yes) && (outgoing.length === 0 || majority(outgoing, yes))
      assert.equal(hasQuorum(joint, yes), expected)
      // It is lost exactly when even the yes of everyone who has not said no would not do.
      const lost = !(
        majority(voters, (id) => !says[id]!) &&
        (outgoing.length === 0 || majority(outgoing, (id) => !says[id]!))
      )
      assert.equal(quorumLost(joint, yes), lost)
    }),
    { numRuns: 2000 },
  )
})

test("any two quorums of one configuration share a member", () => {
  fc.assert(
    fc.property(configuration, fc.nat(127), fc.nat(127), ({ voters, outgoing }, first, second) => {
      const joint = configurationOf(voters, outgoing)
      const inFirst = (id: number): boolean => (first & (1 << (id - 1))) !== 0
      const inSecond = (id: number): boolean => (second & (1 << (id - 1))) !== 0
      if (!hasQuorum(joint, inFirst) || !hasQuorum(joint, inSecond)) return
      assert.isTrue([...voters, ...outgoing].some((id) => inFirst(id) && inSecond(id)))
    }),
    { numRuns: 2000 },
  )
})

test("a quorum of the joint configuration shares a member with every quorum of both sides", () => {
  fc.assert(
    fc.property(ids(5), ids(5), fc.nat(127), fc.nat(127), (before, after, first, second) => {
      const inFirst = (id: number): boolean => (first & (1 << (id - 1))) !== 0
      const inSecond = (id: number): boolean => (second & (1 << (id - 1))) !== 0
      if (!hasQuorum(configurationOf(after, before), inFirst)) return
      for (const side of [before, after]) {
        if (!hasQuorum(configurationOf(side), inSecond)) continue
        assert.isTrue(side.some((id) => inFirst(id) && inSecond(id)))
      }
    }),
    { numRuns: 2000 },
  )
})

test("an empty configuration has no quorum to wait for and nobody in it", () => {
  const nobody = { voters: [], outgoing: [], learners: [], promoting: [], nextReplica: 1 }
  assert.isTrue(hasQuorum(nobody, () => false))
  assert.equal(
    quorumIndex(nobody, () => 0),
    Number.MAX_SAFE_INTEGER,
  )
  assert.deepEqual(members(nobody), [])
})

test("members are listed once, by id, whatever sets they are in; learners are no voters", () => {
  const joint = configurationOf([5, 1, 3], [3, 2, 1], [4])
  assert.deepEqual(
    members(joint).map(({ replica }) => replica),
    [1, 2, 3, 4, 5],
  )
  assert.deepEqual(
    [1, 2, 4, 5, 6].map((id) => isVoter(joint, id)),
    [true, true, false, true, false],
  )
  assert.deepEqual([memberOf(joint, 4)?.store, memberOf(joint, 6)], [4, null])
})
