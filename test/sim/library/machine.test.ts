import assert from "node:assert/strict"
import { describe, test } from "vitest"
import {
  effect,
  machineOfObjects,
  type Dice,
  type Machine,
  type MachineEffect,
  type MachineInput,
  type MachineResult,
} from "orrery/sim"
import { MS, planOf, runOf, SECOND, type FaultSpec } from "./rig.ts"

// What a machine is told and what becomes of its effects: one promise a test.

type Log = readonly string[]
type Heard = { readonly told: Log }

/** Notes every input, and does what `act` says of it. */
function noting<Q = string>(
  act: (input: MachineInput<unknown, Q>, dice: Dice) => readonly MachineEffect<unknown, string>[],
): Machine<Heard, unknown, Q, string> {
  return {
    name: "noting",
    version: "1",
    init: () => ({ told: [] }),
    step: (state, input, dice) => {
      const told = [...state.told, `${input.type} at ${input.now - 0}`]
      return { state: { told }, effects: [effect.observe(wordsOf(input)), ...act(input, dice)] }
    },
  }
}

function wordsOf(input: MachineInput<unknown, unknown>): string {
  switch (input.type) {
    case "started":
      return `started ${input.boot} ${JSON.stringify(input.durable)}`
    case "message":
      return `message ${JSON.stringify(input.message)} from ${input.from}`
    case "request":
      return `request ${JSON.stringify(input.request)}`
    case "timer":
      return `timer ${input.timer}`
    case "written":
      return `written ${input.write}`
    case "writeFailed":
      return `writeFailed ${input.write} ${input.reason}`
  }
}

/** What one node was told, without its times. */
function toldTo(result: MachineResult, node = 1): readonly unknown[] {
  return result.observations.filter((seen) => seen.node === node).map(({ what }) => what)
}

function timesOf(result: MachineResult, what: string): readonly number[] {
  return result.observations.filter((seen) => seen.what === what).map(({ at }) => at)
}

describe("a node", () => {
  test("is told that it started, with nothing durable, and answers its client", () => {
    const machine = noting((input) =>
      input.type === "request" ? [effect.reply(input.caller, `${input.request}!`)] : [],
    )
    const result = runOf(machine, planOf(machine, { ops: [{ request: "hello" }] }))
    assert.equal(result.verdict, "valid")
    assert.deepEqual(toldTo(result), ['started 1 {"values":{},"log":[]}', 'request "hello"'])
    const [call] = result.history
    assert.equal(call?.outcome, "ok")
    assert.equal(call?.answer, "hello!")
  })

  test("sends to its peers, and to itself", () => {
    const machine = noting((input) =>
      input.type === "request" ? [effect.send(2, { a: [1] }), effect.send(1, "me")] : [],
    )
    const result = runOf(machine, planOf(machine, { nodes: 2, ops: [{ request: "go" }] }))
    assert.deepEqual(toldTo(result, 2).slice(1), ['message {"a":[1]} from 1'])
    assert.deepEqual(toldTo(result).slice(2), ['message "me" from 1'])
  })

  test("throws dice that its seed decides, and other ones at each step", () => {
    const thrown: number[] = []
    const machine = noting((_, dice) => {
      thrown.push(dice.below(1_000_000))
      return []
    })
    const plan = planOf(machine, { ops: [{ request: "a" }, { request: "b" }] })
    runOf(machine, plan, [], { guard: false })
    const first = thrown.splice(0)
    runOf(machine, plan, [], { guard: false })
    assert.deepEqual(thrown, first)
    assert.equal(new Set(first).size, 3)
  })
})

