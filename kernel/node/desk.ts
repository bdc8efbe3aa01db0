import type { GroupId, RangeId, TenantId } from "../ids.ts"
import { ASK_SESSION_FIRST } from "../limits.ts"
import type { RangeDescriptor } from "../range/descriptor.ts"
import type { KvReply } from "../range/request.ts"
import type { ServiceEffect } from "../range/service-context.ts"
import type { TxnWord } from "../txn/protocol.ts"
import type { Barrier, Effect } from "./effect.ts"

/** What a range says of the transactions before it, and which range that is. */
export type RangeWord = {
  readonly group: GroupId
  readonly tenant: TenantId
  readonly rangeId: RangeId
  readonly word: TxnWord
}
export type DeskReply = { readonly session: number; readonly reply: KvReply }

const NO_REPLIES: readonly DeskReply[] = []
const NO_WORDS: readonly RangeWord[] = []

/** Where the ranges of a store leave what they have to say to its gateway. Empty between two steps. */
export class Desk {
  #replies: DeskReply[] = []
  #words: RangeWord[] = []

  get isEmpty(): boolean {
    return this.#replies.length === 0 && this.#words.length === 0
  }

  /** What a range has to say, in its order: to the gateway, or to the host. */
  take(said: readonly ServiceEffect[], group: GroupId, range: RangeDescriptor, out: Effect[]): void {
    const { tenant, rangeId } = range
    for (const effect of said) {
      if (effect.type === "observe") out.push(effect)
      else if (effect.type !== "reply") this.#words.push({ group, tenant, rangeId, word: effect })
      else this.reply(effect.session, effect.reply, null, out)
    }
  }

  /** To the gateway, or to a client. */
  reply(session: number, reply: KvReply, barrier: Barrier | null, out: Effect[]): void {
    if (session >= ASK_SESSION_FIRST) this.#replies.push({ session, reply })
    else out.push({ type: "reply", session, reply, barrier })
  }

  takeReplies(): readonly DeskReply[] {
    const replies = this.#replies
    if (replies.length === 0) return NO_REPLIES
    this.#replies = []
    return replies
  }

  takeWords(): readonly RangeWord[] {
    const words = this.#words
    if (words.length === 0) return NO_WORDS
    this.#words = []
    return words
  }
}
