import assert from "node:assert/strict"
import fc from "fast-check"
import { describe, test } from "vitest"
import {
  DEFAULT_SCOPE,
  explore,
  kernelBuild,
  parseSchedule,
  replaySchedule,
  storyText,
  writeSchedule,
  type ScheduleFile,
  type Scope,
} from "#sim"
import { choiceText, parseChoice, type Choice } from "#sim/explore/choice.ts"
import { Root } from "#sim/explore/search.ts"
import { ExploredWorld, type State } from "#sim/explore/world.ts"

const NOTHING_WRONG = {
  deviations: 0,
  delays: 0,
  gathers: 0,
  drops: 0,
  duplicates: 0,
  crashes: 0,
  cuts: 0,
  lapses: 0,
} as const

function scope(over: Partial<Scope>): Scope {
  return { ...DEFAULT_SCOPE, ...NOTHING_WRONG, ticks: 0, ...over }
}

const build = kernelBuild

describe("a small scope of the shipped kernel", () => {
  test("every order in which a put and a get can happen was tried, and breaks nothing", () => {
    const explored = explore(scope({ delays: null, operations: ["put", "get"] }), { build })
    assert.equal(explored.violation, null)
    assert.equal(explored.cutBy, null)
    assert.equal(explored.completeTo, 0)
    assert.ok(explored.states > 50, `only ${explored.states} states`)
  })

  test("a loss of power at any moment of a put, and all that follows, breaks nothing", () => {
    const bounds = { deviations: 2, crashes: 1, delays: 1, operations: ["put", "get"], ticks: 2 } as const
    const explored = explore(scope({ ...bounds, stores: 1 }), { build })
    assert.deepEqual([explored.violation, explored.cutBy, explored.completeTo], [null, null, 2])
    assert.ok(explored.states > 50, `only ${explored.states} states`)
  })

  test("it says what cut it: the length of schedules, or time", () => {
    const short = explore(scope({ delays: null, operations: ["put"], events: 4 }), { build })
    assert.deepEqual([short.cutBy, short.completeTo, short.deepest], ["events", -1, 4])
    const bounds = { deviations: 3, delays: 3, lapses: 3, ticks: 6 } as const
    const stopped = explore(scope(bounds), { build, shouldStop: () => true })
    assert.equal(stopped.cutBy, "time")
    assert.ok(stopped.completeTo < 3)
  })
})

describe("what is remembered", () => {
  const small = scope({ delays: null, operations: ["put"], stores: 3 })

  test("leaves out no state: without memory of the cluster the same are reached", () => {
    const { names } = explore(small, { build, isNamed: true })
    const world = new ExploredWorld(small, build)
    const reached = new Set<string>()
    const walk = (state: State): void => {
      reached.add(world.name(state))
      for (const option of world.options(state)) walk(world.take(state, option)!.state)
    }
    walk(new Root(world).state)
    assert.deepEqual([...names!].sort(), [...reached].sort())
  })

  test("is the truth: whatever a world has met before, a schedule leads where it leads in a world that is new", () => {
    const bounds = {
      deviations: 6,
      delays: 6,
      gathers: 2,
      drops: 2,
      duplicates: 2,
      crashes: 2,
      cuts: 1,
      lapses: 1,
    }
    const wide = scope({ ...bounds, operations: ["put", "get", "put"], ticks: 4 })
    const used = new ExploredWorld(wide, build)
    const root = new Root(used).state
    fc.assert(
      fc.property(fc.array(fc.nat(1_000), { maxLength: 60 }), (picks) => {
        const path = []
        let state = root
        for (const pick of picks) {
          const options = used.options(state)
          if (options.length === 0) break
          const option = options[pick % options.length]!
          path.push(option)
          state = used.take(state, option)!.state
        }
        const fresh = new ExploredWorld(wide, build)
        let other = new Root(fresh).state
        for (const option of path) other = fresh.take(other, option)!.state
        assert.equal(used.name(state), fresh.name(other))
      }),
      { numRuns: 40, seed: 7 },
    )
  })
})

describe("a schedule as a file", () => {
  const choices = [
    "ask 3",
    "take 0",
    "delay",
    "take 1",
    "crash 1 lost",
    "restart 1",
    "cut 2",
    "heal",
    "lapse",
  ]
  const file: ScheduleFile = {
    schedule: 1,
    version: "0",
    mutant: null,
    oracle: "RAFT-commit-quorum",
    message: "none",
    scope: scope({ delays: null }),
    choices: choices.map((text) => parseChoice(text)!),
  }

  test("comes back as it was written", () => {
    assert.deepEqual(file.choices.map(choiceText), choices)
    assert.deepEqual(parseSchedule(JSON.parse(writeSchedule(file))), file)
  })

  test("is refused where it is none, with the place of what is wrong", () => {
    const told = (json: unknown): string => {
      const parsed = parseSchedule(json)
      return "type" in parsed ? parsed.message : "taken"
    }
    const json = JSON.parse(writeSchedule(file)) as { choices: string[]; scope: object }
    assert.match(told({ ...json, choices: ["take 0", "run"] }), /\$\.choices\[1\]/)
    assert.match(told({ ...json, scope: { ...json.scope, stores: 4 } }), /\$\.scope\.stores/)
    assert.match(told({ ...json, scope: { ...json.scope, operations: ["scan"] } }), /\$\.scope\.operations/)
    assert.match(told({ ...json, more: 1 }), /more/)
    assert.match(told([]), /object/)
  })

  test("may be any JSON: what is none is refused, never thrown", () => {
    const json = JSON.parse(writeSchedule(file)) as Record<string, unknown>
    const fields = fc.constantFrom(...Object.keys(json), "other")
    fc.assert(
      fc.property(fields, fc.jsonValue(), fc.boolean(), (field, value, isWhole) => {
        const parsed = parseSchedule(isWhole ? value : { ...json, [field]: value })
        if ("type" in parsed) assert.match(parsed.message, /^\$/)
        else assert.deepEqual(parseSchedule(JSON.parse(writeSchedule(parsed))), parsed)
      }),
    )
  })

  test("may say anything: what means nothing is refused with its place, and nothing throws", () => {
    const number = fc.nat(4)
    const line = fc.oneof(
      fc.tuple(
        fc.constantFrom("take", "gather", "drop", "duplicate", "tick", "ask", "restart", "cut"),
        number,
      ),
      fc.tuple(fc.constantFrom("crash 1", "crash 2", "crash 9"), fc.constantFrom("lost", "kept")),
      fc.constantFrom(["delay"], ["heal"], ["lapse"]),
    )
    const small = scope({ delays: null, operations: ["put"] })
    fc.assert(
      fc.property(fc.array(line, { maxLength: 25 }), (lines) => {
        const parsed = lines.map((words) => parseChoice(words.join(" ")) as Choice)
        assert.ok(!parsed.includes(null as never))
        const { refusedAt, story, found } = replaySchedule(small, parsed, build)
        assert.equal(found, null)
        assert.equal(story.length, refusedAt === null ? parsed.length : refusedAt - 1)
        assert.ok(storyText(story, 10).length <= 10)
      }),
      { numRuns: 60 },
    )
  })
})
