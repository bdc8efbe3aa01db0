import assert from "node:assert/strict"
import fc from "fast-check"
import { describe, test } from "vitest"
import { NodeFileError, parseNodeFile } from "#net"
import { nodeConfigOf } from "../support/node-directory.ts"

function refusalOf(text: string): NodeFileError {
  try {
    parseNodeFile(text)
  } catch (error) {
    if (error instanceof NodeFileError) return error
    throw error
  }
  throw new Error(`It was taken: ${text}`)
}

describe("node.json", () => {
  test("is taken as it was written", () => {
    const config = nodeConfigOf(2, { timing: { leaseUs: 4_000_000 }, limits: { requestsMax: 10 } })
    assert.deepEqual(parseNodeFile(JSON.stringify(config)), config)
  })

  test.each([
    ["no object", [], /^node\.json: \[\] is not an object$/],
    ["another format", nodeConfigOf(1, { format: 2 }), /^format: 2 is not 1$/],
    ["a store that is not among them", nodeConfigOf(4), /^store: 4 is not among stores$/],
    ["no tenant", nodeConfigOf(1, { tenants: [] }), /^tenants: there is none$/],
    ["tenants in no order", nodeConfigOf(1, { tenants: [1, 0] }), /^tenants: 0 comes after 1$/],
    [
      "a port that is none",
      nodeConfigOf(1, { stores: [{ store: 1, host: "h", peerPort: 0, clientPort: 1 }] }),
      /^stores\[0\]\.peerPort: 0 is not/,
    ],
    [
      "time that is no number",
      nodeConfigOf(1, { timing: { leaseUs: "3s" } }),
      /^timing\.leaseUs: "3s" is not a whole/,
    ],
    [
      "elections without a range",
      nodeConfigOf(1, { timing: { electionUsMin: 9_000_000 } }),
      /^timing: electionUsMin/,
    ],
    [
      "another cluster's birth",
      nodeConfigOf(1, { cluster: "other" }),
      /^bootstrap\.cluster: "orbit" is not "other"$/,
    ],
  ])("with %s is refused", (_what, config, message) => {
    assert.match(refusalOf(JSON.stringify(config)).message, message)
  })

  test("with a name nobody knows is refused with those that are", () => {
    const { message, unknown } = refusalOf(JSON.stringify(nodeConfigOf(1, { timing: { leseUs: 1 } })))
    assert.equal(message, `timing: "leseUs" is not known`)
    assert.equal(unknown!.word, "leseUs")
    assert.ok(unknown!.names.includes("leaseUs"))
  })

  test("with a field missing is refused by its name", () => {
    const { cluster: _, ...rest } = nodeConfigOf(1)
    assert.equal(refusalOf(JSON.stringify(rest)).message, `node.json: "cluster" is missing`)
  })

  test("whatever it holds it is taken or refused with a reason", () => {
    const changed = fc.record({
      field: fc.constantFrom(...Object.keys(nodeConfigOf(1))),
      value: fc.jsonValue(),
    })
    fc.assert(
      fc.property(changed, ({ field, value }) => {
        const text = JSON.stringify({ ...nodeConfigOf(1), [field]: value })
        try {
          parseNodeFile(text)
        } catch (error) {
          assert.ok(error instanceof NodeFileError, String(error))
        }
      }),
    )
    fc.assert(fc.property(fc.string(), (text) => assert.ok(refusalOf(text).message.length > 0)))
  })
})
