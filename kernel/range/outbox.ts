import type { KernelError } from "../errors.ts"
import type { Mono, Timestamp, Wall } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { invariant } from "../lib/invariant.ts"
import { aheadUs } from "../time/hlc.ts"
import type { KvReply } from "./request.ts"
import { readReply, writeReply } from "./request-codec.ts"
import type { ServiceEffect } from "./service-context.ts"

type Delayed = { readonly session: number; readonly reply: KvReply; readonly ts: Timestamp }

const NEVER = Number.MAX_SAFE_INTEGER

/** What leaves a range service; replies that show a timestamp the store's clock has not reached yet wait for it. */
export class Outbox {
  #out: ServiceEffect[] = []
  #delayed: Delayed[] = []
  /** When the first of the delayed may leave, or earlier. */
  deadline: Mono = NEVER

  push(effect: ServiceEffect): void {
    this.#out.push(effect)
  }

  mark(name: string): void {
    this.#out.push({ type: "observe", observation: { type: "mark", name } })
  }

  reply(session: number, reply: KvReply): void {
    this.#out.push({ type: "reply", session, reply })
  }

  refuse(session: number, id: number, error: KernelError): void {
    this.#out.push({ type: "reply", session, reply: { type: "error", id, error } })
  }

  /** No acknowledgement shows a timestamp before this clock has reached it. */
  answer(session: number, reply: KvReply, ts: Timestamp, mono: Mono, wall: Wall): void {
    const ahead = aheadUs(ts, wall)
    if (ahead <= 0) {
      this.#out.push({ type: "reply", session, reply })
      return
    }
    this.mark("range.reply.waitedForClock")
    this.#delayed.push({ session, reply, ts })
    this.deadline = Math.min(this.deadline, mono + ahead)
  }

  timePassed(mono: Mono, wall: Wall): void {
    if (mono < this.deadline) return
    this.deadline = NEVER
    let kept = 0
    for (const delayed of this.#delayed) {
      const ahead = aheadUs(delayed.ts, wall)
      if (ahead <= 0) this.#out.push({ type: "reply", session: delayed.session, reply: delayed.reply })
      else {
        this.#delayed[kept++] = delayed
        this.deadline = Math.min(this.deadline, mono + ahead)
      }
    }
    this.#delayed.length = kept
  }

  drain(): readonly ServiceEffect[] {
    if (this.#out.length === 0) return NOTHING
    const out = this.#out
    this.#out = []
    return out
  }

  save(sink: Sink): void {
    invariant(this.#out.length === 0, "Cannot save a service in the middle of a step")
    sink.uint(this.#delayed.length)
    for (const delayed of this.#delayed) {
      sink.uint(delayed.session)
      writeReply(delayed.reply, sink)
      sink.uint(delayed.ts)
    }
    sink.uint(this.deadline)
  }

  load(reader: ByteReader): void {
    for (let left = reader.count(3); left > 0; left--) {
      this.#delayed.push({ session: reader.uint(), reply: readReply(reader), ts: reader.uint() })
    }
    this.deadline = reader.uint()
  }
}

const NOTHING: readonly ServiceEffect[] = []
