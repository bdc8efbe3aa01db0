import assert from "node:assert/strict"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, test } from "vitest"
import { readHistory, simulate, type Operation } from "#sim"
import { ednLines, runPlan, shivizLines } from "#view"
import { orrery } from "../cli/support/terminal.ts"
import { regression } from "./support.ts"

const CAPSULE = "scenarios/regressions/state-of-the-one-before.json"
const { plan } = regression("state-of-the-one-before")

describe("the log for ShiViz", () => {
  const run = runPlan(plan)
  const lines = shivizLines(run, { from: 1, to: run.result.events })
  // Read as ShiViz reads it: the first line is the expression for all that follows the second.
  const events = [...lines.slice(2).join("\n").matchAll(new RegExp(lines[0]!, "g"))].map(({ groups }) => ({
    host: groups!["host"]!,
    clock: JSON.parse(groups!["clock"]!) as Record<string, number>,
    text: groups!["event"]!,
  }))

  test("has every event, and is read whole by the expression it begins with", () => {
    assert.equal(lines[1], "")
    assert.equal(events.length, (lines.length - 2) / 2)
    assert.equal(events.filter(({ host }) => host.startsWith("store")).length, run.result.events)
    assert.ok(events.some(({ host }) => host.startsWith("client")))
  })

  test("counts every host's events one by one, and forgets nothing it has heard of", () => {
    const last = new Map<string, Record<string, number>>()
    for (const { host, clock } of events) {
      const before = last.get(host) ?? {}
      assert.equal(clock[host], (before[host] ?? 0) + 1)
      for (const [other, count] of Object.entries(before)) assert.ok(clock[other]! >= count)
      last.set(host, clock)
    }
  })

  test("knows of what a frame's sender knew when it left", () => {
    const own = events.filter(({ host }) => host.startsWith("store"))
    const { recorder } = run
    let compared = 0
    for (let event = 1; event <= recorder.events; event++) {
      const took = recorder.took.at(event - 1)
      if (took < 0 || recorder.messages.from(took) >= recorder.storeCount) continue
      const sender = own[recorder.messages.sentEvent(took) - 1]!
      for (const [host, count] of Object.entries(sender.clock)) {
        assert.ok(
          (own[event - 1]!.clock[host] ?? 0) >= count,
          `event ${event} does not know ${host} ${count}`,
        )
      }
      compared++
    }
    assert.ok(compared > 100)
  })

  test("of a window has that window alone", () => {
    const part = shivizLines(run, { from: 101, to: 200 })
    assert.equal(part.filter((line) => /^store\d+ \{/.test(line)).length, 100)
  })
})

test("a history as EDN has a start and an end for each operation, with what was read", () => {
  const history: readonly Operation[] = [
    {
      id: 1,
      process: 0,
      request: [
        { type: "put", key: 'a"\\\n', value: "\xff" },
        { type: "get", key: "b" },
      ],
      invokedAt: 5,
      endedAt: 9,
      outcome: "ok",
      results: [{ type: "done" }, { type: "value", value: "7" }],
      commitTs: 1,
      token: null,
      retries: 0,
    },
    {
      id: 2,
      process: 1,
      request: [{ type: "cas", key: "a", expected: null, value: "x" }],
      invokedAt: 6,
      endedAt: Number.MAX_SAFE_INTEGER,
      outcome: "info",
      results: null,
      commitTs: 0,
      token: null,
      retries: 0,
    },
  ]
  assert.deepEqual(ednLines(history), [
    String.raw`{:index 0, :time 5000, :type :invoke, :process 0, :f :txn, :value [[:w "a\"\\\u000a" "\u00ff"] [:r "b" nil]]}`,
    String.raw`{:index 1, :time 6000, :type :invoke, :process 1, :f :txn, :value [[:cas "a" [nil "x"]]]}`,
    String.raw`{:index 2, :time 9000, :type :ok, :process 0, :f :txn, :value [[:w "a\"\\\u000a" "\u00ff"] [:r "b" "7"]]}`,
    String.raw`{:index 3, :time nil, :type :info, :process 1, :f :txn, :value [[:cas "a" [nil "x"]]]}`,
  ])
})

describe("orrery sim export", () => {
  const folder = mkdtempSync(join(tmpdir(), "orrery-export-"))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const engineUrl = new URL("../../cli/campaign/simulator.ts", import.meta.url).href
  const real = (...args: readonly string[]): ReturnType<typeof orrery> => orrery(args, { engineUrl })
  const file = (name: string): string => join(folder, name)

  test("writes all three, and the JSON lines are the history of the run", async () => {
    const args = ["--shiviz", file("s.log"), "--edn", file("h.edn"), "--history", file("h.jsonl")]
    assert.equal((await real("sim", "export", CAPSULE, ...args)).code, 0)
    const parsed = readHistory(readFileSync(file("h.jsonl"), "utf8"))
    assert.ok(parsed.type === "history")
    assert.deepEqual(parsed.operations, simulate(plan).history)
    assert.equal(
      readFileSync(file("h.edn"), "utf8").trimEnd().split("\n").length,
      2 * parsed.operations.length,
    )
    assert.match(readFileSync(file("s.log"), "utf8"), /^\(\?<host>/)
  })

  test("refuses when it is told no format, or events there are not", async () => {
    assert.equal((await real("sim", "export", CAPSULE)).code, 2)
    const args = ["--shiviz", file("none.log"), "--events", "9999998..9999999"]
    assert.equal((await real("sim", "export", CAPSULE, ...args)).code, 2)
    assert.ok(!existsSync(file("none.log")))
  })

  test("sim view writes the page beside what it was asked for, and refuses what is no capsule", async () => {
    const { code, stdout } = await real("sim", "view", CAPSULE, "--out", file("run.html"))
    assert.equal(code, 0)
    assert.match(stdout, /run\.html/)
    const html = readFileSync(file("run.html"), "utf8")
    assert.match(html, /<script type="application\/json" id="subject">\{"name":"/)
    assert.ok(html.length < 5 << 20)
    assert.equal((await real("sim", "view", "package.json")).code, 2)
  })
})
