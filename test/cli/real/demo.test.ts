import assert from "node:assert/strict"
import { existsSync } from "node:fs"
import { dirname } from "node:path"
import { PassThrough } from "node:stream"
import { Command } from "commander"
import { afterEach, describe, test } from "vitest"
import { addChaos } from "#cli/commands/chaos.ts"
import { addDemo } from "#cli/commands/demo.ts"
import { addStatus } from "#cli/commands/status.ts"
import { UsageError } from "#cli/errors.ts"
import type { Host } from "#cli/host.ts"
import { complete, DemoShell } from "#cli/real/demo-shell.ts"
import { statusText } from "#cli/real/status-table.ts"
import { paintFor } from "#cli/report/paint.ts"
import { RANGES, RealRig, RigWorld } from "../../support/real-rig.ts"

const PLAIN = paintFor({ write: () => {} }, {})

const rigs: RealRig[] = []
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close()
})

async function shellOf(): Promise<{
  readonly rig: RealRig
  readonly say: (line: string) => Promise<string | null>
}> {
  const rig = await RealRig.start()
  rigs.push(rig)
  const shell = new DemoShell(rig.cluster, rig.door, RANGES, PLAIN)
  return { rig, say: (line) => shell.answer(line) }
}

describe("the prompt of a demo", () => {
  test("writes and reads values of several words and any letters, also after its leader was killed", async () => {
    const { rig, say } = await shellOf()
    assert.match((await say("put k  zwei Wörter"))!, /^ok {2}/)
    assert.match((await say("fault kill 1"))!, /store 1 was killed/)
    assert.match((await say("get k"))!, /^zwei Wörter {2}/)
    assert.match((await say("get nothing"))!, /^\(absent\)/)
    assert.match((await say("fault kill 1"))!, /down already/)
    assert.match((await say("fault restart 1"))!, /store 1 is up/)
    assert.equal(rig.cluster.isUp(1), true)
  })

  test("cuts, slows, halves and heals links, stops and continues processes, and shows all of it", async () => {
    const { rig, say } = await shellOf()
    const { network } = rig.cluster
    const stateOf = (from: number, to: number): string => network.stateOf(from, to).type
    await say("fault partition 1,2|3")
    assert.deepEqual(
      [stateOf(1, 3), stateOf(3, 1), stateOf(2, 3), stateOf(1, 2)],
      ["cut", "cut", "cut", "open"],
    )
    await say("fault heal")
    await say("fault oneway 1|2,3")
    assert.deepEqual([stateOf(1, 3), stateOf(3, 1)], ["cut", "open"])
    await say("fault heal")
    await say("fault slow 1|2 8")
    await say("fault halfopen 2|3")
    await say("fault pause 3")
    const status = (await say("status"))!
    assert.match(status, /1 → 2 slow/)
    assert.match(status, /2 → 3 halfOpen/)
    assert.match(status, /^ *3 +paused/m)
    await say("fault heal")
    assert.deepEqual([stateOf(1, 2), stateOf(2, 3), rig.cluster.isPaused(3)], ["open", "open", false])
    assert.doesNotMatch((await say("status"))!, /links|paused/)
  })

  test("says what is wrong with a line, with the nearest word, and goes on", async () => {
    const { say } = await shellOf()
    assert.match((await say("statsu"))!, /did you mean "status"/)
    assert.match((await say("fault kil 2"))!, /did you mean "kill"/)
    assert.match((await say("fault kill 9"))!, /There is no store "9"; these are: 1, 2, 3/)
    assert.match((await say("fault partition 1,2"))!, /two sides/)
    assert.match((await say("fault partition 1|1,2"))!, /one side only/)
    assert.match((await say("fault slow 1|2 -3"))!, /bytes a second/)
    assert.match((await say("put k"))!, /put KEY VALUE/)
    assert.equal(await say(""), "")
    assert.match((await say("help"))!, /fault partition/)
    assert.equal(await say("quit"), null)
  })

  test("completes commands, faults and stores", () => {
    assert.deepEqual(complete("st", [1, 2]), [["status "], "st"])
    assert.deepEqual(complete("fault p", [1, 2]), [["pause ", "partition "], "p"])
    assert.deepEqual(complete("fault kill ", [1, 2]), [["1 ", "2 "], ""])
    assert.deepEqual(complete("get k", [1, 2]), [[], "k"])
  })
})

