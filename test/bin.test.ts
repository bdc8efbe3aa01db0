import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, test } from "vitest"

const BIN = readFileSync(join(import.meta.dirname, "../bin/orrery.js"), "utf8")
const NODE_MIN = "const NODE_MIN = [24, 12]"
const made: string[] = []

/** A tree with bin/orrery.js and these files. `old` makes any Node too old for it. */
function tree(files: Readonly<Record<string, string>>, old: boolean): string {
  const root = mkdtempSync(join(tmpdir(), "orrery-bin-"))
  made.push(root)
  assert.ok(BIN.includes(NODE_MIN))
  const bin = old ? BIN.replace(NODE_MIN, "const NODE_MIN = [999, 0]") : BIN
  const all = { "package.json": `{"type":"module"}`, "bin/orrery.js": bin, ...files }
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
    if (path.endsWith("/node")) chmodSync(join(root, path), 0o755)
  }
  return root
}

type Ended = {
  readonly status: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

function orrery(root: string, ...args: readonly string[]): Ended {
  return spawnSync(process.execPath, [join(root, "bin/orrery.js"), ...args], { encoding: "utf8" })
}

afterAll(() => {
  for (const root of made) rmSync(root, { recursive: true, force: true })
})

const CHECKOUT = { "cli/main.ts": "export {}\n" }

test("an old Node in a checkout goes on under the pinned one, with its arguments and exit code", () => {
  const pinned = `#!/bin/sh\nshift\necho "pinned:" "$@"\nexit 3\n`
  const { status, stdout } = orrery(
    tree({ ...CHECKOUT, "node_modules/node-any/bin/node": pinned }, true),
    "sim",
    "a b",
  )
  assert.equal(stdout, "pinned: sim a b\n")
  assert.equal(status, 3)
})

test("a pinned Node that dies of a signal takes this one along", () => {
  const pinned = `#!/bin/sh\nkill -KILL $$\n`
  const { signal } = orrery(tree({ ...CHECKOUT, "node_modules/node-any/bin/node": pinned }, true))
  assert.equal(signal, "SIGKILL")
})

test("an old Node in a checkout without a pinned one is told to run npm ci, exit 4", () => {
  const { status, stdout, stderr } = orrery(tree(CHECKOUT, true), "--version")
  assert.match(stderr, /needs Node 999\.0 or newer[\s\S]*npm ci/)
  assert.equal(stdout, "")
  assert.equal(status, 4)
})

test("an old Node in the package is told to install a newer one, exit 4", () => {
  const { status, stderr } = orrery(tree({ "cli/main.js": "" }, true), "--version")
  assert.match(stderr, /needs Node 999\.0 or newer[\s\S]*Install a newer Node/)
  assert.equal(status, 4)
})

test("the exit code is what the command line says, from TypeScript in a checkout and JavaScript in the package", () => {
  const typed = `export const main = async (argv: readonly string[]): Promise<number> => argv.length\n`
  assert.equal(orrery(tree({ "cli/main.ts": typed }, false), "a", "b").status, 2)
  const plain = `export const main = async (argv) => argv.length\n`
  assert.equal(orrery(tree({ "cli/main.js": plain }, false), "a", "b", "c").status, 3)
})

test("an error of our own is not a failed check: exit 4", () => {
  const main = `export const main = async () => {\n  throw new Error("ours")\n}\n`
  const { status, stderr } = orrery(tree({ "cli/main.js": main }, false))
  assert.match(stderr, /ours/)
  assert.equal(status, 4)
})
