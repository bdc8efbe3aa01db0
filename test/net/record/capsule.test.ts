import assert from "node:assert/strict"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, test } from "vitest"
import { makeRecordingCapsule, RecordingError, replayRecording } from "#net"
import { drawPlan } from "#sim"
import { scenarioOf } from "#scenarios/index.ts"
import { recordWorld } from "../../support/recorded-world.ts"

const root = mkdtempSync(join(tmpdir(), "orrery-capsule-"))
let directory = ""
let events = 0
afterAll(() => rmSync(root, { recursive: true, force: true }))
beforeAll(async () => {
  const plan = drawPlan(scenarioOf("smoke")!, 3)
  const lives = await recordWorld(plan, join(root, "lives"), { segmentBytes: 1 << 14 })
  const life = lives.filter(({ closed }) => closed).toSorted((a, b) => b.events - a.events)[0]!
  ;({ directory, events } = life)
})

const file = join(root, "a.capsule")

test("a capsule ends where its recording ends, by the same hashes", async () => {
  const made = await makeRecordingCapsule(directory, file)
  assert.equal(made.lastEvent, events)
  assert.equal(made.bytes, readFileSync(file).length)
  const [whole, again] = [await replayRecording(directory), await replayRecording(file)]
  assert.equal(again.divergence, null)
  const [a, b] = [whole.stretches.at(-1)!, again.stretches[0]!]
  assert.equal(b.ending, "closed")
  assert.ok(b.compared > 0)
  assert.deepEqual([b.lastEvent, b.traceHash, b.stateHash], [a.lastEvent, a.traceHash, a.stateHash])
})

test("one that is cut off at any event holds up to there, and one of a capsule does likewise", async () => {
  for (const until of [1, Math.floor(events / 3), events - 1]) {
    const made = await makeRecordingCapsule(directory, file, { until })
    assert.equal(made.lastEvent, until)
    const [whole, again] = [
      await replayRecording(directory, { until, stretch: "last" }),
      await replayRecording(file),
    ]
    assert.equal(again.divergence, null)
    assert.equal(again.stretches[0]!.traceHash, whole.stretches[0]!.traceHash)
    assert.equal(again.stretches[0]!.stateHash, whole.stretches[0]!.stateHash)
    if (until < 2) continue
    const second = join(root, "b.capsule")
    await makeRecordingCapsule(file, second, { until: made.firstEvent + 1 })
    assert.equal((await replayRecording(second)).stretches[0]!.lastEvent, made.firstEvent + 1)
  }
})

test("a byte that is not as it was written, anywhere, or a missing end is refused", async () => {
  await makeRecordingCapsule(directory, file)
  const good = readFileSync(file)
  const bad = join(root, "bad.capsule")
  const replayOf = async (bytes: Uint8Array): Promise<string> => {
    writeFileSync(bad, bytes)
    try {
      return (await replayRecording(bad)).stretches.at(-1)!.ending
    } catch (error) {
      assert.ok(error instanceof RecordingError)
      return error.code
    }
  }
  const step = Math.max(1, Math.floor(good.length / 150))
  for (let at = 0; at < good.length; at += at < 60 ? 1 : step) {
    const flipped = Uint8Array.from(good)
    flipped[at] = flipped[at]! ^ (1 << (at % 8))
    const isVersion = at >= 8 && at < 12
    assert.equal(await replayOf(flipped), isVersion ? "recordingVersion" : "recordingDamaged", `byte ${at}`)
    assert.equal(await replayOf(good.subarray(0, at)), "recordingDamaged", `cut at ${at}`)
  }
  assert.equal(await replayOf(good), "closed")
})

test("what is no capsule, or has nothing to make one of, is told by name", async () => {
  const json = join(root, "sim.json")
  writeFileSync(json, '{"capsule": 1, "version": "0.0.0", "plan": {}}\n')
  await assert.rejects(replayRecording(json), /orrery sim replay/)
  const none = join(root, "none.capsule")
  await assert.rejects(makeRecordingCapsule(join(root, "nowhere"), none), { code: "recordingMissing" })
  await assert.rejects(makeRecordingCapsule(directory, none, { stretch: 9 }), { code: "recordingMissing" })
  await assert.rejects(makeRecordingCapsule(directory, join(root, "no", "folder")), {
    code: "recordingDirectory",
  })
  assert.equal(existsSync(none), false)
  assert.equal(existsSync(`${none}.new`), false)
})
