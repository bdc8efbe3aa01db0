import { invariant, lowerBound } from "#kernel"
import { explain, type Explanation } from "./explain.ts"
import type { Room } from "./hash-cons.ts"
import type { Operation } from "./history.ts"
import { PartitionSearch } from "./search.ts"
import { isObserver } from "./sightings.ts"

/**
 * Linearizability of a history: is there one order of its requests, each placed between its start and its
 * end, in which a store that serves one at a time answers what was heard? Every key starts absent.
 *
 * The history is cut into partitions that share no key, for it is linearizable just when each of them is
 * (Herlihy and Wing, locality). All partitions are searched by turns under one growing budget: the one
 * with a fault often answers at once, while another may be beyond reach.
 *
 * Not verified: reads at a timestamp or with a weaker promise (leave them out of the history), that a
 * refusal was right, and that anything ends. Unknown is no verdict: the budget was too small to know.
 */
export type Linearizability = {
  readonly verdict: "valid" | "invalid" | "unknown"
  readonly steps: number
  readonly partitions: number
  /** Of the partition found invalid; else null. */
  readonly explanation: Explanation | null
}

export type CheckOptions = {
  /** Attempts to place an operation, over all partitions. */
  readonly stepsMax: number
  /** Four-byte words for configurations seen, over all partitions; 0 searches without memory. */
  readonly memoWordsMax?: number
}

type Partition = { readonly keys: readonly string[]; readonly operations: readonly Operation[] }

/** 128 MiB. */
const MEMO_WORDS_MAX = 32 * 1024 * 1024
const FIRST_TURN_STEPS = 256

export function checkLinearizable(history: readonly Operation[], options: CheckOptions): Linearizability {
  const partitions = partitionsOf(history)
  const memoWordsMax = options.memoWordsMax ?? MEMO_WORDS_MAX
  const room: Room | null = memoWordsMax === 0 ? null : { words: memoWordsMax }
  let open: { readonly partition: Partition; search: PartitionSearch | null }[] = []
  for (const partition of partitions) open.push({ partition, search: null })

  let steps = 0
  for (let turn = FIRST_TURN_STEPS; open.length > 0 && steps < options.stepsMax; turn *= 2) {
    const unsettled: typeof open = []
    for (const entry of open) {
      if (steps >= options.stepsMax) {
        unsettled.push(entry)
        continue
      }
      const { partition } = entry
      entry.search ??= new PartitionSearch(partition.operations, partition.keys, { room, isTold: false })
      const before = entry.search.steps
      const verdict = entry.search.run(Math.min(turn, options.stepsMax - steps))
      steps += entry.search.steps - before
      if (verdict === "invalid") {
        const explanation = explain(partition.operations, partition.keys)
        return { verdict, steps, partitions: partitions.length, explanation }
      }
      if (verdict === null) unsettled.push(entry)
    }
    open = unsettled
  }
  const verdict = open.length === 0 ? "valid" : "unknown"
  return { verdict, steps, partitions: partitions.length, explanation: null }
}

/**
 * The partitions, in order of their first keys. Keys that one request touches belong together; a scan
 * touches every key of its span that occurs anywhere. Requests without effect and without answer are left out.
 */
function partitionsOf(history: readonly Operation[]): readonly Partition[] {
  const operations = history.filter(
    (operation) => operation.outcome === "ok" || (operation.outcome === "info" && !isObserver(operation)),
  )
  const found = new Set<string>()
  for (const operation of operations) {
    invariant(
      operation.invokedAt <= operation.endedAt &&
        (operation.outcome === "ok") === (operation.results !== null),
      () => `Cannot check: operation ${operation.id} has impossible times or results`,
    )
    forEachNamedKey(operation, (key) => found.add(key))
  }
  const keys = [...found].sort((a, b) => (a < b ? -1 : 1))
  const indexOf = new Map(keys.map((key, index) => [key, index]))
  // The last set is for requests that touch no key at all: a scan of nothing.
  const sets = new DisjointSets(keys.length + 1)
  const firstKeys = operations.map((operation) => {
    let first = -1
    const join = (index: number): void => {
      if (first < 0) first = index
      else sets.join(first, index)
    }
    forEachNamedKey(operation, (key) => join(indexOf.get(key)!))
    for (const op of operation.request) {
      if (op.type !== "scan") continue
      for (let index = lowerBound(keys, op.start); index < keys.length && keys[index]! < op.end; index++) {
        join(index)
      }
    }
    return first < 0 ? keys.length : first
  })

  const partitions = new Map<number, { keys: string[]; operations: Operation[] }>()
  for (let index = 0; index <= keys.length; index++) {
    const root = sets.rootOf(index)
    const partition = partitions.get(root)
    if (partition !== undefined) partition.keys.push(keys[index]!)
    else partitions.set(root, { keys: index < keys.length ? [keys[index]!] : [], operations: [] })
  }
  for (let i = 0; i < operations.length; i++) {
    partitions.get(sets.rootOf(firstKeys[i]!))!.operations.push(operations[i]!)
  }
  return [...partitions.values()].filter((partition) => partition.operations.length > 0)
}

/** The keys that a request names, and those that its answers name: a row that nobody wrote is a fault. */
function forEachNamedKey(operation: Operation, visit: (key: string) => void): void {
  for (const op of operation.request) if (op.type !== "scan") visit(op.key)
  for (const result of operation.results ?? []) {
    if (result.type === "rows") for (const [key] of result.rows) visit(key)
  }
}

class DisjointSets {
  readonly #parents: Int32Array

  constructor(count: number) {
    this.#parents = Int32Array.from({ length: count }, (_, index) => index)
  }

  rootOf(index: number): number {
    let root = index
    while (this.#parents[root] !== root) {
      // Halving the path keeps the next walk short.
      this.#parents[root] = this.#parents[this.#parents[root]!]!
      root = this.#parents[root]!
    }
    return root
  }

  /** The smaller root stays, so that a partition is numbered by its first key. */
  join(a: number, b: number): void {
    const rootA = this.rootOf(a)
    const rootB = this.rootOf(b)
    if (rootA < rootB) this.#parents[rootB] = rootA
    else this.#parents[rootA] = rootB
  }
}
