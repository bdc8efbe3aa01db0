import assert from "node:assert/strict"
import { readFileSync, writeFileSync } from "node:fs"
import fc from "fast-check"
import { test } from "vitest"
import { DEFAULT_CAMPAIGN } from "#cli/campaign/default-campaign.ts"
import { defaultShares, roundLength } from "#cli/campaign/schedule.ts"
import { makeReport, type ScenarioFacts } from "#cli/campaign/tally.ts"
import { mergeReports } from "#cli/commands/merge.ts"
import { reportHtml } from "#cli/report/html.ts"
import type { Report } from "#cli/report/model.ts"
import { paintFor } from "#cli/report/paint.ts"
import { reportText } from "#cli/report/table.ts"
import { escapeXml } from "#cli/report/xml.ts"
import { orrery, ownFolder } from "./support/terminal.ts"

ownFolder()

/** Throws unless the text is one well-formed element: tags nest, attributes are quoted once, entities are known. */
function assertWellFormed(xml: string): void {
  const body = xml.replace(/^<\?xml [^?]*\?>\s*/, "")
  const open: string[] = []
  const token = /<(\/?)([\w:-]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|([^<]+)/gy
  let at = 0
  for (let match = token.exec(body); match !== null; match = token.exec(body)) {
    at = token.lastIndex
    const [, close, name = "", attributes = "", empty, text = ""] = match
    assert.doesNotMatch(attributes + text, /&(?!(?:amp|lt|gt|quot|apos);)/)
    if (close === "/") assert.equal(open.pop(), name)
    else if (name !== "" && empty === "") open.push(name)
  }
  assert.equal(at, body.length, `stopped at ${body.slice(at, at + 60)}`)
  assert.deepEqual(open, [])
}

async function reportOf(...args: readonly string[]): Promise<Report> {
  const { stdout } = await orrery(["sim", "run", ...args, "--json", "-", "--quiet"])
  return JSON.parse(stdout) as Report
}

test("JUnit XML is well formed, with a case for each seed and the failure in it", async () => {
  await orrery(["sim", "run", "flawed", "undecided", "--seeds", "8", "--junit", "junit.xml"])
  const xml = readFileSync("junit.xml", "utf8")
  assertWellFormed(xml)
  assert.equal(xml.match(/<testcase /g)?.length, 17)
  assert.match(
    xml,
    /<failure type="RAFT-toy" message="Store 1 &lt;promised&gt; &amp; &quot;broke&quot; it in seed 7">/,
  )
  assert.equal(xml.match(/<skipped /g)?.length, 2)
})

test("whatever a message says, XML and HTML hold", () => {
  const text = fc.string({ unit: "binary" })
  fc.assert(
    fc.property(text, (message) => {
      const escaped = escapeXml(message)
      assert.doesNotMatch(escaped, /[<>"']/)
      // oxlint-disable-next-line no-control-regex -- those are what XML forbids
      assert.doesNotMatch(escaped, /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/)
      assertWellFormed(`<a b="${escaped}">${escaped}</a>`)
    }),
  )
})

test("the HTML page needs nothing from outside and escapes what a run said", async () => {
  const html = reportHtml(await reportOf("flawed", "--seeds", "8"))
  assert.doesNotMatch(html, /(?:src|href)=|https?:|@import|<script|<promised>/)
  assert.match(html, /Store 1 &lt;promised&gt; &amp; &quot;broke&quot; it/)
  assert.match(html, /prefers-color-scheme: dark/)
  assertWellFormed(html.slice(html.indexOf("<main>"), html.indexOf("</body>")).trim())
})

test("shards merged, in any order, are the campaign they were cut from", async () => {
  const all = ["campaign", "smoke", "flawed", "--seeds", "8"]
  const whole = await reportOf(...all)
  const shards = []
  for (const shard of ["3/3", "1/3", "2/3"])
    shards.push({ path: shard, report: await reportOf(...all, "--shard", shard) })
  const merged = mergeReports(shards)
  const timeless = ({ results, totals }: Report): unknown => ({
    results: results.map((row) => ({ ...row, wallSeconds: 0 })),
    totals: {
      ...totals,
      headline: "",
      wallSeconds: 0,
      scenarios: totals.scenarios.map((scenario) => ({ ...scenario, wallSeconds: 0 })),
      campaign: { ...totals.campaign, elapsedSeconds: 0, jobs: 0, shards: 0, shardCount: 0 },
    },
  })
  assert.deepEqual(timeless(merged), timeless(whole))
  assert.match(merged.totals.headline, /all 3 shards/)
})

test("a missing shard is missed", async () => {
  const parts = [
    { path: "1", report: await reportOf("smoke", "--seeds", "6", "--shard", "1/3") },
    { path: "2", report: await reportOf("smoke", "--seeds", "6", "--shard", "2/3") },
  ]
  const { totals } = mergeReports(parts)
  assert.equal(totals.exitCode, 4)
  assert.deepEqual(
    totals.problems.map((problem) => problem.message),
    ["Shards are missing: 3/3"],
  )
})

test("reports that overlap, or are of two builds, are not merged: exit 2", async () => {
  const report = await reportOf("smoke", "--seeds", "3")
  writeFileSync("a.json", JSON.stringify(report))
  writeFileSync("b.json", JSON.stringify({ ...report, build: "feedfacefeedface" }))
  const twice = await orrery(["sim", "merge", "a.json", "a.json"])
  assert.equal(twice.code, 2)
  assert.match(twice.stderr, /smoke seed 1 is in a\.json and in a\.json/)
  const mixed = await orrery(["sim", "merge", "a.json", "b.json"])
  assert.equal(mixed.code, 2)
  assert.match(mixed.stderr, /b\.json is of build feedfacefeedface/)
  assert.equal((await orrery(["sim", "merge", "a.json"])).code, 0)
})

type Changes = {
  readonly row?: (row: Report["results"][number]) => Report["results"][number]
  readonly facts?: (facts: ScenarioFacts) => ScenarioFacts
  readonly isDefault?: boolean
  /** So many rounds instead of all of them. */
  readonly rounds?: number
}

/** The report of 20 seeds of each of two scenarios told so often that it is as long as a default campaign of them. */
function asDefault({ version, build, results, totals }: Report, changes: Changes): Report {
  const { row = (same) => same, facts = (same) => same, isDefault = true } = changes
  const length =
    roundLength(defaultShares(["campaign", "smoke"])) * (changes.rounds ?? DEFAULT_CAMPAIGN.rounds)
  const copies = Math.ceil(length / results.length)
  const many = Array.from({ length: copies }, (_, round) =>
    results.map((same) => row({ ...same, seed: same.seed + round * 20 })),
  ).flat()
  const scenarios = totals.scenarios.map((scenario) => {
    const { name, about, declaredMarks, marks, cells } = scenario
    const markRuns = Object.fromEntries(
      Object.entries(scenario.markRuns).map(([mark, runs]) => [mark, runs * copies]),
    )
    return facts({ name, about, declaredMarks, marks, markRuns, cells })
  })
  return makeReport({
    version,
    build,
    results: many,
    scenarios,
    markRules: totals.marks,
    failures: [],
    diversity: totals.diversity,
    campaign: { ...totals.campaign, isDefault },
  })
}

function problemsOf({ totals }: Report): readonly string[] {
  return totals.problems.map((problem) => problem.message)
}

test("a kind of fault that never comes costs a whole default campaign its verdict", async () => {
  const report = asDefault(await reportOf("campaign", "smoke", "--seeds", "20"), {
    row: (row) => ({ ...row, faults: { ...row.faults, clockStep: { applied: 3, effective: 0 } } }),
  })
  assert.equal(report.totals.exitCode, 1)
  assert.deepEqual(problemsOf(report), ["The generator lost its teeth: clockStep (never effective)"])
})

test("a declared site that no fault has struck costs a whole default campaign its verdict", async () => {
  const whole = await reportOf("campaign", "smoke", "--seeds", "20")
  const judged = (without: string, isDefault: boolean): Report => {
    const isLeft = ([cell]: [string, number]): boolean => !cell.startsWith(without)
    const left = (cells: Readonly<Record<string, number>>): Readonly<Record<string, number>> =>
      Object.fromEntries(Object.entries(cells).filter(isLeft))
    return asDefault(whole, { facts: (facts) => ({ ...facts, cells: left(facts.cells) }), isDefault })
  }
  const found = judged("reload/follower", true)
  assert.equal(found.totals.exitCode, 1)
  assert.deepEqual(problemsOf(found), ["No fault has struck at reload@follower"])
  assert.ok(found.totals.coverage.never.includes("reload/follower/idle"))
  assert.equal(judged("reload/follower", false).totals.exitCode, 0)
  assert.equal(judged("nothing", true).totals.exitCode, 0)
})

test("a mark below its floor costs a default campaign its verdict, and the whole of it is told", async () => {
  const whole = await reportOf("campaign", "smoke", "--seeds", "20")
  const scarce = (runs: number, more: Changes = {}): Report =>
    asDefault(whole, { ...more, facts: (facts) => ({ ...facts, markRuns: { "raft.elected": runs } }) })
  // 1,000 runs, of which a half must hit it: 440 are as rare as 1 in 14,000, 480 as 1 in 9.
  const low = scarce(220)
  assert.equal(low.totals.exitCode, 1)
  const said = "raft.elected (440 of 1,000 runs, at least 10,000 of 20,000 are promised)"
  assert.deepEqual(problemsOf(low), [`Rarer than chance would have it: ${said}`])
  assert.match(
    reportHtml(low),
    /<tr class="bad"><td>raft\.elected<\/td><td>440<\/td><td>44\.0%<\/td><td>10,000<\/td>/,
  )
  assert.deepEqual(problemsOf(scarce(240)), [])
  // What is not the mix of a default campaign has no floors.
  assert.deepEqual(problemsOf(scarce(0, { isDefault: false })), [])
})

test("a campaign too short to tell bad luck from a loss says what was not hit, and how much it can tell", async () => {
  const whole = await reportOf("campaign", "smoke", "--seeds", "20")
  const { totals } = asDefault(whole, { rounds: 2 })
  assert.deepEqual(problemsOf({ totals } as Report), [])
  const never = totals.marks.find(({ name }) => name === "raft.never")
  assert.deepEqual(never, {
    name: "raft.never",
    floor: 1,
    elsewhere: "",
    runs: 0,
    chance: 1,
    isBelow: false,
  })
  const text = reportText({ ...whole, totals }, [], paintFor({ write: () => true }, {}))
  assert.match(text, /^marks {2}1 of 3 were hit$/m)
  assert.match(text, /^ {7}never hit: raft\.never$/m)
  assert.match(text, /of 2 floors, 160 runs can tell 1 that are lost from bad luck/)
})

test("a mark that the catalogue does not know costs a campaign its verdict", async () => {
  const report = asDefault(await reportOf("campaign", "smoke", "--seeds", "20"), {
    facts: (facts) => ({ ...facts, markRuns: { ...facts.markRuns, "raft.elcted": 1 } }),
    isDefault: false,
  })
  assert.equal(report.totals.exitCode, 1)
  assert.deepEqual(problemsOf(report), ["No catalogue of marks knows raft.elcted"])
})
