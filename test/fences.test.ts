import assert from "node:assert/strict"
import { afterAll, beforeAll, describe, test } from "vitest"
import { PlantedTree, type Complaint } from "./support/planted-tree.ts"

// A fence that sees no files, or that a tool silently ignores, reports no breach either. So each one is
// shown a breach and must refuse it, by the rule meant for it, and shown the right thing and must be silent.

type Case = { readonly name: string; readonly file: string; readonly code: string }
type Breach = Case & { readonly by: string }

const IMPORTS = "no-restricted-imports"
const GLOBALS = "no-restricted-globals"
const PROPERTIES = "no-restricted-properties"

/** What the planted files import: the smallest tree with every door. */
const GROUND: Readonly<Record<string, string>> = {
  "kernel/index.ts": `export { one } from "./one.ts"\n`,
  "kernel/one.ts": `export const one = 1\n`,
  "sim/index.ts": `export { two } from "./two.ts"\n`,
  "sim/two.ts": `import { one } from "#kernel"\n\nexport const two: number = one + 1\n`,
  "view/index.ts": `export { seven } from "./session/seven.ts"\n`,
  "view/session/seven.ts": `import { two } from "#sim"\n\nexport const seven: number = two + 5\n`,
  "net/index.ts": `export { six } from "./six.ts"\n`,
  "net/six.ts": `import { one } from "#kernel"\n\nexport const six: number = one + 5\n`,
  "cli/three.ts": `export const three = 3\n`,
  "scenarios/smoke/four.ts": `import { two } from "#sim"\n\nexport const main: number = two * 2\n`,
}

