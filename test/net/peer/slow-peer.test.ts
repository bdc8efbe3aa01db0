import assert from "node:assert/strict"
import { afterEach, beforeEach, describe, test } from "vitest"
import { collectGarbage } from "../../../bench/support/heap.ts"
import type { StoreAddress } from "#net/cluster/node-config.ts"
import { LANE_BOUNDS } from "#net/peer/limits.ts"
import type { LaneStats } from "#net/peer/stats.ts"
import {
  beat,
  chunk,
  isConnected,
  isMeshed,
  PeerRig,
  until,
  type Peer,
  type Proxy,
} from "../../support/peer-rig.ts"

const CHUNK_BYTES = 256 << 10

let rig: PeerRig
let peers: readonly Peer[]
/** Between store 1, who dials, and store 2. */
let wire: Proxy

beforeEach(async () => {
  rig = await PeerRig.make()
  const stores = await rig.addresses(3)
  wire = await rig.proxy(stores[1]!.peerPort)
  const behindWire = stores.map((address): StoreAddress =>
    address.store === 2 ? { ...address, peerPort: wire.port } : address,
  )
  peers = [await rig.open(1, behindWire), await rig.open(2, stores), await rig.open(3, stores)]
  await until("all lanes are up", () => isMeshed(peers))
})

afterEach(async () => {
  await rig.close()
})

function lane(peer: Peer, store: number, name: string): LaneStats {
  const stats = peer.links.stats().peers.find((found) => found.store === store)
  return stats!.lanes.find((found) => found.lane === name)!
}

describe("a peer that takes nothing", () => {
  test("holds up no other, and costs no more memory than its queue may hold", async () => {
    const [one, two, three] = peers
    wire.freeze()
    collectGarbage()
    const before = process.memoryUsage().arrayBuffers
    let most = 0
    const count = 200
    for (let number = 0; number < count; number++) {
      one!.links.send(2, "bulk", rig.frame(1, 2, [chunk(number, CHUNK_BYTES)]))
      one!.links.send(3, "raft", rig.frame(1, 3, [beat(number)]))
      one!.links.send(3, "liveness", rig.frame(1, 3, [beat(number)]))
      most = Math.max(most, lane(one!, 2, "bulk").queued.bytes)
      // The third hears each pair before the next is sent: what the second does not take delays none of them.
      await until("the third hears it", () => three!.frames.length === 2 * (number + 1), 2_000)
    }
    const bulk = lane(one!, 2, "bulk")
    assert.ok(most <= LANE_BOUNDS.bulk.bytes)
    assert.ok(bulk.dropped.frames > 0)
    assert.equal(two!.frames.length, 0)
    assert.deepEqual(lane(one!, 3, "raft").dropped, { frames: 0, bytes: 0 })
    // 50 MB were sent. What stays is the queue, what gRPC and the sockets have of it, and what the wire took in.
    collectGarbage()
    const grown = process.memoryUsage().arrayBuffers - before
    assert.ok(grown < LANE_BOUNDS.bulk.bytes + (10 << 20), `${grown} bytes`)
  })

  test("is noticed by its silence, and found again when it is back", async () => {
    const [one, two] = peers
    wire.freeze()
    const began = performance.now()
    await until("the silence is noticed", () => !lane(one!, 2, "liveness").connected, 4_000)
    assert.ok(performance.now() - began > 500, "an answer that is merely late is waited for")
    assert.ok(!isConnected(one!, 2))
    one!.links.send(2, "raft", rig.frame(1, 2, [beat(1)]))
    wire.thaw()
    await until("all lanes are up again", () => isConnected(one!, 2))
    one!.links.send(2, "raft", rig.frame(1, 2, [beat(2)]))
    await until("it is heard", () => two!.frames.length === 1)
  })
})
