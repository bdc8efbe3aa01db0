import assert from "node:assert/strict"
import { existsSync, globSync, readFileSync } from "node:fs"
import { basename, dirname, join, normalize } from "node:path"
import { describe, test } from "vitest"
import { RECOVERY_TABLE } from "#kernel/wal/recovery-table.ts"
import { MARKS } from "#sim"

// House laws that no tool knows. Each says how many files it saw: a law that sees none is broken, not kept.

const ROOT = join(import.meta.dirname, "..")
const SOURCE = ["kernel", "sql", "sim", "view", "net", "cli", "scenarios", "bench", "test"]
const PURE = ["kernel", "sql", "sim", "view/session", "scenarios"]
const LINES_MAX = 600

function filesOf(folders: readonly string[], pattern: string): string[] {
  return folders.flatMap((folder) => globSync(`${folder}/${pattern}`, { cwd: ROOT })).toSorted()
}

function documents(): string[] {
  return globSync("**/*.md", { cwd: ROOT, exclude: ["**/node_modules", "**/dist", "**/.build"] }).toSorted()
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8")
}

function exists(path: string): boolean {
  return existsSync(join(ROOT, path))
}

/** The text with comments and the contents of plain strings blanked, lines kept. */
function codeOf(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/.*|"(?:[^"\\\n]|\\.)*"/g, (found) =>
    found.startsWith('"') ? '""' : found.replace(/[^\n]/g, " "),
  )
}

type Breach = `${string}:${number} ${string}`

/** Every line of every file where the pattern is found. */
function found(paths: readonly string[], pattern: RegExp, textOf = read): Breach[] {
  assert.ok(paths.length > 0, "this law saw no files")
  return paths.flatMap((path) =>
    textOf(path)
      .split("\n")
      .flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1} ${line.trim()}` as const] : [])),
  )
}

const TIDY = "test/tidy.test.ts"

describe("files", () => {
  test(`no file has more than ${LINES_MAX} lines`, () => {
    const paths = [...filesOf(SOURCE, "**/*.{ts,tsx}"), "bin/orrery.js", "build.ts"]
    assert.ok(paths.length > 2)
    const long = paths.map((path) => [path, read(path).split("\n").length - 1] as const)
    assert.deepEqual(
      long.filter(([, lines]) => lines > LINES_MAX),
      [],
    )
  })

  test("nothing is left for later in a comment", () => {
    const paths = [...filesOf(SOURCE, "**/*.ts"), ...documents(), "bin/orrery.js", "build.ts", ".ci/run"]
    assert.deepEqual(
      found(
        paths.filter((path) => path !== TIDY),
        /\b(?:TODO|FIXME|XXX|HACK)\b/,
      ),
      [],
    )
  })

  test("every folder of source has a README.md, and those behind fences say what they may import", () => {
    const folders = [...new Set(filesOf(SOURCE, "**/*.ts").map((path) => dirname(path)))]
    assert.ok(folders.length > 2)
    const inScenarios = (folder: string): boolean => folder.startsWith("scenarios/")
    const inTests = (folder: string): boolean => folder.startsWith("test/") || folder.startsWith("bench/")
    const wanted = folders.filter((folder) => !inScenarios(folder) && !inTests(folder))
    assert.deepEqual(
      wanted.filter((folder) => !exists(`${folder}/README.md`)),
      [],
      "folders without a README.md",
    )
    assert.deepEqual(
      wanted.filter((folder) => !/\bMay import\b/.test(read(`${folder}/README.md`))),
      [],
      "READMEs that do not say: May import",
    )
  })

  test("no document or source names a machine or a registry", () => {
    const paths = [...filesOf(SOURCE, "**/*.ts"), ...documents()].filter((path) => path !== TIDY)
    assert.deepEqual(found(paths, /\/(?:home|root|Users|work)\/|registry\.npmjs|localhost:4873/), [])
  })
})

describe("what runs under a seed", () => {
  const paths = filesOf(PURE, "**/*.ts")
  const code = (path: string): string => codeOf(read(path))

  // The linter says this too, by the syntax tree. This says it by the text, and needs no configuration to be right.
  test.each([
    ["a clock", /\bDate\b|\bperformance\b/],
    ["chance", /\bMath\s*\.\s*random\b|\bcrypto\b/],
    ["a timer", /\bset(?:Timeout|Interval|Immediate)\b|\bqueueMicrotask\b/],
    ["a promise", /\basync\s+(?:function|\(|[\w$]+\s*=>|[\w$#]+\s*\()|\bawait\s|\bPromise\b/],
    ["Node", /(?<!\.)\bprocess\s*\.|\bglobalThis\b|\brequire\s*\(/],
    ["a locale", /\blocaleCompare\b|\btoLocale[A-Z]|\bIntl\b/],
    ["the garbage collector", /\bWeakRef\b|\bFinalizationRegistry\b/],
    ["an order nobody stated", /\bfor\s*\(\s*(?:const|let|var)\s+[\w$]+\s+in\b/],
    ["a power, which may not be a whole number", /\*\*/],
    ["the text of a stack", /\b(?:error|err|e)\.stack\b|\bcaptureStackTrace\b/],
  ])("has no part in %s", (_, pattern) => {
    assert.deepEqual(found(paths, pattern, code), [])
  })

  test("imports nothing of Node's", () => {
    assert.deepEqual(found(paths, /\bfrom\s+"node:|\bimport\s*\(?\s*"node:/), [])
  })

  test("keeps no state in a module", () => {
    assert.deepEqual(found(paths, /^(?:export\s+)?(?:let|var)\s/, code), [])
  })

  test("the laws above refuse what they are about", () => {
    const breach = `const a = 1 // Date is fine here\nconst b = "Date" + new Date()\n/* Date\n Date */`
    assert.equal(codeOf(breach).match(/\bDate\b/g)?.length, 1)
    assert.equal(codeOf(breach).split("\n").length, breach.split("\n").length)
  })
})