describe("a timer", () => {
  const every = noting((input) =>
    input.type === "started" || input.type === "timer" ? [effect.setTimer("beat", SECOND)] : [],
  )

  test("fires once, by the node's clock, and is replaced by one of its name", () => {
    const machine = noting((input) =>
      input.type === "started"
        ? [
            effect.setTimer("a", SECOND),
            effect.setTimer("a", 2 * SECOND),
            effect.setTimer("b", SECOND),
            effect.clearTimer("b"),
          ]
        : [],
    )
    const result = runOf(machine, planOf(machine))
    assert.deepEqual(timesOf(result, "timer a"), [2 * SECOND])
    assert.deepEqual(timesOf(result, "timer b"), [])
  })

  test("is late after a pause, and one that was taken away while it waited does not fire", () => {
    const faults: FaultSpec[] = [{ kind: "pause", at: 500 * MS, until: 4 * SECOND }]
    const times = timesOf(runOf(every, planOf(every, { faults })), "timer beat")
    assert.equal(times[0], 4 * SECOND)

    const machine = noting((input) => {
      if (input.type === "started") return [effect.setTimer("a", SECOND), effect.setTimer("b", 2 * SECOND)]
      return input.type === "timer" && input.timer === "a" ? [effect.clearTimer("b")] : []
    })
    const result = runOf(machine, planOf(machine, { faults }))
    assert.deepEqual(toldTo(result).slice(1), ["timer a"])
  })

  test("drifts with its clock, and a step of the wall clock does not move it", () => {
    const drift: FaultSpec = { kind: "clockDrift", at: 0, until: 9 * SECOND, args: { ppm: 100_000 } }
    const [fast] = timesOf(runOf(every, planOf(every, { faults: [drift] })), "timer beat")
    assert.ok(fast! > 900 * MS && fast! < 920 * MS, `it fired at ${fast}`)
    const step: FaultSpec = { kind: "clockStep", at: 0, args: { offsetUs: 3_600 * SECOND } }
    const [stepped] = timesOf(runOf(every, planOf(every, { faults: [step] })), "timer beat")
    assert.equal(stepped, SECOND)
  })

  test("does not outlive its process", () => {
    const machine = noting((input) =>
      input.type === "started" && input.boot === 1 ? [effect.setTimer("a", 2 * SECOND)] : [],
    )
    const crash: FaultSpec = { kind: "crash", at: SECOND, args: { restartUs: 100 * MS } }
    const result = runOf(machine, planOf(machine, { faults: [crash] }))
    assert.deepEqual(timesOf(result, "timer a"), [])
    assert.equal(toldTo(result).length, 2)
  })
})

