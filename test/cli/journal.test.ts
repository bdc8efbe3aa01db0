import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  globSync,
  readFileSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { test } from "vitest"
import { openLines, sealLine } from "#cli/campaign/journal-lines.ts"
import type { Head } from "#cli/campaign/journal-entry.ts"
import type { Report } from "#cli/report/model.ts"
import { orrery, ownFolder, type Ended } from "./support/terminal.ts"

const folder = ownFolder()
const TOY_MAIN = fileURLToPath(new URL("./support/toy-main.ts", import.meta.url))

const run = (line: string, part: Parameters<typeof orrery>[1] = {}): Promise<Ended> =>
  orrery(["sim", "run", ...line.split(" "), "--quiet"], part)

function readReport(path: string): Report {
  return JSON.parse(readFileSync(path, "utf8")) as Report
}

const pathIn = (journal: string): string => join(journal, "journal.jsonl")
const runLines = (journal: string): number =>
  existsSync(pathIn(journal)) ? readFileSync(pathIn(journal), "utf8").split('\n{"type":"run"').length - 1 : 0

/** What a report says of the campaign itself: nothing of clocks, sessions, or where it was kept. */
function told({ totals }: Report): unknown {
  const { campaign, failures, headline: _, wallSeconds: __, scenarios, ...sums } = totals
  const { isDefault, runsPlanned, firstSeed, verified } = campaign
  return {
    ...sums,
    scenarios: scenarios.map(({ wallSeconds: ___, ...scenario }) => scenario),
    failures: failures.map(({ signature, count, seeds, oracle, schedule, replay }) => {
      return { signature, count, seeds, oracle, schedule, replay }
    }),
    campaign: { isDefault, runsPlanned, firstSeed, verified },
  }
}

/** Interrupts a session as soon as each worker has its first run. */
const AT_ONCE = {
  onInterrupt: (heard: () => void) => {
    queueMicrotask(heard)
    return () => {}
  },
}

test("sessions of any length, interrupted too, come to the totals and the verdict of one go", async () => {
  const whole = "campaign flawed undecided unmarked --from 3 --seeds 110"
  const one = await run(`${whole} --json one.json --capsules same`)
  const lengths = [1, 7, 30, 31, 80]
  for (const seeds of lengths) {
    const part = `${whole.replace("110", String(seeds))} --journal parts --capsules same`
    await run(part, seeds === 61 ? AT_ONCE : {})
  }
  await run(`${whole} --journal parts --capsules same`, AT_ONCE)
  const { code, stdout } = await run(`${whole} --journal parts --capsules same --json parts.json`)
  assert.deepEqual(told(readReport("parts.json")), told(readReport("one.json")))
  assert.equal(code, one.code)
  const { journal } = readReport("parts.json").totals.campaign
  assert.deepEqual(
    { ...journal, cpuSeconds: 0 },
    {
      folder: "parts",
      done: 440,
      left: 0,
      unbroken: 440,
      intervals: 1,
      sessions: lengths.length + 2,
      cpuSeconds: 0,
      unlisted: 0,
    },
  )
  assert.match(stdout, /journal {3}parts: 440 of 440 runs, 7 sessions\n/)
})

test("a campaign that ends before its last run says how far it is and how to go on", async () => {
  const { code, stdout } = await run("smoke --from 5 --seeds 900 --jobs 1 --for 1ms --journal far")
  assert.equal(code, 0)
  const line = "npx orrery sim run smoke --from 5 --seeds 900 --for 1ms --jobs 1 --journal far"
  assert.match(stdout, /^journal {3}far: \d+ of 900 runs, 1 session$/m)
  assert.ok(stdout.includes(`\ncontinue  ${line}\n`), stdout)
  assert.match(stdout, /^PASS: .* left, /m)
  const status = await orrery(["sim", "status", "far"])
  assert.equal(status.code, 0)
  assert.ok(status.stdout.includes(`\ncontinue  ${line}\n`))
  const json = await orrery(["sim", "status", "far", "--json"])
  assert.equal((JSON.parse(json.stdout) as Report).totals.campaign.journal?.folder, "far")
})

test("marks are asked for of the whole campaign, not of a session", async () => {
  const part = await run("unmarked --seeds 40 --jobs 1 --journal marks", AT_ONCE)
  assert.deepEqual([part.code, /never reached/.test(part.stdout)], [0, false])
  const whole = await run("unmarked --seeds 40 --journal marks")
  assert.equal(whole.code, 1)
  assert.match(whole.stdout, /unmarked never reached raft\.never in 40 runs/)
})

