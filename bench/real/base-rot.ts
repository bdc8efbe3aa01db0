/**
 * What does a node make of a base whose pages rotted? Real files of LMDB are damaged, page by page, and read by the disk of
 * a store in a process of its own: all rows both ways and by key, then a checkpoint that writes to some of them.
 * `node bench/real/base-rot.ts [--files 100] [--seed 1] [--json]`. Told apart are what was named (damage, or the base set
 * aside), what nobody can have noticed here (rows that are missing and not named: only counts and peers show those), and
 * what ended the process. Exits 1 when a row is read that was never written, or when a process does not end in time.
 */
import { spawnSync } from "node:child_process"
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { OverlayEngine } from "#kernel/engine/overlay.ts"
import { overlaps } from "#kernel/engine/damage.ts"
import { Sfc32 } from "#kernel/lib/rng.ts"
import { FileStoreDisk } from "#net"
import { PAGE_BYTES } from "#net/disk/row.ts"
import { benchOptions, printReport, type Row } from "../support/report.ts"

const ROWS = 6_000
const OWNER = { cluster: "rot", store: 1, tenants: [0] }
const SPACE = 1
const END_MS = 20_000

// `--child DIR` is what it says to its other process.
const options = benchOptions(import.meta.filename, { files: 100, seed: 1, child: "" })

type Seen = {
  readonly outcome: "whole" | "setAside" | "refused" | "read"
  /** Rows that were not found, and lie in no span of damage. */
  readonly missing: number
  /** Rows with a key or a value that nobody wrote. */
  readonly wrong: number
  readonly named: number
  readonly checkpoint: string
}

function keyOf(i: number): string {
  return `key ${String(i).padStart(6, "0")}`
}

/** Some of them do not fit in a page of others. */
function valueOf(i: number): string {
  return `${i} `.repeat(i % 50 === 0 ? 2_000 : 20)
}

async function openDisk(path: string): Promise<{ disk: FileStoreDisk; warnings: string[] }> {
  const warnings: string[] = []
  const disk = await FileStoreDisk.open(path, OWNER, { warn: (text) => warnings.push(text) })
  return { disk, warnings }
}

async function checkpointOf(disk: FileStoreDisk, engine: OverlayEngine, number: number): Promise<string> {
  const done = Promise.withResolvers<string>()
  disk.onCompletion((completion) => done.resolve(completion.type))
  disk.checkpoint(1, number, engine.freeze(number))
  return done.promise
}

async function make(path: string): Promise<void> {
  const { disk } = await openDisk(path)
  const base = (await disk.images()).find(({ volume }) => volume === 1)!.base
  const engine = new OverlayEngine(base)
  for (let i = 0; i < ROWS; i++)
    engine.apply([{ space: SPACE, type: "put", key: keyOf(i), value: valueOf(i) }])
  await checkpointOf(disk, engine, 1)
  await disk.close()
}

/** Reads all there is of a damaged base; what it saw is told on its output. */
async function look(path: string): Promise<Seen> {
  const { disk, warnings } = await openDisk(path)
  let base
  try {
    base = (await disk.images()).find(({ volume }) => volume === 1)!.base
  } catch {
    return { outcome: "refused", missing: 0, wrong: 0, named: 0, checkpoint: "-" }
  }
  const setAside = warnings.some((text) => text.includes("set aside"))
  const found = new Set<string>()
  let wrong = 0
  const check = (key: string, value: string): void => {
    const i = Number(key.slice(4))
    if (key === keyOf(i) && i < ROWS && value === valueOf(i)) found.add(key)
    else wrong++
  }
  const seen = (reverse: boolean): void => {
    const cursor = base.cursor(SPACE, "", "", reverse)
    for (; cursor.valid; cursor.next()) check(cursor.key, cursor.value)
  }
  seen(false)
  const forward = found.size
  seen(true)
  const lost = new Set<string>()
  for (let i = 0; i < ROWS; i++) {
    const value = base.get(SPACE, keyOf(i))
    if (value === null) lost.add(keyOf(i))
    else check(keyOf(i), value)
    if (!found.has(keyOf(i))) lost.add(keyOf(i))
  }
  if (forward < found.size) for (let i = 0; i < ROWS; i++) if (!found.has(keyOf(i))) lost.add(keyOf(i))
  const missing = [...lost].filter((key) => !overlaps(base.damage, SPACE, key, `${key}\0`)).length
  const named = base.damage.length
  const engine = new OverlayEngine(base)
  for (let i = 0; i < ROWS; i += 7) engine.apply([{ space: SPACE, type: "put", key: keyOf(i), value: "new" }])
  const checkpoint = await checkpointOf(disk, engine, base.checkpoint + 1)
  await disk.close()
  const isWhole = lost.size === 0 && named === 0
  return { outcome: setAside ? "setAside" : isWhole ? "whole" : "read", missing, wrong, named, checkpoint }
}