test("a status tells who is silent, who leads and who lags", async () => {
  const rig = await RealRig.start()
  rigs.push(rig)
  const reports = await rig.cluster.reports()
  const behind = reports.get(3)!.groups[0]!
  const text = statusText(
    [
      { store: 1, state: "up", report: { ...reports.get(1)!, forgetful: [1] } },
      { store: 2, state: "silent", report: null },
      {
        store: 3,
        state: "up",
        report: { store: 3, disk: null, groups: [{ ...behind, commitIndex: 9, appliedIndex: 4 }] },
      },
    ],
    PLAIN,
  )
  assert.match(text, /^ *2 +silent/m)
  assert.match(text, /1: 8 {2}2: silent {2}3: 5/)
  assert.match(text, /\[, ∞\)/)
  assert.match(text, /^store 1: volume 1 may have forgotten replicas/m)
  assert.doesNotMatch(text, /^store [23]: volume/m)
})

/** A command alone, over a world of processes that do nothing. */
async function command(
  add: typeof addDemo,
  args: readonly string[],
  lines: readonly string[],
): Promise<{ readonly code: number; readonly stdout: string }> {
  let stdout = ""
  let code = -1
  const stdin = new PassThrough()
  stdin.end(lines.map((line) => `${line}\n`).join(""))
  const host: Host = {
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: () => {} },
    stdin,
    env: {},
    cores: 1,
    engineUrl: "",
    onInterrupt: () => () => {},
  }
  const program = new Command("orrery")
    .exitOverride()
    .configureOutput({ writeErr: () => {}, writeOut: () => {} })
  add(
    program,
    host,
    (ended) => (code = ended),
    () => Promise.resolve(new RigWorld()),
  )
  await program.parseAsync([...args], { from: "user" })
  return { code, stdout }
}

describe("the commands", () => {
  test("a demo reads its lines from a pipe, ends with the last, and leaves nothing behind", async () => {
    const lines = ["put greeting hello", "fault kill 1", "get greeting", "fault heal", "status"]
    const { code, stdout } = await command(addDemo, ["demo", "--json"], lines)
    const [first, ...rest] = stdout.split("\n")
    const told = JSON.parse(first!) as { directory: string; stores: { pid: number }[] }
    assert.deepEqual([code, told.stores.length], [0, 3])
    assert.match(rest.join("\n"), /ok [\s\S]*killed\nhello [\s\S]*goes on, store 1 is up\n[\s\S]*1 +up/)
    assert.equal(existsSync(dirname(told.directory)), false)
    for (const { pid } of told.stores) assert.throws(() => process.kill(pid, 0), { code: "ESRCH" })
  })

  test("a demo says how to connect, shows what a pipe asks beside the answers, and stops at quit", async () => {
    const { stdout } = await command(addDemo, ["demo"], ["fault heal", "quit", "put k v"])
    assert.match(stdout, /^orrery> fault heal\n.*everybody goes on/m)
    assert.match(stdout, /A cluster of 3 stores is up[\s\S]*orrery\/client[\s\S]*npx orrery status/)
    assert.doesNotMatch(stdout, /^ok/m)
  })

  test("chaos refuses what cannot be meant", async () => {
    const refused = async (args: readonly string[], message: RegExp): Promise<void> => {
      await assert.rejects(command(addChaos, ["chaos", ...args], []), (thrown: unknown) => {
        assert.ok(thrown instanceof UsageError)
        assert.match(thrown.message, message)
        return true
      })
    }
    await refused([], /needs --real/)
    await refused(["--real", "--seed", "1", "--seeds", "2"], /does not go with/)
    await refused(["--real", "--length", "5s"], /most of it quiet/)
    await refused(["--real", "--workload", "appendd"], /did you mean "append"/)
    await refused(["--real", "--kill-leader", "2", "--workload", "set"], /of its own/)
  })

  test("a status of a cluster that nobody runs tells so and fails", async () => {
    const { code, stdout } = await command(addStatus, ["status", "--timeout", "50ms"], [])
    assert.equal(code, 1)
    assert.match(stdout, /silent/)
  })
})
