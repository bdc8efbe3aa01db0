import assert from "node:assert/strict"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "vitest"
import { StoppedError } from "#net"
import { NodeCluster } from "../support/node-cluster.ts"
import { orrery } from "./support/terminal.ts"

type Report = {
  readonly found: readonly Readonly<Record<string, number>>[]
  readonly recovered: readonly Readonly<Record<string, number | boolean>>[]
  readonly refused: readonly { readonly code: string }[]
  readonly isDone: boolean
}

/** Turns a bit of the middle of what was written to the log of tenant 0. */
function spoilLog(directory: string): void {
  const folder = join(directory, "tenants", "0", "wal")
  const path = join(folder, readdirSync(folder).toSorted().at(-2)!)
  const bytes = readFileSync(path)
  let used = bytes.length
  while (used > 0 && bytes[used - 1] === 0) used--
  bytes[Math.floor(used * 0.6)]! ^= 0x10
  writeFileSync(path, bytes)
}

function snapshot(directory: string): string {
  const folder = join(directory, "tenants", "0", "wal")
  return readdirSync(folder)
    .map((name) => `${name} ${readFileSync(join(folder, name)).toString("base64")}`)
    .join("\n")
}

test("a node whose only log is damaged says what to do, does nothing by a look, and goes on once the loss is accepted", async () => {
  // A start grants no vote before the longest lease is over, and there are three of them.
  const timing = { heartbeatUs: 50_000, electionUsMin: 200_000, electionUsMax: 400_000, livenessUs: 200_000 }
  const cluster = await NodeCluster.start(1, {
    config: () => ({ timing: { ...timing, supportUs: 900_000, leaseUs: 900_000 } }),
  })
  const directory = cluster.directoryOf(1)
  try {
    const client = cluster.client()
    for (let i = 0; i < 40; i++) await client.put(`key ${i}`, `value ${i}`)
    assert.equal((await orrery(["range", "recover", directory])).code, 4, "it runs")
    await cluster.stop(1)
    spoilLog(directory)
    await assert.rejects(
      cluster.start(1),
      (error) => error instanceof StoppedError && error.stop.code === "corruptSingleReplica",
    )
    const before = snapshot(directory)
    const look = await orrery(["range", "recover", directory])
    assert.equal(look.code, 1)
    const [, seen] = /--seen (\S+) --accept-data-loss/.exec(look.stdout)!
    const [, , incarnation] = seen!.split("/")
    assert.equal(seen, `1/1/${incarnation}/1`)
    const without = await orrery(["range", "recover", directory, "--seen", seen])
    assert.equal(without.code, 2)
    assert.match(
      without.stdout,
      /Group 1, replica 1: would go on from entry \d+ in generation 2\. Lost: entries/,
    )
    assert.match(without.stderr, /only with --accept-data-loss/)
    assert.equal(snapshot(directory), before, "nothing was written by now")
    const accepted = ["range", "recover", directory, "--seen", seen, "--accept-data-loss", "--json"]
    const done = await orrery(accepted)
    assert.equal(done.code, 0, done.stderr)
    assert.match(done.stderr, /groupRecovered/)
    const report = JSON.parse(done.stdout) as Report
    assert.equal(report.isDone, true)
    assert.deepEqual(
      report.recovered.map(({ generation, isLogLost, isStateLost }) => [generation, isLogLost, isStateLost]),
      [[2, true, false]],
    )
    const again = await orrery(accepted)
    assert.equal(again.code, 1)
    assert.deepEqual(
      (JSON.parse(again.stdout) as Report).refused.map(({ code }) => code),
      ["otherGeneration"],
    )
    const server = await cluster.start(1)
    const late = cluster.client()
    assert.equal(Buffer.from((await late.get("key 0"))!).toString(), "value 0")
    assert.equal(await late.get("key 39"), null, "it was behind what is lost")
    await late.put("key 39", "anew")
    assert.equal(server.host.groups()[0]!.recoveredAt, report.recovered[0]!["index"])
  } finally {
    await cluster.close()
  }
})

test("an act that cannot be meant is refused before anything is opened", async () => {
  for (const [args, says] of [
    [["--accept-data-loss"], /say of which group by --seen/],
    [["--seen", "1/1/1"], /is not of the form group\/replica\/incarnation\/generation/],
    [["--seen", "1/1/1/x"], /"x" is not a whole number/],
    [["--seen", "0/1/1/1"], /0 lies outside/],
    [["--seen", "1/1/1/1"], /nowhere/],
  ] as const) {
    const { code, stderr } = await orrery(["range", "recover", "nowhere", ...args])
    assert.equal(code, 2, stderr)
    assert.match(stderr, says)
  }
})