const DAMAGE: Readonly<Record<string, (bytes: Buffer, page: number, rng: Sfc32) => void>> = {
  "a page of zeros": (bytes, page) => void bytes.fill(0, page, page + PAGE_BYTES),
  "a page of noise": (bytes, page, rng) => {
    for (let at = page; at < page + PAGE_BYTES; at++) bytes[at] = rng.below(256)
  },
  "another page in its place": (bytes, page, rng) => {
    const other = rng.below(bytes.length / PAGE_BYTES) * PAGE_BYTES
    bytes.copyWithin(page, other, other + PAGE_BYTES)
  },
  "a sector of zeros": (bytes, page, rng) => {
    const at = page + rng.below(PAGE_BYTES / 512) * 512
    bytes.fill(0, at, at + 512)
  },
  "one bit": (bytes, page, rng) => {
    bytes[page + rng.below(PAGE_BYTES)]! ^= 1 << rng.below(8)
  },
  "one bit of a page's head": (bytes, page, rng) => {
    bytes[page + rng.below(64)]! ^= 1 << rng.below(8)
  },
}

async function run(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "orrery-rot-"))
  process.on("exit", () => rmSync(root, { recursive: true, force: true }))
  const good = join(root, "good")
  mkdirSync(good)
  await make(good)
  const name = "tenants/0/data/data.mdb"
  const image = readFileSync(join(good, name))
  const rng = new Sfc32(options.seed, 0)
  const rows: Record<string, Row> = {}
  const kinds = [...Object.keys(DAMAGE), "cut short"]
  for (const kind of kinds) {
    const count = {
      files: 0,
      unharmed: 0,
      "set aside": 0,
      refused: 0,
      named: 0,
      "rows gone unseen": 0,
      ended: 0,
      wrong: 0,
      hung: 0,
    }
    const signals = new Set<string>()
    for (; count.files < options.files; count.files++) {
      const path = join(root, "bad")
      rmSync(path, { recursive: true, force: true })
      mkdirSync(join(path, "tenants/0/data"), { recursive: true })
      mkdirSync(join(path, "tenants/0/wal"), { recursive: true })
      mkdirSync(join(path, "system/wal"), { recursive: true })
      mkdirSync(join(path, "system/data"), { recursive: true })
      copyFileSync(join(good, "format.json"), join(path, "format.json"))
      const file = join(path, name)
      if (kind === "cut short") {
        writeFileSync(file, image)
        truncateSync(file, rng.below(image.length))
      } else {
        const bytes = Buffer.from(image)
        DAMAGE[kind]!(bytes, rng.below(image.length / PAGE_BYTES) * PAGE_BYTES, rng)
        writeFileSync(file, bytes)
      }
      const child = spawnSync(process.execPath, [import.meta.filename, "--child", path], {
        encoding: "utf8",
        timeout: END_MS,
        killSignal: "SIGKILL",
      })
      if (child.error !== undefined) {
        count.hung++
        process.exitCode = 1
        continue
      }
      if (child.status !== 0) {
        count.ended++
        signals.add(
          child.signal ??
            (
              child.stderr
                .trim()
                .split("\n")
                .find((line) => /Error/.test(line)) ?? `${child.status}`
            ).slice(0, 80),
        )
        continue
      }
      const seen = JSON.parse(child.stdout.trim().split("\n").at(-1)!) as Seen
      if (seen.wrong > 0) {
        count.wrong++
        process.exitCode = 1
      }
      if (seen.outcome === "whole") count.unharmed++
      else if (seen.outcome === "setAside") count["set aside"]++
      else if (seen.outcome === "refused") count.refused++
      else if (seen.missing > 0) count["rows gone unseen"]++
      else count.named++
    }
    rows[kind] = { ...count, "ended by": [...signals].join("; ") }
  }
  printReport({
    bench: "real/base-rot",
    question: "what does a node make of a base whose pages rotted?",
    rows,
    notes: [
      `${image.length / PAGE_BYTES} pages of ${PAGE_BYTES} bytes, ${ROWS} rows; one place of each file is damaged.`,
    ],
  })
}

if (options.child === "") await run()
else console.log(JSON.stringify(await look(options.child)))
