import assert from "node:assert/strict"
import { Client as GrpcClient, type ServiceError } from "@grpc/grpc-js"
import { afterAll, beforeAll, describe, test } from "vitest"
import { connect, type ClientApi, type OrreryError, type TlsFiles } from "#net"
import { clientOfNames, clientUri, storeUri } from "#net/cluster/identity.ts"
import { PATHS } from "#net/api/names.ts"
import { secureTarget } from "#net/api/tls.ts"
import { TestAuthority } from "../../../bench/support/certificates.ts"
import { addressOf, listen, openRig, type Rig } from "../../support/api-rig.ts"

const CLUSTER = "01a1fbe0-5e9b-7086-9e51-348ced124548"
const bytes = (message: Buffer): Buffer => message

let rig: Rig
/** A door of another cluster that trusts the same authority. */
let other: ClientApi

beforeAll(async () => {
  rig = await openRig()
  const source = { groups: () => [], status: () => ({}) }
  const tls = await rig.authority.listener(1)
  other = await listen(1, { request() {}, admin() {} }, source, tls, CLUSTER)
})

afterAll(async () => {
  rig.close()
  await other.close()
})

/** How a call by this certificate ends: gRPC's code and the words. */
function ending(api: ClientApi, tls: TlsFiles, name: keyof typeof PATHS): Promise<string> {
  const { credentials, options } = secureTarget(tls, "127.0.0.1")
  const channel = new GrpcClient(`127.0.0.1:${api.port}`, credentials, options)
  return new Promise<string>((ended) => {
    const done = (error: ServiceError | null): void =>
      ended(error === null ? "ok" : `${error.code} ${error.details}`)
    if (name === "session") {
      const call = channel.makeBidiStreamRequest(PATHS.session, bytes, bytes)
      call.on("error", done)
      call.on("end", () => done(null))
      call.resume()
      call.end()
    } else {
      channel.makeUnaryRequest(PATHS[name], bytes, bytes, Buffer.alloc(0), done)
    }
  }).finally(() => channel.close())
}

const CALLS = ["session", "locate", "status", "admin"] as const

describe("the client API", () => {
  test("is closed to the certificates of stores, whatever they ask for", async () => {
    const link = await rig.authority.link(2)
    for (const name of CALLS)
      assert.equal(await ending(rig.api, link, name), "7 notAClient: the certificate names no client")
  })

  test("is closed to clients of another cluster, even of the same authority", async () => {
    const client = await rig.authority.client("operator")
    for (const name of CALLS)
      assert.equal(await ending(other, client, name), "7 wrongCluster: the certificate is of another cluster")
  })

  test("does not shake hands with what another authority signed, or what may only listen", async () => {
    const stranger = await (await TestAuthority.make()).client("operator")
    const ca = rig.clientTls.ca
    for (const tls of [{ ...stranger, ca }, await rig.authority.listener(1)])
      for (const name of CALLS) assert.match(await ending(rig.api, tls, name), /^14 /)
  })

  test("takes orders from an operator only, and gives everything else to every client", async () => {
    for (const name of ["session", "locate", "status"] as const)
      assert.equal(await ending(rig.api, rig.clientTls, name), "ok")
    assert.equal(
      await ending(rig.api, rig.clientTls, "admin"),
      "7 notPermitted: only an operator gives orders",
    )
    const operator = await rig.authority.client("operator")
    assert.match(await ending(rig.api, operator, "admin"), /^3 badRequest/)
  })

  test("tells a client at once, by a code that no repeating changes", async () => {
    const stores = [addressOf(1, other), { ...addressOf(2, other), store: 2 }]
    const client = connect({ stores, tls: rig.clientTls })
    const isFinal = (error: OrreryError): boolean =>
      error.code === "wrongCluster" && error.recourse === "final"
    await assert.rejects(client.put("k", "v"), isFinal)
    await assert.rejects(client.status(1), isFinal)
    client.close()
    const plain = connect({ stores: rig.stores, tls: rig.clientTls })
    const order = { group: 1, action: { type: "transferLeader", store: 2 } } as const
    await assert.rejects(plain.admin(1, order), { code: "notPermitted", recourse: "final" })
    plain.close()
  })
})

test("a certificate is a client's when it names exactly one thing, and that is a client", () => {
  const names = (...uris: string[]): string => uris.map((uri) => `URI:${uri}`).join(", ")
  const ann = clientUri(CLUSTER, "ann")
  assert.deepEqual(clientOfNames(names(ann)), { cluster: CLUSTER, name: "ann", role: "client" })
  assert.equal(clientOfNames(names(clientUri(CLUSTER, "operator")))?.role, "operator")
  for (const not of [undefined, "", "DNS:operator", names(storeUri(CLUSTER, 1)), names(ann, ann)])
    assert.equal(clientOfNames(not), null)
  for (const name of ["", "a/b", "ann ", "a,b", "ä", "a".repeat(65)])
    assert.equal(clientOfNames(names(clientUri(CLUSTER, name))), null)
})
