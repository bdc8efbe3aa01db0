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

/** Records as code writes them: with a prototype, so that they equal those read from JSON. */
const PLAIN = { noNullPrototype: true } as const

const pointOp: fc.Arbitrary<KvOp> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant("get" as const), key }, PLAIN) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("put" as const), key, value }, PLAIN) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("delete" as const), key }, PLAIN) },
  {
    weight: 3,
    arbitrary: fc.record(
      {
        type: fc.constant("cas" as const),
        key,
        expected: fc.constantFrom(null, "1", "2", "x"),
        value,
      },
      PLAIN,
    ),
  },
  {
    weight: 2,
    arbitrary: fc.record(
      { type: fc.constant("increment" as const), key, by: fc.integer({ min: -1, max: 2 }) },
      PLAIN,
    ),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("append" as const), key, value }, PLAIN) },
)

const scanOp: fc.Arbitrary<KvOp> = fc.record(
  {
    type: fc.constant("scan" as const),
    start: fc.constantFrom("a", "b"),
    end: fc.constantFrom("b", "c"),
    limit: fc.integer({ min: 1, max: 3 }),
    reverse: fc.boolean(),
  },
  PLAIN,
)

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
    { weight: 9, arbitrary: fc.tuple(point) },
    { weight: 3, arbitrary: fc.array(point, { minLength: 2, maxLength: 3 }) },
    { weight: 1, arbitrary: fc.tuple(scanOp) },
  )
}

function seedlingOf(kind: readonly string[]): fc.Arbitrary<Seedling> {
  return fc.record(
    {
      request: requestOf(kind),
      at: fc.integer({ min: 10, max: 40 }),
      before: fc.integer({ min: 0, max: 8 }),
      after: fc.integer({ min: 0, max: 8 }),
      outcome: fc.constantFrom<Outcome>("ok", "ok", "ok", "ok", "ok", "info", "info", "fail"),
      isLate: fc.boolean(),
      isLost: fc.boolean(),
    },
    PLAIN,
  )
}

const lie: fc.Arbitrary<Lie> = fc.record(
  {
    kind: fc.constantFrom<Lie["kind"]>("value", "value", "count", "swap", "move", "forget"),
    which: fc.nat({ max: 5 }),
    value,
  },
  PLAIN,
)

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

export type RunShape = {
  readonly count: number
  readonly clients: number
  readonly keys: number
  readonly types: readonly KvOp["type"][]
  /** Values are drawn from so many; 0 makes every written value unique. */
  readonly values: number
  /** Of a hundred requests, how many lose their answer, and how many have a few operations. */
  readonly infoPercent: number
  readonly manyPercent: number
}

/** A long run of the model itself under many clients: whatever the shape, it is linearizable. */
export function trueRun(seed: number, shape: RunShape): readonly Operation[] {
  let state = seed | 0
  // Mulberry32: a run is a function of its seed, so that a failure names its own input.
  const below = (bound: number): number => {
    state = (state + 0x6d2b79f5) | 0
    let word = Math.imul(state ^ (state >>> 15), state | 1)
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61)
    return ((word ^ (word >>> 14)) >>> 0) % bound
  }
  let fresh = 0
  const drawnValue = (): string => (shape.values === 0 ? `${fresh++};` : `${below(shape.values)}`)
  const held = new MapKeys()
  const drawnOp = (): KvOp => {
    const type = shape.types[below(shape.types.length)]!
    const name = `k${below(shape.keys)}`
    switch (type) {
      case "get":
      case "delete":
        return { type, key: name }
      case "put":
      case "append":
        return { type, key: name, value: drawnValue() }
      case "cas":
        // Half of the swaps expect what is there, else hardly any would succeed.
        return {
          type,
          key: name,
          expected: below(2) === 0 ? held.get(name) : drawnValue(),
          value: drawnValue(),
        }
      case "increment":
        return { type, key: name, by: 1 + below(3) }
      case "scan":
        return { type, start: name, end: "k~", limit: 1 + below(4), reverse: below(2) === 0 }
    }
  }
  const freeAt = Array.from({ length: shape.clients }, () => 0)
  const operations: Operation[] = []
  // Effects come one by one in time; each request begins some while before its effect and ends after it.
  for (let id = 0, effect = 20; id < shape.count; id++, effect += 1 + below(3)) {
    let process = below(shape.clients)
    while (freeAt[process]! > effect) process = (process + 1) % shape.clients
    const many = below(100) < shape.manyPercent ? 2 + below(2) : 1
    const request = Array.from({ length: many }, drawnOp)
    const invokedAt = Math.max(freeAt[process]!, effect - below(2 * shape.clients))
    const endedAt = effect + below(shape.clients)
    freeAt[process] = endedAt + 1
    const isInfo = below(100) < shape.infoPercent
    const isLost = isInfo && below(2) === 0
    const trial = held.copy()
    const results = isLost ? null : runRequest(request, trial)
    if (results !== null) runRequest(request, held)
    operations.push({
      id,
      process,
      request,
      invokedAt,
      endedAt: isInfo ? INSTANT_NEVER : endedAt,
      outcome: isInfo ? "info" : results === null ? "fail" : "ok",
      results: isInfo ? null : results,
      commitTs: 0,
      token: { client: process, seq: id },
      retries: 0,
    })
  }
  return operations
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
