import assert from "node:assert/strict"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Worker } from "node:worker_threads"
import { afterAll, beforeAll, test } from "vitest"
import { drawPlan } from "#sim"
import { scenarioOf } from "#scenarios/index.ts"
import { recordWorld } from "../../support/recorded-world.ts"
import type { Report, Task } from "./mutant-replay.ts"

const root = mkdtempSync(join(tmpdir(), "orrery-record-"))
let directories: readonly string[] = []
afterAll(() => rmSync(root, { recursive: true, force: true }))
beforeAll(async () => {
  const lives = await recordWorld(drawPlan(scenarioOf("power-loss")!, 1), root, { segmentBytes: 1 << 18 })
  directories = lives.map((life) => life.directory)
})

function replayBy(mutant: string | null): Promise<Report> {
  const workerData: Task = { mutant, directories }
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./mutant-replay.ts", import.meta.url), { workerData })
    worker.once("message", resolve)
    worker.once("error", reject)
    worker.once("exit", (code) => reject(new Error(`The worker ended with ${code}`)))
  })
}

/** What ran of the shipped kernel, each text with its hash. */
let shipped: readonly string[] = []

test("the shipped kernel comes to the recorded hashes, loaded the same way", async () => {
  const { parted, evaluated } = await replayBy(null)
  shipped = evaluated
  assert.ok(parted.every((has) => !has))
})

// Of every room, and each on a path that a power loss takes.
for (const mutant of ["R01", "R05", "L01", "I03", "W01", "W09"]) {
  test(`a kernel with the bug ${mutant} does not`, async () => {
    const { parted, evaluated } = await replayBy(mutant)
    assert.ok(shipped.length > 0 && evaluated.some((text) => !shipped.includes(text)), "its text ran")
    assert.ok(parted.some((has) => has))
  })
}
