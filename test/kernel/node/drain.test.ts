import { assert, describe, test } from "vitest"
import type { Observation } from "#kernel/node/observation.ts"
import { DEFAULT_TIMING, type KernelConfig } from "#kernel/node/config.ts"
import { configurationOf, DESCRIPTOR } from "../../support/raft-group.ts"
import { requestOf } from "../../support/requests.ts"
import { Cluster, configOf, type SendEffect, type Store } from "../../support/store-rig.ts"

const GROUPS = 100
const ALL = Array.from({ length: GROUPS }, (_, i) => i + 1)
const SECOND = 1_000_000

function keyOf(group: number): string {
  return `k${String(group).padStart(3, "0")}`
}

/** Stores with so many groups, all of them in one tenant. */
function configWith(stores: readonly number[], groups: number): (id: number) => KernelConfig {
  return (id) => {
    const config = configOf(id, stores)
    const { bootstrap } = config
    const births = Array.from({ length: groups }, (_, i) => ({
      descriptor: {
        ...DESCRIPTOR,
        rangeId: i + 1,
        groupId: i + 1,
        start: i === 0 ? "" : keyOf(i + 1),
        end: i === groups - 1 ? "" : keyOf(i + 2),
      },
      configuration: configurationOf(stores),
    }))
    return { ...config, bootstrap: { ...bootstrap!, groups: births } }
  }
}

function led(store: Store): readonly number[] {
  return store.kernel
    .status()
    .filter(({ role }) => role === "leader")
    .map(({ group }) => group)
}

function write(store: Store, group: number): void {
  const put = { type: "put", key: keyOf(group), value: "v" } as const
  const request = requestOf([put], { id: 1_000 + group, rangeId: group })
  store.step({ type: "request", session: 1, request })
}

function drained(store: Store): readonly Extract<Observation, { type: "drained" }>[] {
  return store.all.flatMap((effect) =>
    effect.type === "observe" && effect.observation.type === "drained" ? [effect.observation] : [],
  )
}

function termsOf(store: Store): readonly number[] {
  return store.kernel.status().map(({ term }) => term)
}

/** Three stores, of which the first leads everything. */
function allLed(): { readonly cluster: Cluster; readonly first: Store; readonly others: readonly Store[] } {
  const cluster = new Cluster([1, 2, 3], configWith([1, 2, 3], GROUPS))
  const [first, ...others] = cluster.stores as [Store, Store, Store]
  for (let waits = 0; led(first).length < GROUPS; waits++) {
    assert.isBelow(waits, 40)
    cluster.pass(SECOND)
    for (const store of others)
      for (const group of led(store)) {
        const request = { id: 1, group, action: { type: "transferLeader", store: 1 } } as const
        store.step({ type: "admin", session: 1, request })
      }
    cluster.settle()
  }
  cluster.pass(5 * SECOND)
  assert.deepEqual(led(first), ALL)
  return { cluster, first, others }
}

/** Keeps what is said so on its way until it is let go. */
function holdBack(
  cluster: Cluster,
  isMeant: (send: SendEffect) => boolean,
): { readonly held: SendEffect[]; release(): void } {
  const deliver = cluster.deliver.bind(cluster)
  const held: SendEffect[] = []
  let release: (() => void)[] = []
  cluster.deliver = (from, send) => {
    if (!isMeant(send)) return deliver(from, send)
    held.push(send)
    release.push(() => deliver(from, send))
  }
  return {
    held,
    release() {
      cluster.deliver = deliver
      for (const one of release) one()
      release = []
    },
  }
}

