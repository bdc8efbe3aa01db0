import { SWARM_KINDS, type Capsule } from "#sim"
import assert from "node:assert/strict"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "vitest"
import type { Report } from "#cli/report/model.ts"
import { orrery, ownFolder } from "./support/terminal.ts"

ownFolder()

const run = (...args: readonly string[]): ReturnType<typeof orrery> => orrery(["sim", "run", ...args])

function readReport(path: string): Report {
  return JSON.parse(readFileSync(path, "utf8")) as Report
}

const EXITS: readonly (readonly [args: string, code: number, says: RegExp])[] = [
  ["smoke --seeds 3", 0, /^PASS: 3 runs, no failure, /m],
  ["flawed --seeds 8", 1, /^FAIL: 8 runs, 1 failed, /m],
  ["undecided --from 4 --seed 4", 2, /^$/],
  ["undecided --seed 4", 1, /1 without a verdict/],
  ["throwing --seeds 3", 1, /SIM-threw[\s\S]*the toy broke on two lines/],
  ["dying --seeds 4", 1, /SIM-worker-died/],
  ["leaking --seeds 2", 3, /DET-leak[\s\S]*Math\.random[\s\S]*not deterministic/],
  ["smoke --seeds 3 --verify", 0, /3 verified in a new worker/],
  ["unmarked", 1, /unmarked never reached raft\.never in 15 runs/],
  ["unmarked --seeds 14", 0, /^PASS/m],
]

for (const [args, code, says] of EXITS) {
  test(`\`orrery sim run ${args}\` exits ${code}`, async () => {
    const ended = await run(...args.split(" "))
    assert.equal(ended.code, code, ended.stdout + ended.stderr)
    assert.match(ended.stdout, says)
  })
}

test("a run whose trace another worker does not repeat exits 3 and says where the two part", async () => {
  // Two runs in one worker: the second one differs from the first one of a new worker.
  const { code, stdout } = await run("drifting", "--seeds", "2", "--jobs", "1", "--verify")
  assert.equal(code, 3)
  assert.match(stdout, /DET-rerun/)
  assert.match(
    stdout.replaceAll(/\s+/g, " "),
    /they part at checkpoint 3, after event 2048 and not later than event 3072/,
  )
})

test("the JSON object has the promised shape, and alone on standard output with -", async () => {
  const { code, stdout, stderr } = await run("flawed", "smoke", "--from", "7", "--seeds", "1", "--json", "-")
  assert.equal(code, 1)
  const report = JSON.parse(stdout) as Report
  assert.deepEqual(Object.keys(report), ["version", "build", "results", "totals"])
  assert.match(report.build, /^[0-9a-f]{16}$/)
  const row = report.results.find((result) => result.scenario === "flawed")
  assert.ok(row)
  const { wallSeconds, ...fixed } = row
  assert.ok(wallSeconds >= 0)
  assert.deepEqual(
    { ...fixed, faults: Object.keys(fixed.faults).length },
    {
      scenario: "flawed",
      seed: 7,
      verdict: "invalid",
      oracle: "RAFT-toy",
      traceHash: row.traceHash,
      events: 5_007,
      simulatedSeconds: 60,
      faults: SWARM_KINDS.length,
      operations: { invoked: 500, ok: 480, fail: 5, info: 15 },
      capsule: ".orrery/capsules/flawed-7.json",
      class: "within",
      message: 'Store 1 <promised> & "broke" it in seed 7',
    },
  )
  assert.match(stderr, /^FAIL: 2 runs, 1 failed/m)
})

test("a failure is shrunk, kept, and told in at most 40 lines with the line that replays it", async () => {
  const { stdout } = await run("flawed", "--seed", "7")
  const block = /✗ flawed seed 7 {2}RAFT-toy\n[\s\S]*?npx orrery sim replay \S+/.exec(stdout)?.[0] ?? ""
  assert.ok(block.split("\n").length <= 40)
  assert.match(block, /class: within/)
  assert.match(
    block,
    new RegExp(
      `shrunk from ${SWARM_KINDS.length} faults, 500 operations, 3 stores to 1 fault, 0 operations, 3 stores`,
    ),
  )
  assert.match(block, /(\d+)\.000 s {2}– \1\.500 s {2}crash +store 1/)
  assert.match(block, /^ {2}signature RAFT-toy\+crash\+[0-9a-f]{4}$/m)
  assert.match(stdout, /^ {2}page {5}npx orrery sim view \S+flawed-7\.json --out \S+flawed-7\.html$/m)
  assert.ok(existsSync(".orrery/capsules/flawed-7.json"))
  const plain = await run("flawed", "--seed", "7", "--no-shrink", "--capsules", "kept")
  assert.doesNotMatch(plain.stdout, /shrunk from/)
  assert.ok(existsSync("kept/flawed-7.json"))
})

