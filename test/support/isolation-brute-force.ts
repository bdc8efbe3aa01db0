import type { Held, Transaction, TxnOp } from "#sim/check/isolation/history.ts"

/**
 * The levels by what a store may do, and nothing of cycles: is there a schedule of the transactions in which each heard
 * what it heard? Every choice is tried, of those of unknown outcome too, so only small histories can be asked.
 *
 * A SNAPSHOT transaction reads at one point and commits at a later one, and nobody commits a change of its keys in
 * between. A SERIALIZABLE one reads where it commits. A READ COMMITTED one reads, each time, what was committed at some
 * point before its own commit; what it reads of a key it has changed is as of its commit.
 */
export function hasSchedule(
  history: readonly Transaction[],
  order: "none" | "process" | "realTime",
): boolean {
  const unknown = history.filter(({ status }) => status === "info")
  for (let choice = 0; choice < 1 << unknown.length; choice++) {
    const chosen = history.filter(
      (transaction) =>
        transaction.status === "ok" ||
        (transaction.status === "info" && (choice >> unknown.indexOf(transaction)) & 1),
    )
    if (new Schedules(chosen, order).exists()) return true
  }
  return false
}

type State = ReadonlyMap<string, Held>

/** One choice of those that took effect. Sets of transactions are bits. */
class Schedules {
  readonly #all: readonly Transaction[]
  readonly #before: readonly number[]
  /** Of each SNAPSHOT transaction that has begun, how many commits it saw. */
  readonly #saw: number[]
  /** What keys hold after each number of commits. */
  readonly #states: State[] = [new Map()]

  constructor(all: readonly Transaction[], order: "none" | "process" | "realTime") {
    this.#all = all
    this.#saw = all.map(() => -1)
    this.#before = all.map((one) =>
      all.reduce((bits, other, i) => (isBefore(other, one, order) ? bits | (1 << i) : bits), 0),
    )
  }

  exists(): boolean {
    return this.#place(0)
  }

  #place(done: number): boolean {
    if (done === (1 << this.#all.length) - 1) return true
    for (let i = 0; i < this.#all.length; i++) {
      if ((done >> i) & 1) continue
      if ((this.#before[i]! & ~done) === 0 && this.#take(i, done)) return true
    }
    return false
  }

  /** The next point of a transaction, and all that may follow. */
  #take(i: number, done: number): boolean {
    const one = this.#all[i]!
    const last = this.#states.length - 1
    if (one.level === "snapshot" && this.#saw[i]! < 0) {
      if (!agrees(one, this.#states, last)) return false
      this.#saw[i] = last
      const isPlaced = this.#place(done)
      this.#saw[i] = -1
      return isPlaced
    }
    if (one.level !== "snapshot" && !agrees(one, this.#states, one.level === "serializable" ? last : 0))
      return false
    const now = this.#states[last]!
    const seen = this.#states[Math.max(this.#saw[i]!, 0)]!
    const held = new Map(now)
    for (const op of one.ops) {
      if (op.f !== "append" && op.f !== "write") continue
      if (one.level === "snapshot" && seen.get(op.key) !== now.get(op.key)) return false
      change(held, op)
    }
    this.#states.push(held)
    const isPlaced = this.#place(done | (1 << i))
    this.#states.pop()
    return isPlaced
  }
}

function isBefore(a: Transaction, b: Transaction, order: "none" | "process" | "realTime"): boolean {
  if (a === b || a.status !== "ok" || order === "none") return false
  if (order === "realTime" && a.completedAt < b.invokedAt) return true
  return a.process === b.process && a.completedAt <= b.invokedAt
}

function change(held: Map<string, Held>, op: TxnOp): void {
  if (op.f === "append") held.set(op.key, [...listOf(held.get(op.key)), op.value])
  else if (op.f === "write") held.set(op.key, op.value)
}

function listOf(held: Held | undefined): readonly (string | number)[] {
  return Array.isArray(held) ? (held as readonly (string | number)[]) : []
}

/**
 * Whether each read is what one of `states` from `first` on holds, and that of a key which the transaction has changed what the
 * last does.
 */
function agrees(one: Transaction, states: readonly State[], first: number): boolean {
  if (one.status !== "ok") return true
  let changed: Map<string, Held> | null = null
  const own = new Set<string>()
  const isSeen = (key: string, heard: Held | undefined): boolean => {
    if (own.has(key)) return same(changed!.get(key), heard)
    for (let i = states.length - 1; i >= first; i--) if (same(states[i]!.get(key), heard)) return true
    return false
  }
  for (const op of one.ops) {
    if (op.f === "append" || op.f === "write") {
      changed ??= new Map(states.at(-1))
      own.add(op.key)
      change(changed, op)
    } else if (op.f === "read") {
      if (!isSeen(op.key, op.value)) return false
    } else {
      const rows = new Map<string, Held>(op.rows)
      const names = new Set([...rows.keys(), ...states.at(-1)!.keys(), ...own])
      for (const name of names) {
        if (name >= op.start && name < op.end && !isSeen(name, rows.get(name))) return false
      }
    }
  }
  return true
}

/** An empty list is an absent one. */
function same(a: Held | undefined, b: Held | undefined): boolean {
  const [x, y] = [listOf(a), listOf(b)]
  if (x.length > 0 || y.length > 0) return x.length === y.length && x.every((value, i) => value === y[i])
  return (Array.isArray(a) ? null : (a ?? null)) === (Array.isArray(b) ? null : (b ?? null))
}
