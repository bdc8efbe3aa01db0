import fc from "fast-check"
import { INSTANT_NEVER } from "#sim/check/history.ts"
import type { Held, Level, Transaction, TxnOp } from "#sim/check/isolation/history.ts"

/**
 * Small histories, about half of them wrong: transactions commit one after the other, but each read, or each
 * transaction, sees what was there after a number of commits that is drawn.
 */

type Step = { readonly f: "read" | "change" | "scan"; readonly key: string; readonly seen: number }
type Seedling = {
  readonly steps: readonly Step[]
  readonly level: Level
  readonly status: "ok" | "fail" | "info"
  readonly process: number
  readonly begin: number
  readonly length: number
  /** How many commits it sees, if it sees as many with each of its reads; null if not. */
  readonly snapshot: number | null
}

const PLAIN = { noNullPrototype: true } as const
const COMMITS_MAX = 5

export type SmallShape = {
  readonly model: "append" | "register"
  readonly levels: readonly Level[]
  readonly transactionsMax: number
  /** Changes follow a read of the key. */
  readonly readsFirst: boolean
  /** A last transaction reads every key. */
  readonly readsAll: boolean
}

export function smallTransactions(shape: SmallShape): fc.Arbitrary<Transaction[]> {
  const step: fc.Arbitrary<Step> = fc.record(
    {
      f: fc.oneof(
        { weight: 6, arbitrary: fc.constant("read" as const) },
        { weight: 6, arbitrary: fc.constant("change" as const) },
        { weight: 1, arbitrary: fc.constant("scan" as const) },
      ),
      key: fc.constantFrom("a", "b"),
      seen: fc.nat(COMMITS_MAX),
    },
    PLAIN,
  )
  const seedling: fc.Arbitrary<Seedling> = fc.record(
    {
      steps: fc.array(step, { minLength: 1, maxLength: 3 }),
      level: fc.constantFrom(...shape.levels),
      status: fc.oneof(
        { weight: 12, arbitrary: fc.constant("ok" as const) },
        { weight: 1, arbitrary: fc.constant("fail" as const) },
        { weight: 1, arbitrary: fc.constant("info" as const) },
      ),
      process: fc.nat(2),
      begin: fc.nat(30),
      length: fc.integer({ min: 1, max: 20 }),
      snapshot: fc.option(fc.nat(COMMITS_MAX), { freq: 4 }),
    },
    PLAIN,
  )
  const lie = fc.option(fc.tuple(fc.nat(7), fc.nat(7)), { freq: 2 })
  return fc
    .tuple(fc.array(seedling, { minLength: 2, maxLength: shape.transactionsMax }), lie)
    .map(([seedlings, swapped]) => withSwappedReads(grow(seedlings, shape), swapped))
}

/** Two reads of one key that tell what the other heard: so one may hear of what is to be written only later. */
function withSwappedReads(history: Transaction[], places: readonly [number, number] | null): Transaction[] {
  const reads = history.flatMap(({ status, ops }, t) =>
    ops.flatMap((op, i) => (status === "ok" && op.f === "read" ? [{ t, i, op }] : [])),
  )
  if (places === null || reads.length === 0) return history
  const a = reads[places[0] % reads.length]!
  const others = reads.filter(({ op }) => op.key === a.op.key)
  const b = others[places[1] % others.length]!
  const put = (t: number, i: number, value: Held): void => {
    const one = history[t]!
    history[t] = { ...one, ops: one.ops.with(i, { f: "read", key: a.op.key, value }) }
  }
  put(a.t, a.i, b.op.value)
  put(b.t, b.i, a.op.value)
  return history
}

