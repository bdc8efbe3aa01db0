import fc from "fast-check"
import { assert, describe, test } from "vitest"
import type { Control, Isolation } from "#kernel/txn/protocol.ts"
import { TxnRig, type Txn } from "../../support/txn-rig.ts"

// Every interleaving of small transactions on one range, held against the definitions: a serial order, or snapshots.

type Step =
  | { readonly type: "read" | "write" | "add"; readonly key: string }
  | { readonly type: "scan"; readonly start: string }
  | { readonly type: "abort" }
type Program = readonly Step[]
type Mode = { readonly level: Isolation; readonly control: Control }

const r = (key: string): Step => ({ type: "read", key })
const w = (key: string): Step => ({ type: "write", key })
/** Reads and writes in one op. */
const add = (key: string): Step => ({ type: "add", key })
const scan = (start: string): Step => ({ type: "scan", start })
const abort: Step = { type: "abort" }

const INITIAL: ReadonlyMap<string, string> = new Map([
  ["x", "0"],
  ["y", "0"],
])

type Rows = ReadonlyMap<string, string>
type Read = { readonly step: Step; readonly saw: string }

/** A transaction as it went. */
class Ran {
  readonly txn: Txn
  readonly program: Program
  readonly name: string
  /** What was read and written, in order; a write's is what it wrote. */
  readonly log: Read[] = []
  next = 0
  beganAt = -1
  endedAt = Number.MAX_SAFE_INTEGER

  constructor(txn: Txn, program: Program, name: string) {
    this.txn = txn
    this.program = program
    this.name = name
  }

  get isOver(): boolean {
    return this.txn.status !== "open" && !this.txn.isWaiting
  }
}

/** Runs one schedule: at each turn one of those that can go on does; `choices` says which. */
function run(programs: readonly Program[], mode: Mode, tickUs: number, choices: number[]): string | null {
  const rig = new TxnRig()
  for (const [key, value] of INITIAL) rig.put(key, value)
  rig.run()
  if (tickUs > 0) rig.pass(10_000)
  const all: Ran[] = []
  const pending = programs.map((program, i) => ({ program, name: "abc"[i]! }))
  let turn = 0
  const note = (each: Ran): void => {
    // A request that had to wait is answered in somebody else's turn.
    if (each.txn.isWaiting) return
    const step = each.program[each.next - 1]
    if (step !== undefined && each.log.length < each.next && each.txn.status === "open")
      each.log.push({ step, saw: sawOf(each, step) })
    if (each.txn.status !== "open") each.endedAt = Math.min(each.endedAt, turn)
  }
  for (let choice = 0; ; turn++) {
    const able = [...pending, ...all.filter((each) => !each.txn.isWaiting && !each.isOver)]
    if (able.length === 0) {
      const stuck = all.filter((each) => each.txn.isWaiting)
      if (stuck.length === 0) break
      // They wait for each other: the youngest goes.
      const victim = stuck.reduce((a, b) => (a.txn.id > b.txn.id ? a : b))
      rig.command({ type: "cancelWait", txn: victim.txn.id })
      rig.run()
      all.forEach(note)
      continue
    }
    if (choice >= choices.length) choices.push(0)
    const taken = choices[choice]! % able.length
    const chosen = able[taken]!
    choices[choice] = taken + able.length * 100
    choice++
    let each: Ran
    if (chosen instanceof Ran) each = chosen
    else {
      pending.splice(pending.indexOf(chosen), 1)
      each = new Ran(rig.begin(mode.level, mode.control), chosen.program, chosen.name)
      each.beganAt = turn
      all.push(each)
    }
    const step = each.program[each.next]
    each.next++
    if (step === undefined) each.txn.commit()
    else if (step.type === "read") each.txn.get(step.key)
    else if (step.type === "write") each.txn.put(step.key, `${each.name}${each.next}`)
    else if (step.type === "add") each.txn.do([{ type: "increment", key: step.key, by: 1 }])
    else if (step.type === "scan") each.txn.scan(step.start, "")
    else each.txn.abort()
    if (tickUs > 0) rig.pass(tickUs)
    rig.run()
    all.forEach(note)
  }
  rig.pass(10_000)
  const final = rig.rows()
  const committed = all.filter((each) => each.txn.status === "committed")
  const isRight =
    mode.level === "serializable"
      ? isSerializable(committed, final)
      : mode.level === "snapshot"
        ? isSnapshot(committed, final)
        : isCommitted(committed, final)
  if (isRight) return null
  const story = all.map(
    (each) =>
      `${each.name} ${each.txn.status} [${each.beganAt}, ${each.endedAt}] ${each.log.map(({ step, saw }) => `${step.type}${"key" in step ? ` ${step.key}` : ""}=${saw}`).join(", ")}`,
  )
  return `${story.join("\n")}\n→ ${show(final)}`
}

