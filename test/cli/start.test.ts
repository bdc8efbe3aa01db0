import assert from "node:assert/strict"
import { join } from "node:path"
import { Command } from "commander"
import { afterEach, beforeEach, describe, test } from "vitest"
import { addStart } from "#cli/commands/start.ts"
import { EnvironmentError, UsageError } from "#cli/errors.ts"
import type { Host } from "#cli/host.ts"
import type { StartParts } from "#cli/node/start.ts"
import { until } from "../../bench/support/host-cluster.ts"
import { MemoryParts, NodeDirectory, nodeConfigOf } from "../support/node-directory.ts"

let directory: NodeDirectory
let parts: MemoryParts & Partial<StartParts>
let said: string
let interrupt: () => void
let codes: number[]

beforeEach(async () => {
  directory = new NodeDirectory()
  parts = new MemoryParts()
  said = ""
  codes = []
  interrupt = () => assert.fail("nobody listens for an interrupt")
  await directory.init(nodeConfigOf(1))
})
afterEach(() => directory.remove())

function start(...args: readonly string[]): Promise<unknown> {
  const host: Host = {
    stdout: { write: (text: string) => (said += text) },
    stderr: { write: () => true },
    env: {},
    cores: 1,
    engineUrl: "",
    onInterrupt: (heard) => {
      interrupt = heard
      return () => {}
    },
  }
  const openRecorder: StartParts["openRecorder"] = (_directory, _config, bytesMax) => {
    parts.events.push(`at most ${bytesMax}`)
    const watcher = { opened: () => parts.events.push("recorded"), stepped: () => {}, released: () => {} }
    const close = (): Promise<void> => {
      parts.events.push("close recorder")
      return Promise.resolve()
    }
    return Promise.resolve({ watcher, close })
  }
  const program = new Command("orrery").exitOverride()
  addStart(
    program,
    host,
    (code) => codes.push(code),
    () => Object.assign(parts, { openRecorder }),
  )
  return program.parseAsync(["start", directory.path, "--log-level", "silent", ...args], { from: "user" })
}

describe("orrery start", () => {
  test("runs a node until it is told to stop, says where it is, and ends with 0", async () => {
    const ended = start("--json")
    await until("it is up", () => said !== "")
    const ready = JSON.parse(said) as Record<string, unknown>
    assert.deepEqual(ready, {
      event: "ready",
      cluster: "01890a5d-ac96-774b-bcce-b302099a8057",
      store: 1,
      host: "127.0.0.1",
      peerPort: 7_001,
      clientPort: 8_001,
      pid: process.pid,
    })
    interrupt()
    await ended
    assert.deepEqual(codes, [0])
    assert.deepEqual(parts.events.slice(-3), ["close api", "close links", "close disk"])
  })

  test("has its life written down when asked to", async () => {
    const ended = start("--record", join(directory.path, "recording"))
    await until("it is up", () => said !== "")
    assert.equal(
      said,
      `Store 1 of cluster "01890a5d-ac96-774b-bcce-b302099a8057" is up: clients at 127.0.0.1:8001, stores at 127.0.0.1:7001\n`,
    )
    interrupt()
    await ended
    assert.ok(parts.events.includes("recorded"))
    assert.ok(parts.events.includes("at most null"))
    assert.equal(parts.events.at(-1), "close recorder")
  })

  test("bounds what it writes down when told to, and refuses a bound that means nothing", async () => {
    const record = ["--record", join(directory.path, "recording"), "--record-max-bytes"]
    const ended = start(...record, "64MiB")
    await until("it is up", () => said !== "")
    interrupt()
    await ended
    assert.ok(parts.events.includes("at most 67108864"))
    for (const bad of ["64MB", "-1", "1e9", "1023KiB", "99999999TiB", ""])
      await assert.rejects(start(...record, bad), UsageError, bad)
    await assert.rejects(start("--record-max-bytes", "64MiB"), /there is no --record to bound/)
  })

  test("ends with what the environment would not do: a store that stopped, by its code", async () => {
    const ended = start()
    await until("it is up", () => said !== "")
    parts.disk!.tell({ type: "appendFailed", volume: 1, lsn: 1, detail: "EIO" })
    await assert.rejects(
      ended,
      (error) => error instanceof EnvironmentError && /syncFailed/.test(error.message),
    )
    assert.deepEqual(parts.events.slice(-3), ["close api", "close links", "close disk"])
  })

  test("one that was told to stop while it started stops", async () => {
    parts.whenOpened = () => interrupt()
    await start()
    assert.deepEqual(codes, [0])
  })

  test("refuses what cannot be meant with the nearest name", async () => {
    directory.write(JSON.stringify(nodeConfigOf(1, { timing: { leseUs: 1 } })))
    await assert.rejects(
      start(),
      (error) =>
        error instanceof UsageError &&
        error.message.endsWith(`unknown key "leseUs", did you mean "leaseUs"?`),
    )
    await assert.rejects(start("--log-level", "inof"), /did you mean "info"/)
    directory.remove()
    await assert.rejects(
      start(),
      (error) => error instanceof UsageError && /`orrery init` makes/.test(error.message),
    )
  })
})
