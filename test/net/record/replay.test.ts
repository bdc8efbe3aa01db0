import assert from "node:assert/strict"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, test } from "vitest"
import { replayRecording } from "#net"
import { drawPlan, type Plan } from "#sim"
import { scenarioOf } from "#scenarios/index.ts"
import { recordWorld } from "../../support/recorded-world.ts"

const root = mkdtempSync(join(tmpdir(), "orrery-record-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

function planOf(name: string, seed: number): Plan {
  return drawPlan(scenarioOf(name)!, seed)
}

test("what a store was told leads its kernel to the same hashes and the same state, start after start", async () => {
  const lives = await recordWorld(planOf("smoke", 1), join(root, "smoke"), {})
  assert.equal(lives.length, 4, "three stores, and one that was started again")
  for (const life of lives) {
    const { stretches, divergence, notes } = await replayRecording(life.directory)
    assert.equal(divergence, null)
    assert.deepEqual(notes, [])
    assert.equal(stretches.length, 1)
    assert.equal(stretches[0]!.lastEvent, life.events)
    assert.equal(stretches[0]!.ending, "closed")
    assert.ok(stretches[0]!.compared >= 1)
  }
})

test("a recording in many segments replays whole, and from any of them", async () => {
  const lives = await recordWorld(planOf("power-loss", 1), join(root, "rotated"), { segmentBytes: 1 << 14 })
  let rotated = 0
  for (const life of lives) {
    const files = readdirSync(life.directory).sort()
    rotated += files.length - 1
    const whole = await replayRecording(life.directory)
    assert.equal(whole.divergence, null)
    assert.equal(whole.stretches.length, 1)
    assert.equal(whole.stretches[0]!.lastEvent, life.events)
    // As the size bound would leave it.
    for (const file of files.slice(0, -1)) {
      rmSync(join(life.directory, file))
      const rest = await replayRecording(life.directory)
      assert.equal(rest.divergence, null)
      assert.equal(rest.stretches[0]!.from, "saved")
      assert.equal(rest.stretches[0]!.lastEvent, life.events)
      assert.equal(rest.stretches[0]!.traceHash, whole.stretches[0]!.traceHash)
      assert.equal(rest.stretches[0]!.stateHash, whole.stretches[0]!.stateHash)
    }
  }
  assert.ok(rotated >= 3, `${rotated} rotations`)
})