test("a process that is killed at work loses the runs under way, and its journal is free at once", async () => {
  const line = ["sim", "run", "slow", "--seeds", "8", "--jobs", "2", "--journal", "killed"]
  const child = spawn(process.execPath, [TOY_MAIN, ...line], { cwd: folder, stdio: "ignore" })
  const ended = new Promise((resolve) => child.on("close", resolve))
  const deadline = performance.now() + 60_000
  while (runLines("killed") < 2 && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 20))
  const second = await run("slow --seeds 8 --journal killed")
  child.kill("SIGKILL")
  await ended
  assert.equal(second.code, 4)
  assert.match(second.stderr, new RegExp(`process ${child.pid} is running on it`))
  const made = runLines("killed")
  assert.ok(made >= 2 && made < 8, `${made}`)
  // As if it had died in the middle of a line, and in the middle of replacing the file.
  const text = readFileSync(pathIn("killed"), "utf8")
  const last = text.trimEnd().split("\n").at(-1) ?? ""
  appendFileSync(pathIn("killed"), last.slice(0, last.length / 2))
  writeFileSync(`${pathIn("killed")}.next`, text.slice(0, text.length / 3))
  assert.match((await orrery(["sim", "status", "killed"])).stdout, new RegExp(`: ${made} of 8 runs`))

  const { code } = await run("slow --seeds 8 --jobs 2 --journal killed --json killed.json")
  await run("slow --seeds 8 --jobs 2 --json slow.json")
  assert.equal(code, 0)
  assert.deepEqual(told(readReport("killed.json")), told(readReport("slow.json")))
})

test("a journal of another build is refused, and kept", async () => {
  await run("smoke --seeds 3 --journal builds")
  const [first, ...rest] = readFileSync(pathIn("builds"), "utf8").split("\n")
  const lines = openLines(`${first}\n`)
  assert.ok("objects" in lines)
  const head = lines.objects[0] as Head
  const text = sealLine({ ...head, key: { ...head.key, build: "0123456789abcdef" } }) + rest.join("\n")
  writeFileSync(pathIn("builds"), text)
  const { code, stderr } = await run("smoke --seeds 5 --journal builds")
  assert.equal(code, 2)
  assert.match(
    stderr,
    new RegExp(
      `^orrery: The runs in builds are of build 0123456789abcdef, this is build ${head.key.build}, .*give --journal another folder .*\`orrery sim status builds\`\n$`,
    ),
  )
  assert.equal(readFileSync(pathIn("builds"), "utf8"), text)
  const status = await orrery(["sim", "status", "builds"])
  assert.deepEqual([status.code, /3 of 3 runs/.test(status.stdout)], [0, true])
  assert.match(status.stderr, /of build 0123456789abcdef; this is build/)
})

