import { assert, test } from "vitest"
import type { KernelError } from "#kernel/errors.ts"
import { Asks } from "#kernel/gateway/asks.ts"
import { Deadlocks } from "#kernel/gateway/deadlocks.ts"
import { Directory } from "#kernel/gateway/directory.ts"
import type { Wait } from "#kernel/gateway/message.ts"
import { Served } from "#kernel/gateway/served.ts"
import { ByteReader } from "#kernel/lib/bytes.ts"
import { plainRequest } from "#kernel/range/request.ts"
import { bytesOf } from "../../support/kernel-arbitraries.ts"
import { configurationOf } from "../../support/raft-group.ts"

const range = (rangeId: number, start: string, end: string, generation = 1) => ({
  rangeId,
  groupId: rangeId,
  tenant: 0,
  start,
  end,
  generation,
})
const configuration = configurationOf([1, 2, 3])
const directory = (): Directory =>
  Directory.of([
    { descriptor: range(2, "m", ""), configuration },
    { descriptor: range(1, "", "m"), configuration },
  ])

test("spans are covered by the ranges that hold them, and not where nobody knows one", () => {
  const known = directory()
  const idsOf = (spans: { start: string; end: string }[]): number[] | undefined =>
    known.cover(0, spans)?.map(({ rangeId }) => rangeId)
  assert.deepEqual(idsOf([{ start: "a", end: "b" }]), [1])
  assert.deepEqual(
    idsOf([
      { start: "z", end: "" },
      { start: "a", end: "m" },
    ]),
    [1, 2],
  )
  assert.deepEqual(idsOf([{ start: "", end: "" }]), [1, 2])
  known.learn(range(2, "m", "t", 2), 1)
  assert.deepEqual(idsOf([{ start: "m", end: "t" }]), [2])
  assert.isUndefined(idsOf([{ start: "m", end: "" }]), "who holds what was split off is not known yet")
  known.learn(range(3, "t", "", 2), 3)
  assert.deepEqual(idsOf([{ start: "a", end: "" }]), [1, 2, 3])
  known.learn(range(2, "m", "", 1), 1)
  assert.deepEqual(idsOf([{ start: "a", end: "" }]), [1, 2, 3], "an older description teaches nothing")
})

const ASKER = { flow: 1, pause: 0, place: 0 }
const request = plainRequest(range(1, "", "m"), [], { deadlineUs: 5_000_000 })

/** Asks once, and follows what becomes of it. */
class Rig {
  asks = new Asks(1, directory())
  sent: { store: number; id: number }[] = []
  answers: string[] = []

  constructor(isRepeatable: boolean) {
    const asked = this.asks.ask(ASKER, request, isRepeatable, 0)
    if ("sending" in asked) this.#sent(asked.sending)
  }
  #sent({ store, request: { id } }: { store: number; request: { id: number } }): void {
    this.sent.push({ store, id })
  }
  get last(): { store: number; id: number } {
    return this.sent.at(-1)!
  }
  say(error: KernelError | null, mono: number, from = this.last): void {
    const bytes = bytesOf(this.asks)
    this.asks = Asks.load(new ByteReader(bytes), 1, directory())
    assert.deepEqual(bytesOf(this.asks), bytes)
    const { id } = from
    const reply =
      error === null
        ? ({ type: "ok", id, commitTs: 1, results: [], answer: null } as const)
        : ({ type: "error", id, error } as const)
    const heard = this.asks.heard(from.store, reply, mono)
    if (heard === null) return
    if ("sending" in heard) this.#sent(heard.sending)
    else this.answers.push(heard.reply.type === "ok" ? "ok" : heard.reply.error.code)
  }
  pass(mono: number): void {
    const { sendings, answered } = this.asks.timePassed(mono)
    for (const each of sendings) this.#sent(each)
    for (const { reply } of answered) this.answers.push(reply.type === "ok" ? "ok" : reply.error.code)
  }
}

