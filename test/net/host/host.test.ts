import assert from "node:assert/strict"
import { setImmediate as immediate } from "node:timers/promises"
import { afterEach, beforeEach, describe, test } from "vitest"
import { HostCluster, until, type NodeOptions, type TestNode } from "../../../bench/support/host-cluster.ts"
import { Wire } from "../../../bench/support/memory-links.ts"

let wire: Wire
let cluster: HostCluster

async function start(options: NodeOptions = {}): Promise<TestNode> {
  cluster = new HostCluster(wire, options)
  await cluster.start()
  return cluster.elected()
}

beforeEach(() => {
  wire = new Wire()
})
afterEach(() => cluster.kill())

describe("three stores with real hosts", () => {
  test("elect a leader and serve puts and gets", async () => {
    const leader = await start()
    const put = await leader.ask([{ type: "put", key: "a", value: "1" }])
    assert.equal(put.type, "ok")
    const got = await leader.ask([{ type: "get", key: "a" }])
    assert.deepEqual(got.type === "ok" ? got.results : got, [{ type: "value", value: "1" }])
  })

  test("many puts at once take few appends: group commit", async () => {
    const leader = await start({ syncMs: 2 })
    const before = leader.platter.appends
    const puts = Array.from({ length: 500 }, (_, i) =>
      leader.ask([{ type: "put", key: `key${i}`, value: "v" }]),
    )
    const replies = await Promise.all(puts)
    assert.ok(replies.every(({ type }) => type === "ok"))
    const appends = leader.platter.appends - before
    assert.ok(appends > 0 && appends < 50, `500 puts took ${appends} appends`)
  })

  test("a store that was killed comes back, catches up, and nothing acknowledged is lost", async () => {
    let leader = await start()
    for (let i = 0; i < 20; i++) await leader.ask([{ type: "put", key: `k${i}`, value: `${i}` }])
    const killed = leader
    killed.kill()
    await until("another leads", () => cluster.leader() !== undefined)
    leader = await cluster.elected()
    assert.notEqual(leader, killed)
    for (let i = 0; i < 20; i++) {
      const got = await leader.ask([{ type: "get", key: `k${i}` }])
      assert.deepEqual(got.type === "ok" ? got.results : got, [{ type: "value", value: `${i}` }])
    }
    await leader.ask([{ type: "put", key: "after", value: "1" }])
    await killed.start()
    await until("it has caught up", () => {
      const [mine] = killed.groups()
      const [theirs] = leader.groups()
      return (
        mine !== undefined && mine.appliedIndex === theirs!.appliedIndex && mine.hashLow === theirs!.hashLow
      )
    })
  })

  test("a flood of requests is refused at the door, and deposes nobody", async () => {
    const leader = await start()
    const term = leader.groups()[0]!.term
    let ok = 0
    let refused = 0
    const end = performance.now() + 4_000
    // Clients who wait for no answer, over two periods of support: whatever is served, more comes.
    const ask = async (i: number): Promise<void> => {
      const reply = await leader.ask([{ type: "put", key: `flood${i}`, value: "v".repeat(100) }])
      if (reply.type === "ok") ok++
      else if (reply.error.code === "overloaded") refused++
    }
    while (performance.now() < end) {
      for (let i = 0; i < 5_000; i++) void ask(i)
      await immediate()
    }
    assert.ok(ok > 0, "nothing was served")
    assert.ok(refused > 0, "nothing was refused")
    assert.equal(leader.groups()[0]!.term, term)
    assert.equal(leader.groups()[0]!.role, "leader")
    assert.ok(leader.host!.stats().refused > 0)
  })

  test("a failed sync stops the store, with the code that says so", async () => {
    const leader = await start()
    const [follower] = cluster.nodes.filter((node) => node !== leader)
    follower!.disk!.tell({ type: "appendFailed", volume: 1, lsn: 7, detail: "EIO: i/o error" })
    await until("it has stopped", () => follower!.stop !== null)
    assert.equal(follower!.stop!.code, "syncFailed")
    assert.ok(follower!.log.warnings.includes("appendFailed"))
    assert.deepEqual(follower!.groups(), [])
    assert.equal((await follower!.ask([{ type: "get", key: "a" }])).type, "error")
    // The others go on.
    assert.equal((await leader.ask([{ type: "put", key: "b", value: "1" }])).type, "ok")
  })

  test("a kernel that throws stops its store and nothing else", async () => {
    const leader = await start()
    const [follower] = cluster.nodes.filter((node) => node !== leader)
    // A completion of a volume that does not exist: the kernel asserts that there is none such.
    follower!.disk!.tell({ type: "segmentCreated", volume: 99, segment: 1 })
    await until("it has stopped", () => follower!.stop !== null)
    assert.equal(follower!.stop!.code, "defect")
    assert.match(follower!.stop!.detail, /does not have/)
  })

  test("a drained store answers what it took and takes nothing more", async () => {
    const leader = await start({ syncMs: 5 })
    const taken = leader.ask([{ type: "put", key: "a", value: "1" }])
    const drained = leader.host!.drain(10_000)
    const refused = await leader.ask([{ type: "put", key: "b", value: "1" }])
    assert.equal(refused.type === "error" && refused.error.code, "overloaded")
    await drained
    assert.equal((await taken).type, "ok")
  })
})

describe("the first word", () => {
  test("nothing leaves before it is on record that the store has lived", async () => {
    cluster = new HostCluster(wire)
    const early: number[] = []
    wire.watch = (from) => {
      if (!cluster.nodes[from - 1]!.birth.born) early.push(from)
    }
    await cluster.start()
    await cluster.elected()
    assert.ok(wire.frames > 0)
    assert.deepEqual(early, [])
    assert.deepEqual(
      cluster.nodes.map((node) => node.birth.born),
      [true, true, true],
    )
  })

  test("a store that cannot record it stops, and has said nothing", async () => {
    cluster = new HostCluster(wire)
    const [mute] = cluster.nodes
    mute!.birth.refusal = new Error("ENOSPC: no space left on device")
    const said: number[] = []
    wire.watch = (from) => said.push(from)
    await cluster.start()
    await until("it has stopped", () => mute!.stop !== null)
    assert.equal(mute!.stop!.code, "birthNotRecorded")
    assert.ok(!said.includes(1))
  })

  test("a wiped disk in an old place is not born again under its old name", async () => {
    await start()
    const [lost] = cluster.nodes
    const before = lost!.host!.identity()!.incarnation
    lost!.kill()
    lost!.wipe()
    await lost!.start()
    await until("it is up", () => lost!.host!.identity() !== null)
    assert.notEqual(lost!.host!.identity()!.incarnation, before)
  })
})