function sawOf({ txn, next, name }: Ran, step: Step): string {
  if (step.type === "write") return `${name}${next}`
  const result = txn.results[0]
  switch (result?.type) {
    case "value":
      return result.value ?? "-"
    case "rows":
      return show(new Map(result.rows))
    case "count":
      return String(result.value)
    default:
      return "done"
  }
}

function show(rows: Rows): string {
  return [...rows].map(([key, value]) => `${key}:${value}`).join(" ")
}

/** Whether the transaction, run alone on these rows, sees what it saw; gives the rows after it. */
function replay({ log }: Ran, before: Rows): Map<string, string> | null {
  const rows = new Map(before)
  for (const { step, saw } of log) {
    if (step.type === "write") rows.set(step.key, saw)
    else if (step.type === "add") {
      const sum = Number(rows.get(step.key) ?? "0") + 1
      if (saw !== "done" && saw !== String(sum)) return null
      rows.set(step.key, String(sum))
    } else if (step.type === "read" && saw !== (rows.get(step.key) ?? "-")) return null
    else if (step.type === "scan") {
      const found = [...rows].filter(([key]) => key >= step.start).sort(([a], [b]) => (a < b ? -1 : 1))
      if (saw !== show(new Map(found))) return null
    }
  }
  return rows
}

function permutations<Item>(items: readonly Item[]): readonly (readonly Item[])[] {
  if (items.length === 0) return [[]]
  return items.flatMap((item, i) =>
    permutations([...items.slice(0, i), ...items.slice(i + 1)]).map((rest) => [item, ...rest]),
  )
}

/** There is a serial order that agrees with real time, and with everything that was seen. */
function isSerializable(committed: readonly Ran[], final: Rows): boolean {
  return permutations(committed).some((order) => {
    if (order.some((a, i) => order.slice(0, i).some((b) => a.endedAt < b.beganAt))) return false
    let rows: Rows = INITIAL
    for (const each of order) {
      const after = replay(each, rows)
      if (after === null) return false
      rows = after
    }
    return show(new Map([...rows].sort(([a], [b]) => (a < b ? -1 : 1)))) === show(final)
  })
}

type Event = { readonly ran: Ran; readonly type: "snapshot" | "commit" }

/** There are snapshots and commits in an order that agrees with real time, the first of two writers of a key wins. */
function isSnapshot(committed: readonly Ran[], final: Rows): boolean {
  const events = committed.flatMap((ran): Event[] => [
    { ran, type: "snapshot" },
    { ran, type: "commit" },
  ])
  const written = (ran: Ran): ReadonlySet<string> =>
    new Set(ran.log.flatMap(({ step }) => (step.type === "write" || step.type === "add" ? [step.key] : [])))
  return orders(events, committed, written).some((order) => {
    const snapshots = new Map<Ran, Rows>()
    let rows: Rows = INITIAL
    for (const { ran, type } of order) {
      if (type === "snapshot") snapshots.set(ran, rows)
      else {
        const after = replay(ran, snapshots.get(ran)!)
        if (after === null) return false
        const merged = new Map(rows)
        for (const key of written(ran)) merged.set(key, after.get(key)!)
        rows = merged
      }
    }
    return show(new Map([...rows].sort(([a], [b]) => (a < b ? -1 : 1)))) === show(final)
  })
}

/** Orders of snapshots and commits that keep the rules of time and of writers. */
function orders(
  left: readonly Event[],
  all: readonly Ran[],
  written: (ran: Ran) => ReadonlySet<string>,
  taken: readonly Event[] = [],
): readonly (readonly Event[])[] {
  if (left.length === 0) return [taken]
  const has = (ran: Ran, type: Event["type"]): boolean =>
    taken.some((event) => event.ran === ran && event.type === type)
  return left.flatMap((event) => {
    const { ran, type } = event
    const isTooEarly =
      type === "commit"
        ? !has(ran, "snapshot") ||
          all.some(
            (other) =>
              other !== ran &&
              has(other, "commit") &&
              taken.findIndex((each) => each.ran === ran) <
                taken.findIndex((each) => each.ran === other && each.type === "commit") &&
              [...written(ran)].some((key) => written(other).has(key)),
          )
        : all.some((other) => other.endedAt < ran.beganAt && !has(other, "commit"))
    if (isTooEarly) return []
    return orders(
      left.filter((each) => each !== event),
      all,
      written,
      [...taken, event],
    )
  })
}