describe("a write", () => {
  const keeping = noting<{ readonly key: string }>((input) =>
    input.type === "request"
      ? [
          effect.write(`of ${input.request.key}`, {
            set: { [input.request.key]: input.caller.id },
            append: [input.request.key],
          }),
        ]
      : [],
  )
  const ops = [{ request: { key: "x" } }, { request: { key: "y" } }, { request: { key: "z" } }]
  const crashAt = (at: number, powerLoss: number): FaultSpec => ({
    kind: "crash",
    at,
    args: { restartUs: 100 * MS, powerLoss },
  })

  test("is there after a crash and a power loss once its completion was told", () => {
    const result = runOf(keeping, planOf(keeping, { ops, faults: [crashAt(SECOND, 1)] }))
    assert.deepEqual(toldTo(result).at(-1), 'started 2 {"values":{"x":1,"y":2,"z":3},"log":["x","y","z"]}')
  })

  test("that is unsynced at a power loss is there or not, of the log only a first part", () => {
    const found = new Set<string>()
    for (let seed = 1; seed <= 60; seed++) {
      const faults: FaultSpec[] = [{ kind: "stalledDisk", at: 0, until: SECOND }, crashAt(SECOND - 1, 1)]
      const result = runOf(keeping, { ...planOf(keeping, { ops, faults }), seed })
      found.add(String(toldTo(result).at(-1)))
    }
    assert.ok(found.has('started 2 {"values":{},"log":[]}'))
    assert.ok(found.has('started 2 {"values":{"x":1},"log":["x"]}'))
    assert.ok(found.has('started 2 {"values":{"x":1,"y":2,"z":3},"log":["x","y","z"]}'))
    assert.equal(found.size, 4, [...found].join("\n"))
  })

  test("without a part in the log may be lost alone", () => {
    const machine = noting((input) =>
      input.type === "request" ? [effect.write(input.request, { set: { [input.request]: 1 } })] : [],
    )
    const found = new Set<string>()
    for (let seed = 1; seed <= 80; seed++) {
      const faults: FaultSpec[] = [{ kind: "stalledDisk", at: 0, until: SECOND }, crashAt(SECOND - 1, 1)]
      const plan = planOf(machine, { ops: [{ request: "x" }, { request: "y" }], faults })
      found.add(String(toldTo(runOf(machine, { ...plan, seed })).at(-1)))
    }
    assert.equal(found.size, 4, [...found].join("\n"))
  })

  test("cuts the log and takes keys away", () => {
    const machine = noting<number>((input) => {
      if (input.type === "started") return [effect.write("all", { set: { a: 1, b: 2 }, append: [1, 2, 3] })]
      return input.type === "request"
        ? [effect.write("less", { set: { a: null }, truncate: input.request, append: ["new"] })]
        : []
    })
    const result = runOf(machine, planOf(machine, { ops: [{ request: 1 }], faults: [crashAt(SECOND, 1)] }))
    assert.deepEqual(
      toldTo(result).filter((what) => String(what).startsWith("started 2")),
      ['started 2 {"values":{"b":2},"log":[1,"new"]}'],
    )
  })

  test("waits while the disk is stalled, is late while it is slow", () => {
    const stalled: FaultSpec = { kind: "stalledDisk", at: 0, until: 5 * SECOND }
    const [late] = timesOf(runOf(keeping, planOf(keeping, { ops, faults: [stalled] })), "written of x")
    assert.ok(late! >= 5 * SECOND && late! < 5.1 * SECOND)
    const slow: FaultSpec = { kind: "slowDisk", at: 0, until: 9 * SECOND, args: { factor: 1_000 } }
    const [slowly] = timesOf(runOf(keeping, planOf(keeping, { ops, faults: [slow] })), "written of x")
    assert.ok(slowly! > SECOND)
  })

  test("fails on a full disk, and is not there afterwards", () => {
    const faults: FaultSpec[] = [{ kind: "diskFull", at: 0, until: 250 * MS }, crashAt(SECOND, 0)]
    const told = toldTo(runOf(keeping, planOf(keeping, { ops, faults })))
    assert.ok(told.includes("writeFailed of x diskFull") && told.includes("written of z"))
    assert.equal(told.at(-1), 'started 2 {"values":{"z":3},"log":["z"]}')
  })

  test("fails when its sync does, once, and a process that ends itself over it comes back", () => {
    const machine = noting((input) => {
      if (input.type === "request") return [effect.write(input.request, { set: { a: 1 } })]
      return input.type === "writeFailed" ? [effect.stop(input.reason)] : []
    })
    const faults: FaultSpec[] = [{ kind: "syncError", at: 0, until: SECOND, args: { restartUs: 200 * MS } }]
    const told = toldTo(runOf(machine, planOf(machine, { ops: [{ request: "w" }], faults })))
    assert.equal(told[2], "writeFailed w syncError")
    assert.match(String(told[3]), /^started 2/)
  })
})

describe("a client", () => {
  test("is refused, and asks the node it is told of", () => {
    const machine: Machine<number, unknown, string, number> = {
      name: "second",
      version: "1",
      init: ({ node }) => node,
      step: (node, input) => {
        if (input.type !== "request") return { state: node, effects: [] }
        const { caller } = input
        const effects = node === 2 ? [effect.reply(caller, node)] : [effect.refuse(caller, "not me", 2)]
        return { state: node, effects }
      },
    }
    const once = runOf(machine, planOf(machine, { nodes: 3, ops: [{ request: "a" }] })).history[0]
    assert.deepEqual([once?.outcome, once?.reason], ["fail", "not me"])
    const thrice = runOf(machine, planOf(machine, { nodes: 3, ops: [{ request: "a", attempts: 3 }] }))
      .history[0]
    assert.deepEqual([thrice?.outcome, thrice?.answer, thrice?.attempts], ["ok", 2, 2])
  })

  test("that hears nothing does not know, and goes on as another process", () => {
    const machine = noting(() => [])
    const { history, operations } = runOf(
      machine,
      planOf(machine, {
        clients: 1,
        ops: [
          { request: "a", client: 0 },
          { request: "b", client: 0 },
        ],
      }),
    )
    assert.deepEqual(
      history.map(({ outcome, process }) => [outcome, process]),
      [
        ["info", 0],
        ["info", 1],
      ],
    )
    assert.equal(operations.info, 2)
  })
})