describe("marks", () => {
  const known = MARKS.map(({ name }) => name)
  /** A text that is nothing but words with dots between them is a mark's name; some end in a word that is filled in. */
  const written = /(["`])([a-z]+(?:\.[a-zA-Z]+)+\.?)(\$\{[^}]+\})?\1/g
  const verdicts = Object.values(RECOVERY_TABLE).map(({ verdict }) => verdict)
  const filledIn: Readonly<Record<string, readonly string[]>> = {
    "wal.recovered.": [...Object.keys(RECOVERY_TABLE), ...verdicts.filter((verdict) => verdict !== "clean")],
    "node.drain.": ["left", "kept"],
  }

  function named(paths: readonly string[]): readonly string[] {
    assert.ok(paths.length > 0, "this law saw no files")
    const names = new Set<string>()
    for (const path of paths) {
      const text = read(path).replace(/\/\*[^]*?\*\/|\/\/.*/g, "")
      for (const [, , name, hole] of text.matchAll(written)) {
        if (hole === undefined) names.add(name!)
        else for (const word of filledIn[name!] ?? [`(what ${path} fills in)`]) names.add(`${name}${word}`)
      }
    }
    return [...names].toSorted()
  }

  test("those the kernel hits are those of the catalogue, each once and in order", () => {
    assert.deepEqual(known, named(filesOf(["kernel"], "**/*.ts")))
  })

  test("those that others speak of are in the catalogue", () => {
    const spoken = named([...filesOf(["scenarios"], "**/*.ts"), "net/log.ts", "sim/coverage/site-meter.ts"])
    assert.ok(spoken.length > 10)
    assert.deepEqual(
      spoken.filter((name) => !known.includes(name)),
      [],
    )
  })
})

describe("documents", () => {
  test("every code that stops a request or a store is explained in docs/ERRORS.md", () => {
    if (!exists("kernel/errors.ts")) return
    const explained = read("docs/ERRORS.md")
    const text = read("kernel/errors.ts")
    const requests = [...text.matchAll(/readonly code: "(\w+)"/g)].map(([, code]) => code!)
    const stores = [...(/type FatalCode =([\s\S]*?)(?:\n\n|$)/.exec(text)?.[1] ?? "").matchAll(/\| "(\w+)"/g)]
    const codes = [...requests, ...stores.map(([, code]) => code!)]
    assert.ok(requests.length > 0 && stores.length > 0, "this law saw no codes")
    assert.deepEqual(
      codes.filter((code) => !explained.includes(`\`${code}\``)),
      [],
    )
  })

  test("every scenario in scenarios/regressions names its bug", () => {
    if (!exists("scenarios/regressions")) return
    const paths = filesOf(["scenarios/regressions"], "**/*.{ts,json}")
    assert.ok(paths.length > 0, "this law saw no files")
    assert.deepEqual(
      paths.filter((path) => !/\bbug:\s*\S|"bug":\s*"\S/i.test(read(path))),
      [],
    )
  })

  test("every row of docs/FEATURES.md names a proving test that exists", () => {
    if (!exists("docs/FEATURES.md")) return
    const rows = read("docs/FEATURES.md")
      .split("\n")
      .filter((line) => /^\|\s*`?[a-z][\w-]*\.[\w.-]+/.test(line))
    assert.ok(rows.length > 0, "this law saw no rows")
    const proofOf = (row: string): string[] =>
      [...row.matchAll(/(?:test|scenarios|bench)\/[\w./-]+\.(?:ts|json)/g)].map(([path]) => path)
    assert.deepEqual(
      rows.filter((row) => proofOf(row).length === 0),
      [],
      "rows without a proof",
    )
    assert.deepEqual(
      rows.flatMap(proofOf).filter((path) => !exists(path)),
      [],
      "proofs that do not exist",
    )
  })

  test("every link inside the repository leads somewhere", () => {
    const paths = documents()
    assert.ok(paths.length > 3)
    let seen = 0
    const broken: string[] = []
    for (const path of paths) {
      const text = read(path).replace(/```[\s\S]*?```/g, "")
      for (const [, target] of text.matchAll(/\]\(([^)\s]+)(?:\s+"[^"]*")?\)/g)) {
        if (/^[a-z]+:/.test(target!)) continue
        seen++
        const [file, anchor] = target!.split("#", 2)
        const full = file === "" ? path : normalize(join(dirname(path), decodeURIComponent(file!)))
        if (!exists(full)) broken.push(`${path}: ${target}`)
        else if (anchor && full.endsWith(".md") && !anchorsOf(read(full)).includes(anchor)) {
          broken.push(`${path}: ${target}`)
        }
      }
    }
    assert.ok(seen > 0, "this law saw no links")
    assert.deepEqual(broken, [])
  })

  test("decisions are numbered without gaps and listed in docs/adr/README.md", () => {
    const decisions = globSync("docs/adr/[0-9]*.md", { cwd: ROOT }).toSorted()
    assert.ok(decisions.length > 0, "this law saw no decisions")
    decisions.forEach((path, i) => {
      assert.match(basename(path), new RegExp(`^${String(i + 1).padStart(4, "0")}-[a-z0-9-]+\\.md$`))
    })
    const list = read("docs/adr/README.md")
    assert.deepEqual(
      decisions.filter((path) => !list.includes(`(${basename(path)})`)),
      [],
    )
  })
})

/** Anchors of a document's headings, as forges make them. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#{1,6}\s+(.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replaceAll(" ", "-"),
  )
}