test("runs that fail alike are one failure: one capsule, with their number and their seeds", async () => {
  const runs = await run(
    "flawed",
    "--from",
    "7",
    "--seeds",
    "201",
    "--json",
    "alike.json",
    "--capsules",
    "alike",
  )
  assert.match(runs.stdout, /✗ flawed seed 7 {2}RAFT-toy {2}×3\n/)
  assert.match(runs.stdout, /signature RAFT-toy\+crash\+\w{4}, 3 runs: flawed 7, flawed 107, flawed 207\n/)
  assert.deepEqual(readdirSync("alike").sort(), ["flawed-7.json", "regressions"])
  const { totals, results } = JSON.parse(readFileSync("alike.json", "utf8")) as Report
  assert.deepEqual(
    totals.failures.map(({ count, seeds, capsule }) => [count, seeds.map(({ seed }) => seed), capsule]),
    [[3, [7, 107, 207], join("alike", "flawed-7.json")]],
  )
  for (const row of results)
    assert.equal(row.capsule, row.seed % 100 === 7 ? totals.failures[0]?.capsule : null)
  const { found } = JSON.parse(readFileSync(join("alike", "flawed-7.json"), "utf8")) as Capsule
  assert.deepEqual([found?.count, found?.seeds.length], [3, 3])
  // Without being shrunk they are known by what their check says.
  const plain = await run("flawed", "--from", "7", "--seeds", "101", "--no-shrink", "--json", "-")
  const unshrunk = (JSON.parse(plain.stdout) as Report).totals.failures
  assert.deepEqual(
    unshrunk.map(({ count }) => count),
    [2],
  )
})

test("what shards found alike is one failure when they are put together", async () => {
  for (const shard of [1, 2, 3]) {
    const part = ["--shard", `${shard}/3`, "--no-shrink", "--json", `part-${shard}.json`]
    await run("flawed", "--from", "7", "--seeds", "201", ...part)
  }
  await orrery(["sim", "merge", "part-1.json", "part-2.json", "part-3.json", "--json", "parts.json"])
  const { failures } = readReport("parts.json").totals
  assert.deepEqual(
    failures.map(({ count, seeds }) => [count, seeds.map(({ seed }) => seed)]),
    [[3, [7, 107, 207]]],
  )
})

test("a failure is written as a regression, ready to be committed", async () => {
  await run("flawed", "--seed", "7")
  const folder = join(".orrery", "capsules", "regressions")
  const [name] = readdirSync(folder)
  assert.equal(name, "raft-toy-flawed-7.json")
  const regression = JSON.parse(readFileSync(join(folder, name), "utf8")) as Capsule
  assert.equal(regression.command, "orrery sim replay scenarios/regressions/raft-toy-flawed-7.json")
  assert.match(regression.bug, /^bug: Store 1 .* flawed seed 7\. Say here what was wrong/)
  assert.equal(regression.plan.faults.length, 1)
  assert.equal((await orrery(["sim", "replay", join(folder, name)])).code, 1)
})

test("the report is the same however many workers made it, but for the clock", async () => {
  const timeless = (path: string): unknown =>
    JSON.parse(readFileSync(path, "utf8"), (key, value: unknown) =>
      ["wallSeconds", "elapsedSeconds", "jobs", "headline"].includes(key) ? null : value,
    )
  await run("campaign", "smoke", "flawed", "--seeds", "9", "--jobs", "1", "--json", "one.json")
  await run("campaign", "smoke", "flawed", "--seeds", "9", "--jobs", "3", "--json", "four.json")
  assert.deepEqual(timeless("four.json"), timeless("one.json"))
})

test("without a terminal nothing is drawn: no colour, no carriage return, no cursor", async () => {
  const { stdout, stderr } = await run("smoke", "--seeds", "3")
  // oxlint-disable-next-line no-control-regex -- control characters are what must not be there
  assert.doesNotMatch(stdout + stderr, /[\r\u001b]/)
})

test("colours are off by NO_COLOR on a terminal, and on by FORCE_COLOR without one", async () => {
  const escapes = async (env: Record<string, string>, isTTY: boolean): Promise<boolean> => {
    let text = ""
    const stdout = { isTTY, write: (more: string) => (text += more) }
    await orrery(["sim", "run", "smoke", "--seed", "1", "--quiet"], { env, stdout })
    return text.includes("\u001b[")
  }
  assert.deepEqual(
    [
      await escapes({}, true),
      await escapes({ NO_COLOR: "1" }, true),
      await escapes({}, false),
      await escapes({ FORCE_COLOR: "1" }, false),
    ],
    [true, false, false, true],
  )
})

test("the three reports are written where no path was given, and their place is told", async () => {
  const { stdout } = await run("smoke", "--seed", "5")
  const paths = [...stdout.matchAll(/^report {2}(\S+)$/gm)].map((match) => match[1] ?? "")
  assert.deepEqual(
    paths.map((path) => path.split("/").at(-1)),
    ["report.html", "report.json", "junit.xml"],
  )
  for (const path of paths) assert.ok(existsSync(path), path)
})

test("a time bound ends a campaign that has no other end, after at least one run a worker", async () => {
  const { code, stdout } = await run("smoke", "--for", "1ms", "--jobs", "2")
  assert.equal(code, 0)
  assert.match(stdout, /^PASS: \d+ runs/m)
})

test("histories are written, one file a run", async () => {
  await run("smoke", "--seed", "2", "--history", "one.jsonl")
  assert.match(readFileSync("one.jsonl", "utf8"), /"invoke"/)
  await run("smoke", "--seeds", "2", "--history", "many/h.jsonl")
  assert.deepEqual(readdirSync("many").sort(), ["h.smoke.1.jsonl", "h.smoke.2.jsonl"])
})

test("without names the default campaign runs, its main scenario most", async () => {
  const { code } = await run("--seeds", "68", "--json", "default.json", "--quiet")
  assert.equal(code, 0)
  const { totals } = readReport("default.json")
  assert.ok(totals.campaign.isDefault)
  assert.deepEqual(totals.scenarios.map(({ name, runs }) => [name, runs]).slice(0, 4), [
    ["campaign", 65],
    ["smoke", 1],
    ["flawed", 1],
    ["undecided", 1],
  ])
})
