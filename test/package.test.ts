import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { stripTypeScriptTypes } from "node:module"
import { delimiter, dirname, join } from "node:path"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, test } from "vitest"

// The package as a stranger meets it: built, packed, installed into an empty project, run and imported there.

const ROOT = join(import.meta.dirname, "..")
const TEMP = mkdtempSync(join(tmpdir(), "orrery-package-"))
const DIST = join(TEMP, "dist")
const PROJECT = join(TEMP, "project")

type Ended = { readonly stdout: string; readonly stderr: string }

/** Runs a program to its end with this very Node first in its path; rejects if it exits with anything but 0. */
async function run(program: string, args: readonly string[], cwd: string): Promise<Ended> {
  const path = [dirname(process.execPath), process.env["PATH"]].join(delimiter)
  // Nothing of the npm that runs this test may reach the npm of the empty project.
  const own = Object.entries(process.env).filter(
    ([name]) => !/^npm_|^NODE_OPTIONS$|^INIT_CWD$|^VITEST/i.test(name),
  )
  const env = { ...Object.fromEntries(own), PATH: path, NO_COLOR: "1" }
  return promisify(execFile)(program, args, { cwd, env, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 })
}

/** A file of the checkout as a JavaScript project would have it. */
function javascriptOf(path: string): string {
  return stripTypeScriptTypes(readFileSync(join(ROOT, path), "utf8"))
}

let packed: readonly string[] = []

beforeAll(async () => {
  await run(process.execPath, [join(ROOT, "build.ts"), DIST], ROOT)
  mkdirSync(PROJECT)
  const { stdout } = await run("npm", ["pack", DIST, "--json", "--pack-destination", TEMP], TEMP)
  packed = pathsIn(JSON.parse(stdout))
  const tarball = join(
    TEMP,
    readdirSync(TEMP).find((name) => name.endsWith(".tgz"))!,
  )
  writeFileSync(
    join(PROJECT, "package.json"),
    JSON.stringify({ name: "empty", private: true, type: "module" }),
  )
  await run(
    "npm",
    ["install", tarball, "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts"],
    PROJECT,
  )
}, 300_000)

afterAll(() => rmSync(TEMP, { recursive: true, force: true }))

/** npm gives a list of packages or a record of them, depending on its version. */
function pathsIn(listing: Record<string, { files: { path: string }[] }>): string[] {
  return Object.values(listing).flatMap(({ files }) => files.map(({ path }) => path))
}

test("the tarball holds JavaScript, declarations and the licence, and no TypeScript source", () => {
  for (const path of [
    "package.json",
    "LICENSE",
    "README.md",
    "bin/orrery.js",
    "cli/main.js",
    "sim/index.d.ts",
    "net/client/index.d.ts",
    "view/page.html",
    "view/index.js",
    "net/api/orrery.proto",
  ]) {
    assert.ok(packed.includes(path), `${path} is missing`)
  }
  assert.deepEqual(
    packed.filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts")),
    [],
  )
})

