import assert from "node:assert/strict"
import { test } from "vitest"
import type { KvReply, KvRequest, RangeDescriptor } from "#kernel"
import type { PlanRequest } from "#sim"
import {
  ClientMemory,
  runOperation,
  type ClientAnswer,
  type ClientStep,
  type Ending,
} from "#sim/workload/client.ts"

const RANGE: RangeDescriptor = { rangeId: 1, groupId: 1, tenant: 0, start: "", end: "", generation: 1 }
const PUT: PlanRequest = {
  ops: [{ type: "put", key: "a", value: "1" }],
  range: 1,
  token: false,
  timeoutUs: 1_000_000,
  copies: 1,
  abandoned: false,
  read: "strong",
}
const GET: PlanRequest = { ...PUT, ops: [{ type: "get", key: "a" }] }

function memory(): ClientMemory {
  return new ClientMemory(0, [{ descriptor: RANGE, stores: [1, 2, 3], homes: [1, 2, 3] }])
}

type Told = {
  readonly sent: readonly { store: number; request: KvRequest }[]
  readonly pauses: number
  readonly ending: Ending
}

/** Carries an operation out; `answers` are given to what it sends, in turn, then only timeouts. */
function carryOut(
  client: ClientMemory,
  op: PlanRequest,
  answers: readonly ((request: KvRequest) => ClientAnswer)[],
): Told {
  const running = runOperation(client, op)
  const sent: { store: number; request: KvRequest }[] = []
  let pauses = 0
  let result: IteratorResult<ClientStep, Ending> = running.next()
  while (result.done !== true) {
    const step = result.value
    if (step.type === "pause") {
      pauses++
      result = running.next("timeout")
      continue
    }
    const answer = answers[sent.length]
    sent.push({ store: step.store, request: step.request })
    result = running.next(answer === undefined ? "timeout" : answer(step.request))
  }
  return { sent, pauses, ending: result.value }
}

const ok = (request: KvRequest): KvReply => ({
  type: "ok",
  id: request.id,
  commitTs: 100,
  results: request.ops.map(() => ({ type: "done" })),
  answer: null,
})
const notLeader =
  (hint: number | null) =>
  (request: KvRequest): KvReply => ({
    type: "error",
    id: request.id,
    error: { code: "notLeader", hint, term: 1 },
  })
const refused =
  (code: "overloaded" | "outcomeUnknown" | "tokenExpired") =>
  (request: KvRequest): KvReply => ({ type: "error", id: request.id, error: { code } })
const silence = (): ClientAnswer => "timeout"

test("a hint leads to the leader, and the client remembers it", () => {
  const client = memory()
  const first = carryOut(client, PUT, [notLeader(3), ok])
  assert.deepEqual(
    first.sent.map((sent) => sent.store),
    [1, 3],
  )
  assert.equal(first.ending.outcome, "ok")
  assert.deepEqual(
    carryOut(client, PUT, [ok]).sent.map((sent) => sent.store),
    [3],
  )
})

test("after two hops the client pauses before it follows a third hint", () => {
  const told = carryOut(memory(), PUT, [notLeader(2), notLeader(3), notLeader(1), ok])
  assert.equal(told.pauses, 1)
  assert.equal(told.ending.outcome, "ok")
  assert.equal(told.ending.retries, 3)
})

test("a write without a token that times out is over, and nobody knows how it ended", () => {
  const told = carryOut(memory(), PUT, [silence])
  assert.equal(told.sent.length, 1)
  assert.deepEqual([told.ending.outcome, told.ending.answered], ["info", false])
})

test("a read that times out is asked of others, and has failed when nobody answers", () => {
  const told = carryOut(memory(), GET, [])
  assert.ok(new Set(told.sent.map((sent) => sent.store)).size === 3)
  assert.equal(told.ending.outcome, "fail")
})

test("with a token the same sequence is asked of another store until one answers", () => {
  const client = memory()
  const told = carryOut(client, { ...PUT, token: true }, [ok, silence, refused("outcomeUnknown"), ok])
  // The first request asks for the time and nothing else.
  assert.deepEqual(told.sent[0]!.request.ops, [])
  assert.equal(told.sent[0]!.request.read, "eventual")
  const tokens = told.sent.slice(1).map((sent) => sent.request.token)
  assert.deepEqual(
    tokens,
    Array.from({ length: 3 }, () => ({ client: 1, birth: 100, seq: 1, ackedSeq: 0 })),
  )
  assert.equal(told.ending.outcome, "ok")
  assert.deepEqual(told.ending.token, { client: 1, seq: 1 })
  // Each attempt is a request of its own, so a late answer to an old one is not taken for the new one.
  assert.equal(new Set(told.sent.map((sent) => sent.request.id)).size, told.sent.length)
})

test("a refusal without effect does not take back the doubt of an earlier attempt", () => {
  const client = memory()
  const doubted = carryOut(client, { ...PUT, token: true }, [ok, silence, refused("tokenExpired")])
  assert.equal(doubted.ending.outcome, "info")
  const clear = carryOut(client, { ...PUT, token: true }, [ok, refused("tokenExpired")])
  assert.equal(clear.ending.outcome, "fail")
})

test("after its token expired a client asks for a newer timestamp", () => {
  const client = memory()
  carryOut(client, { ...PUT, token: true }, [ok, refused("tokenExpired")])
  assert.deepEqual(carryOut(client, { ...PUT, token: true }, [ok, ok]).sent[0]!.request.ops, [])
})

test("an overloaded store is asked again after a pause, also without a token", () => {
  const told = carryOut(memory(), PUT, [refused("overloaded"), ok])
  assert.deepEqual([told.pauses, told.ending.outcome], [1, "ok"])
})

test("an answer to one copy says nothing of the others", () => {
  const op = { ...PUT, token: true, copies: 2 }
  const told = carryOut(memory(), op, [ok, ...Array.from({ length: 60 }, () => refused("overloaded"))])
  assert.equal(told.ending.outcome, "info")
})

test("an abandoned request is sent once and waited for by no one", () => {
  const told = carryOut(memory(), { ...PUT, abandoned: true }, [])
  assert.deepEqual([told.sent.length, told.ending.outcome], [1, "info"])
})

test("in a large cluster a client looks every other time where the range was, and where it was last answered first", () => {
  const stores = Array.from({ length: 100 }, (_, index) => index + 1)
  const client = new ClientMemory(0, [{ descriptor: RANGE, stores, homes: [41, 42, 43] }])
  const route = client.route(1)
  const asked = Array.from({ length: 6 }, () => client.storeFor(route))
  assert.deepEqual(asked, [41, 2, 42, 4, 43, 6])
  client.answeredBy(route, 77)
  assert.equal(client.storeFor(route), 77)
  route.leader = 0
  const later = new Set(Array.from({ length: 8 }, () => client.storeFor(route)))
  assert.ok([41, 42, 43, 77].every((home) => later.has(home)))
})
