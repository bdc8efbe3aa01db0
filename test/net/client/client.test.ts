import assert from "node:assert/strict"
import { afterAll, beforeAll, describe, test } from "vitest"
import { connect, OrreryError, type Client } from "#net"
import { openRig, type Rig } from "../../support/api-rig.ts"

let rig: Rig
let client: Client

beforeAll(async () => {
  rig = await openRig()
  client = connect({ stores: rig.stores, tls: rig.clientTls })
})

afterAll(() => {
  client.close()
  rig.close()
})

describe("a client of a real kernel over loopback", () => {
  test("reads what it wrote, as bytes, and nothing where nothing is", async () => {
    await client.put("greeting", "grüß dich")
    assert.equal((await client.get("greeting"))?.toString(), "grüß dich")
    const all = Uint8Array.from({ length: 256 }, (_, i) => i)
    await client.put(all.subarray(1, 9), all)
    assert.deepEqual(await client.get(all.subarray(1, 9)), Buffer.from(all))
    assert.equal(await client.get("nothing"), null)
    await client.delete("greeting")
    assert.equal(await client.get("greeting"), null)
  })

  test("swaps only what is as expected", async () => {
    assert.equal(await client.cas("swap", null, "one"), true)
    assert.equal(await client.cas("swap", null, "two"), false)
    assert.equal(await client.cas("swap", "one", ""), true)
    assert.equal(await client.cas("swap", "", "three"), true)
    assert.equal((await client.get("swap"))?.toString(), "three")
  })

  test("counts in both directions up to the last safe integer", async () => {
    assert.equal(await client.increment("count"), 1)
    assert.equal(await client.increment("count", -43), -42)
    assert.equal(await client.increment("most", Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER)
    assert.equal(await client.increment("least", -Number.MAX_SAFE_INTEGER), -Number.MAX_SAFE_INTEGER)
  })

  test("five hundred increments in flight at once all count, once each", async () => {
    const counts = await Promise.all(Array.from({ length: 500 }, () => client.increment("many")))
    assert.deepEqual(
      counts.toSorted((a, b) => a - b),
      Array.from({ length: 500 }, (_, i) => i + 1),
    )
  })

  test("a batch is done as a whole or not at all", async () => {
    const results = await client.batch([
      { type: "put", key: "a", value: "1" },
      { type: "get", key: "a" },
      { type: "append", key: "a", value: "2" },
      { type: "increment", key: "a", by: 1 },
    ])
    assert.deepEqual(results, [null, Buffer.from("1"), null, 13])
    const refused = client.batch([
      { type: "put", key: "a", value: "x" },
      { type: "put", key: "b", value: "text" },
      { type: "increment", key: "b", by: 1 },
    ])
    await assert.rejects(refused, (error: OrreryError) => {
      assert.equal(error.code, "notAnInteger")
      assert.equal(error.recourse, "final")
      return true
    })
    assert.equal((await client.get("a"))?.toString(), "13")
    assert.equal(await client.get("b"), null)
  })

  test("scans forwards and backwards, and says whether there is more", async () => {
    for (const key of ["row1", "row2", "row3"]) await client.put(key, `of ${key}`)
    const keys = ({ rows }: { rows: { key: Buffer }[] }): string[] => rows.map(({ key }) => key.toString())
    const all = await client.scan({ start: "row", end: "rox" })
    assert.deepEqual([keys(all), all.more], [["row1", "row2", "row3"], false])
    const first = await client.scan({ start: "row", end: "rox", limit: 2 })
    assert.deepEqual([keys(first), first.more], [["row1", "row2"], true])
    const last = await client.scan({ start: "row", end: "rox", limit: 2, reverse: true })
    assert.deepEqual([keys(last), last.more], [["row3", "row2"], true])
    assert.deepEqual(keys(await client.scan({ start: "rox", end: "row" })), [])
  })

  test("the cluster's refusal arrives with its code and what to do", async () => {
    await assert.rejects(client.put("k".repeat(1025), ""), (error: OrreryError) => {
      assert.ok(error instanceof OrreryError)
      assert.equal(error.code, "tooLarge")
      assert.match(error.message, /1025 bytes, at most 1024/)
      return true
    })
  })

  test("every write carries a token of this client, and who the certificate says it is", () => {
    const writes = rig.store.requests.filter(({ ops }) => ops.some(({ type }) => type === "put"))
    assert.ok(writes.length > 0)
    assert.ok(writes.every(({ token }) => token?.client === client.tokens.client))
    assert.ok(writes.every(({ principal, tenant }) => principal === "someone" && tenant === 0))
  })

  test("a store says how it is, and takes orders for the groups it leads", async () => {
    const { groups } = (await client.status(1)) as { groups: { role: string; group: number }[] }
    assert.deepEqual(
      groups.map(({ role, group }) => [role, group]),
      [["leader", 1]],
    )
    const operator = connect({ stores: rig.stores, tls: await rig.authority.client("operator") })
    const order = { group: 1, action: { type: "removeReplica", store: 9 } } as const
    const reply = await operator.admin(1, order)
    assert.equal(reply.type, "error")
    await assert.rejects(operator.admin(1, { ...order, group: 0 }), { code: "badRequest" })
    operator.close()
  })

  test("what is done after its end is refused with `closed`", async () => {
    const other = connect({ stores: rig.stores, tls: rig.clientTls })
    await other.put("x", "1")
    other.close()
    await assert.rejects(other.get("x"), { code: "closed" })
  })
})