test("no module in the package names a TypeScript file", () => {
  const names = /(?:\bfrom|\bimport\(?|\bnew URL\()\s*["'`](?:\.|#)[^"'`]*\.ts["'`]/
  const modules = packed.filter((path) => /\.js$|\.d\.ts$/.test(path) && path !== "bin/orrery.js")
  assert.ok(modules.length > 0)
  assert.deepEqual(
    modules.filter((path) => names.test(readFileSync(join(DIST, path), "utf8"))),
    [],
  )
})

test("npx orrery --version gives the version of the checkout it was built from", async () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string }
  const { stdout } = await run("npx", ["orrery", "--version"], PROJECT)
  assert.equal(stdout.trim(), version)
})

describe.skipIf(!existsSync(join(ROOT, "scenarios/smoke")))("in an empty project", () => {
  test("npx orrery sim run passes", async () => {
    await run("npx", ["orrery", "sim", "run", "smoke", "--seeds", "2"], PROJECT)
  })

  test("npx orrery sim zoo, which plants bugs in sources, asks for a checkout", async () => {
    await assert.rejects(run("npx", ["orrery", "sim", "zoo"], PROJECT), (ended: Ended & { code: number }) => {
      assert.match(ended.stderr, /The zoo needs a checkout/)
      return ended.code === 4
    })
  })

  test("npx orrery sim view writes the page, whole, without a bundler", async () => {
    await run("npx", ["orrery", "sim", "view", "smoke", "--seed", "1", "--out", "run.html"], PROJECT)
    const page = readFileSync(join(PROJECT, "run.html"), "utf8")
    assert.match(
      page,
      /<script type="application\/json" id="subject">\{"name":"smoke seed 1"|"scenario":"smoke"/,
    )
    assert.ok(!existsSync(join(PROJECT, "node_modules/esbuild")))
    const size = Buffer.byteLength(page)
    assert.ok(size > 200_000 && size < 5 << 20, `${size} bytes`)
    await run("npx", ["orrery", "sim", "export", "smoke", "--seed", "1", "--edn", "run.edn"], PROJECT)
    assert.match(readFileSync(join(PROJECT, "run.edn"), "utf8"), /^\{:index 0, /)
  })

  test("orrery/sim runs a scenario, and the same seed twice gives the same trace hash", async () => {
    writeFileSync(
      join(PROJECT, "own.js"),
      `import { drawPlan, scenario, simulate } from "orrery/sim"
const own = scenario({
  name: "own",
  about: "A cluster of three under the default faults.",
  cluster: { stores: 3 },
  workload: { kinds: ["register"], clients: 2, operations: 50 },
  faults: { swarm: "all" },
  smallBecause: "It is only here to be run.",
})
const [first, second] = [simulate(drawPlan(own, 1)), simulate(drawPlan(own, 1))]
if (first.verdict !== "valid") throw new Error(JSON.stringify(first.violation))
if (first.traceHash !== second.traceHash) throw new Error("two runs of one seed differ")
console.log(first.traceHash)
`,
    )
    const { stdout } = await run(process.execPath, ["own.js"], PROJECT)
    assert.match(stdout, /^[0-9a-f]{16}\n$/)
  })

  test("orrery/sim finds the bug in a machine of the user's, makes it small, and replays it", async () => {
    // The example of docs/library as it stands there, its types taken off.
    writeFileSync(join(PROJECT, "lock-service.js"), javascriptOf("docs/library/lock-service.ts"))
    writeFileSync(
      join(PROJECT, "locks.js"),
      `import { careful, hasty } from "./lock-service.js"
const { failure } = hasty.hunt({ seeds: 40 })
if (failure === null) throw new Error("the bug was not found")
const small = hasty.shrink(failure.plan)
const capsule = hasty.capsule(small.result)
if (!hasty.replay(capsule).same) throw new Error("the capsule gives another run")
if (careful.replay(capsule).result.verdict !== "valid") throw new Error("the repaired one fails too")
console.log(small.plan.faults.length, small.result.traceHash)
`,
    )
    const { stdout } = await run(process.execPath, ["locks.js"], PROJECT)
    assert.match(stdout, /^1 [0-9a-f]{16}\n$/)
  })

  test("its declarations compile in a strict project that has no types of Node's", async () => {
    writeFileSync(
      join(PROJECT, "own.ts"),
      `import { scenario, simulate } from "orrery/sim"\n\nexport const both: readonly unknown[] = [scenario, simulate]\n`,
    )
    writeFileSync(join(PROJECT, "counter.ts"), readFileSync(join(ROOT, "docs/library/counter.ts"), "utf8"))
    const flags = "--noEmit --strict --module nodenext --target es2024 --lib es2024 --types".split(" ")
    await run(join(ROOT, "node_modules/.bin/tsc"), [...flags, "", "own.ts", "counter.ts"], PROJECT)
  })

  test("orrery/sim loads without fast-check, and its own door takes it as an argument", async () => {
    assert.ok(!existsSync(join(PROJECT, "node_modules/fast-check")))
    writeFileSync(
      join(PROJECT, "plans.js"),
      `import { plans } from "orrery/sim/fast-check"\nconsole.log(typeof plans)\n`,
    )
    const { stdout } = await run(process.execPath, ["plans.js"], PROJECT)
    assert.equal(stdout, "function\n")
  })

  test("orrery/client loads, and says at once when no cluster is where it is told", async () => {
    writeFileSync(
      join(PROJECT, "client.js"),
      `import { connect, OrreryError } from "orrery/client"
const tls = { ca: Buffer.alloc(0), cert: Buffer.alloc(0), key: Buffer.alloc(0) }
const stores = [{ store: 1, host: "127.0.0.1", clientPort: 9 }]
if (typeof OrreryError !== "function") throw new Error("no errors")
try {
  connect({ config: "nowhere" })
} catch (error) {
  console.log(error.code)
}
connect({ stores, tls }).close()
`,
    )
    const { stdout } = await run(process.execPath, ["client.js"], PROJECT)
    assert.equal(stdout, "configUnreadable\n")
  })
})
