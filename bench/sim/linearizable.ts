/**
 * How many operations a second does the linearizability check judge? `node bench/sim/linearizable.ts`.
 *
 * Histories of 100,000 operations on 1,000 keys and on 10, of 10 and 20 clients: valid ones, the same with
 * 1 % of the answers lost, and one with a stale read in the middle of it. Each row is the best of three.
 */
import { INSTANT_NEVER, type KvOp, type Operation } from "#sim/check/history.ts"
import { checkLinearizable } from "#sim/check/linearizable.ts"
import { MapKeys, runRequest } from "#sim/check/models.ts"
import { benchOptions } from "../support/report.ts"

benchOptions(import.meta.filename, {})
const COUNT = 100_000
const KINDS: readonly (readonly [string, readonly KvOp["type"][]])[] = [
  ["register", ["get", "put", "cas"]],
  ["counter", ["get", "increment"]],
  ["list", ["get", "append"]],
]

type Shape = { readonly clients: number; readonly keys: number; readonly types: readonly KvOp["type"][] }

function draws(seed: number): (bound: number) => number {
  let state = seed | 0
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    return (state >>> 8) % bound
  }
}

/** A true run: effects one by one, every client waiting for about as long as all others take a turn. */
function run({ clients, keys, types }: Shape, lostPerMille: number): Operation[] {
  const below = draws(42)
  const held = new MapKeys()
  const freeAt = Array.from({ length: clients }, () => 0)
  const history: Operation[] = []
  for (let id = 0, effect = 100; id < COUNT; id++, effect += 10) {
    let client = below(clients)
    while (freeAt[client]! > effect) client = (client + 1) % clients
    const key = `key${below(keys)}`
    const type = types[below(types.length)]!
    const value = `${id};`
    let op: KvOp = { type: "get", key }
    if (type === "put" || type === "append") op = { type, key, value }
    else if (type === "increment") op = { type, key, by: 1 }
    else if (type === "cas") op = { type, key, expected: below(2) === 0 ? held.get(key) : "?", value }
    const isLost = below(1_000) < lostPerMille
    const results = isLost && below(2) === 0 ? null : runRequest([op], held)
    const invokedAt = Math.max(freeAt[client]!, effect - below(10 * clients))
    const endedAt = effect + below(5 * clients)
    freeAt[client] = endedAt + 1
    history.push({
      id,
      process: client,
      request: [op],
      invokedAt,
      endedAt: isLost ? INSTANT_NEVER : endedAt,
      outcome: isLost ? "info" : "ok",
      results: isLost ? null : results,
      commitTs: 0,
      token: null,
      retries: 0,
    })
  }
  return history
}

/** The first read in the second half sees what nobody could see any more. */
function withStaleRead(history: readonly Operation[]): Operation[] {
  const seen = new Map<string, string>()
  const index = history.findIndex(({ request, results }, i) => {
    const result = results?.[0]
    if (result?.type !== "value" || result.value === null) return false
    const key = request[0]!.type === "get" ? request[0]!.key : ""
    const first = seen.get(key) ?? result.value
    seen.set(key, first)
    return i > COUNT / 2 && first !== result.value
  })
  const read = history[index]!
  const key = read.request[0]!.type === "get" ? read.request[0]!.key : ""
  return history.with(index, { ...read, results: [{ type: "value", value: seen.get(key)! }] })
}

console.log("kind      clients   keys  history     verdict       steps       ms      ops/s")
for (const [kind, types] of KINDS) {
  for (const clients of [10, 20]) {
    for (const keys of [1_000, 10]) {
      // A list of 10,000 elements read 5,000 times is gigabytes of answers: no workload of ours writes it.
      if (kind === "list" && keys === 10) continue
      const valid = run({ clients, keys, types }, 0)
      const histories = {
        valid,
        "1 % lost": run({ clients, keys, types }, 10),
        "stale read": withStaleRead(valid),
      }
      for (const [name, history] of Object.entries(histories)) {
        let best = Infinity
        let last = checkLinearizable([], { stepsMax: 1 })
        for (let round = 0; round < 3; round++) {
          const start = performance.now()
          last = checkLinearizable(history, { stepsMax: 5_000_000 })
          best = Math.min(best, performance.now() - start)
        }
        const cells = [
          kind.padEnd(8),
          String(clients).padStart(8),
          String(keys).padStart(6),
          ` ${name.padEnd(10)}`,
        ]
        cells.push(` ${last.verdict.padEnd(7)}`, String(last.steps).padStart(10), best.toFixed(0).padStart(8))
        console.log(
          cells.join(" "),
          Math.round((COUNT / best) * 1_000)
            .toLocaleString("en")
            .padStart(10),
        )
      }
    }
  }
}
