import assert from "node:assert/strict"
import { afterEach, describe, test } from "vitest"
import type { KvReply, KvRequest } from "#kernel"
import {
  connect,
  type Client,
  type ClientApi,
  type OrreryError,
  OutcomeUnknownError,
  type RequestDoor,
} from "#net"
import { addressOf, listen } from "../../support/api-rig.ts"
import { TestAuthority } from "../../../bench/support/certificates.ts"
import { LiveStore } from "../../support/live-store.ts"

const closers: (() => void)[] = []

afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** What stands between the second server and its kernel: null lets a request through. */
type Bouncer = (request: KvRequest) => KvReply | "silence" | null

type Pair = {
  readonly live: LiveStore
  readonly client: Client
  /** Requests each of the two servers was asked. */
  readonly asked: readonly KvRequest[][]
  bounce: Bouncer
}

/** Stores 1 and 2; a real kernel is behind store 1. Store 2 says what the test lets it say. */
async function openPair(): Promise<Pair> {
  const authority = await TestAuthority.make()
  const live = new LiveStore()
  const asked: KvRequest[][] = [[], []]
  const source = {
    // As if both held a replica, and the other one led.
    groups: () =>
      live.status().map((group) => ({
        ...group,
        leader: 2,
        configuration: {
          ...group.configuration,
          voters: [1, 2].map((id) => ({ replica: id, store: id, incarnation: id })),
        },
      })),
    status: () => ({}),
  }
  const apis: ClientApi[] = []
  const doors: RequestDoor[] = [
    {
      request: (session, request) => {
        asked[0]!.push(request)
        live.request(session, request)
      },
      admin: () => {},
    },
    {
      request: (session, request) => {
        asked[1]!.push(request)
        const said = pair.bounce(request)
        if (said !== "silence") apis[1]!.reply(session, said ?? notLeader(request, 1))
      },
      admin: () => {},
    },
  ]
  for (const [i, door] of doors.entries()) {
    apis.push(await listen(i + 1, door, source, await authority.listener(i + 1), authority.cluster))
  }
  live.answers = apis[0]!
  const client = connect({
    stores: apis.map((api, i) => addressOf(i + 1, api)),
    tls: await authority.client("ann"),
    timeoutMs: 20_000,
  })
  const pair: Pair = { live, client, asked, bounce: () => null }
  closers.push(() => {
    client.close()
    for (const api of apis) void api.close()
    live.close()
  })
  return pair
}

function notLeader({ id }: KvRequest, hint: number | null): KvReply {
  return { type: "error", id, error: { code: "notLeader", hint, term: 1 } }
}

function isWrite({ ops }: KvRequest): boolean {
  return ops.some(({ type }) => type === "put" || type === "increment")
}

describe("a client whose first guess at the leader is wrong", () => {
  test("follows the hint, remembers it, and keeps the token", async () => {
    const { client, asked } = await openPair()
    await client.put("k", "1")
    await client.put("k", "2")
    assert.equal((await client.get("k"))?.toString(), "2")
    const wrong = asked[1]!.filter(isWrite)
    assert.equal(wrong.length, 1, "only the first write went astray")
    assert.deepEqual(asked[0]!.find(isWrite)!.token, wrong[0]!.token)
  })

  test("asks again after a refusal without effect, and gives up at the deadline with its code", async () => {
    const pair = await openPair()
    pair.bounce = ({ id }) => ({ type: "error", id, error: { code: "diskFull" } })
    await pair.client.put("k", "1")
    pair.client.router.find("k")!.stores = [2]
    pair.client.router.find("k")!.leader = 2
    await assert.rejects(pair.client.put("k", "2", { timeoutMs: 1_000 }), (error: OrreryError) => {
      assert.deepEqual([error.code, error.recourse], ["diskFull", "retryable"])
      assert.ok(error.retries > 0)
      return true
    })
    pair.client.router.find("k")!.stores = [1, 2]
    assert.equal((await pair.client.get("k"))?.toString(), "1")
  })

  test("a write that may have taken effect is repeated with its token, and takes effect once", async () => {
    const pair = await openPair()
    let lost = 0
    // The kernel does it, and the answer is an unknown outcome: as when leadership is lost with the entry in flight.
    pair.bounce = (request) => {
      if (!isWrite(request) || lost > 0) return null
      lost++
      pair.live.request(0, request)
      return { type: "error", id: request.id, error: { code: "outcomeUnknown" } }
    }
    assert.equal(await pair.client.increment("n"), 1)
    assert.equal(lost, 1)
    assert.equal((await pair.client.get("n"))?.toString(), "1")
  })

  test("without a token the same ends as an unknown outcome", async () => {
    const pair = await openPair()
    pair.bounce = ({ id, ...request }) =>
      isWrite({ id, ...request }) ? { type: "error", id, error: { code: "outcomeUnknown" } } : null
    await assert.rejects(pair.client.increment("n", 1, { exactlyOnce: false }), OutcomeUnknownError)
    assert.equal(pair.asked.flat().filter(isWrite).length, 1)
  })

  test("silence ends at the deadline, in doubt for a write and without for a read", async () => {
    const pair = await openPair()
    await pair.client.put("warm", "1")
    pair.bounce = () => "silence"
    pair.client.router.find("k")!.stores = [2]
    pair.client.router.find("k")!.leader = 2
    await assert.rejects(pair.client.get("k", { timeoutMs: 100 }), { code: "unavailable" })
    await assert.rejects(pair.client.put("k", "1", { timeoutMs: 100 }), OutcomeUnknownError)
  })

  test("a stale generation is followed", async () => {
    const pair = await openPair()
    await pair.client.put("k", "1")
    const route = pair.client.router.find("k")!
    route.descriptor = { ...route.descriptor, generation: 0 }
    assert.equal((await pair.client.get("k"))?.toString(), "1")
    assert.equal(pair.client.router.find("k")!.descriptor.generation, 1)
  })

  test("a token that expired before anything came of it gives way to a younger one", async () => {
    const pair = await openPair()
    let expired = 0
    pair.bounce = (request) => {
      if (!isWrite(request) || expired++ > 0) return null
      return { type: "error", id: request.id, error: { code: "tokenExpired" } }
    }
    assert.equal(await pair.client.increment("n"), 1)
    const first = pair.asked[1]!.find(isWrite)!.token!
    const last = pair.asked[0]!.find(isWrite)!.token!
    assert.ok(last.seq > first.seq && last.birth >= first.birth)
  })

  test("a token that expired after a doubt ends in it: the write is not made again", async () => {
    const pair = await openPair()
    let count = 0
    pair.bounce = (request) => {
      if (!isWrite(request)) return null
      // It was done; nobody says so, and by the time it is asked again nobody remembers.
      if (count++ === 0) pair.live.request(0, request)
      return {
        type: "error",
        id: request.id,
        error: { code: count === 1 ? "outcomeUnknown" : "tokenExpired" },
      }
    }
    await pair.client.get("n")
    pair.client.router.find("n")!.stores = [2]
    pair.client.router.find("n")!.leader = 2
    await assert.rejects(pair.client.increment("n"), (error: OutcomeUnknownError) => {
      assert.ok(error instanceof OutcomeUnknownError)
      assert.equal(error.refusal?.code, "tokenExpired")
      return true
    })
    assert.equal(count, 2)
    pair.client.router.find("n")!.stores = [1]
    pair.client.router.find("n")!.leader = 1
    assert.equal((await pair.client.get("n"))?.toString(), "1")
  })
})
