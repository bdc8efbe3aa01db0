import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterEach, beforeEach, test } from "vitest"
import { connect } from "#net"
import { NodeCluster } from "../../support/node-cluster.ts"

const ROOT = join(import.meta.dirname, "..", "..", "..")
const [EXAMPLE, ...OTHERS] = readFileSync(join(ROOT, "docs", "CLIENT.md"), "utf8")
  .split("```ts\n")
  .slice(1)
  .map((rest) => rest.split("```")[0]!)

let cluster: NodeCluster

beforeEach(async () => {
  cluster = await NodeCluster.start(1)
})
afterEach(() => cluster.close())

test("the example of docs/CLIENT.md does what it says, by the door of the package", async () => {
  assert.equal(OTHERS.length, 0, "there is one example")
  const program = EXAMPLE!.replace(`"demo/client"`, JSON.stringify(cluster.made.client))
  assert.notEqual(program, EXAMPLE)
  const told = `
    console.log(JSON.stringify({
      greeting: String(greeting), visits, isMine, more,
      rows: rows.map(({ key, value }) => [String(key), String(value)]), both: both.map(String),
      unknown: OutcomeUnknownError.name,
    }))`
  const run = promisify(execFile)
  const args = ["--input-type=module-typescript", "--eval", program + told]
  const { stdout } = await run(process.execPath, args, { cwd: ROOT, timeout: 40_000 })
  assert.deepEqual(JSON.parse(stdout), {
    greeting: "hello",
    visits: 1,
    isMine: true,
    more: false,
    rows: [["greeting", "hello"]],
    both: ["null", "hello"],
    unknown: "OutcomeUnknownError",
  })
})

test("a directory that is no client's is refused as a configuration is, with its code", () => {
  const directory = cluster.made.client
  assert.throws(() => connect({ config: join(directory, "..") }), { code: "configUnreadable" })
  writeFileSync(join(directory, "client.json"), "{")
  assert.throws(() => connect({ config: directory }), { code: "configNotJson" })
  writeFileSync(join(directory, "client.json"), `{"format":2}`)
  assert.throws(() => connect({ config: directory }), { code: "configFormat" })
})
