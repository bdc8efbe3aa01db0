/**
 * What do the disk's promises cost on this machine? `node bench/real/disk.ts [--json]`. Wall time. Appends of 4 KiB one
 * after the other, each on the disk before the next, beside the same by hand; a checkpoint of 100,000 rows with the loop
 * free otherwise, and how long a timer of the loop was kept waiting meanwhile; reads; and a start over what is there.
 * The directory is made beside this checkout: what is measured is that file system.
 */
import { mkdtempSync, openSync, closeSync, rmSync, writeSync, constants } from "node:fs"
import { join } from "node:path"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { FileStoreDisk, type DiskCompletion } from "#net"
import { OverlayEngine } from "#kernel/engine/overlay.ts"
import type { Base, VolumeImage } from "#kernel"
import { about, benchOptions, printReport, type Row } from "../support/report.ts"

benchOptions(import.meta.filename, {})
const APPENDS = 2_000
const APPEND_BYTES = 4096
const ROWS = 100_000
const VALUE = "v".repeat(256)
const OWNER = { cluster: "bench", store: 1, tenants: [0] }

const path = mkdtempSync(join(import.meta.dirname, "..", "..", ".disk-bench-"))
const rows: Record<string, Row> = {}

class Told {
  readonly #queue: DiskCompletion[] = []
  #wake: (() => void) | null = null

  constructor(disk: FileStoreDisk) {
    disk.onCompletion((completion) => {
      this.#queue.push(completion)
      this.#wake?.()
    })
  }

  async next(type: DiskCompletion["type"]): Promise<void> {
    while (this.#queue.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve))
    const completion = this.#queue.shift()!
    if (completion.type !== type) throw new Error(`${type} was expected: ${JSON.stringify(completion)}`)
  }
}

function tenantOf(images: readonly VolumeImage[]): Base {
  return images.find(({ volume }) => volume === 1)!.base
}

function percentile(values: readonly number[], share: number): number {
  return about(values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? Number.NaN)
}

function countRows(base: Base): number {
  let count = 0
  for (const cursor = base.cursor(1, "", "", false); cursor.valid; cursor.next()) count++
  return count
}

async function appends(disk: FileStoreDisk, told: Told): Promise<void> {
  disk.createSegment(1, 1, (APPENDS + 2) * APPEND_BYTES, new Uint8Array(4096))
  await told.next("segmentCreated")
  const bytes = new Uint8Array(APPEND_BYTES).fill(1)
  const took: number[] = []
  const start = performance.now()
  for (let i = 1; i <= APPENDS; i++) {
    const before = performance.now()
    disk.append(1, i, 1, i * APPEND_BYTES, bytes)
    await told.next("appendSynced")
    took.push(performance.now() - before)
  }
  const seconds = (performance.now() - start) / 1e3
  const file = openSync(join(path, "tenants/0/wal/000000000001.seg"), constants.O_WRONLY | constants.O_DSYNC)
  const bareStart = performance.now()
  for (let i = 1; i <= APPENDS; i++) writeSync(file, bytes, 0, APPEND_BYTES, i * APPEND_BYTES)
  const bare = (performance.now() - bareStart) / 1e3
  closeSync(file)
  rows["append 4 KiB, synced"] = {
    perSecond: about(APPENDS / seconds),
    p50Ms: percentile(took, 0.5),
    p99Ms: percentile(took, 0.99),
    beside: `${about(APPENDS / bare)}/s by a loop that blocks`,
  }
}

/** As long as a checkpoint takes, with nothing to do: what the machine itself keeps a timer waiting. */
async function idle(): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  await new Promise((resolve) => setTimeout(resolve, 700))
  delay.disable()
  rows["nothing"] = {
    p50Ms: about(delay.percentile(50) / 1e6),
    p99Ms: about(delay.percentile(99) / 1e6),
    beside: `loop delay; at most ${about(delay.max / 1e6)} ms`,
  }
}

async function checkpoints(disk: FileStoreDisk, told: Told, base: Base): Promise<void> {
  const engine = new OverlayEngine(base)
  for (const checkpoint of [1, 2, 3]) {
    engine.apply(
      Array.from({ length: ROWS }, (_, i) => ({
        space: 1 as const,
        type: "put" as const,
        key: `user${String((i * 7_919) % ROWS).padStart(8, "0")}`,
        value: VALUE + checkpoint,
      })),
    )
    const frozen = engine.freeze(checkpoint)
    // What was collected to get here is not the checkpoint's.
    await new Promise((resolve) => setTimeout(resolve, 200))
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    const start = performance.now()
    disk.checkpoint(1, checkpoint, frozen)
    await told.next("checkpointSynced")
    const seconds = (performance.now() - start) / 1e3
    delay.disable()
    engine.settle(checkpoint, base)
    rows[`checkpoint ${checkpoint} of 100,000 rows`] = {
      perSecond: about(ROWS / seconds),
      // The timer's own period is a millisecond of it.
      p50Ms: about(delay.percentile(50) / 1e6),
      p99Ms: about(delay.percentile(99) / 1e6),
      beside: `loop delay; at most ${about(delay.max / 1e6)} ms`,
    }
  }
}

function reads(base: Base): void {
  const start = performance.now()
  for (let i = 0; i < ROWS; i++) base.get(1, `user${String((i * 7_919) % ROWS).padStart(8, "0")}`)
  rows["get"] = { perSecond: about((ROWS / (performance.now() - start)) * 1e3) }
  const walk = performance.now()
  const count = countRows(base)
  rows["cursor, a row"] = { perSecond: about((count / (performance.now() - walk)) * 1e3) }
}

try {
  const disk = await FileStoreDisk.open(path, OWNER)
  const told = new Told(disk)
  const base = tenantOf(await disk.images())
  await appends(disk, told)
  await idle()
  await checkpoints(disk, told, base)
  reads(base)
  await disk.close()
  const start = performance.now()
  const again = await FileStoreDisk.open(path, OWNER)
  const found = tenantOf(await again.images())
  rows["start: directory read"] = {
    p50Ms: about(performance.now() - start),
    beside: `checkpoint ${found.checkpoint}`,
  }
  await again.close()
} finally {
  rmSync(path, { recursive: true, force: true })
}

printReport({
  bench: "real/disk",
  question: "What do the disk's promises cost on this machine?",
  rows,
  notes: [],
})