const lintBreaches: readonly Breach[] = [
  ...[
    ["sim", "#sim"],
    ["the command line", "#cli/three.ts"],
    ["its own door by name", "#kernel"],
    ["its own door by path", "./index.ts"],
    ["another folder by path", "../sim/two.ts"],
    ["node:fs", "node:fs"],
    ["fs without its prefix", "fs"],
    ["a package", "seedrandom"],
  ].map(([name, from], i) => imports(`kernel imports ${name}`, `kernel/imports-${i}.ts`, from!)),
  ...[
    ["cli", "#cli/three.ts"],
    ["a scenario", "#scenarios/smoke/four.ts"],
    ["past the kernel's door", "#kernel/one.ts"],
    ["its own door by name", "#sim"],
    ["its own door by path", "./index.ts"],
    ["another folder by path", "../kernel/one.ts"],
    ["node:fs", "node:fs"],
    ["a package of the plan's room", "seedrandom"],
  ].map(([name, from], i) => imports(`sim imports ${name}`, `sim/imports-${i}.ts`, from!)),
  imports("a plan imports another package", "sim/plan/imports-0.ts", "commander"),
  imports("the door for fast-check imports fast-check itself", "sim/library/fast-check-0.ts", "fast-check"),
  ...[
    ["kernel", "#kernel"],
    ["past the library's door", "#sim/two.ts"],
    ["cli", "#cli/three.ts"],
    ["another scenario", "./four.ts"],
    ["node:fs", "node:fs"],
    ["a package", "seedrandom"],
  ].map(([name, from], i) => imports(`a scenario imports ${name}`, `scenarios/smoke/imports-${i}.ts`, from!)),
  ...[
    ["sim", "#sim"],
    ["cli", "#cli/three.ts"],
    ["past the kernel's door", "#kernel/one.ts"],
    ["its own door by path", "./index.ts"],
    ["another folder by path", "../kernel/one.ts"],
    ["a package it was not given", "commander"],
  ].map(([name, from], i) => imports(`net imports ${name}`, `net/imports-${i}.ts`, from!)),
  imports("sim imports net", "sim/imports-net.ts", "#net"),
  imports("sim imports the view", "sim/imports-view.ts", "#view"),
  imports("net imports the view", "net/imports-view.ts", "#view"),
  ...[
    ["net", "#net"],
    ["cli", "#cli/three.ts"],
    ["a scenario", "#scenarios/smoke/four.ts"],
    ["past the simulator's door", "#sim/two.ts"],
    ["its own door by name", "#view"],
    ["its own door by path", "../index.ts"],
    ["another folder by path", "../../sim/two.ts"],
    ["node:fs", "node:fs"],
    ["a package of the page", "preact"],
  ].map(([name, from], i) => imports(`a session imports ${name}`, `view/session/imports-${i}.ts`, from!)),
  imports("the page imports the bundler", "view/page/imports-0.ts", "esbuild"),
  imports("the page imports Node", "view/page/imports-1.ts", "node:fs"),
  imports("the bundler imports the simulator", "view/bundle/imports-0.ts", "#sim"),
  ...[
    ["past the kernel's door", "#kernel/one.ts"],
    ["past the simulator's door", "#sim/two.ts"],
    ["past the shell's door", "#net/six.ts"],
    ["a package it was not given", "esbuild"],
  ].map(([name, from], i) => imports(`cli imports ${name}`, `cli/imports-${i}.ts`, from!)),
  imports("a test imports the door of its own folder", "test/imports-0.ts", "./index.ts"),

  ...["kernel", "sim", "view/session", "scenarios/smoke"].flatMap((folder) => [
    ...[
      "Date.now()",
      "new Date(0)",
      "Promise.resolve(1)",
      "setTimeout(f, 1)",
      "setInterval(f, 1)",
      "setImmediate(f)",
      "queueMicrotask(f)",
      "performance.now()",
      "process.hrtime()",
      "Buffer.from([1])",
      "crypto.getRandomValues(new Uint8Array(1))",
      `globalThis["Date"]`,
      "new Intl.Collator()",
      "new WeakRef({})",
      "new FinalizationRegistry(f)",
      "new SharedArrayBuffer(8)",
      "Atomics.load(new Int32Array(1), 0)",
      "console.log(1)",
      "structuredClone(1)",
      "new TextEncoder()",
    ].map((expression, i) => uses(folder, expression, `global-${i}`, GLOBALS)),
    ...[
      "Math.random()",
      `Math["random"]()`,
      "Math.exp(1)",
      "Math.log(2)",
      "Math.pow(2, 3)",
      "Math.sin(1)",
      "Math.cbrt(8)",
      "Math.hypot(3, 4)",
      `"a".localeCompare("b")`,
      `(1).toLocaleString()`,
    ].map((expression, i) => uses(folder, expression, `property-${i}`, PROPERTIES)),
    {
      name: `${folder} has an async function`,
      file: `${folder}/async-0.ts`,
      code: `export async function f() {\n  return 1\n}\n`,
      by: "no-async-await",
    },
    {
      name: `${folder} names a promise as a type`,
      file: `${folder}/type-0.ts`,
      code: `export type Later = Promise<number>\n`,
      by: "no-restricted-types",
    },
    {
      name: `${folder} names a weak reference as a type`,
      file: `${folder}/type-1.ts`,
      code: `export type Weak = WeakRef<object>\n`,
      by: "no-restricted-types",
    },
    {
      name: `${folder} walks the keys of an object in no stated order`,
      file: `${folder}/for-in-0.ts`,
      code: `export function f(o: object, seen: string[]): void {\n  for (const key in o) seen.push(key)\n}\n`,
      by: "guard-for-in",
    },
    {
      name: `${folder} exports a default`,
      file: `${folder}/default-0.ts`,
      code: `export default function f(): number {\n  return 1\n}\n`,
      by: "no-default-export",
    },
    {
      name: `${folder} has a camelCase file`,
      file: `${folder}/camelCase.ts`,
      code: "export {}\n",
      by: "filename-case",
    },
  ]),

  {
    name: "kernel has a cycle",
    file: "kernel/chicken.ts",
    code: `import { egg } from "./egg.ts"\n\nexport const chicken = (): number => egg()\n`,
    by: "no-cycle",
  },
  {
    name: "kernel has a cycle, seen from its other end",
    file: "kernel/egg.ts",
    code: `import { chicken } from "./chicken.ts"\n\nexport const egg = (): number => chicken()\n`,
    by: "no-cycle",
  },
  {
    name: "kernel leaves a variant out of a switch",
    file: "kernel/switch-0.ts",
    code: `export function f(kind: "a" | "b"): number {
  switch (kind) {
    case "a":
      return 1
  }
  return 2
}
`,
    by: "switch-exhaustiveness-check",
  },
  {
    name: "kernel sorts without saying by what",
    file: "kernel/sort-0.ts",
    code: `export const sorted = (numbers: number[]): number[] => numbers.sort()\n`,
    by: "require-array-sort-compare",
  },
  {
    name: "cli drops a promise",
    file: "cli/floating-0.ts",
    code: `import { readFile } from "node:fs/promises"\n\nexport function f(): void {\n  readFile("a")\n}\n`,
    by: "no-floating-promises",
  },
]

