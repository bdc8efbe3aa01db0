import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { test } from "vitest"

const BIN = join(import.meta.dirname, "../../bin/orrery.js")

test("a reader that has gone ends nothing: the command comes to its own end, without a word of the pipe", async () => {
  const child = spawn(process.execPath, [BIN, "sim", "show", "campaign", "--seed", "7"], {
    stdio: ["ignore", "pipe", "pipe"],
  })
  child.stdout.destroy()
  let said = ""
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text
  })
  const [status] = (await once(child, "close")) as [number | null]
  assert.equal(status, 0, said)
  assert.doesNotMatch(said, /EPIPE/)
})
