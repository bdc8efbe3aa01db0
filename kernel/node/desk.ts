import type { GroupId, RangeId, TenantId } from "../ids.ts"
import { ASK_SESSION_FIRST } from "../limits.ts"
import type { KvReply } from "../range/request.ts"
import type { TxnWord } from "../txn/protocol.ts"

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

  /** Takes a reply that is for the gateway; false when it is for a client. */
  takes(session: number, reply: KvReply): boolean {
    if (session < ASK_SESSION_FIRST) return false
    this.#replies.push({ session, reply })
    return true
  }

  say(word: RangeWord): void {
    this.#words.push(word)
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
