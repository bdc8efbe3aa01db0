import { assert, test } from "vitest"
import type { RaftMessage } from "#kernel/raft/message.ts"
import {
  appendEntries,
  DESCRIPTOR,
  entry,
  heartbeat,
  snapshotOffer,
  voteRequest,
} from "../../support/raft-group.ts"
import { configOf, Store } from "../../support/store-rig.ts"

// DESIGN §4, "Identity": who may speak, who may be made, who is gone.

function running(): Store {
  const store = new Store(configOf(1))
  store.settle()
  return store
}

/** A store whose replica 1 of group 1 was removed and is gone from its disk. */
function buried(): Store {
  const store = running()
  store.frame([{ type: "removed", group: 1, from: 2, to: 1, term: 1 }])
  store.settle()
  assert.isUndefined(store.status)
  return store
}

const appendFor = (
  group: number,
  to: number,
  descriptor = { ...DESCRIPTOR, groupId: group, rangeId: group },
): RaftMessage => ({
  ...appendEntries(2, to, 5, [0, 0]),
  group,
  descriptor,
  incarnation: 1,
})

function groups(store: Store): readonly (readonly [group: number, replica: number])[] {
  return store.kernel.status().map(({ group, replica }) => [group, replica])
}

test("a frame of another cluster, for another store or of an unknown version is dropped", () => {
  const store = running()
  for (const header of [{ cluster: "other" }, { toStore: 2 }, { version: 1 }]) {
    store.frame([heartbeat(2, 1, 9)], header)
    assert.equal(store.status!.term, 1)
  }
  store.frame([heartbeat(2, 1, 9)])
  assert.equal(store.status!.term, 9)
})

test("a frame of an earlier boot of its sender is dropped, of the same or a later one it is heard", () => {
  const store = running()
  store.frame([heartbeat(2, 1, 3)], { fromBoot: 4 })
  store.frame([heartbeat(2, 1, 5)], { fromBoot: 3 })
  assert.deepEqual(
    [store.status!.term, store.marks.filter((name) => name === "frame.oldBoot").length],
    [3, 1],
  )
  store.frame([heartbeat(2, 1, 6)], { fromBoot: 4 })
  assert.equal(store.status!.term, 6)
  store.frame([heartbeat(2, 1, 7)], { fromBoot: 5 })
  store.frame([heartbeat(2, 1, 8)], { fromBoot: 4 })
  assert.equal(store.status!.term, 7)
  store.frame([heartbeat(3, 1, 9)], { fromStore: 3, fromBoot: 1 })
  assert.equal(store.status!.term, 9, "the boots of one store say nothing of another's")
})

test("of two processes under one boot the one that was heard first is heard, and the other is told of it", () => {
  const store = running()
  store.frame([heartbeat(2, 1, 3)], { fromBoot: 4, fromNonce: 40 })
  store.take()
  store.frame([heartbeat(2, 1, 5)], { fromBoot: 4, fromNonce: 41 })
  assert.deepEqual([store.status!.term, store.marks.includes("frame.otherProcess")], [3, true])
  const told = { type: "outdated", incarnation: 2, boot: 4, nonce: 40 } as const
  assert.deepEqual(
    store.take().map(({ to, message }) => ({ to, message })),
    [{ to: 2, message: told }],
  )
  store.frame([heartbeat(2, 1, 6)], { fromBoot: 4, fromNonce: 40 })
  assert.equal(store.status!.term, 6)
  store.frame([heartbeat(2, 1, 7)], { fromBoot: 5, fromNonce: 41 })
  assert.equal(store.status!.term, 7, "a later boot needs no other word")
})

test("no two starts of a store draw one nonce", () => {
  const nonces = new Set<number>()
  const store = running()
  for (let start = 0; start < 20; start++) {
    nonces.add(store.kernel.identity().nonce)
    store.boot()
    store.settle()
  }
  assert.equal(nonces.size, 20)
  for (const nonce of nonces) assert.isTrue(Number.isSafeInteger(nonce) && nonce > 0)
})

test("a member that speaks with another incarnation than its configuration names is not heard", () => {
  const store = running()
  store.take()
  store.frame([voteRequest(2, 1, 9, [9, 8]), heartbeat(2, 1, 9)], { fromIncarnation: 77 })
  store.settle()
  assert.deepEqual([store.status!.term, store.take()], [1, []])
})

test("an unknown group is made by a message that describes its range, and by no other", () => {
  const store = running()
  const other = { ...DESCRIPTOR, groupId: 7, rangeId: 7 }
  const silent: readonly RaftMessage[] = [
    { ...heartbeat(2, 4, 9), group: 7 },
    { ...voteRequest(2, 4, 9, [9, 9]), group: 7 },
    { ...appendEntries(2, 4, 9, [0, 0], [entry(1, 1)]), group: 7 },
    // Of another group than it says, and of a tenant that has no volume here.
    { ...appendFor(7, 4, { ...other, groupId: 8 }) },
    { ...appendFor(7, 4, { ...other, tenant: 3 }) },
    { ...snapshotOffer(2, 5, 9, 3, 2, { descriptor: other }), group: 7 },
    // Meant for another life of this volume.
    { ...appendFor(7, 4), incarnation: 2 } as RaftMessage,
  ]
  for (const message of silent) {
    store.frame([message])
    assert.deepEqual(groups(store), [[1, 1]], message.type)
  }
  store.frame([appendFor(7, 4)])
  assert.deepEqual(groups(store), [
    [1, 1],
    [7, 4],
  ])
})

