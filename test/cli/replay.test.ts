import assert from "node:assert/strict"
import { readFileSync, writeFileSync } from "node:fs"
import { beforeAll, test } from "vitest"
import { orrery, ownFolder } from "./support/terminal.ts"

ownFolder()

const CAPSULE = ".orrery/capsules/flawed-7.json"

beforeAll(async () => {
  await orrery(["sim", "run", "flawed", "--seed", "7", "--no-shrink"])
})

/** The capsule with some fields changed, under a name of its own. */
function altered(name: string, change: (capsule: Record<string, unknown>) => void): string {
  const capsule = JSON.parse(readFileSync(CAPSULE, "utf8")) as Record<string, unknown>
  change(capsule)
  writeFileSync(name, JSON.stringify(capsule))
  return name
}

test("a capsule that still fails says so, with the same trace, and exits 1", async () => {
  const { code, stdout } = await orrery(["sim", "replay", CAPSULE])
  assert.equal(code, 1)
  assert.match(stdout, /Still fails, by the same check\.\nThe trace is the capsule's\./)
})

test("a capsule whose bug is gone passes and exits 0", async () => {
  const path = altered("fixed.json", (capsule) => {
    capsule["plan"] = { ...(capsule["plan"] as object), faults: [] }
  })
  const { code, stdout } = await orrery(["sim", "replay", path])
  assert.equal(code, 0)
  assert.match(stdout, /Passes: RAFT-toy is no longer seen\./)
})

test("a capsule that fails another check, or leaves its trace, is told apart", async () => {
  const path = altered("other.json", (capsule) => {
    capsule["oracle"] = "LIN-toy"
    capsule["traceHash"] = "0123456789abcdef"
    capsule["checkpoints"] = ["0000000000000001", "0000000000000001", "x"]
  })
  const { code, stdout } = await orrery(["sim", "replay", path])
  assert.equal(code, 1)
  assert.match(stdout, /Fails differently: the capsule's check was LIN-toy\./)
  assert.match(stdout, /it parts at checkpoint 3, after event 2,048/)
})

test("programs are told the same three things by --json and by the exit code", async () => {
  const fixed = altered("fixed.json", (capsule) => {
    capsule["plan"] = { ...(capsule["plan"] as object), faults: [] }
  })
  const other = altered("other.json", (capsule) => {
    capsule["oracle"] = "LIN-toy"
  })
  const told = await Promise.all(
    [CAPSULE, fixed, other].map(async (path) => {
      const { code, stdout } = await orrery(["sim", "replay", path, "--json"])
      const { replay, capsule } = JSON.parse(stdout) as {
        readonly replay: string
        readonly capsule: { readonly oracle: string; readonly sameTrace: boolean }
      }
      return [code, replay, capsule.oracle, capsule.sameTrace]
    }),
  )
  assert.deepEqual(told, [
    [1, "fails", "RAFT-toy", true],
    [0, "passes", "RAFT-toy", true],
    [1, "fails differently", "LIN-toy", true],
  ])
})

test("a seed, part of a seed and a plan file can be run alone", async () => {
  assert.equal((await orrery(["sim", "replay", "smoke", "--seed", "7"])).code, 0)
  assert.equal((await orrery(["sim", "replay", "flawed", "--seed", "7", "--verify"])).code, 1)
  const part = await orrery(["sim", "replay", "smoke", "--seed", "7", "--until", "100"])
  assert.match(part.stdout, /100 events/)
  const { stdout } = await orrery(["sim", "show", "flawed", "--seed", "7", "--json"])
  writeFileSync("plan.json", stdout)
  const { code } = await orrery(["sim", "replay", "plan.json"])
  assert.equal(code, 1)
})

test("events are told on request", async () => {
  const { stdout } = await orrery(["sim", "replay", "smoke", "--seed", "7", "--trace", "40..42"])
  assert.match(stdout, /^event 40\n/)
})

test("a run that asks the machine exits 3", async () => {
  const { code, stdout } = await orrery(["sim", "replay", "leaking", "--seed", "1"])
  assert.equal(code, 3)
  assert.match(stdout, /Math\.random[\s\S]*toy-engine\.ts:\d+/)
})

test("list names every scenario, show tells what a seed draws", async () => {
  const list = await orrery(["sim", "list"])
  assert.match(
    list.stdout,
    /^unmarked +Declares a mark that no seed reaches\. +raft\.elected\n +raft\.never$/m,
  )
  const names = JSON.parse((await orrery(["sim", "list", "--json"])).stdout) as { name: string }[]
  assert.ok(names.some(({ name }) => name === "smoke"))
  const show = await orrery(["sim", "show", "smoke", "--seed", "9"])
  assert.match(show.stdout, /put k0=0[\s\S]*… and 480 more operations/)
})
