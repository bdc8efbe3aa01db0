/**
 * What does the storage side of the kernel cost on one core? `node bench/kernel/engine.ts [--json]`.
 * CPU time of this thread, so that others on a shared machine count little, and the best of five rounds.
 * What the collector does on helper threads is not in it.
 */
import { MemoryBase } from "#kernel/engine/memory-base.ts"
import { OverlayEngine } from "#kernel/engine/overlay.ts"
import { Tree } from "#kernel/engine/tree.ts"
import { crc32c, crc32cLatin1 } from "#kernel/lib/crc32c.ts"
import { readVersion, scanVersions, writeVersion } from "#kernel/mvcc/store.ts"
import { evaluate } from "#kernel/range/evaluate.ts"
import type { KvOp } from "#kernel/range/request.ts"
import { recordWrite } from "#kernel/txn/tokens.ts"
import { benchOptions } from "../support/report.ts"

type Line = { readonly name: string; readonly nsPerOp: number; readonly opsPerSecond: number }

benchOptions(import.meta.filename, {})
const ROWS = 200_000
const ROUNDS = 5
const lines: Line[] = []
/** Results go here, so that nothing measured can be left out as unused. */
let kept: unknown = null

function measure(name: string, count: number, run: (count: number) => unknown): void {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.threadCpuUsage()
    kept = run(count)
    const used = process.threadCpuUsage(before)
    best = Math.min(best, ((used.user + used.system) * 1000) / count)
  }
  lines.push({ name, nsPerOp: Math.round(best), opsPerSecond: Math.round(1e9 / best) })
}

/** A full-period walk over [0, ROWS): every key once, far apart. */
function scattered(i: number): number {
  return (i * 7_919) % ROWS
}

function userKey(n: number): string {
  return `user${String(n).padStart(8, "0")}`
}

/** As they come off the wire: flat strings. */
const keys = Array.from({ length: ROWS }, (_, i) => userKey(scattered(i)))
const ascending = [...keys].sort()
const value = "v".repeat(64)

measure("tree put, ascending", ROWS, (count) => {
  const tree = new Tree<string>()
  for (let i = 0; i < count; i++) tree.put(ascending[i]!, value)
  return tree
})
measure("tree put, scattered", ROWS, (count) => {
  const tree = new Tree<string>()
  for (let i = 0; i < count; i++) tree.put(keys[i]!, value)
  return tree
})

const tree = new Tree<string>()
for (const key of keys) tree.put(key, value)
measure("tree put over 200k, in place", ROWS, (count) => {
  for (let i = 0; i < count; i++) tree.put(keys[i]!, value)
  return tree
})
measure("tree put over 200k, a snapshot before each", 50_000, (count) => {
  for (let i = 0; i < count; i++) {
    kept = tree.snapshot()
    tree.put(keys[i]!, value)
  }
  return tree
})
measure("tree put over 200k, a walk over one row before each", 50_000, (count) => {
  for (let i = 0; i < count; i++) {
    kept = tree.cursor(keys[i]!, `${keys[i]!}\0`, false).valid
    tree.put(keys[i]!, value)
  }
  return tree
})
measure("tree get, scattered", ROWS, (count) => {
  let found = 0
  for (let i = 0; i < count; i++) if (tree.get(keys[i]!) !== undefined) found++
  return found
})
measure("tree scan, a row", ROWS, () => {
  let bytes = 0
  for (const cursor = tree.cursor("", "", false); cursor.valid; cursor.next())
    bytes += cursor.key.length + cursor.value.length
  return bytes
})

const engine = new OverlayEngine(MemoryBase.empty())
engine.apply(keys.map((key) => writeVersion(1, key, 1, value)))
const base = MemoryBase.empty().apply(engine.freeze(1))
engine.settle(1, base)
engine.apply(keys.slice(0, ROWS / 2).map((key) => writeVersion(1, key, 2, value)))

const writes = keys.map((key) => writeVersion(1, key, 2, value))
measure("overlay get, half of it in the overlay", ROWS, (count) => {
  let found = 0
  for (let i = 0; i < count; i++) if (engine.get(1, writes[i]!.key) !== null) found++
  return found
})
measure("readVersion", ROWS, (count) => {
  let found = 0
  for (let i = 0; i < count; i++) if (readVersion(engine, 1, keys[i]!, 5) !== "damaged") found++
  return found
})
measure("scanVersions of 100, a row", ROWS, (count) => {
  let rows = 0
  for (let i = 0; i < count; i += 100) {
    const found = scanVersions(engine, 1, keys[i]!, "", 5, 100, false)
    if (found !== "damaged") rows += found.rows.length
  }
  return rows
})
measure("writeVersion of 64 B", ROWS, (count) => {
  for (let i = 0; i < count; i++) kept = writeVersion(1, keys[i]!, i, value)
  return kept
})

const ops = keys.map((key): readonly KvOp[] => [{ type: "put", key, value }])
let ts = 10
measure("evaluate one put of 64 B", ROWS, (count) => {
  for (let i = 0; i < count; i++) kept = evaluate(engine, 1, ops[i]!, ts, ts)
  return kept
})
function evaluateAndApply(
  into: OverlayEngine,
  requests: readonly (readonly KvOp[])[],
  count: number,
): OverlayEngine {
  for (let i = 0; i < count; i++) {
    ts++
    const evaluation = evaluate(into, 1, requests[i]!, ts, ts)
    if (evaluation.ok) into.apply(evaluation.writes)
  }
  return into
}
measure("evaluate + apply of one put, overlay of up to 200k", ROWS, (count) =>
  evaluateAndApply(new OverlayEngine(base), ops, count),
)
measure("evaluate + apply of one put, overlay of up to 20k", 20_000, (count) =>
  evaluateAndApply(new OverlayEngine(base), ops, count),
)
const increments = keys.map((key): readonly KvOp[] => [{ type: "increment", key: "n" + key, by: 1 }])
measure("evaluate + apply of one increment, overlay of up to 20k", 20_000, (count) =>
  evaluateAndApply(new OverlayEngine(base), increments, count),
)
const token = { client: 7, birth: 5, seq: 2, ackedSeq: 1 }
const outcome = { birth: 5, commitTs: 9, body: { type: "results", results: [{ type: "done" }] } } as const
measure("recordWrite of a put's outcome", ROWS, (count) => {
  for (let i = 0; i < count; i++) kept = recordWrite(1, keys[i]!, token, outcome)
  return kept
})
measure("freeze, base takes, settle: a row", 20_000, (count) => {
  const into = new OverlayEngine(base)
  into.apply(writes.slice(0, count))
  into.settle(2, base.apply(into.freeze(2)))
  return into
})
measure("checkpoint encode, a row", ROWS, () => base.encode())
const file = base.encode()
measure("checkpoint decode, a row", ROWS, () => MemoryBase.decode(file))

const block = new Uint8Array(64 << 10)
measure("crc32c, a KiB of 64", 64 * 100, () => {
  let crc = 0
  for (let i = 0; i < 100; i++) crc = crc32c(block, 0, block.length, crc)
  return crc
})
measure("crc32c of 64 B as a string", ROWS, (count) => {
  let crc = 0
  for (let i = 0; i < count; i++) crc = crc32cLatin1(value, 0, value.length, crc)
  return crc
})

if (process.argv.includes("--json"))
  console.log(JSON.stringify({ bench: "kernel/engine", rows: ROWS, lines }))
else
  console.table(
    Object.fromEntries(lines.map(({ name, nsPerOp, opsPerSecond }) => [name, { nsPerOp, opsPerSecond }])),
  )
