import assert from "node:assert/strict"
import { afterEach, beforeEach, describe, test } from "vitest"
import { beat, isConnected, isMeshed, PeerRig, roundsOf, until } from "../../support/peer-rig.ts"

let rig: PeerRig

beforeEach(async () => {
  rig = await PeerRig.make()
})

afterEach(async () => {
  await rig.close()
})

describe("links between stores", () => {
  test("carry frames both ways, in order on each lane", async () => {
    const stores = await rig.addresses(2)
    const peers = await Promise.all([rig.open(1, stores), rig.open(2, stores)])
    const [one, two] = peers
    await until("all lanes are up", () => isMeshed(peers))
    for (let round = 1; round <= 500; round++) {
      one.links.send(2, "raft", rig.frame(1, 2, [beat(round)]))
      two.links.send(1, "raft", rig.frame(2, 1, [beat(1_000 + round)]))
    }
    one.links.send(2, "liveness", rig.frame(1, 2, [beat(0)]))
    await until("all arrived", () => two.frames.length === 501 && one.frames.length === 500)
    const expected = Array.from({ length: 500 }, (_, index) => index + 1)
    assert.deepEqual(
      roundsOf(two.frames).filter((round) => round > 0),
      expected,
    )
    assert.deepEqual(
      roundsOf(one.frames),
      expected.map((round) => 1_000 + round),
    )
    const lane = one.links.stats().peers[0]!.lanes.find((stats) => stats.lane === "raft")!
    assert.equal(lane.sent.frames, 500)
    assert.equal(lane.received.frames, 500)
    assert.deepEqual(lane.dropped, { frames: 0, bytes: 0 })
  })

  test("come back soon after a peer was started again", async () => {
    const stores = await rig.addresses(2)
    const one = await rig.open(1, stores)
    const before = await rig.open(2, stores)
    await until("all lanes are up", () => isMeshed([one, before]))
    await before.links.close()
    await until("the end is noticed", () => !isConnected(one, 2))
    one.links.send(2, "raft", rig.frame(1, 2, [beat(1)]))
    const after = await rig.open(2, stores)
    const began = performance.now()
    await until("all lanes are up again", () => isMeshed([one, after]))
    assert.ok(performance.now() - began < 3_000)
    one.links.send(2, "raft", rig.frame(1, 2, [beat(2)]))
    await until("it arrives", () => after.frames.length > 0)
    assert.deepEqual(roundsOf(after.frames), [2], "what was sent to nobody stays unsent")
  })
})
