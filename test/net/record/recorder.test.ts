import assert from "node:assert/strict"
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, test } from "vitest"
import { DEFAULT_LIMITS, DEFAULT_TIMING, LiveBase, NO_SWITCHES, type Input } from "#kernel"
import { FlightRecorder, replayRecording, type LostCode } from "#net"
import { drawPlan } from "#sim"
import { scenarioOf } from "#scenarios/index.ts"
import { recordWorld } from "../../support/recorded-world.ts"

const root = mkdtempSync(join(tmpdir(), "orrery-record-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const CONFIG = {
  cluster: "c",
  store: 1,
  tenants: [0],
  bootstrap: null,
  timing: DEFAULT_TIMING,
  limits: DEFAULT_LIMITS,
  switches: NO_SWITCHES,
}
const BOOT = { mono: 1, wall: 1, seedHigh: 1, seedLow: 1 }
const IMAGES = [{ volume: 0, segments: [], witness: null, base: new LiveBase() }]
const KERNEL = { save() {} }

function turnEnded(mono: number): Input {
  return { type: "turnEnded", mono, wall: mono }
}

test("a directory never holds more than it may, and what it holds replays", async () => {
  const bytesMax = 512 << 10
  const losses: LostCode[] = []
  const plan = drawPlan(scenarioOf("steady")!, 1)
  const lives = await recordWorld(plan, join(root, "bound"), {
    bytesMax,
    segmentBytes: 1 << 14,
    onLost: (code) => losses.push(code),
  })
  assert.deepEqual(losses, [])
  let dropped = 0
  for (const { directory, events } of lives) {
    const files = readdirSync(directory).sort()
    const bytes = files.reduce((sum, file) => sum + statSync(join(directory, file)).size, 0)
    assert.ok(bytes <= bytesMax, `${bytes} bytes`)
    if (!files.includes("00000001.orec")) dropped++
    const { divergence, stretches } = await replayRecording(directory)
    assert.equal(divergence, null)
    assert.equal(stretches.at(-1)!.lastEvent, events)
  }
  assert.ok(dropped > 0, "some of it was dropped")
})

test("a disk that does not keep up costs a hole, and the recording goes on behind it", async () => {
  const losses: LostCode[] = []
  const lives = await recordWorld(drawPlan(scenarioOf("smoke")!, 2), join(root, "slow"), {
    bufferBytesMax: 6_000,
    turns: 8,
    onLost: (code) => losses.push(code),
  })
  assert.ok(losses.length > 0 && losses.every((code) => code === "slow"))
  const endings = new Set<string>()
  for (const { directory } of lives) {
    const { divergence, stretches } = await replayRecording(directory)
    assert.equal(divergence, null)
    for (const { ending, from } of stretches) endings.add(`${from} ${ending}`)
  }
  assert.ok(endings.has("resumed lost") || endings.has("resumed closed"), [...endings].join(", "))
})

test("a disk that fails ends the recording, and nothing else", async () => {
  const directory = join(root, "fails")
  const losses: LostCode[] = []
  const onLost = (code: LostCode): unknown => losses.push(code)
  const recorder = await FlightRecorder.create({ directory, build: "b", onLost })
  rmSync(directory, { recursive: true })
  recorder.opened(CONFIG, IMAGES, BOOT, [], KERNEL)
  for (let mono = 2; mono < 100; mono++) recorder.stepped(turnEnded(mono), [])
  await recorder.closed()
  assert.deepEqual(losses, ["failed"])
  assert.equal(existsSync(directory), false)
})

test("a start larger than the whole bound is said, not written over and over", async () => {
  const directory = join(root, "full")
  const losses: LostCode[] = []
  const onLost = (code: LostCode): unknown => losses.push(code)
  const segments = [{ sequence: 1, bytes: new Uint8Array(1 << 20).fill(7) }]
  const recorder = await FlightRecorder.create({ directory, build: "b", bytesMax: 1 << 19, onLost })
  recorder.opened(CONFIG, [{ ...IMAGES[0]!, segments }], BOOT, [], KERNEL)
  await recorder.closed()
  assert.deepEqual(losses, ["full"])
})

test("a second start goes on in the same directory, behind the first", async () => {
  const directory = join(root, "twice")
  for (let start = 1; start <= 3; start++) {
    const recorder = await FlightRecorder.create({ directory, build: "b" })
    recorder.opened(CONFIG, IMAGES, BOOT, [], KERNEL)
    await recorder.closed()
  }
  assert.deepEqual(readdirSync(directory).sort(), ["00000001.orec", "00000002.orec", "00000003.orec"])
})

test("a place that is no directory is refused before anything starts", async () => {
  const directory = join(root, "file")
  writeFileSync(directory, "")
  await assert.rejects(FlightRecorder.create({ directory, build: "b" }), { code: "recordingDirectory" })
})