const lintRight: readonly Case[] = [
  {
    name: "kernel imports its own files, up and down",
    file: "kernel/room/right-0.ts",
    code: `import { one } from "../one.ts"\nimport type { Own } from "./right-1.ts"\n\nexport const own: Own = one\n`,
  },
  {
    name: "kernel takes an exact root",
    file: "kernel/room/right-1.ts",
    code: `export type Own = number\n\nexport const root: number = Math.sqrt(4)\n`,
  },
  { name: "net imports the kernel's door", file: "net/right-0.ts", code: GROUND["net/six.ts"]! },
  { name: "sim imports the kernel's door", file: "sim/right-0.ts", code: GROUND["sim/two.ts"]! },
  {
    name: "a plan imports seedrandom",
    file: "sim/plan/right-0.ts",
    code: `import seedrandom from "seedrandom"\nimport { one } from "#kernel"\n\nexport const drawn: number = seedrandom("1").int32() + one\n`,
  },
  {
    name: "the door for fast-check imports its types",
    file: "sim/library/fast-check-1.ts",
    code: `import type * as FastCheck from "fast-check"\n\nexport type Whole = FastCheck.Arbitrary<number>\n`,
  },
  {
    name: "a session imports both doors below it",
    file: "view/session/right-0.ts",
    code: `import { one } from "#kernel"\nimport { two } from "#sim"\n\nexport const sum: number = one + two\n`,
  },
  {
    name: "the page imports what it is drawn with",
    file: "view/page/right-0.ts",
    code: `import { signal } from "@preact/signals"\nimport { seven } from "../session/seven.ts"\n\nexport const shown: number = signal(seven).value\n`,
  },
  {
    name: "a scenario imports the library's door",
    file: "scenarios/smoke/right-0.ts",
    code: GROUND["scenarios/smoke/four.ts"]!,
  },
  {
    name: "cli imports both doors, a scenario, Node and its packages",
    file: "cli/right-0.ts",
    code: `import { readFile } from "node:fs/promises"
import { Command } from "commander"
import { one } from "#kernel"
import { main } from "#scenarios/smoke/four.ts"
import { two } from "#sim"
import { three } from "./three.ts"

export async function right(): Promise<number> {
  const text = await readFile(new Command().name(), "utf8")
  return text.length + one + two + three + main + Date.now()
}
`,
  },
  {
    name: "a test reaches past doors",
    file: "test/right-0.ts",
    code: `import { one } from "#kernel/one.ts"\nimport { two } from "#sim/two.ts"\n\nexport const sum: number = one + two\n`,
  },
]

const AMBIENT = [
  "setTimeout(f, 1)",
  "queueMicrotask(f)",
  "Buffer.from([1])",
  "process.exit()",
  "console.log(1)",
  "performance.now()",
  "structuredClone(1)",
  "new TextEncoder()",
  "crypto",
  "fetch",
]

