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

/** Starts the command line in a process of its own and sends it SIGINT by its id, at each of these times. */
function interrupted(args: readonly string[], atMs: readonly number[]): Promise<Died> {
  const child = spawn(process.execPath, [TOY_MAIN, ...args], {
    cwd: folder,
    stdio: ["ignore", "pipe", "ignore"],
  })
  let stdout = ""
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()))
  const timers = atMs.map((ms) => setTimeout(() => child.kill("SIGINT"), ms))
  return new Promise((resolve) => {
    child.on("close", (code, signal) => {
      for (const timer of timers) clearTimeout(timer)
      resolve({ code, signal, stdout })
    })
  })
}

test("Ctrl-C lets the runs under way finish, reports them, and exits with what they deserve", async () => {
  const ended = await interrupted(
    ["sim", "run", "slow", "--seeds", "10000", "--jobs", "2", "--json", "slow.json"],
    [2_000],
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
    [2_500],
  )
  assert.equal(ended.code, 1)
  assert.match(ended.stdout, /^FAIL: .*interrupted/m)
})

test("a second Ctrl-C kills", async () => {
  const ended = await interrupted(["sim", "run", "slow", "--seeds", "10000", "--jobs", "1"], [1_500, 1_550])
  assert.deepEqual([ended.code, ended.signal], [null, "SIGINT"])
  assert.equal(ended.stdout, "")
})