function grow(seedlings: readonly Seedling[], { model, readsFirst, readsAll }: SmallShape): Transaction[] {
  const states: ReadonlyMap<string, Held>[] = [new Map()]
  const history: Transaction[] = []
  const freeAt = new Map<number, number>()
  let value = 0
  seedlings.forEach((seed, id) => {
    const ops: TxnOp[] = []
    const next = new Map(states.at(-1))
    const own = new Map<string, (string | number)[] | number>()
    // Half see the last commit, the others an older one.
    const seenBy = (seen: number): ReadonlyMap<string, Held> =>
      states[Math.max(0, states.length - 1 - Math.max(0, seen - 2))]!
    const see = (key: string, seen: number): Held => {
      const written = own.get(key)
      if (typeof written === "number") return written
      const held = seenBy(seed.snapshot ?? seen).get(key) ?? null
      if (model === "register") return held
      return [...(Array.isArray(held) ? held : []), ...(written ?? [])]
    }
    for (const { f, key, seen } of seed.steps) {
      if (f === "read") ops.push({ f, key, value: see(key, seen) })
      else if (f === "scan") {
        const rows = ["a", "b"].flatMap((name) => {
          const held = see(name, seen)
          return held === null || (Array.isArray(held) && held.length === 0) ? [] : [[name, held] as const]
        })
        ops.push({ f, start: "a", end: "c", rows: rows as [string, number][] })
      } else {
        if (readsFirst) ops.push({ f: "read", key, value: see(key, seen) })
        value++
        if (model === "append") {
          ops.push({ f: "append", key, value })
          const before = own.get(key)
          own.set(key, [...(Array.isArray(before) ? before : []), value])
        } else {
          ops.push({ f: "write", key, value })
          own.set(key, value)
        }
      }
    }
    for (const [key, written] of own) {
      const held = next.get(key)
      next.set(key, Array.isArray(written) ? [...(Array.isArray(held) ? held : []), ...written] : written)
    }
    // One of an unknown outcome takes effect when its number is even; one that failed hardly ever does.
    const hasEffect = seed.status === "ok" || (seed.status === "info" ? value % 2 === 0 : value % 8 === 0)
    if (hasEffect) states.push(next)
    const invokedAt = Math.max(id * 8 + seed.begin, freeAt.get(seed.process) ?? 0)
    if (seed.status !== "info") freeAt.set(seed.process, invokedAt + seed.length)
    history.push({
      id,
      // Who does not know the end of one goes on under another name.
      process: seed.status === "info" ? 10 + id : seed.process,
      status: seed.status,
      invokedAt,
      completedAt: seed.status === "info" ? INSTANT_NEVER : invokedAt + seed.length,
      level: seed.level,
      ops,
      startTs: null,
      commitTs: null,
    })
  })
  if (readsAll) {
    const last = states.at(-1)!
    history.push({
      id: history.length,
      process: 9,
      status: "ok",
      invokedAt: 20,
      completedAt: 100,
      level: history[0]!.level,
      ops: ["a", "b"].map((key) => ({ f: "read", key, value: last.get(key) ?? null })),
      startTs: null,
      commitTs: null,
    })
  }
  return history
}

/** Operations that nobody carried out: keys, values and what was heard are drawn, and fit each other by chance only. */
export function nonsense(model: "append" | "register"): fc.Arbitrary<Transaction[]> {
  const key = fc.constantFrom("a", "b", "c")
  const value = fc.nat(5)
  const held: fc.Arbitrary<number | number[]> = model === "append" ? fc.array(value, { maxLength: 3 }) : value
  const op: fc.Arbitrary<TxnOp> = fc.oneof(
    fc.record({ f: fc.constant("read" as const), key, value: fc.option(held) }, PLAIN),
    model === "append"
      ? fc.record({ f: fc.constant("append" as const), key, value }, PLAIN)
      : fc.record({ f: fc.constant("write" as const), key, value: fc.option(value) }, PLAIN),
    fc.dictionary(key, held).map((found): TxnOp => {
      const rows = Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1))
      return { f: "scan", start: "a", end: "d", rows }
    }),
  )
  const ts = fc.option(fc.nat(20))
  return fc
    .array(
      fc
        .record(
          {
            process: fc.nat(2),
            status: fc.constantFrom("ok" as const, "ok" as const, "fail" as const, "info" as const),
            invokedAt: fc.nat(30),
            length: fc.nat(30),
            level: fc.constantFrom<Level>("readCommitted", "snapshot", "serializable"),
            ops: fc.array(op, { maxLength: 4 }),
            startTs: ts,
            commitTs: ts,
          },
          PLAIN,
        )
        .map(({ length, ...one }) => ({ ...one, completedAt: one.invokedAt + length })),
      { maxLength: 6 },
    )
    .map((list) => list.map((one, id) => ({ ...one, id })))
}