test("the message that makes a replica is not answered: it comes again", () => {
  const store = running()
  store.take()
  store.frame([appendFor(7, 4)])
  store.settle()
  assert.deepEqual(store.take(), [])
  store.frame([appendFor(7, 4)])
  store.settle()
  assert.deepEqual(
    store.take().map(({ message }) => message.type),
    ["appendReply"],
  )
})

test("a made replica outlives a crash once it is durable, and never campaigns on an empty configuration", () => {
  const store = running()
  store.frame([appendFor(7, 4)])
  store.settle()
  store.boot()
  store.settle()
  assert.deepEqual(groups(store), [
    [1, 1],
    [7, 4],
  ])
  for (let i = 0; i < 6; i++) {
    store.wake()
    store.settle()
  }
  assert.equal(store.kernel.status()[1]!.term, 0)
})

test("a removed replica goes only when its tombstone is durable", () => {
  const store = running()
  store.frame([{ type: "removed", group: 1, from: 2, to: 1, term: 1 }])
  assert.deepEqual(groups(store), [[1, 1]])
  store.endTurn()
  assert.deepEqual(groups(store), [[1, 1]])
  const deaf = store.status!
  store.frame([heartbeat(2, 1, 9), voteRequest(2, 1, 10, [9, 9])])
  assert.deepEqual(store.status, deaf, "it hears nothing any more")
  while (store.doing.length > 0) store.complete()
  assert.deepEqual(groups(store), [])
})

test("a replica outlives the sync of a frame that was under way before its tombstone was written", () => {
  const store = running()
  store.frame([appendFor(7, 4)])
  store.settle()
  store.frame([{ type: "removed", group: 7, from: 2, to: 4, term: 5 }])
  store.endTurn()
  store.frame([{ type: "removed", group: 1, from: 2, to: 1, term: 1 }])
  store.complete()
  assert.deepEqual(groups(store), [[1, 1]])
  store.settle()
  assert.deepEqual(groups(store), [])
})

test("who was removed is not made again under its old name, nor after a crash, but under a later one", () => {
  const store = buried()
  for (let life = 0; life < 2; life++) {
    store.frame([appendFor(1, 1)])
    assert.deepEqual(groups(store), [])
    store.boot()
    store.settle()
  }
  assert.deepEqual(groups(store), [], "nor is the document applied again")
  store.frame([appendFor(1, 4)])
  assert.deepEqual(groups(store), [[1, 4]])
  assert.deepInclude(store.status, { term: 0, lastIndex: 0, appliedIndex: 0 })
})

test("a crash between the tombstone and the end of the replica brings it to its end at the next start", () => {
  const store = running()
  store.frame([{ type: "removed", group: 1, from: 2, to: 1, term: 1 }])
  store.endTurn()
  // The tombstone alone is durable; what the volume says of the removal is not even written.
  while (store.doing.length > 0) store.complete()
  store.boot()
  assert.isUndefined(store.status)
  store.settle()
  store.frame([appendFor(1, 1)])
  assert.deepEqual(groups(store), [])
})

test("a message to a younger replica of a group means that the one here was removed", () => {
  const store = running()
  store.frame([appendFor(1, 4)])
  assert.deepEqual(groups(store), [[1, 1]])
  store.settle()
  assert.deepEqual(groups(store), [])
  store.frame([appendFor(1, 4)])
  assert.deepEqual(groups(store), [[1, 4]])
  store.frame([appendFor(1, 1)])
  assert.deepEqual(groups(store), [[1, 4]], "and one to an older replica means nothing")
})

test("of a removed range nothing is left in the engine", () => {
  const store = running()
  const write = { space: 1, type: "put", key: "\0\0\0\0\0\0\0\0\0\0\0\0a", value: "x" } as const
  assert.isNotNull(write)
  store.frame([appendEntries(2, 1, 5, [1, 1], [entry(2, 5)], 2)])
  store.settle()
  assert.equal(store.status!.appliedIndex, 2)
  store.frame([{ type: "removed", group: 1, from: 2, to: 1, term: 5 }])
  store.settle()
  for (const space of [2, 3, 4, 5] as const) {
    assert.isFalse(store.kernel.view(1).cursor(space, "", "", false).valid, `space ${space}`)
  }
})

test("requests for a range that is not here are refused with a code a client can act on", () => {
  const store = buried()
  store.request([{ type: "get", key: "a" }])
  assert.deepEqual(store.replies, [
    { type: "error", id: 1, error: { code: "notLeader", hint: null, term: 0 } },
  ])
})
