import assert from "node:assert/strict"
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net"
import { afterEach, describe, test } from "vitest"
import { Link } from "#cli/real/link.ts"
import { FaultNetwork, linksBetween } from "#cli/real/network.ts"

const LOOPBACK = "127.0.0.1"
const WAIT_MS = 10_000

const opened: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

/** A server that keeps what it hears of every connection, and says what it is told to say. */
class Far {
  readonly server: Server
  readonly sockets: Socket[] = []
  heard = ""
  ends = 0

  constructor(server: Server) {
    this.server = server
    server.on("connection", (socket) => {
      this.sockets.push(socket)
      socket.on("data", (bytes) => (this.heard += bytes.toString("latin1")))
      socket.on("end", () => this.ends++)
      socket.on("error", () => {})
    })
  }

  static async listen(): Promise<Far> {
    const server = createServer({ allowHalfOpen: true })
    const far = new Far(server)
    await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve))
    opened.push({
      close: () => {
        for (const socket of far.sockets) socket.destroy()
        server.close()
      },
    })
    return far
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }
}

class Near {
  readonly socket: Socket
  heard = ""
  error: string | null = null
  hasEnded = false
  isClosed = false

  constructor(port: number) {
    this.socket = connect({ host: LOOPBACK, port })
    this.socket.on("data", (bytes) => (this.heard += bytes.toString("latin1")))
    this.socket.on("error", (error: NodeJS.ErrnoException) => (this.error = error.code ?? error.message))
    this.socket.on("end", () => (this.hasEnded = true))
    this.socket.on("close", () => (this.isClosed = true))
    opened.push({ close: () => this.socket.destroy() })
  }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const endAt = performance.now() + WAIT_MS
  while (!holds()) {
    assert.ok(performance.now() < endAt, `waited in vain: ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

async function linkTo(far: Far): Promise<Link> {
  const link = await Link.listen(LOOPBACK, far.port)
  opened.push(link)
  return link
}

describe("a link", () => {
  test("passes bytes both ways, and the end of each half", async () => {
    const far = await Far.listen()
    const near = new Near((await linkTo(far)).port)
    near.socket.write("question")
    await until("the question", () => far.heard === "question")
    far.sockets[0]!.write("answer")
    await until("the answer", () => near.heard === "answer")
    near.socket.end()
    await until("the end", () => far.ends === 1)
    far.sockets[0]!.end("late")
    await until("what came after it", () => near.heard === "answerlate" && near.hasEnded)
    await until("the close", () => near.isClosed && near.error === null)
  })

  test("passes more than fits in any buffer, whole and in order", async () => {
    const far = await Far.listen()
    const near = new Near((await linkTo(far)).port)
    const text = Array.from({ length: 400_000 }, (_, index) => `${index},`).join("")
    near.socket.write(text)
    await until("all of it", () => far.heard.length === text.length)
    assert.equal(far.heard, text)
  })

  test("that is cut passes nothing, tells nobody, and delivers what waited once it heals", async () => {
    const far = await Far.listen()
    const link = await linkTo(far)
    const near = new Near(link.port)
    near.socket.write("a")
    await until("the first byte", () => far.heard === "a")
    link.set({ type: "cut" })
    near.socket.write("b")
    far.sockets[0]!.write("c")
    // One who dials now is taken and hears nothing: nobody is dialled for him.
    const late = new Near(link.port)
    late.socket.write("d")
    await until("the second connection", () => link.connections === 2)
    await until("the far word at the link", () => link.affected >= 1)
    assert.equal(far.heard, "a")
    assert.equal(near.heard, "")
    assert.equal(far.sockets.length, 1)
    assert.equal(near.isClosed || late.isClosed, false)
    link.set({ type: "open" })
    await until("what waited", () => near.heard === "c" && ["abd", "adb"].includes(far.heard))
  })

  test("that is half open loses what is said, tells the far end, and tells the near one when it heals", async () => {
    const far = await Far.listen()
    const link = await linkTo(far)
    const near = new Near(link.port)
    near.socket.write("a")
    await until("the first byte", () => far.heard === "a")
    const closed = new Promise((resolve) => far.sockets[0]!.once("close", resolve))
    link.set({ type: "halfOpen" })
    await closed
    // More than any buffer holds: one who is not read would notice.
    await new Promise((resolve) => near.socket.write("b".repeat(8 << 20), resolve))
    assert.equal(near.isClosed, false)
    assert.equal(far.heard, "a")
    link.set({ type: "open" })
    await until("the reset", () => near.isClosed && near.error === "ECONNRESET")
    const again = new Near(link.port)
    again.socket.write("c")
    await until("a new connection", () => far.heard === "ac")
  })

  test("that dribbles lets through no more than its bytes a second, and the rest at once when it heals", async () => {
    const far = await Far.listen()
    const link = await linkTo(far)
    const near = new Near(link.port)
    link.set({ type: "slow", delayMs: 0, bytesPerSecond: 200 })
    const text = "0123456789".repeat(1_000)
    const startedAt = performance.now()
    near.socket.write(text)
    await until("some of it", () => far.heard.length >= 60)
    // The first part goes at once, each other one when the one before has had its time.
    assert.ok(performance.now() - startedAt >= 200, `60 bytes after ${performance.now() - startedAt} ms`)
    assert.ok(far.heard.length < text.length)
    link.set({ type: "open" })
    await until("all of it", () => far.heard === text)
  })

  test("that is late delivers in order, none before its time", async () => {
    const far = await Far.listen()
    const link = await linkTo(far)
    const near = new Near(link.port)
    near.socket.write("a")
    await until("the first byte", () => far.heard === "a")
    link.set({ type: "slow", delayMs: 150, bytesPerSecond: Number.POSITIVE_INFINITY })
    const startedAt = performance.now()
    near.socket.write("b")
    await until("the late byte", () => far.heard === "ab")
    assert.ok(performance.now() - startedAt >= 149)
    near.socket.write("c")
    link.set({ type: "open" })
    near.socket.write("d")
    await until("the others", () => far.heard === "abcd")
  })

  test("resets both sides, and a far end that refuses resets the near one", async () => {
    const far = await Far.listen()
    const link = await linkTo(far)
    const near = new Near(link.port)
    near.socket.write("a")
    await until("the first byte", () => far.heard === "a")
    link.reset()
    await until("the reset", () => near.error === "ECONNRESET")
    for (const socket of far.sockets) socket.destroy()
    await new Promise((resolve) => far.server.close(resolve))
    const refused = new Near(link.port)
    await until("the refusal", () => refused.isClosed)
  })
})

describe("a network of links", () => {
  test("cuts one way and not the other, shows the worst of several faults, and heals", async () => {
    const fars = [await Far.listen(), await Far.listen()] as const
    const network = await FaultNetwork.open(LOOPBACK, [1, 2], (store) => fars[store - 1]!.port)
    opened.push(network)
    const there = new Near(network.portOf(1, 2))
    const back = new Near(network.portOf(2, 1))
    there.socket.write("a")
    back.socket.write("x")
    await until("both", () => fars[1].heard === "a" && fars[0].heard === "x")
    network.apply(1, linksBetween([1], [2], true), { type: "cut" })
    network.apply(2, linksBetween([1], [2], false), { type: "slow", delayMs: 5, bytesPerSecond: 1_000_000 })
    there.socket.write("b")
    back.socket.write("y")
    await until("the way back", () => fars[0].heard === "xy")
    assert.equal(fars[1].heard, "a")
    assert.equal(network.stateOf(1, 2).type, "cut")
    network.lift(1)
    await until("the way there", () => fars[1].heard === "ab")
    assert.equal(network.stateOf(1, 2).type, "slow")
    assert.ok(network.affected(linksBetween([1], [2], false)) > 0)
    network.heal()
    assert.deepEqual([network.stateOf(1, 2).type, network.stateOf(2, 1).type], ["open", "open"])
  })

  test("links between stores are told once each", () => {
    const both = linksBetween([1, 2], [2, 3], false).map(({ from, to }) => `${from}${to}`)
    assert.deepEqual(both.toSorted(), ["12", "13", "21", "23", "31", "32"])
    assert.deepEqual(linksBetween([1], [1, 2], true), [{ from: 1, to: 2 }])
  })
})
