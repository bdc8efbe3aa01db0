import { SPACE_INTENTS, type Write } from "../engine/engine.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { spanOf } from "../snapshot/head.ts"
import type { StateMachine } from "../range/state-machine.ts"
import { readIntent, scanIntents, type IntentRow } from "./intent.ts"
import type { KeySpan } from "./protocol.ts"

const UNKNOWN = Number.MAX_SAFE_INTEGER

/**
 * The intents of a range, as its leader needs them: how many there are, so that a range without any looks for none, and
 * which lie in some spans.
 */
export class IntentsHere {
  readonly #machine: StateMachine
  #count = UNKNOWN

  constructor(machine: StateMachine) {
    this.#machine = machine
  }

  get none(): boolean {
    return this.#count === 0
  }

  /** When everything of older terms is applied; true the first time in a leadership. */
  count(): boolean {
    if (this.#count !== UNKNOWN) return false
    const { view, descriptor } = this.#machine
    const span = spanOf(descriptor)
    this.#count = 0
    const cursor = view.cursor(SPACE_INTENTS, span.start, span.end, false)
    for (; cursor.valid; cursor.next()) this.#count++
    return true
  }

  /** These writes are applied: whoever made them has looked up which keys had an intent. */
  applied(writes: readonly Write[]): void {
    if (this.#count === UNKNOWN) return
    for (const { space, type } of writes) {
      if (space !== SPACE_INTENTS) continue
      if (type === "insert") this.#count++
      else if (type === "delete") this.#count--
    }
  }

  lostLeadership(): void {
    this.#count = UNKNOWN
  }

  /** Those of these spans, each once, by span and key. */
  in(spans: readonly KeySpan[]): readonly IntentRow[] | "damaged" {
    if (this.#count === 0 || spans.length === 0) return NO_ROWS
    const { view, descriptor } = this.#machine
    const { tenant } = descriptor
    const found: IntentRow[] = []
    const known = spans.length > 1 ? new Set<string>() : null
    for (const { start, end } of spans) {
      if (end === start + "\0") {
        const intent = known?.has(start) === true ? null : readIntent(view, tenant, start)
        if (intent === "damaged") return intent
        if (intent !== null) found.push({ key: start, intent })
        known?.add(start)
        continue
      }
      const rows = scanIntents(view, tenant, start, end === "" ? descriptor.end : end)
      if (rows === "damaged") return rows
      for (const row of rows) {
        if (known?.has(row.key) !== true) found.push(row)
        known?.add(row.key)
      }
    }
    return found
  }

  save(sink: Sink): void {
    sink.uint(this.#count)
  }

  load(reader: ByteReader): void {
    this.#count = reader.uint()
  }
}

const NO_ROWS: readonly IntentRow[] = []
