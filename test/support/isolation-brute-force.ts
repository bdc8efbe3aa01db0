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
    if (place(chosen, order, new Map(), new Set(), [{ held: new Map() }])) return true
  }
  return false
}

type State = { readonly held: ReadonlyMap<string, Held> }

/** `begun` has the number of commits that each open SNAPSHOT transaction saw. `states[i]` is after `i` commits. */
function place(
  all: readonly Transaction[],
  order: "none" | "process" | "realTime",
  begun: ReadonlyMap<Transaction, number>,
  done: ReadonlySet<Transaction>,
  states: readonly State[],
): boolean {
  if (done.size === all.length) return true
  return all.some((one) => {
    if (done.has(one)) return false
    const isOpen = begun.has(one)
    if (!isOpen && all.some((other) => !done.has(other) && isBefore(other, one, order))) return false
    if (one.level === "snapshot" && !isOpen) {
      if (!agrees(one, states.slice(-1))) return false
      return place(all, order, new Map([...begun, [one, states.length - 1]]), done, states)
    }
    if (one.level !== "snapshot" && !agrees(one, one.level === "serializable" ? states.slice(-1) : states))
      return false
    const now = states.at(-1)!.held
    const seen = states[begun.get(one) ?? states.length - 1]!.held
    for (const op of one.ops) {
      const isChange = op.f === "append" || op.f === "write"
      if (one.level === "snapshot" && isChange && seen.get(op.key) !== now.get(op.key)) return false
    }
    const held = new Map(now)
    for (const op of one.ops) change(held, op)
    return place(all, order, begun, new Set([...done, one]), [...states, { held }])
  })
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

/** Whether each read is what one of `states` holds, the last for keys that the transaction has changed. */
function agrees(one: Transaction, states: readonly State[]): boolean {
  if (one.status !== "ok") return true
  const own = new Set<string>()
  const changed = new Map(states.at(-1)!.held)
  for (const op of one.ops) {
    if (op.f === "append" || op.f === "write") {
      own.add(op.key)
      change(changed, op)
    } else if (op.f === "read") {
      const isSeen = own.has(op.key)
        ? same(changed.get(op.key), op.value)
        : states.some(({ held }) => same(held.get(op.key), op.value))
      if (!isSeen) return false
    } else {
      const rows = new Map<string, Held>(op.rows)
      const names = new Set([...rows.keys(), ...states.flatMap(({ held }) => [...held.keys()]), ...own])
      for (const name of names) {
        if (name < op.start || name >= op.end) continue
        const isSeen = own.has(name)
          ? same(changed.get(name), rows.get(name))
          : states.some(({ held }) => same(held.get(name), rows.get(name)))
        if (!isSeen) return false
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
