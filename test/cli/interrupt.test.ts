import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { test } from "vitest"
import type { Report } from "#cli/report/model.ts"
import { ownFolder } from "./support/terminal.ts"

const folder = ownFolder()
const TOY_MAIN = fileURLToPath(new URL("./support/toy-main.ts", import.meta.url))

type Died = { readonly code: number | null; readonly signal: string | null; readonly stdout: string }

/** Runs the command line in a process of its own, which gets a SIGINT by its id at each of these times after it began. */
function interrupted(args: readonly string[], atMs: readonly number[]): Promise<Died> {
  const child = spawn(process.execPath, [TOY_MAIN, ...args], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  })
  let stdout = ""
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()))
  // It says what it is going to do, and listens from then on.
  child.stderr.once("data", () => {
    for (const ms of atMs) setTimeout(() => child.kill("SIGINT"), ms)
  })
  child.stderr.resume()
  return new Promise((resolve) => {
    child.on("close", (code, signal) => resolve({ code, signal, stdout }))
  })
}

test("Ctrl-C lets the runs under way finish, reports them, and exits with what they deserve", async () => {
  const ended = await interrupted(
    ["sim", "run", "slow", "--seeds", "10000", "--jobs", "2", "--json", "slow.json"],
    [1_000],
  )
  assert.deepEqual([ended.code, ended.signal], [0, null])
  assert.match(ended.stdout, /^PASS: \d+ runs?, no failure, interrupted, /m)
  const { results, totals } = JSON.parse(readFileSync("slow.json", "utf8")) as Report
  assert.ok(results.length > 0 && results.length < 1_000)
  assert.ok(totals.campaign.interrupted)
})

test("Ctrl-C after a failure exits 1", async () => {
  const ended = await interrupted(
    ["sim", "run", "slow", "flawed", "--from", "7", "--seeds", "10000", "--jobs", "1"],
    [1_000],
  )
  assert.equal(ended.code, 1)
  assert.match(ended.stdout, /^FAIL: .*interrupted/m)
})

test("a second Ctrl-C kills", async () => {
  const ended = await interrupted(["sim", "run", "endless", "--seeds", "9", "--jobs", "1"], [500, 800])
  assert.deepEqual([ended.code, ended.signal], [null, "SIGINT"])
  assert.equal(ended.stdout, "")
})
