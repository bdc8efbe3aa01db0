import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { beforeAll, test } from "vitest"
import type { Capsule } from "#sim"
import { orrery, ownFolder } from "./support/terminal.ts"

const folder = ownFolder()
const TOY_MAIN = fileURLToPath(new URL("./support/toy-main.ts", import.meta.url))
const CAPSULE = join(".orrery", "capsules", "tangled-7.json")

beforeAll(async () => {
  await orrery(["sim", "run", "tangled", "--seed", "7", "--no-shrink"])
})

function read(path: string): Capsule {
  return JSON.parse(readFileSync(path, "utf8")) as Capsule
}

function sizeOf({ plan }: Capsule): readonly number[] {
  return [plan.faults.length, plan.workload.ops.length]
}

test("a capsule is shrunk into a second file, told in at most 40 lines, and exits 1", async () => {
  const { code, stdout } = await orrery(["sim", "shrink", CAPSULE, "--out", "small.json"])
  assert.equal(code, 1)
  assert.ok(stdout.split("\n").length <= 41)
  assert.match(
    stdout,
    /shrunk from 59 faults, 500 operations, 3 stores to 2 faults, 3 operations, 3 stores in \d+ runs\n/,
  )
  assert.match(stdout, /capsule {2}small\.json/)
  assert.deepEqual(sizeOf(read("small.json")), [2, 3])
  assert.equal(read("small.json").shrink?.cursor, null)
  assert.equal((await orrery(["sim", "replay", "small.json"])).code, 1)
})

test("what comes out is the same for any number of workers, run by run", async () => {
  const texts: string[] = []
  for (const jobs of ["1", "3"]) {
    await orrery(["sim", "shrink", CAPSULE, "--out", "jobs.json", "--jobs", jobs])
    texts.push(readFileSync("jobs.json", "utf8"))
    writeFileSync("jobs.json", JSON.stringify({ ...read("jobs.json"), shrink: null }))
  }
  assert.deepEqual(texts, [texts[0], texts[0]])
})

test("out of time it keeps what there is, goes on from there, and ends where one that had time ends", async () => {
  await orrery(["sim", "shrink", CAPSULE, "--out", "whole.json", "--jobs", "1"])
  const path = join(".orrery", "capsules", "tangled-7.min.json")
  const first = await orrery(["sim", "shrink", CAPSULE, "--for", "40ms", "--jobs", "1"])
  assert.equal(first.code, 1)
  assert.match(first.stdout, /Not minimal yet: npx orrery sim shrink \S+tangled-7\.min\.json goes on\.\n/)
  const begun = read(path)
  assert.ok(begun.shrink !== null && begun.shrink.cursor !== null && begun.shrink.runs > 0)
  // By the smaller one or by the first capsule: it is the same search.
  const second = await orrery(["sim", "shrink", path, "--for", "40ms", "--jobs", "1"])
  const ended = await orrery(["sim", "shrink", CAPSULE])
  for (const { stderr } of [second, ended])
    assert.match(stderr, /^Going on from \S+tangled-7\.min\.json, after \d+ runs$/m)
  assert.doesNotMatch(ended.stdout, /Not minimal/)
  assert.deepEqual(read(path).plan, read("whole.json").plan)
  assert.deepEqual(read(path).shrink?.from, read("whole.json").shrink?.from)
})

test("Ctrl-C keeps what there is as well", async () => {
  const child = spawn(
    process.execPath,
    [TOY_MAIN, "sim", "shrink", CAPSULE, "--out", "cut.json", "--jobs", "2"],
    {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
    },
  )
  let stdout = ""
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()))
  // It says what it is going to do, and listens from then on.
  child.stderr.once("data", () => child.kill("SIGINT"))
  child.stderr.resume()
  const code = await new Promise((resolve) => child.on("close", resolve))
  assert.equal(code, 1)
  assert.match(stdout, /Not minimal yet: npx orrery sim shrink cut\.json goes on/)
  assert.notEqual(read("cut.json").shrink?.cursor, null)
})

test("what a campaign had no time to finish is gone on with, each time from the last", async () => {
  await orrery(["sim", "shrink", CAPSULE, "--out", "begun.json", "--for", "20ms", "--jobs", "1"])
  const runs = (path: string): number => read(path).shrink?.runs ?? 0
  const args = ["sim", "shrink", "begun.json", "--for", "20ms", "--jobs", "1"]
  assert.match((await orrery(args)).stderr, /^Going on from begun\.json, after \d+ runs$/m)
  const before = runs("begun.min.json")
  assert.ok(before >= runs("begun.json"))
  assert.match(
    (await orrery(args)).stderr,
    new RegExp(`^Going on from begun\\.min\\.json, after ${before} runs$`, "m"),
  )
})

test("a smaller one of another plan is not gone on from", async () => {
  writeFileSync("other.json", readFileSync(CAPSULE))
  await orrery(["sim", "shrink", "other.json", "--for", "20ms"])
  const changed = read("other.json")
  const faults = changed.plan.faults.filter(({ kind }) => kind !== "pause")
  writeFileSync("other.json", JSON.stringify({ ...changed, plan: { ...changed.plan, faults } }))
  const { stdout, stderr } = await orrery(["sim", "shrink", "other.json"])
  assert.doesNotMatch(stderr, /Going on/)
  assert.match(stdout, /shrunk from 58 faults/)
})

test("one that no longer fails is left alone and exits 0, one that fails otherwise says how and exits 1", async () => {
  const capsule = read(CAPSULE)
  writeFileSync("gone.json", JSON.stringify({ ...capsule, plan: { ...capsule.plan, faults: [] } }))
  const gone = await orrery(["sim", "shrink", "gone.json"])
  assert.deepEqual([gone.code, existsSync("gone.min.json")], [0, false])
  assert.match(gone.stdout, /Nothing to shrink: the plan no longer fails by RAFT-toy\.\n/)
  writeFileSync("else.json", JSON.stringify({ ...capsule, oracle: "LIN-toy" }))
  const otherwise = await orrery(["sim", "shrink", "else.json"])
  assert.equal(otherwise.code, 1)
  assert.match(otherwise.stdout, /no longer fails by LIN-toy; it fails by RAFT-toy instead\.\n/)
})

test("--keep writes it as a regression", async () => {
  const { stdout } = await orrery(["sim", "shrink", CAPSULE, "--out", "kept.json", "--keep"])
  const path = join("scenarios", "regressions", "raft-toy-tangled-7.json")
  assert.ok(stdout.includes(`kept     ${path}`))
  assert.match(read(path).bug, /tangled seed 7/)
  assert.equal(read(path).shrink ?? null, null)
  await orrery(["sim", "shrink", "kept.json", "--keep", "mine"])
  assert.ok(existsSync(join("mine", "raft-toy-tangled-7.json")))
})