/** By folder, since a project is not compiled while one it refers to has errors. */
const typeBreaches: Readonly<Record<string, readonly Breach[]>> = {
  kernel: [
    ...AMBIENT.map((expression, i) => uses("kernel", expression, `ambient-${i}`, "TS2xxx")),
    { ...imports("kernel imports sim", "kernel/arrow-0.ts", "#sim"), by: "TS6xxx" },
    { ...imports("kernel imports node:fs", "kernel/arrow-1.ts", "node:fs"), by: "TS2xxx" },
  ],
  sim: [
    ...AMBIENT.map((expression, i) => uses("sim", expression, `ambient-${i}`, "TS2xxx")),
    { ...imports("sim imports cli", "sim/arrow-0.ts", "#cli/three.ts"), by: "TS6xxx" },
    { ...imports("sim imports node:fs", "sim/arrow-1.ts", "node:fs"), by: "TS2xxx" },
  ],
  view: [
    ...AMBIENT.map((expression, i) => uses("view/session", expression, `ambient-${i}`, "TS2xxx")),
    { ...imports("a session imports cli", "view/session/arrow-0.ts", "#cli/three.ts"), by: "TS6xxx" },
    { ...imports("a session imports net", "view/session/arrow-1.ts", "#net"), by: "TS6xxx" },
  ],
  net: [
    { ...imports("net imports sim", "net/arrow-0.ts", "#sim"), by: "TS6xxx" },
    { ...imports("net imports cli", "net/arrow-1.ts", "#cli/three.ts"), by: "TS6xxx" },
  ],
  scenarios: [
    ...AMBIENT.map((expression, i) => uses("scenarios/smoke", expression, `ambient-${i}`, "TS2xxx")),
    { ...imports("a scenario imports cli", "scenarios/smoke/arrow-0.ts", "#cli/three.ts"), by: "TS6xxx" },
  ],
}

function imports(name: string, file: string, from: string): Breach {
  return { name, file, code: `export * from "${from}"\n`, by: IMPORTS }
}

function uses(folder: string, expression: string, slug: string, by: string): Breach {
  return {
    name: `${folder} says ${expression}`,
    file: `${folder}/${slug}.ts`,
    code: `export const f = (): unknown => ${expression}\n`,
    by,
  }
}

function plant(cases: readonly Case[]): PlantedTree {
  return new PlantedTree({ ...GROUND, ...Object.fromEntries(cases.map(({ file, code }) => [file, code])) })
}

function sameKind(found: string, wanted: string): boolean {
  return found === wanted || (wanted.endsWith("xxx") && found.startsWith(wanted.slice(0, -3)))
}

function assertRefused(complaints: readonly Complaint[], { file, by }: Breach): void {
  const own = complaints.filter((complaint) => complaint.file === file)
  assert.ok(
    own.some((complaint) => sameKind(complaint.by, by)),
    `${by} did not refuse ${file}; said of it: ${JSON.stringify(own)}`,
  )
}

describe("the linter refuses", () => {
  const tree = plant(lintBreaches)
  let complaints: readonly Complaint[] = []
  beforeAll(() => {
    complaints = tree.lint()
  })
  afterAll(() => tree.remove())

  test.each(lintBreaches)("$name", (breach) => assertRefused(complaints, breach))
})

describe("the linter is silent when", () => {
  const tree = plant(lintRight)
  let complaints: readonly Complaint[] = []
  beforeAll(() => {
    complaints = tree.lint()
  })
  afterAll(() => tree.remove())

  test.each(lintRight)("$name", ({ file }) => {
    assert.deepEqual(
      complaints.filter((complaint) => complaint.file === file),
      [],
    )
  })
})

describe.each(Object.entries(typeBreaches))("the compiler, in %s, refuses", (folder, breaches) => {
  // A package whose types pulled in Node's would open the fence for its whole project, so the libraries are there.
  const tree = plant([...breaches, ...lintRight])
  let complaints: readonly Complaint[] = []
  beforeAll(() => {
    complaints = tree.compile(folder)
  })
  afterAll(() => tree.remove())

  test.each(breaches)("$name", (breach) => assertRefused(complaints, breach))
})

test("the compiler is silent on the right tree, tests and command line included", () => {
  const tree = plant(lintRight)
  const complaints = ["test", "cli"].flatMap((folder) => tree.compile(folder))
  tree.remove()
  assert.deepEqual(complaints, [])
})
