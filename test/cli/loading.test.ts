import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { test } from "vitest"

const MAIN = new URL("../../cli/main.ts", import.meta.url).href
const SIMULATOR = new URL("../../cli/campaign/simulator.ts", import.meta.url).href
const ROOT = fileURLToPath(new URL("../..", import.meta.url))

/** Runs a command line in a process of its own; gives its exit code and every module that was loaded for it. */
async function loadedBy(
  args: readonly string[],
): Promise<{ readonly code: number; readonly urls: string[] }> {
  const script = `
    import { registerHooks } from "node:module"
    const urls = []
    registerHooks({ load: (url, context, next) => (urls.push(url), next(url, context)) })
    const { main } = await import(${JSON.stringify(MAIN)})
    const nowhere = { write: () => true }
    const host = { stdout: nowhere, stderr: nowhere, env: {}, cores: 1, engineUrl: ${JSON.stringify(SIMULATOR)}, onInterrupt: () => () => {} }
    const code = await main(${JSON.stringify(args)}, host)
    process.stdout.write(JSON.stringify({ code, urls }))`
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script], {
    cwd: ROOT,
    maxBuffer: 64 << 20,
  })
  return JSON.parse(stdout) as { readonly code: number; readonly urls: string[] }
}

const isOfNet = (url: string): boolean => /\/node_modules\/(@grpc|lmdb|pino)\/|\/net\/index\.ts$/.test(url)

test("a command that talks to stores loads sockets and files: they would be seen", async () => {
  const { code, urls } = await loadedBy(["status", "nowhere"])
  assert.equal(code, 2)
  for (const part of ["/node_modules/@grpc/", "/node_modules/lmdb/", "/net/index.ts"])
    assert.ok(
      urls.some((url) => url.includes(part)),
      part,
    )
})

for (const [line, loads, exits] of [
  ["sim list", SIMULATOR, 0],
  ["sim show smoke", SIMULATOR, 0],
  ["--help", MAIN, 0],
  ["start --help", MAIN, 0],
  ["chaos", MAIN, 2],
] as const) {
  test(`\`orrery ${line}\` loads none of it, and does what it is for`, async () => {
    const { code, urls } = await loadedBy(line.split(" "))
    assert.equal(code, exits)
    assert.ok(urls.includes(loads), loads)
    assert.deepEqual(urls.filter(isOfNet), [])
  })
}