describe("faults", () => {
  test("of the network strike messages", () => {
    const machine = noting((input) => (input.type === "request" ? [effect.send(2, "hello")] : []))
    const cut: FaultSpec = { kind: "partition", at: 0, until: SECOND, stores: [1], peers: [2] }
    const result = runOf(machine, planOf(machine, { nodes: 2, ops: [{ request: "a" }], faults: [cut] }))
    assert.deepEqual(toldTo(result, 2).slice(1), [])
    assert.deepEqual(result.faults.partition, { applied: 1, effective: 1 })
  })

  test("that corrupt need bytes: with a codec it sees them, without one they are losses", () => {
    const plain = noting((input) => (input.type === "request" ? [effect.send(2, [1, 2, 3])] : []))
    const codec = {
      encode: (message: unknown) => Uint8Array.from(message as number[]),
      decode: (bytes: Uint8Array): unknown => [...bytes],
    }
    const corrupt: FaultSpec = {
      kind: "corrupt",
      at: 0,
      until: 9 * SECOND,
      stores: [1],
      peers: [2],
      args: { ratioPpm: 1_000_000 },
    }
    const ops = Array.from({ length: 20 }, () => ({ request: "a" }))
    for (const transport of ["objects", "bytes"] as const) {
      const plan = planOf(plain, { nodes: 2, ops, faults: [corrupt], host: { transport } })
      assert.deepEqual(toldTo(runOf(plain, plan), 2).slice(1), [])
      const told = toldTo(runOf({ ...plain, codec }, plan), 2).slice(1)
      assert.ok(told.length > 0 && !told.includes("message [1,2,3] from 1"), told.join("\n"))
    }
  })

  test("that misroute lose messages, and bring requests to another node", () => {
    const machine = noting((input) => (input.type === "request" ? [effect.send(2, "hello")] : []))
    const misroute = (stores: readonly number[], peers: readonly number[]): FaultSpec => ({
      kind: "misroute",
      at: 0,
      until: 9 * SECOND,
      stores,
      peers,
      args: { ratioPpm: 1_000_000 },
    })
    const ops = [{ request: "a" }]
    const lost = runOf(machine, planOf(machine, { nodes: 3, ops, faults: [misroute([1], [2])] }))
    assert.deepEqual(
      [...toldTo(lost, 2), ...toldTo(lost, 3)].filter((what) => String(what).startsWith("mess")),
      [],
    )
    const asked = runOf(machine, planOf(machine, { nodes: 2, ops, faults: [misroute([1], [1_000])] }))
    assert.equal(toldTo(asked, 1).length, 1)
    assert.equal(toldTo(asked, 2)[1], 'request "a"')
  })

  test("of clocks show in the stamps of inputs, and of processes in when they come", () => {
    const machine = noting((input) => [effect.observe(input.wall)])
    const at = { at: 0, until: 9 * SECOND }
    const ops = [{ request: "a" }]
    const [, plain] = runOf(machine, planOf(machine, { ops })).observations.filter(({ what }) =>
      Number.isInteger(what),
    )
    const hour: FaultSpec = { ...at, kind: "clockOffset", args: { offsetUs: 3_600 * SECOND } }
    const ahead = runOf(machine, planOf(machine, { ops, faults: [hour] }))
    const [, later] = ahead.observations.filter(({ what }) => Number.isInteger(what))
    assert.equal((later!.what as number) - (plain!.what as number), 3_600 * SECOND)
    assert.equal(later!.at, plain!.at)
    const pause: FaultSpec = { kind: "pause", at: 50 * MS, until: SECOND }
    const [asked] = timesOf(runOf(machine, planOf(machine, { ops, faults: [pause] })), 'request "a"')
    assert.equal(asked, SECOND)
  })

  test("that strike a leader find the one who says so", () => {
    const machine: Machine<number> = {
      name: "third",
      version: "1",
      init: ({ node }) => node,
      step: (state) => ({ state, effects: [] }),
      leads: (node) => node === 3,
    }
    const crash: FaultSpec = {
      kind: "crash",
      at: SECOND,
      role: "leader",
      stores: [],
      args: { restartUs: SECOND },
    }
    const lines: string[] = []
    runOf(machine, planOf(machine, { nodes: 3, faults: [crash] }), [], { onLine: (line) => lines.push(line) })
    assert.ok(
      lines.some((line) => line.endsWith("node 3 crashes")),
      lines.join("\n"),
    )
  })
})

