import { assert, test } from "vitest"
import type { KernelConfig } from "#kernel/node/config.ts"
import type { KvOp } from "#kernel/range/request.ts"
import { configurationOf, DESCRIPTOR } from "../../support/raft-group.ts"
import { Cluster, configOf, TENANT_VOLUME, type Store } from "../../support/store-rig.ts"

const SECOND = 1_000_000
const IDS = [1, 2, 3]

function withSegments(bytes: number, id: number): KernelConfig {
  const config = configOf(id, IDS)
  return { ...config, limits: { ...config.limits, segmentBytesFirst: bytes, segmentBytesMax: bytes } }
}

class Rig {
  readonly cluster = new Cluster(IDS, (id) => withSegments(1 << 14, id))
  #id = 0

  constructor() {
    this.cluster.elect()
    // Everybody has been heard of for long enough.
    this.cluster.pass(6 * SECOND)
  }

  get leader(): Store {
    const leader = this.cluster.leader
    assert.isDefined(leader)
    return leader
  }

  others(store: Store): readonly Store[] {
    return this.cluster.stores.filter((other) => other !== store)
  }

  ask(store: Store, op: KvOp): string {
    store.replies.length = 0
    store.request([op], { id: ++this.#id })
    this.cluster.settle()
    this.cluster.pass(1_000)
    const [reply] = store.replies
    return reply === undefined ? "nothing" : reply.type === "ok" ? "ok" : reply.error.code
  }

  put(store: Store): string {
    return this.ask(store, { type: "put", key: `k${this.#id % 20}`, value: "x".repeat(300) })
  }

  /** The disk of this store takes no more, and its log has come to need more. */
  fill(store: Store): void {
    store.full.add(TENANT_VOLUME)
    for (let count = 0; count < 1_000; count++) if (this.put(this.leader) === "diskFull") return
    assert.fail("it never became full")
  }
}

test("a leader without room hands over to a voter that has room, and writes go on there", () => {
  const rig = new Rig()
  const { leader } = rig
  for (const store of rig.cluster.stores) store.bearTwin()
  rig.fill(leader)
  // A checkpoint may free enough within the first beats.
  rig.cluster.pass(1.5 * SECOND)
  assert.equal(rig.leader.id, leader.id)
  assert.notInclude(leader.marks, "node.handOver.asked")
  for (const store of rig.cluster.stores) store.reloadTwin()
  rig.cluster.pass(3 * SECOND)
  assert.include(leader.marks, "node.handOver.asked")
  assert.notEqual(rig.leader.id, leader.id)
  assert.equal(rig.put(rig.leader), "ok")
  for (const store of rig.cluster.stores) store.reloadTwin()
})

test("where nobody has room nothing moves, and deletes are taken where they were", () => {
  const rig = new Rig()
  const { leader } = rig
  for (const store of rig.others(leader)) store.full.add(TENANT_VOLUME)
  rig.fill(leader)
  rig.cluster.pass(10 * SECOND)
  assert.equal(rig.leader.id, leader.id)
  for (const store of rig.cluster.stores) assert.notInclude(store.marks, "node.handOver.asked")
  assert.include(leader.marks, "node.handOver.nobodyHasRoom")
  assert.equal(rig.ask(leader, { type: "delete", key: "k1" }), "ok")
})

test("only the one that has room is asked, whatever its name", () => {
  for (const at of [0, 1]) {
    const rig = new Rig()
    const { leader } = rig
    const [full, free] = at === 0 ? rig.others(leader) : rig.others(leader).toReversed()
    full!.full.add(TENANT_VOLUME)
    rig.fill(leader)
    rig.cluster.pass(5 * SECOND)
    assert.equal(rig.leader.id, free!.id)
    assert.equal(leader.marks.filter((mark) => mark === "node.handOver.asked").length, 1)
  }
})

test("who cannot be reached, or has not the log, is not asked", () => {
  const rig = new Rig()
  const { leader } = rig
  const [full, gone] = rig.others(leader)
  full!.full.add(TENANT_VOLUME)
  // It says that it has room until it is cut off; the group goes on without it.
  rig.cluster.cut.add(gone!.id)
  rig.fill(leader)
  rig.cluster.pass(10 * SECOND)
  assert.notInclude(leader.marks, "node.handOver.asked")
  assert.equal(rig.leader.id, leader.id)
})

test("a group does not go to and fro: who was full a moment ago is given nothing back", () => {
  const rig = new Rig()
  const first = rig.leader
  rig.fill(first)
  rig.cluster.pass(4 * SECOND)
  const second = rig.leader
  assert.notEqual(second.id, first.id)
  const [third] = rig.others(first).filter((store) => store !== second)
  third!.full.add(TENANT_VOLUME)
  rig.fill(second)
  // The first has room again, and says so with every beat from now on.
  first.full.clear()
  rig.cluster.pass(4 * SECOND)
  assert.equal(rig.leader.id, second.id)
  assert.notInclude(second.marks, "node.handOver.asked")
  rig.cluster.pass(4 * SECOND)
  assert.equal(rig.leader.id, first.id)
  assert.equal(rig.put(first), "ok")
})

test("who did not take it is not asked first again, also by a leader that was saved and loaded in between", () => {
  const rig = new Rig()
  const { cluster, leader } = rig
  const [other, first] = rig.others(leader)
  leader.bearTwin()
  rig.fill(leader)
  // It answers heartbeats, and never says that it has the last entry: it cannot be told to campaign.
  const deliver = cluster.deliver.bind(cluster)
  cluster.deliver = (from, send, sender) => {
    if (from === first && send.message.type === "appendReply") return
    deliver(from, send, sender)
  }
  assert.equal(rig.ask(leader, { type: "delete", key: "k1" }), "ok")
  const asked = (): number => leader.marks.filter((mark) => mark === "node.handOver.asked").length
  for (let beats = 0; beats < 60 && asked() === 0; beats++) cluster.pass(100_000)
  cluster.pass(3 * SECOND)
  assert.equal(asked(), 1)
  assert.equal(rig.leader.id, leader.id, "it had to stay")
  leader.reloadTwin()
  leader.kernel = leader.twin!
  leader.twin = null
  cluster.pass(5 * SECOND)
  assert.equal(asked(), 2)
  assert.equal(rig.leader.id, other!.id)
})

test("groups that rest move as well, so many in a beat and spread over those who take them", () => {
  const groups = Array.from({ length: 100 }, (_, at) => at + 1)
  const key = (at: number): string => String(at).padStart(4, "0")
  const cluster = new Cluster(IDS, (id) => {
    const config = withSegments(1 << 17, id)
    const placed = groups.map((group) => {
      const range = { rangeId: group, groupId: group, start: key(group), end: key(group + 1) }
      return { descriptor: { ...DESCRIPTOR, ...range }, configuration: configurationOf(IDS) }
    })
    return { ...config, bootstrap: { ...config.bootstrap!, groups: placed } }
  })
  cluster.elect()
  cluster.pass(8 * SECOND)
  const [from, ...others] = cluster.stores
  const led = (store: Store): number => store.kernel.status().filter(({ role }) => role === "leader").length
  for (const store of others) {
    for (const { group, role } of store.kernel.status()) {
      const action = { type: "transferLeader", store: from!.id } as const
      if (role === "leader") store.step({ type: "admin", session: 1, request: { id: group, group, action } })
    }
  }
  cluster.settle()
  cluster.pass(5 * SECOND)
  assert.equal(led(from!), groups.length)
  from!.full.add(TENANT_VOLUME)
  for (let id = 1; !from!.marks.includes("wal.diskFull"); id++) {
    from!.request([{ type: "put", key: key(1), value: "x".repeat(300) }], { id })
    cluster.settle()
  }
  const asked = (): number => from!.marks.filter((mark) => mark === "node.handOver.asked").length
  while (asked() === 0) cluster.pass(100_000)
  assert.equal(asked(), 64)
  cluster.pass(5 * SECOND)
  assert.equal(led(from!), 0)
  for (const store of others) assert.isAbove(led(store), 40)
})
