import assert from "node:assert/strict"
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeEach, describe, test } from "vitest"
import { BirthError, NodeLog, startNode, StoppedError, type NodeOptions, type NodeServer } from "#net"
import { until } from "../../bench/support/host-cluster.ts"
import { MemoryParts, NodeDirectory, nodeConfigOf } from "../support/node-directory.ts"

let directory: NodeDirectory
let parts: MemoryParts
let lines: Record<string, unknown>[]

function options(more: Partial<NodeOptions> = {}): NodeOptions {
  const stream = { write: (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>) }
  const log = new NodeLog({ level: "debug", isPretty: false, stream }, 1, "orbit")
  return { log, watcher: null, isLost: false, ...more }
}

function startIt(more: Partial<NodeOptions> = {}): Promise<NodeServer> {
  return startNode(directory.path, nodeConfigOf(1), parts, options(more))
}

beforeEach(async () => {
  directory = new NodeDirectory()
  parts = new MemoryParts()
  lines = []
  await directory.init(nodeConfigOf(1))
})
afterEach(() => directory.remove())

describe("a node of its directory", () => {
  test("opens disk, peers and clients in this order, and closes them in the other", async () => {
    const server = await startIt()
    await server.close()
    await server.close()
    assert.deepEqual(parts.events, [
      "open disk",
      "open links",
      "open api",
      "close api",
      "close links",
      "close disk",
    ])
  })

  test("a port that is taken leaves nothing open behind it", async () => {
    const error = Object.assign(new Error("listen EADDRINUSE"), { code: "EADDRINUSE" })
    parts.refusal = { part: "api", error }
    await assert.rejects(startIt(), error)
    assert.deepEqual(parts.events, ["open disk", "open links", "close links", "close disk"])
  })

  test("remembers that it has lived before it says anything, and tells its log what it did", async () => {
    const server = await startIt()
    await until("it has spoken", () => parts.wire.frames > 0)
    const birth = JSON.parse(readFileSync(join(directory.path, "birth.json"), "utf8")) as unknown
    assert.deepEqual(birth, { format: 1, born: true })
    await server.close()
    assert.ok(lines.some(({ event, verdict }) => event === "recovered" && verdict === "empty"))
  })

  test("is closed when all that it began to write is written", async () => {
    for (let i = 0; i < 20; i++) {
      const own = new NodeDirectory()
      await own.init(nodeConfigOf(1))
      const server = await startNode(own.path, nodeConfigOf(1), new MemoryParts(), options())
      await server.close()
      assert.deepEqual(readdirSync(own.path).toSorted(), ["birth.json", "node.json"])
      own.remove()
    }
  })

  test("does not start when nobody knows whether it has lived, unless its operator says that it was lost", async () => {
    rmSync(join(directory.path, "birth.json"))
    await assert.rejects(startIt(), (error) => error instanceof BirthError && error.code === "birthUnknown")
    assert.deepEqual(parts.events, ["open disk", "close disk"])
    const server = await startIt({ isLost: true })
    // The first incarnation is the document's, and is given away.
    assert.notEqual(server.host.identity()!.incarnation, 1)
    await server.close()
  })

  test("does not start on a record of its birth that it cannot read", async () => {
    for (const text of ["", "{}", `{"format":2,"born":false}`, `{"format":1,"born":"no"}`, "null"]) {
      writeFileSync(join(directory.path, "birth.json"), text)
      await assert.rejects(
        startIt(),
        (error) => error instanceof BirthError && error.code === "birthUnreadable",
      )
    }
  })

  test("a disk of another store stops it before any door is opened", async () => {
    const server = await startIt()
    await until("its name is durable", () => parts.wire.frames > 0)
    await server.close()
    parts.events.length = 0
    const other = startNode(directory.path, nodeConfigOf(2), parts, options())
    await assert.rejects(
      other,
      (error) => error instanceof StoppedError && error.stop.code === "identityMismatch",
    )
    assert.deepEqual(parts.events, ["open disk", "close disk"])
  })

  test("says when it stopped by itself, and why", async () => {
    const server = await startIt()
    parts.disk!.tell({ type: "checkpointFailed", volume: 1, checkpoint: 1, detail: "EIO" })
    assert.equal((await server.stopped).code, "checkpointFailed")
    await server.close()
    assert.ok(lines.some(({ event, detail }) => event === "checkpointFailed" && detail === "EIO"))
  })
})

describe("the log of a node", () => {
  test("holds transitions and nothing that happens with every request", () => {
    const { log } = options()
    log.observed({ type: "roleChanged", group: 1, replica: 2, term: 3, role: "leader" })
    log.observed({ type: "committed", group: 1, replica: 2, term: 3, index: 4 })
    log.observed({ type: "mark", name: "raft.splitVote" })
    assert.deepEqual(
      lines.map(({ event, role, store, cluster }) => ({ event, role, store, cluster })),
      [{ event: "roleChanged", role: "leader", store: 1, cluster: "orbit" }],
    )
  })

  test("is one line for people when they ask for it", () => {
    const written: string[] = []
    const stream = { write: (line: string) => written.push(line) }
    const log = new NodeLog({ level: "info", isPretty: true, stream }, 1, "orbit")
    log.observed({ type: "fenced", reason: "clock", fenced: true })
    assert.match(written.join(""), /^\d\d:\d\d:\d\d\.\d{3} warn {2}1 fenced reason="clock" fenced=true\n$/)
  })
})
