import assert from "node:assert/strict"
import { afterEach, beforeEach, test, vi } from "vitest"
import type { Host } from "#cli/host.ts"
import { startProgress } from "#cli/progress.ts"

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function linesOf(act: (progress: ReturnType<typeof startProgress>) => void): readonly string[] {
  const lines: string[] = []
  const host = { stderr: { write: (text: string) => lines.push(text.trimEnd()) }, env: {} }
  const progress = startProgress(host as unknown as Host, 10, null, false)
  act(progress)
  progress.stop()
  return lines
}

test("without a terminal the figures are said now and then", () => {
  const lines = linesOf(() => vi.advanceTimersByTime(25_000))
  assert.equal(lines[0], "10 runs")
  assert.equal(lines.length, 3)
  assert.match(lines[2]!, /^0\/10 runs .* ETA /)
})

test("while something is shrunk that is said, not the figures of runs that are over", () => {
  const lines = linesOf((progress) => {
    progress.note("Shrinking smoke seed 3")
    progress.note("… shrinking smoke seed 3: 40 runs")
    vi.advanceTimersByTime(10_000)
    progress.note(null)
    vi.advanceTimersByTime(10_000)
  })
  assert.deepEqual(lines.slice(1, 3), ["Shrinking smoke seed 3", "… shrinking smoke seed 3: 40 runs"])
  assert.match(lines[3]!, /^0\/10 runs /)
})