test("a journal of another campaign, of more runs, of none, of a later format and a damaged one are refused", async () => {
  await run("smoke --seeds 9 --journal other")
  const refused = async (line: string, says: RegExp): Promise<void> => {
    const { code, stderr } = await run(line)
    assert.deepEqual([code, says.test(stderr)], [2, true], stderr)
  }
  await refused(
    "smoke --from 2 --seeds 9 --journal other",
    /of another campaign, begun with `npx orrery sim run smoke --seeds 9/,
  )
  await refused("smoke flawed --seeds 9 --journal other", /of another campaign/)
  await refused("smoke --seeds 9 --shard 1/2 --journal other", /of another campaign/)
  await refused("smoke --seeds 8 --journal other", /come to run 9 of its list, and 8 are asked for/)
  const text = readFileSync(pathIn("other"), "utf8")
  const plant = (name: string, planted: string): void => {
    mkdirSync(name)
    writeFileSync(pathIn(name), planted)
  }
  plant("damaged", text.replace('"seed":3', '"seed":4'))
  await refused("smoke --seeds 9 --journal damaged", /damaged\/journal\.jsonl is damaged in line \d+\n$/)
  plant("later", sealLine({ journal: 2, version: "9", key: await keyOf(text) }) + text)
  await refused("smoke --seeds 9 --journal later", /is of format 2, this version reads 1/)
  plant("empty", "")
  await refused("smoke --seeds 9 --journal empty", /is no journal of .*its first line is not whole/)
  const nowhere = await orrery(["sim", "status", "nowhere"])
  assert.deepEqual([nowhere.code, nowhere.stderr], [2, "orrery: There is no journal in nowhere\n"])
})

async function keyOf(text: string): Promise<unknown> {
  const lines = openLines(text)
  assert.ok("objects" in lines)
  return (lines.objects[0] as Head).key
}

test("a failure is told once, however many sessions come upon it", async () => {
  const first = await run("flawed --from 7 --seeds 1 --journal once --capsules once-capsules")
  assert.match(first.stdout, /shrunk from/)
  const filesNow = (): ReadonlySet<string> => new Set(globSync("once-capsules/**"))
  const files = filesNow()
  const second = await run("flawed --from 7 --seeds 201 --journal once --capsules once-capsules")
  assert.equal(second.code, 1)
  assert.doesNotMatch(second.stdout, /shrunk from|signature |Store 1 <promised>/)
  assert.match(
    second.stdout,
    /^✗ RAFT-toy\+crash\+\w{4} {2}×3 {2}seen before, first at flawed seed 7, 2 of them now {2}npx orrery sim replay once-capsules\/flawed-7\.json$/m,
  )
  assert.match(second.stdout, /3 failures \(1 kind\)/)
  assert.deepEqual(filesNow(), files)
  // Not shrunk, it is known by what it says.
  const third = await run("flawed --from 7 --seeds 301 --journal once --no-shrink --json third.json")
  assert.match(third.stdout, /×4 {2}seen before, first at flawed seed 7, 1 of them now/)
  const { results, totals } = readReport("third.json")
  assert.deepEqual(
    totals.failures.map(({ count, before, seeds }) => [count, before, seeds.map(({ seed }) => seed)]),
    [[4, 3, [7, 107, 207, 307]]],
  )
  assert.deepEqual(
    results.map(({ seed, capsule }) => [seed, capsule]),
    [7, 107, 207, 307].map((seed) => [seed, "once-capsules/flawed-7.json"]),
  )
  const rest = await run("flawed --from 7 --seeds 301 --journal once")
  assert.match(rest.stdout, /×4 {2}seen before, first at flawed seed 7 {2}npx/)
})

test("a failure that an interrupt kept from being shrunk is told whole by the next session", async () => {
  const cut = await run("flawed --from 7 --seeds 9 --jobs 1 --journal cut", AT_ONCE)
  assert.equal(cut.code, 1)
  assert.match(cut.stdout, /^FAIL: 1 run, 1 failed, interrupted, 8 left/m)
  assert.doesNotMatch(cut.stdout, /shrunk from/)
  const next = await run("flawed --from 7 --seeds 9 --journal cut")
  assert.match(next.stdout, /✗ flawed seed 7 {2}RAFT-toy\n[\s\S]*shrunk from/)
  assert.doesNotMatch(next.stdout, /seen before/)
})

test("runs made twice are counted apart, and one that disagreed costs every later session its verdict", async () => {
  await run("smoke --seeds 4 --journal twice")
  const more = await run("smoke --seeds 9 --verify --journal twice")
  assert.match(more.stdout, /0 failures, 5 double runs/)
  assert.match(more.stdout, /^PASS: 9 runs, no failure, 5 verified in a new worker/m)

  const drifting = await run("drifting --seeds 2 --jobs 1 --verify --journal drift")
  assert.equal(drifting.code, 3)
  const later = await run("drifting --seeds 2 --jobs 1 --verify --journal drift")
  assert.equal(later.code, 3)
  assert.match(later.stdout, /DET-rerun\S* {2}seen before/)
})

test("a run that an interrupt kept from being verified is made again", async () => {
  const cut = await run("smoke --seeds 4 --jobs 2 --verify --journal unverified", AT_ONCE)
  assert.match(cut.stdout, /: 0 of 4 runs/)
  const whole = await run("smoke --seeds 4 --verify --journal unverified")
  assert.match(whole.stdout, /: 4 of 4 runs, 2 sessions\n.*0 failures, 4 double runs/)
})

test("shards have journals of their own, and what one says is not merged as if it were runs", async () => {
  for (const seeds of [5, 11]) {
    const { stdout } = await run(`smoke --seeds ${seeds} --shard 2/3 --journal shard --json shard.json`)
    assert.match(stdout, seeds === 5 ? /: 2 of 2 runs, 1 session/ : /: 4 of 4 runs, 2 sessions/)
  }
  const { code, stderr } = await orrery(["sim", "merge", "shard.json"])
  assert.deepEqual([code, /made with a journal and holds sums/.test(stderr)], [2, true])
})

test("a disk that refuses ends the session with exit 4, and what was written before is there", async () => {
  await run("smoke --seeds 3 --journal refusing")
  const text = readFileSync(pathIn("refusing"), "utf8")
  mkdirSync(`${pathIn("refusing")}.next`)
  const { code, stderr } = await run("smoke --seeds 5 --journal refusing")
  assert.equal(code, 4)
  assert.match(stderr, /^orrery: Cannot write refusing\/journal\.jsonl: EISDIR.*\n$/)
  assert.equal(readFileSync(pathIn("refusing"), "utf8"), text)
  rmdirSync(`${pathIn("refusing")}.next`)
  assert.equal((await run("smoke --seeds 5 --journal refusing")).code, 0)
})

test("the capsule of a failure that was not shrunk replays", async () => {
  await run("flawed --seed 7 --no-shrink --journal plain --capsules plain-capsules")
  const { code, stdout } = await orrery(["sim", "replay", join("plain-capsules", "flawed-7.json")])
  assert.deepEqual([code, /Still fails/.test(stdout)], [1, true], stdout)
})

test("the file does not grow with the runs", async () => {
  await run("smoke --seeds 300 --journal small")
  const before = statSync(pathIn("small")).size
  assert.ok(runLines("small") < 256)
  await run("smoke --seeds 600 --journal small")
  await run("smoke --seeds 600 --journal small")
  assert.equal(runLines("small"), 0)
  assert.ok(statSync(pathIn("small")).size < before)
})
