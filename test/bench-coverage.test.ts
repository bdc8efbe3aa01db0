import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "vitest"
import { byFolder, codeLines, fileCoverage, percentText } from "../bench/support/kernel-coverage.ts"
import { coveragePage } from "../bench/support/coverage-page.ts"
import { BY_PLACE, reasonsOf, whyMissed } from "../bench/support/unreached.ts"

const ROOT = join(import.meta.dirname, "..")

const SOURCE = `import {
  one,
} from "./one.ts"
export { two } from "./two.ts"
/** A comment
 * of two lines. */
type Shape = {
  readonly a: number
}
export function f(a: number): string {
  // Not this.
  if (a > 1) {
    return "// but this"
  }
  return \`\${a}
\`
}
`

test("a line of code is one on which something can be run", () => {
  assert.deepEqual([...codeLines(SOURCE)], [10, 12, 13, 15, 16])
})

const counted = {
  path: "/r/kernel/lib/f.ts",
  statementMap: Object.fromEntries(SOURCE.split("\n").map((_, at) => [at, { start: { line: at + 1 } }])),
  s: Object.fromEntries(SOURCE.split("\n").map((_, at) => [at, at === 12 ? 0 : 3])),
  f: { 0: 3, 1: 0 },
  fnMap: {
    0: { name: "f", loc: { start: { line: 10 }, end: { line: 17 } } },
    1: { name: "(empty-report)", loc: { start: { line: 13 }, end: { line: 13 } } },
  },
}

test("what c8 counted becomes lines of code that were reached, and each missed one knows its function", () => {
  const file = fileCoverage("kernel/lib/f.ts", SOURCE, counted)
  assert.deepEqual([file.code, file.reached, file.linesReached], [5, 4, file.lines - 1])
  assert.deepEqual(file.missed, [
    { path: "kernel/lib/f.ts", line: 13, text: 'return "// but this"', within: "f" },
  ])
  const other = { ...file, path: "kernel/raft/g.ts", missed: [] }
  assert.deepEqual(
    byFolder([other, file]).map(({ folder, files, code, reached }) => [folder, files, code, reached]),
    [
      ["kernel/lib", 1, 5, 4],
      ["kernel/raft", 1, 5, 4],
      ["all", 2, 10, 8],
    ],
  )
  const page = coveragePage({
    command: "npm run coverage",
    commit: "abc",
    node: "v26",
    runs: 1,
    capsules: 2,
    folders: byFolder([file]),
    unreached: reasonsOf(file.missed),
  })
  assert.match(page, /\| `kernel\/lib` \| 1 \| 5 \| 1 \| 80\.0 % \| 50\.0 % \|/)
  assert.match(
    page,
    /\*\*1 lines\.\*\* Nobody has said why yet\.\n\n.*\n.*\n\| `kernel\/lib\/f\.ts` \| `f` \| 13 \|/,
  )
})

test("a share is never rounded up to what it is not", () => {
  assert.equal(percentText(949_999, 1_000_000), "94.9")
  assert.equal(percentText(999_999, 1_000_000), "99.9")
  assert.equal(percentText(0, 0), "100.0")
})

test("reasons are of files and functions that there are", () => {
  for (const place of Object.keys(BY_PLACE)) {
    const [file, ...name] = place.split(" ")
    const path = join(ROOT, "kernel", file!)
    assert.ok(existsSync(path), place)
    assert.ok(readFileSync(path, "utf8").includes(`${name.join(" ")}${name.length > 0 ? "(" : ""}`), place)
  }
  const missed = { path: "kernel/lib/digest.ts", line: 1, text: "", within: "resume" }
  assert.equal(whyMissed(missed), "host")
  assert.equal(whyMissed({ ...missed, within: "nobody" }), null)
  assert.equal(whyMissed({ ...missed, text: "return unreachable(event)" }), "exhaustive")
})

test("what a worker thread runs is counted, though the thread is ended from outside", () => {
  const folder = mkdtempSync(join(tmpdir(), "orrery-counts-"))
  try {
    const words = ["sim", "run", "smoke", "--seed", "1", "--jobs", "1", "--quiet", "--json", "out.json"]
    const { status } = spawnSync(process.execPath, [join(ROOT, "bin/orrery.js"), ...words], {
      cwd: folder,
      env: { ...process.env, NODE_V8_COVERAGE: folder },
    })
    assert.equal(status, 0)
    const most = readdirSync(folder)
      .filter((name) => name.startsWith("coverage-"))
      .flatMap((name) => {
        const { result } = JSON.parse(readFileSync(join(folder, name), "utf8")) as Counts
        return result.filter(({ url }) => url.endsWith("/kernel/raft/raft.ts"))
      })
      .flatMap(({ functions }) => functions.filter(({ functionName }) => functionName === "step"))
      .map(({ ranges }) => ranges[0]!.count)
    assert.ok(Math.max(...most) > 100, `${most.join(", ")} steps`)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

type Counts = {
  readonly result: readonly {
    readonly url: string
    readonly functions: readonly {
      readonly functionName: string
      readonly ranges: readonly { readonly count: number }[]
    }[]
  }[]
}
