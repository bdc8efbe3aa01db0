import assert from "node:assert/strict"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, test } from "vitest"
import { drawPlan } from "#sim"
import { scenarioOf } from "#scenarios/index.ts"
import { recordWorld, type RecordedLife } from "../support/recorded-world.ts"
import { orrery, ownFolder } from "./support/terminal.ts"

ownFolder()

let life: RecordedLife

beforeAll(async () => {
  const lives = await recordWorld(drawPlan(scenarioOf("smoke")!, 5), "recorded", {})
  life = lives.find(({ closed }) => closed)!
})

test("a recording that comes out the same says so and exits 0", async () => {
  const { code, stdout } = await orrery(["replay", life.directory])
  assert.equal(code, 0)
  assert.match(
    stdout,
    /stretch 1, store \d from its start: events 0 to [\d,]+, \d+ hashes held; closed in order/,
  )
  assert.match(
    stdout,
    /Recorded by build test; this is [0-9a-f]{16}\.\nThe same: every hash came out again\.\n$/,
  )
})

test("its JSON is an object alone, and its trace goes elsewhere", async () => {
  const { code, stdout, stderr } = await orrery(["replay", life.directory, "--json", "--trace", "1..9"])
  assert.equal(code, 0)
  const told = JSON.parse(stdout) as { replay: string; stretches: { lastEvent: number; ending: string }[] }
  assert.equal(told.replay, "same")
  assert.equal(told.stretches[0]!.lastEvent, 9)
  assert.equal(told.stretches[0]!.ending, "stopped")
  assert.match(stderr, /^\d+\.\d{6} #\d+ s\d .+ -> /)
})

test("a damaged one exits 1, one that parts exits 3, one that is not there 2", async () => {
  const path = join(life.directory, readdirSync(life.directory)[0]!)
  const good = readFileSync(path)
  const bad = Uint8Array.from(good)
  bad[200] = bad[200]! ^ 4
  writeFileSync(path, bad)
  const damaged = await orrery(["replay", life.directory])
  assert.equal(damaged.code, 1)
  assert.match(damaged.stdout, /00000001\.orec is damaged at byte \d+ \(recordingDamaged\)/)
  writeFileSync(path, good)
  assert.equal((await orrery(["replay", "nowhere"])).code, 2)
  assert.equal((await orrery(["replay", life.directory, "--stretch", "7"])).code, 2)
  assert.equal((await orrery(["replay"])).code, 2)
})

test("it is put into one file, which says the same anywhere", async () => {
  const made = await orrery(["replay", life.directory, "--capsule", "failure.capsule", "--until", "40"])
  assert.equal(made.code, 0)
  assert.match(made.stdout, /A capsule of [\d,]+ bytes\. Again: npx orrery replay failure\.capsule/)
  const again = await orrery(["replay", "failure.capsule", "--json"])
  assert.equal(again.code, 0)
  const told = JSON.parse(again.stdout) as {
    replay: string
    stretches: { lastEvent: number; ending: string }[]
  }
  assert.deepEqual([told.replay, told.stretches[0]!.lastEvent], ["same", 40])
  const bytes = readFileSync("failure.capsule")
  bytes[8] = 2
  writeFileSync("failure.capsule", bytes)
  const other = await orrery(["replay", "failure.capsule"])
  assert.equal(other.code, 1)
  assert.match(other.stdout, /version 2 of the format; this build reads version 1 \(recordingVersion\)/)
  assert.equal((await orrery(["replay", life.directory, "--capsule", "c", "--trace", "1..2"])).code, 2)
  assert.equal((await orrery(["replay", life.directory, "--capsule", "no/such/folder"])).code, 4)
})
