import { assert, describe, test } from "vitest"
import type { Operation } from "#sim/check/history.ts"
import type { WorldView } from "#sim/check/checker.ts"
import { LeaseChecker } from "#sim/check/leases.ts"
import { firstStale, type Staleness } from "#sim/check/timeline.ts"

class World implements WorldView {
  readonly now = 0
  readonly event = 0
  holders: { readonly store: number; readonly term: number }[] = []
  readonly reports: string[] = []
  leaseHolders(): readonly { readonly store: number; readonly term: number }[] {
    return this.holders
  }
  report(oracle: string): void {
    this.reports.push(oracle)
  }
}

function elected(checker: LeaseChecker, world: World, store: number, term: number): void {
  checker.observed(world, store, { type: "roleChanged", group: 1, replica: store, term, role: "leader" })
}

function reads(checker: LeaseChecker, world: World, store: number, term: number): void {
  checker.observed(world, store, { type: "leaseRead", group: 1, replica: store, term })
}

describe("leases", () => {
  test("an election while an earlier leader could still read alone is found, one after it is not", () => {
    const [checker, world] = [new LeaseChecker(), new World()]
    elected(checker, world, 1, 2)
    world.holders = [{ store: 1, term: 2 }]
    elected(checker, world, 1, 2)
    assert.deepEqual(world.reports, [])
    elected(checker, world, 2, 3)
    assert.deepEqual(world.reports, ["LEASE-disjoint"])
    world.holders = []
    elected(checker, world, 3, 4)
    assert.lengthOf(world.reports, 1)
  })

  test("a read by a lease after another was elected is found, one before is not", () => {
    const [checker, world] = [new LeaseChecker(), new World()]
    elected(checker, world, 1, 2)
    reads(checker, world, 1, 2)
    elected(checker, world, 2, 3)
    reads(checker, world, 2, 3)
    assert.deepEqual(world.reports, [])
    reads(checker, world, 1, 2)
    assert.deepEqual(world.reports, ["LEASE-disjoint"])
  })
})

let ids = 0

function put(
  value: string,
  invokedAt: number,
  endedAt: number,
  outcome: Operation["outcome"] = "ok",
): Operation {
  return {
    id: ++ids,
    process: 1,
    request: [{ type: "put", key: "k", value }],
    invokedAt,
    endedAt,
    outcome,
    results: outcome === "ok" ? [{ type: "done" }] : null,
    commitTs: 0,
    token: null,
    retries: 0,
  }
}

function get(value: string | null, invokedAt: number, commitTs = 0): Operation {
  return {
    ...put("", invokedAt, invokedAt + 1),
    request: [{ type: "get", key: "k" }],
    results: [{ type: "value", value }],
    commitTs,
  }
}

const BOUND: Staleness = { beforeStartUs: 100, beforeStateUs: 10, trueTimeOf: (commitTs) => commitTs }

describe("timeline reads", () => {
  const history = [put("a", 0, 10), put("b", 20, 30)]

  test("may miss what was replaced a short time ago, and nothing older", () => {
    assert.isNull(firstStale(history, [get("a", 130)], BOUND))
    assert.match(firstStale(history, [get("a", 131)], BOUND)!, /had replaced that by 30/)
    assert.isNull(firstStale(history, [get("b", 1_000)], BOUND))
  })

  test("see what their own timestamp promises", () => {
    assert.isNull(firstStale(history, [get("a", 60, 40)], BOUND))
    assert.isNotNull(firstStale(history, [get("a", 60, 41)], BOUND))
    assert.isNull(firstStale(history, [get("a", 60, 41)], { ...BOUND, beforeStateUs: null }))
  })

  test("that find nothing are as old as that", () => {
    assert.isNull(firstStale(history, [get(null, 110)], BOUND))
    assert.isNotNull(firstStale(history, [get(null, 111)], BOUND))
  })

  test("are not judged by writes that ran beside each other, or whose end nobody knows", () => {
    assert.isNull(firstStale([put("a", 0, 25), put("b", 20, 30)], [get("a", 500)], BOUND))
    assert.isNull(firstStale([put("a", 0, 10, "info"), put("b", 20, 30)], [get("a", 500)], BOUND))
    assert.isNull(firstStale([put("a", 0, 10), put("b", 20, 30, "info")], [get("a", 500)], BOUND))
  })

  test("never see what nobody wrote, or what failed", () => {
    assert.match(firstStale(history, [get("c", 50)], BOUND)!, /nobody wrote/)
    assert.match(firstStale([put("a", 0, 10, "fail")], [get("a", 50)], BOUND)!, /nobody wrote/)
  })
})
