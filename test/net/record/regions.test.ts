import assert from "node:assert/strict"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, test } from "vitest"
import { ByteWriter } from "#kernel"
import {
  BLOCK,
  BLOCK_HEADER_BYTES,
  decodeFileHeader,
  FILE_HEADER_BYTES,
  readBlockHeader,
  sealBlock,
} from "#net/record/block.ts"
import { drawPlan } from "#sim"
import { scenarioOf } from "#scenarios/index.ts"
import { recordWorld } from "../../support/recorded-world.ts"
import { replayEnding } from "../../support/replay-ending.ts"

// Every region of a recording's files: their headers, and header and payload of each kind of block that a node writes.

type Region = { readonly kind: number; readonly start: number; readonly end: number }
type File = { readonly name: string; readonly bytes: Uint8Array; readonly blocks: readonly Region[] }

const root = mkdtempSync(join(tmpdir(), "orrery-regions-"))
const copy = join(root, "copy")
/** One that began on a log, one with rows in its base, one that went on in a second segment. */
let recordings: readonly (readonly File[])[] = []
afterAll(() => rmSync(root, { recursive: true, force: true }))
beforeAll(async () => {
  const all: (readonly File[])[] = []
  for (const seed of [1, 2, 3]) {
    const plan = drawPlan(scenarioOf("disk-full")!, seed)
    const lives = await recordWorld(plan, join(root, `lives-${seed}`), { segmentBytes: 1 << 15 })
    for (const { directory, closed } of lives) if (closed) all.push(filesOf(directory))
  }
  const having = (kind: number): readonly File[] =>
    all.find((files) => files.some(({ blocks }) => blocks.some((block) => block.kind === kind)))!
  recordings = [...new Set([BLOCK.log, BLOCK.rows, BLOCK.kernel].map(having))]
})

function filesOf(directory: string): readonly File[] {
  return readdirSync(directory)
    .sort()
    .map((name) => {
      const bytes = readFileSync(join(directory, name))
      const blocks: Region[] = []
      for (let start = FILE_HEADER_BYTES; start < bytes.length;) {
        const { length } = readBlockHeader(bytes.subarray(start, start + BLOCK_HEADER_BYTES))!
        const end = start + BLOCK_HEADER_BYTES + length
        blocks.push({ kind: bytes[start + BLOCK_HEADER_BYTES]!, start, end })
        start = end
      }
      return { name, bytes, blocks }
    })
}

/** What a replay comes to with these bytes in the place of a file: its ending, or the code it is refused with. */
async function replayWith(files: readonly File[], changed: string, bytes: Uint8Array): Promise<string> {
  rmSync(copy, { recursive: true, force: true })
  mkdirSync(copy)
  for (const file of files) writeFileSync(join(copy, file.name), file.name === changed ? bytes : file.bytes)
  return replayEnding(copy)
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const other = Uint8Array.from(bytes)
  other[at] = other[at]! ^ (1 << (at % 8))
  return other
}

test("one flipped bit in any region of any file is never the same replay", async () => {
  const kinds = new Set<number>()
  for (const files of recordings) {
    for (const { name, bytes, blocks } of files) {
      for (let at = 0; at < FILE_HEADER_BYTES; at++) {
        const how = await replayWith(files, name, flipped(bytes, at))
        assert.match(how, /^recording(Damaged|Version)$/, `byte ${at} of ${name}`)
      }
      const seen = new Set<number>()
      for (const { kind, start, end } of blocks) {
        if (seen.has(kind)) continue
        seen.add(kind)
        kinds.add(kind)
        const payload = start + BLOCK_HEADER_BYTES
        // Magic, length, checksum, number; kind, the middle and the end of the payload.
        const places = [start, start + 4, start + 7, start + 8, start + 11, start + 12, start + 15]
        for (const at of [...places, payload, Math.floor((payload + end) / 2), end - 1]) {
          const how = await replayWith(files, name, flipped(bytes, at))
          assert.notEqual(how, "closed", `byte ${at} of ${name}, in a block of kind ${kind}`)
        }
      }
    }
  }
  const { head, volume, log, rows, kernel, started, events, end } = BLOCK
  assert.deepEqual(
    [...kinds].toSorted((a, b) => a - b),
    [head, volume, log, rows, kernel, started, events, end],
  )
})

test("what a kernel was told, altered and sealed again, leads to another hash or is refused", async () => {
  let parted = 0
  for (const files of recordings) {
    for (const { name, bytes, blocks } of files) {
      const { seed } = decodeFileHeader(name, bytes)!
      for (const [number, { kind, start, end }] of blocks.entries()) {
        // Of the many small blocks of events some.
        if (kind !== BLOCK.end && (kind !== BLOCK.events || number % 40 !== 5)) continue
        const payload = start + BLOCK_HEADER_BYTES
        for (const share of [0.1, 0.5, 0.9]) {
          const at = Math.floor(payload + 1 + (end - payload - 2) * share)
          const other = flipped(bytes, at)
          const writer = new ByteWriter()
          writer.raw(other.subarray(start, end))
          sealBlock(writer, number, seed)
          other.set(writer.view(), start)
          const how = await replayWith(files, name, other)
          assert.match(how, /^(parted|recordingDamaged)$/, `byte ${at} of ${name}`)
          if (how === "parted") parted++
        }
      }
    }
  }
  assert.ok(parted > 0)
})
