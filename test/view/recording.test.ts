import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { beforeAll, test } from "vitest"
import { replayRecording } from "#net"
import { drawPlan } from "#sim"
import { Collector, type CollectedPart } from "#cli/page/collect.ts"
import { scenarioOf } from "#scenarios/index.ts"
import {
  inspectStore,
  lookAtEvent,
  outlineOf,
  playRecordings,
  processAt,
  sceneOf,
  type RecordedPart,
} from "#view"
import { orrery, ownFolder } from "../cli/support/terminal.ts"
import { CHROMIUM, launch } from "./chromium.ts"
import { recordWorld, savedOf, type RecordedLife } from "../support/recorded-world.ts"

ownFolder()

let lives: readonly RecordedLife[] = []

beforeAll(async () => {
  const all = await recordWorld(drawPlan(scenarioOf("smoke")!, 5), "recorded", {})
  lives = all.filter(({ closed }) => closed)
})

/** A real browser plays them to the same hashes, and has no plan to show. */
async function looksRight(parts: readonly CollectedPart[]): Promise<void> {
  const browser = await launch()
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
    await page.goto(pathToFileURL(resolve("nodes.html")).href)
    await page.waitForSelector("#hash")
    assert.equal(await page.textContent("#verdict"), "as recorded")
    assert.equal(await page.textContent("#hash"), parts.map(({ traceHash }) => traceHash).join(" "))
    assert.equal(await page.locator("#tab-plan").count(), 0)
    await page.keyboard.press("2")
    await page.waitForSelector("#store-line")
  } finally {
    await browser.close()
  }
}

function partOf({ kernel, bases, inputs, ...rest }: CollectedPart): RecordedPart {
  const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64"))
  return {
    ...rest,
    kernel: bytes(kernel),
    bases: bases.map(([volume, base]) => [volume, bytes(base)] as const),
    inputs: bytes(inputs),
  }
}

async function collect(directory: string, inputBytesMax?: number): Promise<CollectedPart> {
  let collector: Collector | null = null
  await replayRecording(directory, {
    stretch: "last",
    onStart: (start) => {
      collector = new Collector(start, inputBytesMax)
    },
    onStep: (_store, _event, input) => collector!.step(input),
  })
  return collector!.part()
}

test("recordings of several nodes play side by side to the hashes and states that were recorded", async () => {
  const parts = await Promise.all(lives.map(({ directory }) => collect(directory)))
  assert.equal(parts.length, 3)
  const { run, hashes } = playRecordings(parts.map(partOf))
  assert.deepEqual(
    hashes,
    parts.map(({ traceHash }) => traceHash),
  )
  const { recorder } = run
  assert.equal(
    recorder.events,
    lives.reduce((sum, { events }) => sum + events, 0),
  )
  for (const { store, kernel } of lives) {
    const { life, step } = processAt(run, store, recorder.events)!
    assert.deepEqual(savedOf(run.rewinder.kernelAt(life, step)), savedOf(kernel!))
  }
})

test("what one node sent and another took in is joined, and the run can be looked at as any other", async () => {
  const parts = await Promise.all(lives.map(({ directory }) => collect(directory)))
  const { run } = playRecordings(parts.map(partOf))
  const { recorder } = run
  let frames = 0
  let joined = 0
  for (let event = 1; event <= recorder.events; event++) {
    const input = recorder.inputs.read(event - 1)
    if (input.type !== "frame") continue
    frames++
    const took = recorder.took.at(event - 1)
    if (took < 0) continue
    joined++
    assert.equal(recorder.messages.from(took), input.frame.header.fromStore - 1)
    assert.ok(recorder.messages.sentEvent(took) < event)
  }
  // The others were sent by a process that had died before the last ones began.
  assert.ok(joined > frames * 0.7, `${joined} of ${frames}`)
  const outline = outlineOf(run)
  assert.equal(outline.lanes.length, 3)
  assert.ok(outline.roles.some(({ role }) => role === "leader"))
  const middle = Math.floor(recorder.events / 2)
  assert.equal(lookAtEvent(run, middle).event, middle)
  assert.equal(inspectStore(run, recorder.stores.at(middle - 1), middle).life, "up")
  assert.ok(sceneOf(run, 0, outline.runUs).messages.length > 0)
})

test("of a long recording the page holds the end, from a kernel saved on the way", async () => {
  const { directory } = lives.toSorted((a, b) => b.events - a.events)[0]!
  const [whole, end] = [await collect(directory), await collect(directory, 6_000)]
  assert.equal(whole.event, 0)
  assert.ok(end.event > 0 && end.inputs.length < whole.inputs.length)
  const { hashes } = playRecordings([partOf(end)])
  assert.deepEqual(hashes, [whole.traceHash])
})

test("orrery view writes the page, and refuses two recordings of one store and what is none", async () => {
  const directories = lives.map(({ directory }) => directory)
  const made = await orrery(["view", ...directories, "--out", "nodes.html"])
  assert.equal(made.code, 0)
  const [, json] = /id="subject">(.*?)<\/script>/s.exec(readFileSync("nodes.html", "utf8"))!
  const subject = JSON.parse(json!) as { readonly recordings: readonly CollectedPart[]; readonly plan: null }
  assert.equal(subject.plan, null)
  const { hashes } = playRecordings(subject.recordings.map(partOf))
  assert.deepEqual(
    hashes,
    subject.recordings.map(({ traceHash }) => traceHash),
  )
  if (CHROMIUM !== null) await looksRight(subject.recordings)
  const twice = await orrery(["view", directories[0]!, directories[0]!])
  assert.equal(twice.code, 2)
  assert.match(twice.stderr, /both of store/)
  assert.equal((await orrery(["view", "nowhere"])).code, 2)
})
