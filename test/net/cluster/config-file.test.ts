import assert from "node:assert/strict"
import { describe, test } from "vitest"
import { makeBootstrap } from "#net/cluster/birth.ts"
import { parseClientConfig, parseNodeConfig, readNodeConfig } from "#net/cluster/config-file.ts"
import { storeOfNames } from "#net/cluster/identity.ts"

const CLUSTER = "01a1fbe0-5e9b-7086-9e51-348ced124548"
const STORES = [1, 2, 3].map((store) => ({ store, host: "h", peerPort: store, clientPort: 100 + store }))
const GOOD = {
  format: 1,
  cluster: CLUSTER,
  store: 2,
  stores: STORES,
  tenants: [0],
  bootstrap: makeBootstrap(CLUSTER, 3, 4),
  timing: { heartbeatUs: 50_000 },
  limits: {},
}

type Loose = Record<string, unknown> & {
  bootstrap: { groups: unknown[]; stores: unknown[] } & Record<string, unknown>
}

/** A good document after one change. */
function changed(change: (config: Loose) => void): string {
  const copy = structuredClone(GOOD) as unknown as Loose
  change(copy)
  return JSON.stringify(copy)
}

function group(
  config: Loose,
  index: number,
): { descriptor: Record<string, unknown>; configuration: Record<string, unknown> } {
  return config.bootstrap.groups[index] as never
}

describe("node.json", () => {
  test("is read as it was written", () => {
    assert.deepEqual(parseNodeConfig("node.json", JSON.stringify(GOOD)), GOOD)
  })

  test.each<readonly [string, string, RegExp, (config: Loose) => void]>([
    ["a later format", "configFormat", /format 2 is not known/, (c) => (c["format"] = 2)],
    ["no format", "configInvalid", /"format" is missing/, (c) => delete c["format"]],
    [
      "a slip in a name",
      "configUnknownKey",
      /"tennants".*did you mean "tenants"/,
      (c) => (c["tennants"] = []),
    ],
    [
      "a slip in a bound",
      "configUnknownKey",
      /timing: .*did you mean "heartbeatUs"/,
      (c) => (c["timing"] = { heartbeatMs: 1 }),
    ],
    ["a missing key", "configInvalid", /"limits" is missing/, (c) => delete c["limits"]],
    ["a text for a number", "configInvalid", /store: must be a whole number/, (c) => (c["store"] = "2")],
    ["a store that is not listed", "configInvalid", /store 4 is not among/, (c) => (c["store"] = 4)],
    ["a cluster that is no UUID", "configInvalid", /cluster: must be a UUID/, (c) => (c["cluster"] = "prod")],
    [
      "another cluster's birth",
      "configInvalid",
      /bootstrap.cluster/,
      (c) => (c.bootstrap["cluster"] = CLUSTER.replace("01", "02")),
    ],
    [
      "a port given twice",
      "configInvalid",
      /port 1 of h is given twice/,
      (c) => (c["stores"] = STORES.map((s) => ({ ...s, clientPort: 1 }))),
    ],
    ["stores out of order", "configInvalid", /ascending/, (c) => (c["stores"] = STORES.toReversed())],
    [
      "a gap between ranges",
      "configInvalid",
      /range 2 does not begin where/,
      (c) => (group(c, 1).descriptor["start"] = "a"),
    ],
    ["keys without a range", "configInvalid", /have no range/, (c) => c.bootstrap.groups.pop()],
    [
      "a replica of another life",
      "configInvalid",
      /not born in this document/,
      (c) => (c.bootstrap.stores[0] = { store: 1, incarnation: 1, region: "", zone: "" }),
    ],
    [
      "a learner at birth",
      "configInvalid",
      /learners: has 1 items/,
      (c) => (group(c, 0).configuration["learners"] = [{}]),
    ],
    [
      "an election that cannot be drawn",
      "configInvalid",
      /electionUsMin/,
      (c) => (c["timing"] = { electionUsMin: 3_000_000 }),
    ],
    [
      "a duration of nothing",
      "configInvalid",
      /timing.heartbeatUs: must be/,
      (c) => (c["timing"] = { heartbeatUs: 0 }),
    ],
  ])("is refused for %s", (_, code, message, change) => {
    assert.throws(() => parseNodeConfig("node.json", changed(change)), {
      name: "ClusterError",
      code,
      message,
    })
  })

  test("is refused when it is no JSON, no object, or not there", () => {
    assert.throws(() => parseNodeConfig("node.json", "{"), { code: "configNotJson" })
    assert.throws(() => parseNodeConfig("node.json", "[]"), { code: "configInvalid" })
    assert.throws(() => parseNodeConfig("node.json", "null"), { code: "configInvalid" })
    assert.throws(() => readNodeConfig("/no/such/place"), { code: "configUnreadable" })
  })

  test("is refused for any one value that is of another kind", () => {
    let tried = 0
    const walk = (value: unknown, put: (other: unknown) => void): void => {
      if (typeof value === "object" && value !== null) {
        for (const [key, field] of Object.entries(value)) {
          walk(field, (other) => ((value as Record<string, unknown>)[key] = other))
        }
      }
      for (const other of [null, true, -1, 1.5, {}, "\u{1F600}"]) {
        if (JSON.stringify(other) === JSON.stringify(value)) continue
        put(other)
        tried++
        assert.throws(() => parseNodeConfig("node.json", JSON.stringify(copy)), { name: "ClusterError" })
        put(value)
      }
    }
    const copy = structuredClone(GOOD) as unknown as Record<string, unknown>
    for (const [key, field] of Object.entries(copy)) {
      // Where anything or nothing may stand, an empty object is as good.
      if (key !== "timing" && key !== "limits") walk(field, (other) => (copy[key] = other))
    }
    assert.ok(tried > 500)
    assert.deepEqual(copy, GOOD)
  })
})

test.each([1, 2, 3, 7, 36, 100, 1_024])("a new cluster is cut into %i ranges that leave no gap", (ranges) => {
  // The reader refuses gaps, overlaps and empty ranges.
  for (const stores of [1, 2, 3]) {
    const bootstrap = makeBootstrap(CLUSTER, stores, ranges)
    const config = { ...GOOD, store: 1, stores: STORES.slice(0, stores), bootstrap }
    const { groups } = parseNodeConfig("node.json", JSON.stringify(config)).bootstrap
    assert.equal(groups.length, ranges)
    assert.ok(groups.every(({ configuration }) => configuration.voters.length === stores))
  }
})

test("client.json has the stores and nothing else", () => {
  const good = { format: 1, cluster: CLUSTER, stores: STORES }
  assert.deepEqual(parseClientConfig("client.json", JSON.stringify(good)), good)
  assert.throws(() => parseClientConfig("client.json", JSON.stringify({ ...good, store: 1 })), {
    code: "configUnknownKey",
    message: /did you mean "stores"/,
  })
})

test("a certificate is a store's by exactly one name", () => {
  const uri = `URI:orrery://${CLUSTER}/store/3`
  assert.deepEqual(storeOfNames(`DNS:a, ${uri}, IP Address:127.0.0.1`), { cluster: CLUSTER, store: 3 })
  for (const names of [
    undefined,
    "",
    "DNS:a",
    `${uri}, ${uri}`,
    `${uri}0/x`,
    `DNS:"${uri}"`,
    `${uri}, URI:http://x`,
  ]) {
    assert.equal(storeOfNames(names), null, String(names))
  }
  assert.equal(storeOfNames(`URI:orrery://${CLUSTER}/client/operator`), null)
  assert.equal(storeOfNames(`URI:orrery://${CLUSTER}/store/0`), null)
})