describe("a machine of objects", () => {
  class Adder {
    sum: number
    constructor(sum: number) {
      this.sum = sum
    }
    step(input: MachineInput<never, number>): readonly MachineEffect<never, number>[] {
      if (input.type !== "request") return []
      this.sum += input.request
      return [effect.reply(input.caller, this.sum)]
    }
    save(): unknown {
      return { sum: this.sum }
    }
  }
  const adder = machineOfObjects<Adder, never, number, number>({
    name: "adder",
    version: "1",
    create: () => new Adder(0),
    load: (saved) => new Adder((saved as { sum: number }).sum),
  })

  test("keeps its state to itself, and goes on over a reload", () => {
    const reload: FaultSpec = { kind: "reload", at: 150 * MS }
    const ops = [{ request: 1 }, { request: 2 }, { request: 3 }]
    const result = runOf(adder, planOf(adder, { ops, faults: [reload] }))
    assert.deepEqual(
      result.history.map(({ answer }) => answer),
      [1, 3, 6],
    )
    assert.equal(result.traceHash, runOf(adder, planOf(adder, { ops })).traceHash)
  })

  test("that forgets something when it is saved is found out", () => {
    const forgetful = { ...adder, load: () => new Adder(0) }
    const { violation } = runOf(forgetful, planOf(forgetful, { ops: [{ request: 1 }, { request: 2 }] }))
    assert.equal(violation?.oracle, "DET-differs")
    assert.match(violation.message, /once it was saved and loaded/)
  })
})

describe("a machine that is not pure is named", () => {
  type Act = (state: { list: number[]; at?: unknown }) => { list: number[]; at?: unknown }
  const bad = (act: Act): Machine<{ list: number[]; at?: unknown }, unknown, string, string> => ({
    name: "bad",
    version: "1",
    init: () => ({ list: [] }),
    step: (state) => ({ state: act(state), effects: [] }),
  })
  const found = (act: Act, faults: readonly FaultSpec[] = []): string => {
    const machine = bad(act)
    const { violation } = runOf(machine, planOf(machine, { ops: [{ request: "a" }], faults }))
    return `${violation?.oracle}: ${violation?.message}`
  }

  test("when it changes its state", () => {
    assert.match(
      found((state) => (state.list.push(1), state)),
      /^DET-mutates: Node 1\. Machine bad: step changes/,
    )
  })

  test("when it changes a Map in its state, which nobody can freeze", () => {
    const machine: Machine<Map<string, number>> = {
      name: "bad",
      version: "1",
      init: () => new Map(),
      step: (state) => ({ state: state.set("a", state.size), effects: [] }),
    }
    assert.equal(runOf(machine, planOf(machine)).violation?.oracle, "DET-mutates")
  })

  test("when it throws dice of its own", () => {
    assert.match(
      found((state) => ({ ...state, at: Math.random() })),
      /^DET-differs: .*another state/,
    )
  })

  test("when it keeps something beside its state", () => {
    let kept = 0
    assert.match(
      found((state) => ({ ...state, at: kept++ })),
      /^DET-differs/,
    )
  })

  test("when it keeps what cannot be saved, and where", () => {
    const message = found((state) => ({ ...state, at: { when: new Date(0) } }))
    assert.match(message, /^DET-not-plain: .*state\.at\.when is an instance of Date/)
    assert.match(
      found((state) => ({ ...state, at: () => 1 })),
      /^DET-not-plain: .*state\.at is a function/,
    )
  })

  test("when it throws, or wants what there is not", () => {
    assert.match(
      found(() => JSON.parse("{") as never),
      /^RES-threw: .*SyntaxError/,
    )
    const lost = noting(() => [effect.send(9, "hello")])
    assert.match(runOf(lost, planOf(lost)).violation!.message, /node 9: there is none/)
    const early = noting(() => [effect.setTimer("a", -1)])
    assert.equal(runOf(early, planOf(early)).violation?.oracle, "RES-threw")
  })

  test("when it never comes to rest", () => {
    const restless = noting((input) =>
      input.type === "started" || input.type === "timer" ? [effect.setTimer("now", 0)] : [],
    )
    const { violation, events } = runOf(restless, planOf(restless), [], { eventsMax: 500, guard: false })
    assert.equal(violation?.oracle, "RES-busy")
    assert.equal(events, 500)
  })

  test("when its state is another one once it is copied", () => {
    const shared: Machine<{ a: object; b: object }, unknown, string> = {
      name: "shared",
      version: "1",
      init: () => {
        const one = { n: 1 }
        return { a: one, b: one }
      },
      step: (state, input) => ({
        state: input.type === "request" && state.a !== state.b ? { a: {}, b: {} } : state,
        effects: [],
      }),
    }
    const plan = planOf(shared, { ops: [{ request: "a" }, { request: "b" }] })
    const reload: FaultSpec = { kind: "reload", at: 150 * MS }
    const first = runOf(shared, plan)
    const second = runOf(
      shared,
      planOf(shared, { ops: [{ request: "a" }, { request: "b" }], faults: [reload] }),
    )
    assert.notEqual(first.stateHash, second.stateHash)
  })
})

