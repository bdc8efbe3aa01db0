import assert from "node:assert/strict"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { test } from "vitest"
import type { Capsule, CorpusFile } from "#sim"
import type { Report } from "#cli/report/model.ts"
import { orrery, ownFolder } from "./support/terminal.ts"

ownFolder()

const run = (line: string): ReturnType<typeof orrery> => orrery(["sim", "run", ...line.split(" ")])

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, "utf8"))
}

/** Scenario, seed and trace of each run. */
function traces(path: string): readonly string[] {
  return (readJson(path) as Report).results.map(
    ({ scenario, seed, traceHash }) => `${scenario} ${seed} ${traceHash}`,
  )
}

type Corpora = { readonly corpora: Readonly<Record<string, CorpusFile>> }

test("a guided campaign is the same on one lane and on three, corpus and all", async () => {
  for (const jobs of [1, 3]) {
    const options = `--strategy guided --jobs ${jobs} --corpus corpus-${jobs}.json --json guided-${jobs}.json`
    const { code, stderr } = await run(`campaign smoke --seeds 25 ${options}`)
    assert.equal(code, 0, stderr)
  }
  assert.deepEqual(traces("guided-1.json"), traces("guided-3.json"))
  assert.equal(readFileSync("corpus-1.json", "utf8"), readFileSync("corpus-3.json", "utf8"))
  await run("campaign smoke --seeds 25 --json swarm.json")
  assert.notDeepEqual(traces("guided-1.json"), traces("swarm.json"))
})

test("a corpus is gone on from, each scenario with its own", async () => {
  await run("campaign smoke --seeds 8 --strategy portfolio --corpus kept.json")
  await run("smoke --from 9 --seeds 8 --strategy portfolio --corpus kept.json")
  const { corpora } = readJson("kept.json") as Corpora
  assert.deepEqual([corpora["campaign"]?.runs, corpora["smoke"]?.runs], [8, 16])
})

test("what is no corpus, no strategy, or nothing to keep, is said so in one line", async () => {
  writeFileSync("none.json", "{}")
  writeFileSync(
    "other.json",
    '{"format":1,"corpora":{"smoke":{"format":1,"runs":0,"seen":[[1]],"entries":[]}}}',
  )
  for (const [line, says] of [
    ["smoke --seeds 1 --strategy guided --corpus none.json", /none\.json holds no corpus of format 1/],
    ["smoke --seeds 1 --strategy guided --corpus other.json", /\$\.seen\[0\]: it is no pair/],
    ["smoke --seeds 1 --strategy priority --journal j", /--journal: it knows which seeds ran/],
    ["smoke --seeds 1 --corpus none.json", /the strategy swarm learns nothing/],
    ["smoke --seeds 1 --strategy guide", /there is no strategy "guide", did you mean "guided"/i],
  ] as const) {
    const { code, stderr } = await run(line)
    assert.equal(code, 2, line)
    assert.match(stderr, says)
  }
})

test("a failure of another strategy leaves a capsule with the plan that ran, shrunk as any, which replays", async () => {
  const { code, stdout } = await run(
    "flawed --from 7 --seeds 201 --strategy priority --capsules found --json found.json",
  )
  assert.equal(code, 1)
  const [name] = readdirSync("found").filter((file) => file.endsWith(".json"))
  assert.match(name ?? "", /^flawed-\d*7-priority\.json$/)
  assert.match(stdout, /shrunk from \d+ faults/)
  const { plan } = readJson(`found/${name}`) as Capsule
  assert.deepEqual(
    plan.faults.map(({ kind }) => kind),
    ["crash"],
  )
  const again = await orrery(["sim", "replay", `found/${name}`])
  assert.match(again.stdout, /RAFT-toy/)
  assert.match((readJson("found.json") as Report).totals.campaign.command, /--strategy priority/)
})

test("a run that ends its worker under another strategy leaves its plan, since its seed does not say it", async () => {
  const { stdout } = await run("dying --seeds 4 --strategy priority --capsules died")
  assert.match(stdout, /SIM-worker-died/)
  assert.match(stdout, /npx orrery sim replay died\/dying-3-priority-plan\.json/)
  assert.equal((readJson("died/dying-3-priority-plan.json") as { seed: number }).seed, 3)
})
