import assert from "node:assert/strict"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, test } from "vitest"
import { SYSTEM_CALLS, type DiskCalls } from "#net/disk/calls.ts"
import { drawPlan } from "#sim"
import { scenarioOf } from "#scenarios/index.ts"
import { conform, newTally } from "./trace.ts"

// A thousand of them: node test/conformance/run.ts.

const root = mkdtempSync(join(tmpdir(), "orrery-conform-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

for (const [scenario, seed] of [
  ["smoke", 1],
  ["power-loss", 1],
] as const) {
  test(`every store of ${scenario} ${seed} does the same on real files, and what it is told crosses as bytes`, async () => {
    const tally = newTally()
    const plan = drawPlan(scenarioOf(scenario)!, seed)
    await conform(plan, join(root, scenario), tally)
    assert.deepEqual(tally.differences, [])
    assert.ok(tally.frames > 100 && tally.lives >= plan.cluster.stores)
    assert.ok(tally.orders > 100 && tally.files >= 2 * tally.lives)
  })
}

test("one bit that a real disk writes wrongly is found, and so is one that it reads wrongly", async () => {
  const plan = drawPlan(scenarioOf("smoke")!, 1)
  for (const wrong of ["write", "read"] as const) {
    let left = wrong === "write" ? 30 : 2
    const calls: DiskCalls = {
      ...SYSTEM_CALLS,
      write: (file, bytes, offset, length, position) => {
        const given = wrong === "write" && --left === 0 ? turned(bytes, offset + length - 1) : bytes
        return SYSTEM_CALLS.write(file, given, offset, length, position)
      },
      read: async (file, bytes, offset, length, position) => {
        const count = await SYSTEM_CALLS.read(file, bytes, offset, length, position)
        if (wrong === "read" && count > 0 && --left === 0) bytes.set(turned(bytes, offset))
        return count
      },
    }
    const tally = newTally()
    await conform(plan, join(root, wrong), tally, calls)
    assert.equal(left <= 0, true)
    assert.equal(tally.differences.length, 1, wrong)
    assert.match(tally.differences[0]!, /^store \d: FileDifference: /)
  }
})

function turned(bytes: Uint8Array, at: number): Uint8Array {
  const other = Uint8Array.from(bytes)
  other[at] = other[at]! ^ 1
  return other
}