describe("a disk that deceives", () => {
  const keeping = noting((input) =>
    input.type === "request" ? [effect.write(input.request, { set: { [input.request]: 1 } })] : [],
  )
  const ops = [{ request: "x" }, { request: "y" }]
  const cut: FaultSpec = { kind: "crash", at: SECOND, args: { restartUs: 100 * MS, powerLoss: 1 } }

  test("says that what it has is durable, and at a power loss it is not", () => {
    const found = new Set<string>()
    for (let seed = 1; seed <= 40; seed++) {
      const faults: FaultSpec[] = [{ kind: "lyingSync", at: 0, until: 5 * SECOND }, cut]
      const told = toldTo(runOf(keeping, { ...planOf(keeping, { ops, faults }), seed }))
      assert.ok(told.includes("written x") && told.includes("written y"))
      found.add(String(told.at(-1)))
    }
    assert.ok(found.has('started 2 {"values":{},"log":[]}'))
    assert.ok(found.size > 2)
  })

  test("keeps its word about everything once one sync is honest", () => {
    const faults: FaultSpec[] = [{ kind: "lyingSync", at: 0, until: 150 * MS }, cut]
    const told = toldTo(runOf(keeping, planOf(keeping, { ops, faults })))
    assert.equal(told.at(-1), 'started 2 {"values":{"x":1,"y":1},"log":[]}')
  })

  test("is lost, or comes back as it was", () => {
    const lost: FaultSpec = { kind: "diskLoss", at: SECOND, args: { restartUs: 100 * MS } }
    const told = toldTo(runOf(keeping, planOf(keeping, { ops, faults: [lost] })))
    assert.equal(told.at(-1), 'started 2 {"values":{},"log":[]}')
    const old: FaultSpec = {
      kind: "oldImage",
      at: 150 * MS,
      until: 2 * SECOND,
      args: { ageUs: SECOND, restartUs: 100 * MS },
    }
    const result = runOf(keeping, planOf(keeping, { ops, faults: [old] }))
    assert.equal(toldTo(result).at(-1), 'started 2 {"values":{"x":1},"log":[]}')
    assert.deepEqual(result.faults.oldImage, { applied: 1, effective: 1 })
  })
})

test("a bad timer fires too early or too late, and then is as good as any", () => {
  const every = noting((input) =>
    input.type === "started" || input.type === "timer" ? [effect.setTimer("beat", SECOND)] : [],
  )
  const skew: FaultSpec = {
    kind: "timerSkew",
    at: 0,
    until: 5 * SECOND,
    args: { earlyUs: 300 * MS, lateUs: 300 * MS },
  }
  const times = timesOf(runOf(every, planOf(every, { faults: [skew] })), "timer beat")
  const gaps = times.map((at, index) => at - (times[index - 1] ?? 0))
  const skewed = gaps.filter((gap) => gap !== SECOND)
  assert.ok(skewed.some((gap) => gap < SECOND) && skewed.some((gap) => gap > SECOND), gaps.join())
  assert.ok(skewed.length <= 6)
})