/** Nothing is read that was not committed, nor what was written over before it was; nothing that is committed is lost. */
function isCommitted(committed: readonly Ran[], final: Rows): boolean {
  const last = new Map<string, Set<string>>([...INITIAL].map(([key, value]) => [key, new Set([value])]))
  let adds = 0
  for (const { log } of committed) {
    const own = new Map<string, string>()
    for (const { step, saw } of log) if (step.type === "write" || step.type === "add") own.set(step.key, saw)
    adds += log.filter(({ step }) => step.type === "add").length
    for (const [key, value] of own) last.set(key, (last.get(key) ?? new Set(["-"])).add(value))
  }
  const isAdded = committed.every(({ log }) => log.every(({ step }) => step.type !== "write"))
  if (isAdded && adds > 0) {
    const sum = [...final.values()].reduce((total, value) => total + Number(value), 0)
    if (sum !== adds) return false
  }
  for (const { log } of committed) {
    const own = new Map<string, string>()
    for (const { step, saw } of log) {
      if (step.type === "write" || step.type === "add") own.set(step.key, saw)
      if (step.type !== "read") continue
      const mine = own.get(step.key)
      if (mine === undefined ? saw !== "-" && last.get(step.key)?.has(saw) !== true : saw !== mine)
        return false
    }
  }
  return [...final].every(([key, value]) => last.get(key)?.has(value) === true)
}

/** All schedules, one after the other; gives how many, and how many ended with how many commits. */
function explore(programs: readonly Program[], mode: Mode, tickUs: number): { readonly runs: number } {
  const choices: number[] = []
  let runs = 0
  for (;;) {
    runs++
    const wrong = run(programs, mode, tickUs, choices)
    // What was possible at each turn is kept above what was chosen.
    const taken = choices.map((choice) => choice % 100)
    assert.isNull(wrong, `${taken.join(" ")}\n${wrong}`)
    let at = choices.length - 1
    while (at >= 0 && taken[at]! + 1 >= Math.floor(choices[at]! / 100)) at--
    if (at < 0) return { runs }
    choices.length = 0
    for (let i = 0; i <= at; i++) choices.push(i === at ? taken[i]! + 1 : taken[i]!)
  }
}

const MODES: Readonly<Record<string, Mode>> = {
  "READ COMMITTED": { level: "readCommitted", control: "locking" },
  SNAPSHOT: { level: "snapshot", control: "locking" },
  "SERIALIZABLE by locking": { level: "serializable", control: "locking" },
  "SERIALIZABLE by validation": { level: "serializable", control: "optimistic" },
}

const PROGRAMS: Readonly<Record<string, readonly Program[]>> = {
  "lost update": [
    [r("x"), w("x")],
    [r("x"), w("x")],
  ],
  "write skew": [
    [r("x"), w("y")],
    [r("y"), w("x")],
  ],
  "write skew over rows": [
    [scan("x"), w("z")],
    [scan("x"), w("zz")],
  ],
  "dirty writes": [
    [w("x"), w("y")],
    [w("y"), w("x")],
  ],
  "a reader of two keys": [
    [w("x"), w("y")],
    [r("x"), r("y"), r("x")],
  ],
  "an abort": [
    [w("x"), abort],
    [r("x"), w("x")],
  ],
  sums: [
    [add("x"), add("y")],
    [add("y"), add("x")],
  ],
  "a batch processing report": [[r("x"), w("y")], [w("x")], [r("x"), r("y")]],
  "three in a circle": [
    [r("x"), w("y")],
    [r("y"), w("z")],
    [r("z"), w("x")],
  ],
  "three of one key": [[add("x")], [add("x"), r("y")], [r("x"), w("x")]],
}

for (const [name, mode] of Object.entries(MODES)) {
  describe(name, () => {
    for (const [what, programs] of Object.entries(PROGRAMS)) {
      test(what, () => {
        // Within one millisecond every timestamp is uncertain to everybody.
        const ticks = programs.length > 2 && what !== "three of one key" ? [1_000] : [0, 1_000]
        for (const tickUs of ticks) assert.isAbove(explore(programs, mode, tickUs).runs, 2)
      })
    }
  })
}

const stepArbitrary = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(r("x"), r("y"), r("z")) },
  { weight: 4, arbitrary: fc.constantFrom(w("x"), w("y"), w("z")) },
  { weight: 2, arbitrary: fc.constantFrom(add("x"), add("y")) },
  { weight: 2, arbitrary: fc.constantFrom(scan("x"), scan("y"), scan("z")) },
  { weight: 1, arbitrary: fc.constant(abort) },
)

test("and so are drawn ones, in drawn schedules", () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(stepArbitrary, { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 3 }),
      fc.constantFrom(...Object.values(MODES)),
      fc.constantFrom(0, 1_000),
      fc.array(fc.nat(5), { minLength: 15, maxLength: 15 }),
      (programs, mode, tickUs, schedule) => {
        // An aborted transaction does nothing more, a sum of what is no number is another matter, and so is one that waits at
        // the gateway of this test.
        const whole = programs.map((program) => {
          const end = program.indexOf(abort)
          return end < 0 ? program : program.slice(0, end + 1)
        })
        const writes = mode.control === "optimistic" || whole.flat().some(({ type }) => type === "write")
        const numbers = whole.map((program) => program.filter(({ type }) => !writes || type !== "add"))
        assert.isNull(run(numbers, mode, tickUs, [...schedule]))
      },
    ),
    { numRuns: 400 },
  )
})
