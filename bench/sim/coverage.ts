/**
 * How much of the kernel does simulation alone reach? `node bench/sim/coverage.ts [--seeds N] [--jobs 2] [--min 95]
 * [--counts DIR] [--html DIR] [--page FILE] [--json]`, or `npm run coverage`. Runs the default campaign, or so many seeds of it, which has every
 * named scenario in it, and each capsule of scenarios/regressions, in processes whose threads V8 counts for; c8
 * puts the counts together. No test has a part in it. Exits 1 when less than `--min` per cent of the lines of
 * code were run, and with what the campaign ends with when that is not 0. `--page` writes docs/COVERAGE.md. With
 * `--counts` V8's counts are kept there, and when there are some already nothing is run: the same is told again.
 */
import { spawnSync } from "node:child_process"
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { Report } from "c8"
import { DEFAULT_CAMPAIGN } from "#cli/campaign/default-campaign.ts"
import { defaultShares, roundLength } from "#cli/campaign/schedule.ts"
import { SCENARIOS } from "#scenarios/index.ts"
import { coveragePage, type Measured } from "../support/coverage-page.ts"
import { byFolder, fileCoverage, percentText, share, type IstanbulFile } from "../support/kernel-coverage.ts"
import { benchOptions } from "../support/report.ts"
import { reasonsOf } from "../support/unreached.ts"

const options = benchOptions(import.meta.filename, {
  seeds: roundLength(defaultShares(SCENARIOS.map(({ name }) => name))) * DEFAULT_CAMPAIGN.rounds,
  jobs: 2,
  min: 95,
  counts: "",
  html: "coverage",
  page: "",
})
const ROOT = fileURLToPath(new URL("../..", import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), "orrery-coverage-"))
const counts = options.counts === "" ? join(scratch, "counts") : resolve(options.counts)

/** Its own progress is told; of what it found only what is wrong, for nobody looks for failures here. */
function counted(...words: readonly string[]): number {
  const { status, signal, error, stdout } = spawnSync(
    process.execPath,
    [join(ROOT, "bin/orrery.js"), "sim", ...words],
    {
      cwd: scratch,
      env: { ...process.env, NODE_V8_COVERAGE: counts },
      stdio: ["ignore", "pipe", "inherit"],
      encoding: "utf8",
      maxBuffer: 1 << 26,
    },
  )
  if (error !== undefined) throw error
  if (signal !== null) console.error(`${words[0]} was ended by ${signal}`)
  if (status !== 0) for (const line of stdout.match(/^(?:✗|FAIL).*$/gm) ?? []) console.error(line)
  return status ?? 1
}

async function countsOfKernel(): Promise<readonly IstanbulFile[]> {
  const report = new Report({
    include: ["kernel/**/*.ts"],
    exclude: [],
    // Files that no run has loaded are wholly unreached.
    all: true,
    src: [join(ROOT, "kernel")],
    resolve: ROOT,
    reporter: ["json", "html"],
    reportsDirectory: join(ROOT, options.html),
    tempDirectory: counts,
  })
  await report.run()
  const path = join(ROOT, options.html, "coverage-final.json")
  return Object.values(JSON.parse(readFileSync(path, "utf8")) as Readonly<Record<string, IstanbulFile>>)
}

try {
  const seeds = ["--seeds", `${options.seeds}`, "--jobs", `${options.jobs}`]
  const isKept = existsSync(counts)
  const campaignCode = isKept ? 0 : counted("run", ...seeds, "--no-shrink")
  const capsules = globSync("scenarios/regressions/*.json", { cwd: ROOT }).toSorted()
  for (const capsule of isKept ? [] : capsules) {
    // A capsule of an earlier build may end otherwise than it did: what it reaches counts.
    counted("replay", join(ROOT, capsule))
  }
  const files = (await countsOfKernel())
    .map((file) => fileCoverage(relative(ROOT, file.path), readFileSync(file.path, "utf8"), file))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
  const folders = byFolder(files)
  const all = folders.at(-1)!
  const reached = share(all.reached, all.code)
  const unreached = reasonsOf(files.flatMap(({ missed }) => missed))
  const git = spawnSync("git", ["rev-parse", "--short", "HEAD"], { cwd: ROOT, encoding: "utf8" })
  const measured: Measured = {
    command: `npm run coverage -- --seeds ${options.seeds}`,
    commit: git.status === 0 ? git.stdout.trim() : "unknown",
    node: process.version,
    runs: options.seeds,
    capsules: capsules.length,
    folders,
    unreached,
  }
  if (options.page !== "") writeFileSync(options.page, coveragePage(measured))
  if (process.argv.includes("--json")) console.log(JSON.stringify({ ...measured, reached, files }))
  else {
    console.table(
      Object.fromEntries(
        folders.map((row) => [
          row.folder,
          {
            files: row.files,
            "lines of code": row.code,
            missed: row.code - row.reached,
            "reached %": percentText(row.reached, row.code),
            "functions %": percentText(row.functionsReached, row.functions),
            "c8's lines %": percentText(row.linesReached, row.lines),
          },
        ]),
      ),
    )
    for (const { reason, lines } of unreached) console.log(`${`${lines.length}`.padStart(4)}  ${reason}`)
    const unexplained = unreached.find(({ reason }) => reason === "")
    for (const { path, line, text } of unexplained?.lines ?? []) console.log(`      ${path}:${line}  ${text}`)
    console.log(`page  ${join(options.html, "index.html")}`)
    const verdict = reached >= options.min ? "PASS" : "FAIL"
    const told = percentText(all.reached, all.code)
    console.log(`${verdict}: ${told} % of the kernel's lines of code, at least ${options.min} % are promised`)
  }
  if (campaignCode !== 0) console.error(`The campaign itself ended with ${campaignCode}: see npm run chaos`)
  process.exitCode = reached < options.min ? 1 : campaignCode
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
