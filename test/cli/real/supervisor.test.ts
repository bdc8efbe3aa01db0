import assert from "node:assert/strict"
import { fork } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { afterEach, beforeEach, test } from "vitest"
import { EnvironmentError } from "#cli/errors.ts"
import { Supervisor, type ProcessSpec } from "#cli/real/supervisor.ts"

const WAIT_MS = 20_000

let dir = ""
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "orrery-supervisor-"))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

function spec(name: string, script: string): ProcessSpec {
  return { name, command: process.execPath, args: ["-e", script], cwd: dir, log: join(dir, `${name}.log`) }
}

const FOREVER = `console.log("up"); setInterval(() => {}, 1000);`

async function until(what: string, holds: () => boolean): Promise<void> {
  const endAt = performance.now() + WAIT_MS
  while (!holds()) {
    assert.ok(performance.now() < endAt, `waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

function textOf(file: string): string {
  const path = join(dir, file)
  return existsSync(path) ? readFileSync(path, "utf8") : ""
}

/** A process that has ended and was waited for has no number any more. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test("a process is started with its own log, and its end is told: by code, by signal, by SIGTERM at the close", async () => {
  const supervisor = await Supervisor.open()
  const coded = await supervisor.start(
    spec("coded", `console.log("out"); console.error("err"); process.exitCode = 7`),
  )
  assert.deepEqual(await coded.exited, { code: 7, signal: null })
  assert.equal(textOf("coded.log"), "out\nerr\n")
  const killed = await supervisor.start(spec("killed", FOREVER))
  killed.signal("SIGKILL")
  assert.deepEqual(await killed.exited, { code: null, signal: "SIGKILL" })
  const polite = await supervisor.start(
    spec("polite", `process.on("SIGTERM", () => process.exit(0)); ${FOREVER}`),
  )
  await until("it is up", () => textOf("polite.log") === "up\n")
  await supervisor.close()
  assert.deepEqual(polite.exit, { code: 0, signal: null })
  await assert.rejects(supervisor.start(spec("late", FOREVER)), EnvironmentError)
})

test("a restart writes on in the same log", async () => {
  const supervisor = await Supervisor.open()
  for (let boot = 0; boot < 2; boot++)
    await (
      await supervisor.start(spec("node", `console.log("up")`))
    ).exited
  await supervisor.close()
  assert.equal(textOf("node.log"), "up\nup\n")
})

test.skipIf(process.platform !== "linux")(
  "a stopped process stands still, goes on, and is ended at the close though it stands still",
  async () => {
    const supervisor = await Supervisor.open()
    const child = await supervisor.start(spec("ticker", `setInterval(() => console.log("tick"), 5)`))
    await until("it ticks", () => textOf("ticker.log").length > 20)
    child.signal("SIGSTOP")
    await until("the kernel says so", () =>
      /^State:\s+T/m.test(readFileSync(`/proc/${child.pid}/status`, "utf8")),
    )
    const still = textOf("ticker.log").length
    assert.equal(child.isStopped, true)
    child.signal("SIGCONT")
    await until("it goes on", () => textOf("ticker.log").length > still)
    child.signal("SIGSTOP")
    await supervisor.close()
    assert.equal(child.exit?.signal, "SIGTERM")
    assert.equal(isAlive(child.pid), false)
  },
)

test("one that does not hear SIGTERM is killed when its time is up", async () => {
  const supervisor = await Supervisor.open()
  const child = await supervisor.start(spec("deaf", `process.on("SIGTERM", () => {}); ${FOREVER}`))
  await until("it is up", () => textOf("deaf.log") === "up\n")
  await supervisor.close(50)
  assert.deepEqual(child.exit, { code: null, signal: "SIGKILL" })
})

test("what cannot run is refused by name", async () => {
  const supervisor = await Supervisor.open()
  const nothing = { ...spec("nothing", ""), command: join(dir, "no-such-program") }
  await assert.rejects(supervisor.start(nothing), /Cannot start nothing: .*ENOENT/)
  await assert.rejects(
    supervisor.start({ ...spec("unlogged", ""), log: join(dir, "no/such/log") }),
    EnvironmentError,
  )
  await supervisor.close()
})

test("no process outlives a supervisor that was killed, not even one that stands still", async () => {
  const door = pathToFileURL(join(import.meta.dirname, "../../../cli/real/supervisor.ts")).href
  const script = join(dir, "owner.mjs")
  writeFileSync(
    script,
    `import { Supervisor } from ${JSON.stringify(door)}
     const supervisor = await Supervisor.open()
     const start = (name) => supervisor.start({ name, command: process.execPath, cwd: ${JSON.stringify(dir)},
       args: ["-e", "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)"], log: ${JSON.stringify(dir)} + "/" + name + ".log" })
     const one = await start("one")
     const two = await start("two")
     two.signal("SIGSTOP")
     process.send([one.pid, two.pid])`,
  )
  const owner = fork(script, [], { execArgv: [], stdio: ["ignore", "inherit", "inherit", "ipc"] })
  const pids = await new Promise<readonly number[]>((resolve, reject) => {
    owner.once("message", (message) => resolve(message as readonly number[]))
    owner.once("exit", (code) => reject(new Error(`The owner ended with ${code}`)))
  })
  assert.ok(pids.every(isAlive))
  owner.kill("SIGKILL")
  await until("both are gone", () => !pids.some(isAlive))
})

test.skipIf(process.platform !== "linux")("no process outlives its keeper either", async () => {
  const supervisor = await Supervisor.open()
  const child = await supervisor.start(spec("node", FOREVER))
  const stat = readFileSync(`/proc/${child.pid}/stat`, "utf8")
  const keeper = Number(stat.slice(stat.lastIndexOf(")")).split(" ")[2])
  process.kill(keeper, "SIGKILL")
  assert.deepEqual(await child.exited, { code: null, signal: "SIGKILL" })
  await until("it is gone", () => !isAlive(child.pid))
  await supervisor.close()
})
