import assert from "node:assert/strict"
import { readFileSync, writeFileSync } from "node:fs"
import { test } from "vitest"
import { DEFAULT_SCOPE, writeSchedule, type ScheduleFile } from "#sim"
import { orrery, ownFolder } from "./support/terminal.ts"

ownFolder()

const SMALL = ["--operations", "put", "--ticks", "0", "--deviations", "1", "--delays", "1"]
const CALM = ["--gathers", "0", "--drops", "0", "--duplicates", "0", "--crashes", "0", "--cuts", "0"]

test("a scope that holds is told in a table and as JSON, and exits 0", async () => {
  const args = ["sim", "explore", ...SMALL, ...CALM, "--lapses", "0", "--json", "out.json"]
  const { code, stdout, stderr } = await orrery(args)
  assert.equal(code, 0)
  assert.match(stdout, /complete +yes/)
  assert.match(stdout, /✓ no promise was broken/)
  assert.equal(stderr, "")
  const json = JSON.parse(readFileSync("out.json", "utf8")) as Record<string, unknown>
  assert.deepEqual([json["verdict"], json["violation"], json["cutBy"]], ["valid", null, null])
  assert.ok((json["states"] as number) > 10)
})

test("a bound that cuts it is named", async () => {
  const args = ["sim", "explore", ...SMALL, ...CALM, "--depth", "3", "-q"]
  const { code, stdout } = await orrery(args)
  assert.equal(code, 0)
  assert.match(stdout, /complete +no: .*--events 3/)
})

test("what cannot be explored is said in a line, and exits 2", async () => {
  const said = async (...args: string[]): Promise<string> => {
    const { code, stderr } = await orrery(["sim", "explore", ...args])
    assert.equal(code, 2)
    return stderr
  }
  assert.match(await said("--stores", "4"), /--stores: 4 lies outside 1 to 3/)
  assert.match(await said("--from", "middle"), /--from: "middle" is neither start nor leader/)
  assert.match(await said("--operations", "put,scan"), /"scan" is neither put nor get/)
  assert.match(await said("--delays", "some"), /--delays: "some" is not a whole number/)
  assert.match(await said("--mutant", "R00"), /There is no mutant "R00", did you mean/)
  assert.match(await said("--replay", "none.json"), /There is no file none\.json/)
  writeFileSync("wrong.json", "{}")
  assert.match(await said("--replay", "wrong.json"), /wrong\.json is no schedule/)
})

test("a schedule is replayed: 0 when it breaks nothing, 1 when it no longer means anything", async () => {
  const choices = [
    { type: "ask", store: 3 },
    { type: "take", item: 0 },
  ] as const
  const scope = { ...DEFAULT_SCOPE, operations: ["put"] } as const
  const about = {
    schedule: 1,
    version: "0",
    mutant: null,
    oracle: "RAFT-commit-quorum",
    message: "",
  } as const
  const file: ScheduleFile = { ...about, scope, choices }
  writeFileSync("good.json", writeSchedule(file))
  const good = await orrery(["sim", "explore", "--replay", "good.json"])
  assert.equal(good.code, 0)
  assert.match(good.stdout, /client 1 asks store 3: put a = v1/)
  writeFileSync("stale.json", writeSchedule({ ...file, choices: [{ type: "heal" }] }))
  const stale = await orrery(["sim", "explore", "--replay", "stale.json"])
  assert.equal(stale.code, 1)
  assert.match(stale.stdout, /choice 1 means nothing here/)
})