describe("a store that is told to drain", () => {
  test("hands over all it leads by one election each, and says when that is done; a twin that is reloaded does the same", () => {
    const { cluster, first, others } = allLed()
    const before = termsOf(first)
    const beganAt = first.mono
    for (const store of cluster.stores) store.marks.length = 0
    first.bearTwin()
    first.step({ type: "drain" })
    assert.isFalse(first.kernel.isDrained())
    for (let looks = 0; !first.kernel.isDrained(); looks++) {
      assert.isBelow(looks, 100, "it takes no longer than a second")
      cluster.pass(10_000)
      first.reloadTwin()
    }
    assert.deepEqual(led(first), [])
    assert.deepEqual(drained(first), [{ type: "drained", handed: GROUPS, kept: 0 }])
    assert.isBelow(first.mono - beganAt, DEFAULT_TIMING.electionUsMin, "nobody had to miss it")
    assert.deepEqual(
      others.flatMap((store) => led(store)).toSorted((a, b) => a - b),
      ALL,
    )
    for (const { leader } of first.kernel.status())
      assert.include([2, 3], leader, "clients can be told where")
    assert.deepEqual(
      termsOf(first),
      before.map((term) => term + 1),
    )
    for (const store of cluster.stores) assert.notInclude(store.marks, "raft.election.timedOut")
    assert.notInclude(first.marks, "raft.transfer.abandoned")
  })

  test("has 64 groups on their way at once, and serves the others meanwhile", () => {
    const { cluster, first } = allLed()
    const onTheirWay = holdBack(cluster, ({ message }) => message.type === "timeoutNow")
    first.step({ type: "drain" })
    cluster.pass(SECOND)
    assert.equal(onTheirWay.held.length, 64)
    const moving = new Set(
      onTheirWay.held.map(({ message }) => (message.type === "timeoutNow" ? message.group : 0)),
    )
    const staying = ALL.filter((group) => !moving.has(group))
    assert.equal(staying.length, GROUPS - 64)
    for (const group of staying) write(first, group)
    cluster.settle()
    const answered = first.replies.filter(({ type, id }) => type === "ok" && id >= 1_000)
    assert.equal(answered.length, staying.length)
    assert.isFalse(first.kernel.isDrained())
    onTheirWay.release()
    cluster.pass(SECOND)
    assert.isTrue(first.kernel.isDrained())
    assert.deepEqual(led(first), [])
  })

  test("asks nobody who has been silent, however lately", () => {
    const { cluster, first, others } = allLed()
    // Of two that are as good the first is taken.
    const [silent, heir] = others as [Store, Store]
    for (const group of ALL) write(first, group)
    cluster.settle()
    cluster.cut.add(silent.id)
    cluster.pass(500_000)
    first.all.length = 0
    first.step({ type: "drain" })
    cluster.pass(SECOND)
    assert.isTrue(first.kernel.isDrained())
    assert.deepEqual(led(heir), ALL)
    const asked = first.all.filter(
      (effect) => effect.type === "send" && effect.message.type === "timeoutNow" && effect.to === silent.id,
    )
    assert.deepEqual(asked, [])
  })

  test("leads nothing again, whoever asks or dies", () => {
    const { cluster, first, others } = allLed()
    first.step({ type: "drain" })
    cluster.pass(SECOND)
    assert.isTrue(first.kernel.isDrained())
    first.step({ type: "drain" })
    const [dying, heir] = others as [Store, Store]
    const inherited = led(dying)
    assert.isAbove(inherited.length, 0)
    cluster.cut.add(dying.id)
    cluster.pass(10 * SECOND)
    assert.deepEqual(led(first), [])
    assert.deepEqual(led(heir), ALL, "with its vote")
    const request = { id: 1, group: 1, action: { type: "transferLeader", store: 1 } } as const
    heir.step({ type: "admin", session: 1, request })
    cluster.pass(4 * SECOND)
    assert.deepEqual(led(first), [])
    assert.equal(drained(first).length, 1)
  })

  test("keeps what nobody else can lead, and serves it", () => {
    const cluster = new Cluster([1], configWith([1], 3))
    const [store] = cluster.stores as [Store]
    cluster.pass(5 * SECOND)
    assert.deepEqual(led(store), [1, 2, 3])
    store.step({ type: "drain" })
    store.settle()
    assert.isTrue(store.kernel.isDrained())
    assert.deepEqual(drained(store), [{ type: "drained", handed: 0, kept: 3 }])
    store.request([{ type: "put", key: "a", value: "v" }], { id: 7 })
    cluster.pass(SECOND)
    assert.isTrue(store.replies.some(({ type, id }) => type === "ok" && id === 7))
  })

  test("waits for an heir that lags, and hands over when it has caught up", () => {
    const cluster = new Cluster([1, 2], configWith([1, 2], 1))
    const leader = cluster.elect()
    const heir = cluster.stores.find((store) => store !== leader)!
    const onTheirWay = holdBack(cluster, ({ message }) => message.type === "appendEntries")
    for (let id = 1; id <= 20; id++) leader.request([{ type: "put", key: `a${id}`, value: "v" }], { id })
    leader.settle()
    leader.step({ type: "drain" })
    cluster.pass(3 * SECOND)
    assert.isFalse(leader.kernel.isDrained())
    assert.equal(leader.status!.role, "leader")
    assert.notInclude(leader.marks, "raft.transfer.abandoned")
    onTheirWay.release()
    cluster.pass(SECOND)
    assert.isTrue(leader.kernel.isDrained())
    assert.equal(heir.status!.role, "leader")
  })

  test("asks after those who do not answer now and then, and not all the time", () => {
    const { cluster, first } = allLed()
    const answers = holdBack(cluster, ({ to, message }) => to === 1 && message.type === "heartbeatReply")
    const deliver = cluster.deliver.bind(cluster)
    let heartbeats = 0
    cluster.deliver = (from, send) => {
      // It must not stand still in a storm.
      if (send.message.type === "heartbeat") assert.isBelow(++heartbeats, 10_000)
      deliver(from, send)
    }
    first.step({ type: "drain" })
    cluster.pass(SECOND)
    assert.isFalse(first.kernel.isDrained())
    assert.isAbove(heartbeats, 0)
    // To two others, five times in a second, for 64 groups.
    assert.isBelow(heartbeats, 2 * 6 * 64 + 1)
    cluster.deliver = deliver
    answers.release()
    cluster.pass(SECOND)
    assert.isTrue(first.kernel.isDrained())
  })

  test("is ready only when it knows who leads instead", () => {
    const { cluster, first } = allLed()
    const words = holdBack(
      cluster,
      ({ to, message }) => to === 1 && (message.type === "heartbeat" || message.type === "appendEntries"),
    )
    first.step({ type: "drain" })
    cluster.pass(500_000)
    assert.equal(led(first).length, GROUPS - 64)
    assert.isFalse(first.kernel.isDrained())
    words.release()
    cluster.pass(500_000)
    assert.deepEqual(led(first), [])
    assert.isTrue(first.kernel.isDrained())
  })

  test("does not give to one that gives back for ever", () => {
    const cluster = new Cluster([1, 2], configWith([1, 2], 40))
    cluster.pass(5 * SECOND)
    const [one, two] = cluster.stores as [Store, Store]
    assert.isAbove(led(one).length, 0)
    assert.isAbove(led(two).length, 0)
    one.step({ type: "drain" })
    two.step({ type: "drain" })
    cluster.pass(SECOND)
    assert.isTrue(one.kernel.isDrained())
    assert.isTrue(two.kernel.isDrained())
    assert.equal(led(one).length + led(two).length, 40, "each group is led")
  })

  test("comes to an end where all others drain too", () => {
    const { cluster } = allLed()
    for (const store of cluster.stores) store.step({ type: "drain" })
    cluster.pass(2 * SECOND)
    for (const store of cluster.stores) assert.isTrue(store.kernel.isDrained(), `store ${store.id}`)
  })

  test("before it runs, has nothing to wait for", () => {
    const cluster = new Cluster([1, 2, 3], configWith([1, 2, 3], 3))
    const [store] = cluster.stores as [Store]
    store.boot()
    store.step({ type: "drain" })
    store.endTurn()
    assert.isTrue(store.kernel.isDrained())
    cluster.pass(5 * SECOND)
    assert.deepEqual(led(store), [])
  })
})
