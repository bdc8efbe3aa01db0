import { assert, test } from "vitest"
import type { KernelConfig } from "#kernel/node/config.ts"
import { decodeFrame } from "#kernel/wal/frame.ts"
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from "#kernel/wal/segment.ts"
import { DESCRIPTOR } from "../../support/raft-group.ts"
import { Cluster, configOf, Store, TENANT_VOLUME } from "../../support/store-rig.ts"

// ADR 0044: a volume that may have forgotten replicas does not speak as if there had been none.

const SECOND = 1_000_000
const ELSEWHERE = { rangeId: DESCRIPTOR.rangeId + 7 }

/** The one store of a cluster, driven until it leads and has nothing left to do. */
function led(config: KernelConfig = configOf(1, [1])): Store {
  const store = new Store(config)
  store.settle()
  for (let i = 0; i < 60 && store.status?.role !== "leader"; i++) {
    store.wake()
    store.settle()
  }
  assert.equal(store.status?.role, "leader")
  for (const until = store.mono + SECOND; store.mono < until; store.settle()) store.wake()
  return store
}

/** Flips a bit in a frame of the tenant's log, counted from its beginning or, below 0, from its end. */
function spoil(store: Store, which: number): void {
  const frames: { readonly file: Uint8Array; readonly at: number }[] = []
  for (const [, file] of [...store.disk.get(TENANT_VOLUME)!.segments].sort((a, b) => a[0] - b[0])) {
    const decoded = decodeSegmentHeader(file)
    if (decoded.type !== "header") continue
    let offset = SEGMENT_HEADER_BYTES
    for (;;) {
      const frame = decodeFrame(file, offset, decoded.header)
      if (frame.type !== "frame") break
      frames.push({ file, at: Math.floor((offset + frame.header.end) / 2) })
      offset = frame.header.end
    }
  }
  const { file, at } = frames.at(which)!
  file[at]! ^= 0x40
}

function restarted(store: Store): void {
  store.mono += SECOND
  store.boot()
  store.settle()
}

function codeOf(store: Store, more: Parameters<Store["request"]>[1] = {}): string {
  store.replies.length = 0
  store.request([{ type: "get", key: "a" }], more)
  store.settle()
  const [reply] = store.replies
  return reply?.type === "error" ? reply.error.code : String(reply?.type)
}

function forgetfulAt(store: Store): readonly number[] {
  return [...store.kernel.forgetful]
}

/** What the start that was last said of it: an operator hears it every time. */
function warnings(store: Store): number {
  return store.all.filter(
    (effect) => effect.type === "observe" && effect.observation.type === "mayHaveForgotten",
  ).length
}

test("an only replica whose creation is lost does not vanish: its range is answered for by `recovering`, start after start", () => {
  const store = led()
  assert.deepEqual(forgetfulAt(store), [])
  spoil(store, 0)
  for (let starts = 1; starts <= 3; starts++) {
    restarted(store)
    assert.equal(store.fatal, null)
    assert.equal(store.status, undefined, "nobody knows any more what it was")
    assert.deepEqual(forgetfulAt(store), [TENANT_VOLUME])
    assert.equal(warnings(store), starts)
    assert.equal(codeOf(store), "recovering")
  }
  assert.equal(store.marks.filter((name) => name === "node.volume.forgetful").length, 1, "written down once")
})

test("what is saved and loaded again knows as well what may be forgotten", () => {
  const store = led()
  spoil(store, 0)
  restarted(store)
  store.bearTwin()
  store.reloadTwin()
  assert.deepEqual([...store.twin!.forgetful], [TENANT_VOLUME])
  assert.equal(codeOf(store), "recovering")
})

test("a volume that is gone, and with it the names of what it held, may have forgotten them", () => {
  const store = led()
  const volume = store.disk.get(TENANT_VOLUME)!
  volume.segments.clear()
  volume.witness = null
  restarted(store)
  assert.deepEqual(forgetfulAt(store), [TENANT_VOLUME])
  assert.equal(codeOf(store), "recovering")
})

test("a store that has lost nothing says of a range it does not hold that others may know it", () => {
  const store = led()
  restarted(store)
  assert.deepEqual(forgetfulAt(store), [])
  assert.equal(codeOf(store, ELSEWHERE), "notLeader")
})

test("damage that the next frame vouches for took no name with it", () => {
  const cluster = new Cluster()
  cluster.elect()
  const store = cluster.store(3)
  spoil(store, 1)
  restarted(store)
  assert.isDefined(store.status)
  assert.deepEqual(forgetfulAt(store), [])
  assert.equal(codeOf(store, ELSEWHERE), "notLeader")
})

test("damage that nothing vouches for may have made a replica: the ranges that are known are served as ever", () => {
  const cluster = new Cluster()
  cluster.elect()
  const store = cluster.store(3)
  store.disk.get(TENANT_VOLUME)!.witness = null
  spoil(store, -1)
  restarted(store)
  assert.isDefined(store.status)
  assert.deepEqual(forgetfulAt(store), [TENANT_VOLUME])
  assert.equal(codeOf(store, ELSEWHERE), "recovering")
  assert.equal(
    codeOf(store, { ...ELSEWHERE, tenant: DESCRIPTOR.tenant + 1 }),
    "notLeader",
    "of another tenant",
  )
})

test("a replica that its leader makes anew answers for its range itself", () => {
  const cluster = new Cluster()
  cluster.elect()
  const store = cluster.store(3)
  spoil(store, 0)
  restarted(store)
  assert.equal(codeOf(store), "recovering")
  cluster.pass(60 * SECOND)
  assert.isDefined(store.status, "its leader missed it and made it again under another name")
  assert.isAbove(store.status.replica, 3)
  assert.equal(codeOf(store), "notLeader")
  assert.deepEqual(
    forgetfulAt(store),
    [TENANT_VOLUME],
    "of other ranges nobody can say that they are all known",
  )
})
