import assert from "node:assert/strict"
import { afterEach, beforeEach, describe, test } from "vitest"
import { ClientApi, connect, OutcomeUnknownError, type Client } from "#net"
import { openRig, type Rig } from "../../support/api-rig.ts"

let rig: Rig
let api: ClientApi
let client: Client

beforeEach(async () => {
  rig = await openRig()
  api = rig.api
  client = connect({ stores: rig.stores, tls: rig.clientTls, timeoutMs: 20_000 })
})

afterEach(async () => {
  client.close()
  await api.close()
  rig.close()
})

/** The server is gone with all its sessions; its store is not. */
async function die(): Promise<void> {
  rig.store.answers = null
  await api.close()
}

/** Another one in its place. */
async function comeBack(): Promise<void> {
  api = await ClientApi.listen({
    cluster: rig.authority.cluster,
    store: 1,
    tenants: [0],
    host: "127.0.0.1",
    port: rig.stores[0]!.clientPort,
    tls: await rig.authority.listener(1),
    door: rig.store,
    source: { groups: () => rig.store.status(), status: () => ({}) },
  })
  rig.store.answers = api
}

describe("a client whose server dies", () => {
  test("makes what was in flight again when the server is back, and each write counts once", async () => {
    await client.put("warm", "1")
    const counts = Array.from({ length: 200 }, () => client.increment("n"))
    await new Promise((resolve) => setImmediate(resolve))
    await die()
    const later = client.increment("n")
    await comeBack()
    const all = await Promise.all([...counts, later])
    assert.equal(new Set(all).size, 201)
    assert.equal((await client.get("n"))?.toString(), "201")
  })

  test("may be asked while it is gone, and answers when it is back", async () => {
    await client.put("k", "1")
    await die()
    const read = client.get("k")
    await comeBack()
    assert.equal((await read)?.toString(), "1")
    await client.put("k", "2")
    assert.equal((await client.get("k"))?.toString(), "2")
  })

  test("gives up at the deadline: a read that it could not be reached, a write that nobody may know", async () => {
    await client.put("k", "1")
    // It takes requests and answers none.
    rig.store.answers = null
    const write = client.put("k", "2", { timeoutMs: 600 })
    const refused = assert.rejects(write, OutcomeUnknownError)
    await new Promise((resolve) => setImmediate(resolve))
    await api.close()
    await refused
    await assert.rejects(client.get("k", { timeoutMs: 300 }), { code: "unavailable" })
  })
})
