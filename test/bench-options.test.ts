import { spawnSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { basename, join } from "node:path"
import { assert, test } from "vitest"

const BENCH = join(import.meta.dirname, "..", "bench")
const FOLDERS = ["kernel", "sim", "real"]

const files = FOLDERS.flatMap((folder) => readdirSync(join(BENCH, folder)).map((name) => join(folder, name)))
const texts = new Map(files.map((file) => [file, readFileSync(join(BENCH, file), "utf8")]))

test("every bench takes its options by the one way that answers --help and refuses what it does not know", () => {
  const programs = [...texts].filter(([file, text]) => {
    const isNamed = [...texts].some(
      ([other, of]) => other !== file && new RegExp(`["/]${basename(file)}"`).test(of),
    )
    return !isNamed && !/^export /m.test(text)
  })
  assert.isAbove(programs.length, 20)
  for (const [file, text] of programs) {
    assert.match(text, /(benchOptions|runFuzzCommand)\(import\.meta\.filename/, file)
    assert.match(
      /\/\*\*[^]*?\*\//.exec(text)![0],
      /\?|`node bench/,
      `${file} says at its head how it is asked`,
    )
  }
})

test("a bench says how it is asked and measures nothing, and ends with 2 at what it cannot mean", () => {
  const run = (...words: readonly string[]) =>
    spawnSync(process.execPath, [join(BENCH, "sim/s0.ts"), ...words], { encoding: "utf8" })
  const help = run("--help")
  assert.equal(help.status, 0)
  assert.include(help.stdout, "node bench/sim/s0.ts [--seeds 10]")
  for (const [words, why] of [
    [["--seed", "1"], "There is no option --seed"],
    [["seeds"], "There is no option seeds"],
    [["--seeds"], "--seeds takes a value"],
    [["--seeds", "many"], "--seeds takes a number"],
  ] as const) {
    const refused = run(...words)
    assert.equal(refused.status, 2)
    assert.include(refused.stderr, why)
    assert.equal(refused.stdout, "")
  }
})