test("a request goes where it is told to, and pauses when nobody knows", () => {
  const rig = new Rig(true)
  assert.equal(rig.last.store, 1)
  rig.say({ code: "notLeader", hint: 3, term: 1 }, 10)
  assert.equal(rig.last.store, 3)
  rig.say({ code: "notLeader", hint: null, term: 1 }, 20)
  assert.equal(rig.sent.length, 2, "a pause first")
  assert.isAbove(rig.asks.deadline, 20)
  rig.pass(rig.asks.deadline)
  assert.equal(rig.sent.length, 3)
  rig.say(null, 100_000)
  assert.deepEqual(rig.answers, ["ok"])
  assert.equal(rig.asks.deadline, Number.MAX_SAFE_INTEGER)
})

test("who is silent is asked again, if that may be, and after its time is over nobody is", () => {
  const rig = new Rig(true)
  rig.say({ code: "notLeader", hint: 2, term: 1 }, 0)
  for (let mono = rig.asks.deadline; rig.answers.length === 0; mono = rig.asks.deadline) rig.pass(mono)
  assert.deepEqual(rig.answers, ["deadlineExceeded"])
  assert.isAbove(rig.sent.length, 3)
  const once = new Rig(false)
  once.say({ code: "notLeader", hint: 2, term: 1 }, 0)
  assert.equal(once.asks.deadline, 5_000_000)
  once.pass(5_000_000)
  assert.deepEqual([once.sent.length, once.answers], [2, ["deadlineExceeded"]])
})

test("what must not be done twice has another name each time it is sent", () => {
  const rig = new Rig(false)
  const first = rig.last
  rig.say({ code: "notLeader", hint: 2, term: 1 }, 0)
  assert.notEqual(rig.last.id, first.id)
  rig.say({ code: "notLeader", hint: 3, term: 1 }, 1, first)
  assert.equal(rig.sent.length, 2, "a refusal that comes twice is that of nobody")
  rig.say({ code: "outcomeUnknown" }, 2)
  assert.deepEqual(rig.answers, ["outcomeUnknown"])
})

test("a store takes once what must not be done twice, however often it hears it", () => {
  const served = new Served()
  assert.equal(served.take(2, 77, 5, true), 1)
  assert.equal(served.take(2, 77, 5, true), "known", "it is under way")
  assert.deepEqual(served.finish(1), { store: 2, nonce: 77, id: 5 })
  assert.equal(served.take(2, 77, 5, true), "known", "it was done")
  assert.equal(served.take(2, 77, 6, false), 2)
  served.finish(2)
  assert.equal(served.take(2, 77, 6, false), 3, "that may be done again")
  for (let id = 10; id < 5_000; id++) served.finish(served.take(2, 77, id, true) as number)
  const bytes = bytesOf(served)
  const twin = Served.load(new ByteReader(bytes))
  assert.deepEqual(bytesOf(twin), bytes)
  assert.equal(twin.take(2, 77, 7, true), "known", "older than all it remembers")
  assert.equal(twin.take(2, 78, 7, true), served.take(2, 78, 7, true), "another process has other numbers")
  assert.isNull(twin.finish(3), "and what the one before it asked is forgotten")
})

test("a probe comes round to the youngest of a cycle, and to nobody else", () => {
  const ids = ["a", "b", "c"].map((each) => each.repeat(16))
  const waitOf = (txn: string, rangeId: number): Wait => ({ txn, tenant: 0, rangeId, ticket: rangeId })
  const deadlocks = new Deadlocks()
  const cycles: string[] = []
  let probes = ids.flatMap((txn, i) => deadlocks.told(waitOf(txn, i + 1), [ids[(i + 1) % 3]!], 0))
  for (let round = 0; round < 10 && probes.length > 0; round++) {
    probes = probes.flatMap((probe) => {
      const heard = deadlocks.heard(probe)
      if ("probes" in heard) return heard.probes
      cycles.push(heard.cycle.map(({ txn }) => txn[0]).join(""))
      return []
    })
  }
  assert.deepEqual(cycles, ["cab"])
  assert.deepEqual(
    deadlocks.timePassed(deadlocks.deadline).map(({ path }) => path[0]!.txn[0]),
    ["c"],
    "only who waits for an older one could close a cycle as its youngest",
  )
  deadlocks.told(waitOf(ids[1]!, 2), [], 0)
  deadlocks.ended(ids[0]!)
  deadlocks.ended(ids[2]!)
  assert.equal(deadlocks.deadline, Number.MAX_SAFE_INTEGER)
})
