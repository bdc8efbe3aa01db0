import assert from "node:assert/strict"
import { test } from "vitest"
import { fuzzRecordings } from "../../../bench/real/recording-fuzz.ts"

// A million of them: node bench/real/fuzz-recording.ts.

test("headers, starts and events that nobody vouches for are refused or taken, never thrown at", () => {
  const { counts, wrong } = fuzzRecordings(5_000, 7, () => {})
  assert.deepEqual(wrong, [])
  for (const [what, count] of Object.entries(counts)) assert.ok(count > 0, what)
})
