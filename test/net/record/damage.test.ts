import assert from "node:assert/strict"
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, test } from "vitest"
import { replayRecording, type RecordingReplay } from "#net"
import { drawPlan } from "#sim"
import { scenarioOf } from "#scenarios/index.ts"
import { recordWorld } from "../../support/recorded-world.ts"
import { replayEnding } from "../../support/replay-ending.ts"

const root = mkdtempSync(join(tmpdir(), "orrery-record-"))
let directory = ""
let whole: RecordingReplay
afterAll(() => rmSync(root, { recursive: true, force: true }))
beforeAll(async () => {
  const plan = drawPlan(scenarioOf("smoke")!, 3)
  const lives = await recordWorld(plan, join(root, "lives"), { segmentBytes: 1 << 14, eventsMax: 6_000 })
  directory = lives.find((life) => life.closed)!.directory
  whole = await replayRecording(directory)
  assert.equal(whole.stretches[0]!.ending, "closed")
})

/** What a replay of the recording with this change comes to: its ending, or the code it is refused with. */
async function replayOf(change: (path: string, bytes: Uint8Array) => void, file: string): Promise<string> {
  const copy = join(root, "copy")
  rmSync(copy, { recursive: true, force: true })
  cpSync(directory, copy, { recursive: true })
  const path = join(copy, file)
  change(path, readFileSync(path))
  return replayEnding(copy)
}

test("one flipped bit is refused, or ends short and says so: never the same replay", async () => {
  const files = readdirSync(directory).sort()
  const seen = new Set<string>()
  for (const file of files) {
    const { length } = readFileSync(join(directory, file))
    const step = Math.max(1, Math.floor(length / 40))
    for (let at = 0; at < length; at += step) {
      const how = await replayOf((path, bytes) => {
        bytes[at] = bytes[at]! ^ (1 << (at % 8))
        writeFileSync(path, bytes)
      }, file)
      seen.add(how)
      assert.notEqual(how, "closed", `byte ${at} of ${file}`)
    }
  }
  assert.ok(seen.has("recordingDamaged"))
})

test("a recording torn anywhere replays up to there, and says that it is torn", async () => {
  const last = readdirSync(directory).sort().at(-1)!
  const { length } = readFileSync(join(directory, last))
  for (let end = 0; end < length; end += Math.max(1, Math.floor(length / 60))) {
    const how = await replayOf((path) => truncateSync(path, end), last)
    assert.ok(
      ["torn", "cut", `${last} cannot be replayed: what it begins with was not written to its end`].includes(
        how,
      ),
      `${end}: ${how}`,
    )
  }
})

test("a segment that was torn off in the middle of a recording is damage", async () => {
  const files = readdirSync(directory).sort()
  if (files.length < 2) return
  const { length } = readFileSync(join(directory, files[0]!))
  assert.equal(await replayOf((path) => truncateSync(path, length - 5), files[0]!), "recordingDamaged")
})

test("an unknown version of the format is refused by name", async () => {
  const first = readdirSync(directory).sort()[0]!
  const how = await replayOf((path, bytes) => {
    bytes[8] = 9
    writeFileSync(path, bytes)
  }, first)
  assert.equal(how, "recordingVersion")
})

test("a directory without a recording has an error of its own", async () => {
  await assert.rejects(replayRecording(join(root, "nowhere")), { code: "recordingMissing" })
  await assert.rejects(replayRecording(root), { code: "recordingMissing" })
})
