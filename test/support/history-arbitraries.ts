import fc from "fast-check"
import { INSTANT_NEVER, type KvOp, type KvResult, type Operation, type Outcome } from "#sim/check/history.ts"
import { MapKeys, runRequest } from "#sim/check/models.ts"

/**
 * Small histories for the checkers: a true run of the model, whose requests overlap, and then perhaps a
 * few lies told about it. Whether a lie shows is for the checkers to say; about half of them do.
 */

type Seedling = {
  readonly request: readonly KvOp[]
  /** When it takes effect, and how long before and after that its client waits. */
  readonly at: number
  readonly before: number
  readonly after: number
  readonly outcome: Outcome
  /** For an unknown outcome: whether it takes effect, and how late. */
  readonly isLate: boolean
  readonly isLost: boolean
}

type Lie = {
  readonly kind: "value" | "count" | "swap" | "move" | "forget"
  readonly which: number
  readonly value: string
}

const KEYS = ["a", "b"] as const
// Few values, so that reads of one write are easily taken for reads of another.
const value = fc.constantFrom("1", "2", "x")
const key = fc.constantFrom(...KEYS)

const pointOp: fc.Arbitrary<KvOp> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant("get" as const), key }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("put" as const), key, value }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("delete" as const), key }) },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant("cas" as const), key, expected: fc.option(value), value }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("increment" as const), key, by: fc.integer({ min: 1, max: 2 }) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("append" as const), key, value }) },
)

const scanOp: fc.Arbitrary<KvOp> = fc.record({
  type: fc.constant("scan" as const),
  start: fc.constantFrom("a", "b"),
  end: fc.constantFrom("b", "c"),
  limit: fc.integer({ min: 1, max: 3 }),
  reverse: fc.boolean(),
})

/** Histories of one kind of key each, where the checker's cuts are at work, beside mixed ones. */
const kinds: readonly (readonly string[])[] = [
  ["get", "put", "delete", "cas", "increment", "append"],
  ["get", "put", "cas", "delete"],
  ["get", "append"],
  ["get", "increment"],
]

function requestOf(kind: readonly string[]): fc.Arbitrary<readonly KvOp[]> {
  const point = pointOp.filter((op) => kind.includes(op.type))
  return fc.oneof(
    { weight: 12, arbitrary: fc.tuple(point) },
    { weight: 1, arbitrary: fc.array(point, { minLength: 2, maxLength: 3 }) },
    { weight: 1, arbitrary: fc.tuple(scanOp) },
  )
}

function seedlingOf(kind: readonly string[]): fc.Arbitrary<Seedling> {
  return fc.record({
    request: requestOf(kind),
    at: fc.integer({ min: 10, max: 40 }),
    before: fc.integer({ min: 0, max: 8 }),
    after: fc.integer({ min: 0, max: 8 }),
    outcome: fc.constantFrom<Outcome>("ok", "ok", "ok", "ok", "ok", "info", "info", "fail"),
    isLate: fc.boolean(),
    isLost: fc.boolean(),
  })
}

const lie: fc.Arbitrary<Lie> = fc.record({
  kind: fc.constantFrom<Lie["kind"]>("value", "value", "count", "swap", "move", "forget"),
  which: fc.nat({ max: 5 }),
  value,
})

/** At most `countMax` operations on two keys, of which about half cannot be put in order. */
export function smallHistory(countMax: number): fc.Arbitrary<readonly Operation[]> {
  return fc
    .constantFrom(...kinds)
    .chain((kind) =>
      fc.tuple(
        fc.array(seedlingOf(kind), { minLength: Math.min(countMax, 3), maxLength: countMax, size: "max" }),
        fc.array(lie, { maxLength: 4 }),
      ),
    )
    .map(([seedlings, lies]) => lies.reduce((history, one) => lied(history, one), grown(seedlings)))
}

function grown(seedlings: readonly Seedling[]): readonly Operation[] {
  const held = new MapKeys()
  const results = new Map<Seedling, readonly KvResult[] | null>()
  const effectAt = (seedling: Seedling): number => seedling.at + (seedling.isLate ? 20 : 0)
  for (const seedling of seedlings.toSorted((a, b) => effectAt(a) - effectAt(b))) {
    if (seedling.outcome === "fail" || (seedling.outcome === "info" && seedling.isLost)) continue
    const trial = held.copy()
    const answers = runRequest(seedling.request, trial)
    results.set(seedling, answers)
    if (answers !== null) runRequest(seedling.request, held)
  }
  return seedlings.map((seedling, id) => {
    const answers = results.get(seedling) ?? null
    const isOk = seedling.outcome === "ok" && answers !== null
    const effect = effectAt(seedling)
    const outcome = isOk ? "ok" : seedling.outcome === "ok" ? "fail" : seedling.outcome
    return {
      id,
      process: id,
      request: seedling.request,
      invokedAt: (isOk ? effect : seedling.at) - seedling.before,
      endedAt: outcome === "info" ? INSTANT_NEVER : effect + seedling.after,
      outcome,
      results: isOk ? answers : null,
      commitTs: 0,
      token: null,
      retries: 0,
    }
  })
}

function lied(history: readonly Operation[], { kind, which, value: other }: Lie): readonly Operation[] {
  const index = which % history.length
  const told = history[index]!
  if (kind === "move") {
    const invokedAt = told.invokedAt + 12
    const moved = { ...told, invokedAt, endedAt: Math.min(told.endedAt + 12, INSTANT_NEVER) }
    return history.with(index, moved)
  }
  if (kind === "forget" && told.outcome === "ok") {
    return history.with(index, { ...told, outcome: which % 2 === 0 ? "fail" : "info", results: null })
  }
  if (told.results === null) return history
  const results = told.results.map((result): KvResult => {
    if (kind === "value" && result.type === "value") return { ...result, value: other }
    if (kind === "value" && result.type === "rows") return { ...result, rows: [["a", other]] }
    if (kind === "swap" && result.type === "swapped") return { ...result, swapped: !result.swapped }
    if (kind === "count" && result.type === "count") return { ...result, value: result.value + 1 }
    return result
  })
  return history.with(index, { ...told, results })
}
