import type { Mono, RangeId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { readItems, readTxnId, writeItems, writeTxnId } from "../txn/protocol-codec.ts"
import type { TxnId } from "../txn/protocol.ts"
import { readWait, writeWait, type Probe, type Wait } from "./message.ts"

type Waiting = { readonly wait: Wait; readonly for: readonly TxnId[] }

/** Who waits is asked after again this often: a probe may be lost. */
const PROBE_US = 250_000
/** Longer cycles than this are left to their deadlines. */
const PATH_MAX = 32

/**
 * Who of this gateway waits for whom. Each of them sends a probe along those it waits for, as long as they are older
 * than itself: what comes back to it has passed a cycle in which it is the youngest, so each cycle is found once, by its
 * victim. Chandy, Misra and Haas (1983), for the AND model.
 */
export class Deadlocks {
  readonly #waiting = new Map<TxnId, Map<RangeId, Waiting>>()
  #deadline: Mono = Number.MAX_SAFE_INTEGER

  get deadline(): Mono {
    return this.#waiting.size === 0 ? Number.MAX_SAFE_INTEGER : this.#deadline
  }

  /** What the leader of a range says of a transaction of this gateway. Gives the probes to send. */
  told(wait: Wait, holders: readonly TxnId[], mono: Mono): readonly Probe[] {
    const { txn, rangeId } = wait
    const ranges = this.#waiting.get(txn) ?? new Map<RangeId, Waiting>()
    if (holders.length === 0) ranges.delete(rangeId)
    else ranges.set(rangeId, { wait, for: holders })
    if (ranges.size === 0) {
      this.#waiting.delete(txn)
      return []
    }
    if (this.#waiting.size === 0) this.#deadline = mono + PROBE_US
    this.#waiting.set(txn, ranges)
    return holders.length === 0 ? [] : probesOf([], { wait, for: holders })
  }

  /** It waits for nothing any more. */
  ended(txn: TxnId): void {
    this.#waiting.delete(txn)
  }

  /** Probes for all who still wait. */
  timePassed(mono: Mono): readonly Probe[] {
    if (mono < this.deadline) return []
    this.#deadline = mono + PROBE_US
    return [...this.#waiting.values()].flatMap((ranges) =>
      [...ranges.values()].flatMap((waiting) => probesOf([], waiting)),
    )
  }

  /** A probe for a transaction of this gateway: where it goes on, or the cycle it has come round. */
  heard({ path, to }: Probe): { readonly probes: readonly Probe[] } | { readonly cycle: readonly Wait[] } {
    const [first] = path
    if (first === undefined || path.length > PATH_MAX) return { probes: [] }
    if (first.txn === to) {
      const own = this.#waiting.get(to)?.get(first.rangeId)
      return own?.wait.ticket === first.ticket ? { cycle: path } : { probes: [] }
    }
    const ranges = this.#waiting.get(to)
    if (ranges === undefined || path.some(({ txn }) => txn === to)) return { probes: [] }
    return { probes: [...ranges.values()].flatMap((waiting) => probesOf(path, waiting)) }
  }

  save(sink: Sink): void {
    sink.uint(this.#deadline)
    sink.uint(this.#waiting.size)
    for (const ranges of this.#waiting.values()) {
      sink.uint(ranges.size)
      for (const { wait, for: holders } of ranges.values()) {
        writeWait(wait, sink)
        writeItems(holders, sink, writeTxnId)
      }
    }
  }

  /** Into one that knows of nobody. */
  load(reader: ByteReader): void {
    this.#deadline = reader.uint()
    for (let left = reader.count(); left > 0; left--) {
      const ranges = new Map<RangeId, Waiting>()
      let txn: TxnId = ""
      for (let more = reader.count(); more > 0; more--) {
        const wait = readWait(reader)
        txn = wait.txn
        ranges.set(wait.rangeId, { wait, for: readItems(reader, 17, readTxnId) })
      }
      this.#waiting.set(txn, ranges)
    }
  }
}

function probesOf(path: readonly Wait[], { wait, for: holders }: Waiting): readonly Probe[] {
  const youngest = path[0]?.txn ?? wait.txn
  return holders.flatMap((to): readonly Probe[] =>
    to < youngest || (to === youngest && path.length > 0)
      ? [{ type: "probe", path: [...path, wait], to }]
      : [],
  )
}
