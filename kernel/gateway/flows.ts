import type { CancelReason } from "../flow/flow.ts"
import type { Mono, RangeId, StoreId, TenantId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { unreachable } from "../lib/invariant.ts"
import { Timers } from "../node/timers.ts"
import type { Stamp } from "../node/input.ts"
import type { RangeDescriptor } from "../range/descriptor.ts"
import type { KvReply } from "../range/request.ts"
import type { KeySpan, TxnId } from "../txn/protocol.ts"
import { Asks, type Answered, type Sending } from "./asks.ts"
import type { Told, Wish } from "./course.ts"
import { Directory } from "./directory.ts"
import { loadRun, makeRun, saveRun, type Ended, type Job, type JobRun } from "./jobs.ts"
import type { Transaction } from "./transaction.ts"

export type EndedJob = { readonly flow: number; readonly job: Job; readonly ended: Ended }

/**
 * The flows of a gateway and what they ask for. Nothing here calls back: what is to be sent and what has ended waits to be
 * taken.
 */
export class Flows {
  readonly directory: Directory
  readonly #own: StoreId
  #asks: Asks
  readonly #runs = new Map<number, JobRun>()
  #timers = new Timers()
  #serial = 0
  #sendings: Sending[] = []
  #ended: EndedJob[] = []

  constructor(own: StoreId, directory: Directory) {
    this.#own = own
    this.directory = directory
    this.#asks = new Asks(own, directory)
  }

  get size(): number {
    return this.#runs.size
  }

  get deadline(): Mono {
    return Math.min(this.#asks.deadline, this.#timers.earliest ?? Number.MAX_SAFE_INTEGER)
  }

  takeSendings(): readonly Sending[] {
    const sendings = this.#sendings
    if (sendings.length > 0) this.#sendings = []
    return sendings
  }

  takeEnded(): readonly EndedJob[] {
    const ended = this.#ended
    if (ended.length > 0) this.#ended = []
    return ended
  }

  /** Gives the number under which it runs. It may have ended already. */
  begin(job: Job, deadline: Mono, stamp: Stamp, txn: Transaction | null = null): number {
    const flow = ++this.#serial
    const run = makeRun(job, stamp, deadline, txn)
    this.#runs.set(flow, run)
    this.#went(flow, run, run.run.begin(stamp), stamp)
    return flow
  }

  #went(flow: number, run: JobRun, advanced: ReturnType<JobRun["run"]["begin"]>, stamp: Stamp): void {
    if (advanced.type === "waits") return
    if (advanced.type === "ended") {
      this.#drop(flow)
      this.#ended.push({ flow, job: run.job, ended: advanced.result })
      return
    }
    const { pause, deadline } = run.run
    if (deadline !== null) this.#timers.atLatest(flow, deadline)
    for (let place = 0; place < advanced.requests.length; place++) {
      // An answer given at once may have resumed it.
      if (run.run.pause !== pause || !this.#runs.has(flow)) return
      this.#carryOut(flow, pause, place, advanced.requests[place]!, stamp)
    }
  }

  #carryOut(flow: number, pause: number, place: number, wish: Wish, stamp: Stamp): void {
    const asker = { flow, pause, place }
    switch (wish.type) {
      case "route":
        return this.#tell(asker, { type: "ranges", ranges: this.#route(wish.tenant, wish.spans) }, stamp)
      case "locate": {
        const range = this.directory.get(wish.rangeId)
        return this.#tell(asker, { type: "ranges", ranges: range === null ? [] : [range] }, stamp)
      }
      case "ask": {
        const asked = this.#asks.ask(asker, wish.request, wish.isRepeatable, stamp.mono)
        if ("sending" in asked) this.#sendings.push(asked.sending)
        else this.#answered(asked.answered, stamp)
        return
      }
      default:
        return unreachable(wish)
    }
  }

  #route(tenant: TenantId, spans: readonly KeySpan[]): readonly RangeDescriptor[] {
    return this.directory.cover(tenant, spans) ?? []
  }

  #tell(asker: Answered["asker"], told: Told, stamp: Stamp): void {
    const { flow, pause, place } = asker
    const run = this.#runs.get(flow)
    if (run !== undefined) this.#went(flow, run, run.run.answered(pause, place, told, stamp), stamp)
  }

  #answered({ asker, reply }: Answered, stamp: Stamp): void {
    this.#tell(asker, { type: "reply", reply }, stamp)
  }

  /** What a store said to something that was asked. */
  heard(from: StoreId, reply: KvReply, stamp: Stamp): void {
    const heard = this.#asks.heard(from, reply, stamp.mono)
    if (heard === null) return
    if ("sending" in heard) this.#sendings.push(heard.sending)
    else this.#answered(heard, stamp)
  }

  timePassed(stamp: Stamp): void {
    if (this.#asks.deadline <= stamp.mono) {
      const { sendings, answered } = this.#asks.timePassed(stamp.mono)
      this.#sendings.push(...sendings)
      for (const each of answered) this.#answered(each, stamp)
    }
    for (let flow = this.#timers.popDue(stamp.mono); flow !== null; flow = this.#timers.popDue(stamp.mono)) {
      const run = this.#runs.get(flow)
      if (run === undefined) continue
      this.#went(flow, run, run.run.timePassed(stamp), stamp)
      const { deadline } = run.run
      if (deadline !== null && this.#runs.has(flow)) this.#timers.atLatest(flow, deadline)
    }
  }

  /**
   * Tells a flow to end. Not while its commit is on its way, for then only the answer says what happened. Gives the ranges
   * that have something of it before them still.
   */
  cancel(flow: number, reason: CancelReason, stamp: Stamp): readonly RangeId[] {
    const run = this.#runs.get(flow)
    if (run === undefined) return []
    const requests = run.run.outstanding().flatMap(([, wish]) => (wish.type === "ask" ? [wish.request] : []))
    const isDeciding = requests.some(
      ({ command, txn }) =>
        command?.type === "stage" || command?.type === "abort" || (txn !== null && txn.onePhase !== null),
    )
    if (!isDeciding) {
      this.#asks.forget(flow)
      this.#went(flow, run, run.run.cancel(reason, stamp), stamp)
    }
    return requests.flatMap(({ txn, rangeId }) => (txn === null ? [] : [rangeId]))
  }

  /** Nobody wants it any more. */
  drop(flow: number): void {
    if (this.#runs.has(flow)) this.#drop(flow)
  }

  #drop(flow: number): void {
    this.#runs.delete(flow)
    this.#timers.forget(flow)
    this.#asks.forget(flow)
  }

  /** Whether a job like this is under way. */
  some(test: (job: Job) => boolean): boolean {
    for (const { job } of this.#runs.values()) if (test(job)) return true
    return false
  }

  save(sink: Sink): void {
    this.directory.save(sink)
    this.#asks.save(sink)
    sink.uint(this.#serial)
    sink.uint(this.#runs.size)
    for (const [flow, run] of this.#runs) {
      sink.uint(flow)
      saveRun(run, sink)
    }
    this.#timers.save(sink)
  }

  static load(reader: ByteReader, own: StoreId, txnOf: (id: TxnId) => Transaction | null): Flows {
    const flows = new Flows(own, Directory.load(reader))
    flows.#asks = Asks.load(reader, flows.#own, flows.directory)
    flows.#serial = reader.uint()
    for (let left = reader.count(4); left > 0; left--) flows.#runs.set(reader.uint(), loadRun(reader, txnOf))
    flows.#timers = Timers.load(reader)
    return flows
  }
}
