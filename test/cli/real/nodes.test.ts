import assert from "node:assert/strict"
import { spawn, type ChildProcess } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, describe, test } from "vitest"
import { connect, type NodeStatus } from "#net"
import type { Report } from "#cli/report/model.ts"
import { until } from "../../../bench/support/host-cluster.ts"

// The commands as people run them, with real nodes below: files, TLS, kill -9.

const ORRERY = join(import.meta.dirname, "../../../bin/orrery.js")
const BOUND_MS = 60_000

type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string }

/** One run of the command line in a process of its own, which may be talked to. */
class Run {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  stdout = ""
  stderr = ""

  constructor(args: readonly string[], cwd: string) {
    const env = { ...process.env, NO_COLOR: "1" }
    this.child = spawn(process.execPath, [ORRERY, ...args], { cwd, env, stdio: ["pipe", "pipe", "pipe"] })
    this.child.stdout!.on("data", (chunk: Buffer) => (this.stdout += chunk.toString()))
    this.child.stderr!.on("data", (chunk: Buffer) => (this.stderr += chunk.toString()))
    this.ended = new Promise((resolve) => {
      this.child.on("close", (code) => resolve({ code, stdout: this.stdout, stderr: this.stderr }))
    })
  }

  /** How it ended; what it said so far, if it does not. */
  async end(): Promise<Ended> {
    await until("the end", () => this.child.exitCode !== null, 2 * BOUND_MS).catch(() => {})
    assert.notEqual(this.child.exitCode, null, `it has not ended: ${this.stdout} ${this.stderr}`)
    return this.ended
  }

  /** Says a line, and gives what is answered up to where it matches. */
  async say(line: string, answer: RegExp): Promise<string> {
    const from = this.stdout.length
    this.child.stdin!.write(`${line}\n`)
    await this.heard(answer, from, line)
    return this.stdout.slice(from)
  }

  async heard(answer: RegExp, from: number, what: string): Promise<void> {
    const seen = (): string => this.stdout.slice(from)
    // What it said instead is told by the assertion.
    await until(what, () => this.child.exitCode !== null || answer.test(seen()), BOUND_MS).catch(() => {})
    assert.match(seen(), answer, `${what}: ${this.stderr}`)
  }
}

let folder: string
const runs: Run[] = []
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "orrery-nodes-"))
})
afterEach(async () => {
  for (const run of runs.splice(0)) {
    // Its nodes go with it: their keeper sees to that.
    run.child.kill("SIGKILL")
    await run.ended
  }
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function orrery(...args: readonly string[]): Run {
  const run = new Run(args, folder)
  runs.push(run)
  return run
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

type Connected = {
  readonly directory: string
  readonly client: string
  readonly stores: readonly { readonly store: number; readonly pid: number }[]
}

describe("on real nodes", () => {
  test("a demo takes kills, pauses and partitions, serves clients of its own folder, and leaves nothing", async () => {
    const demo = orrery("demo", "--json")
    await demo.heard(/\n/, 0, "how to connect")
    const { directory, client, stores } = JSON.parse(demo.stdout) as Connected
    assert.equal(stores.length, 3)
    await demo.say("put greeting hello world", /^ok {2}/)
    const asked = orrery("status", client, "--json")
    const { code, stdout } = await asked.end()
    const told = JSON.parse(stdout) as { readonly stores: readonly { readonly report: NodeStatus | null }[] }
    assert.equal(code, 0, stdout)
    const leaders = told.stores.filter(({ report }) => report!.groups.some(({ role }) => role === "leader"))
    assert.equal(leaders.length, 1)
    const [leader] = leaders.map(({ report }) => report!.store)
    assert.ok(told.stores.every(({ report }) => report!.disk!.freeBytes > 0 && report!.disk!.usedBytes > 0))
    // Another one leads, and has what was acknowledged.
    await demo.say(`fault kill ${leader}`, /was killed/)
    assert.match(await demo.say("status", /replicas \(entries behind\)\n.*\n/), /down/)
    const own = connect({ config: client, timeoutMs: BOUND_MS })
    assert.equal((await own.get("greeting"))?.toString(), "hello world")
    await own.put("answer", "42")
    own.close()
    await demo.say("fault heal", /store \d is up/)
    // One that stands still, or that nobody hears, is one of three.
    const others = stores.map(({ store }) => store).filter((store) => store !== leader)
    await demo.say(`fault pause ${leader}`, /stands still/)
    await demo.say("get answer", /^42 {2}/)
    await demo.say("fault heal", /everybody goes on/)
    await demo.say(`fault partition ${others.join(",")}|${leader}`, /links: .*cut/)
    await demo.say("get greeting", /^hello world {2}/)
    await demo.say("fault heal", /links pass/)
    demo.child.stdin!.write("quit\n")
    assert.equal((await demo.end()).code, 0, demo.stderr)
    assert.equal(existsSync(directory), false)
    assert.deepEqual(
      stores.filter(({ pid }) => isAlive(pid)),
      [],
    )
  }, 150_000)

  test("a seed of chaos passes the simulator's checks, and every recording of it replays", async () => {
    const chaos = orrery(
      "chaos",
      "--real",
      "--seed=4",
      "--length=30s",
      "--keep=kept",
      "--record=recordings",
      "--replay",
      "--json=-",
    )
    const { code, stdout, stderr } = await chaos.end()
    assert.equal(code, 0, stderr)
    const { results } = JSON.parse(stdout) as Report
    assert.equal(results.length, 1)
    assert.ok(results[0]!.operations.ok > 300, stderr)
    assert.ok(
      Object.values(results[0]!.faults).some(({ effective }) => effective > 0),
      stderr,
    )
    const recorded = readdirSync(join(folder, "recordings/4"))
    assert.ok(recorded.length >= 3)
    // One that was killed before its first hash has nothing to show; one that parts fails the run.
    assert.match(stderr, new RegExp(`[1-9]\\d* of ${recorded.length} recordings replay to the same hash`))
    assert.deepEqual(readdirSync(join(folder, "kept")), [])
  }, 150_000)
})
