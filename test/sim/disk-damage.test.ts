import assert from "node:assert/strict"
import { test } from "vitest"
import type { VolumeImage } from "#kernel"
import { drawPlan, parsePlan, scenario, SWARM_KINDS } from "#sim"
import { crc32c } from "#kernel/lib/crc32c.ts"
import { classify } from "#sim/faults/atlas.ts"
import { CATALOGUE } from "#sim/faults/catalogue.ts"
import type { KernelBuild } from "#sim/kernel-build.ts"
import type { FaultKind, PlanFault } from "#sim/plan/plan.ts"
import { World } from "#sim/world.ts"
import { fault, plan } from "./support/plans.ts"
import { toyBuild } from "./support/toy-kernel.ts"
import type { Damage } from "../support/damage-kinds.ts"
import { BIRTH } from "../support/told-cluster.ts"

const SECOND = 1_000_000
const FRAMES = { zone: 1, system: 0, sectors: 2 }

/** What a start read, kept as it was. */
type Read = { readonly store: number; readonly volumes: readonly ReadVolume[] }
type ReadVolume = {
  readonly volume: number
  readonly segments: VolumeImage["segments"]
  readonly witness: Uint8Array | null
  readonly checkpoint: number
}

/** A toy that remembers what each start was given. */
function recordingBuild(reads: Read[], keeps: boolean): KernelBuild {
  const toy = toyBuild(3, { keeps })
  return {
    ...toy,
    open(config, images, boot) {
      const volumes = images.map(({ volume, segments, witness, base }) => ({
        volume,
        segments: segments.map((segment) => ({ ...segment, bytes: segment.bytes.slice() })),
        witness: witness?.slice() ?? null,
        checkpoint: base.checkpoint,
      }))
      reads.push({ store: config.store, volumes })
      return toy.open(config, images, boot)
    },
  }
}

function run(
  faults: readonly PlanFault[],
  seed = 7,
  keeps = false,
): { readonly world: World; readonly reads: readonly Read[] } {
  const reads: Read[] = []
  const world = new World({
    plan: plan({ faults, seed }),
    build: recordingBuild(reads, keeps),
    checkers: [],
    clients: null,
    listener: null,
  })
  return { world, reads }
}

function lasting(kind: FaultKind, args: Readonly<Record<string, number>> = {}): PlanFault {
  return fault(1, kind, 3 * SECOND, 6 * SECOND, { stores: [1] }, args)
}

/** The power of store 1 fails while the fault is in force, and what it did is seen at the start after it. */
const POWER = fault(
  2,
  "crash",
  5 * SECOND,
  5.2 * SECOND,
  { stores: [1] },
  { restartUs: 200_000, powerLoss: 1 },
)

const EXAMPLES: Readonly<Record<Damage, PlanFault>> = {
  lyingSync: lasting("lyingSync"),
  renameNotDurable: lasting("renameNotDurable"),
  readError: lasting("readError", FRAMES),
  latentSector: { ...lasting("latentSector", FRAMES), until: 3 * SECOND },
  bitRot: { ...lasting("bitRot", { zone: 1 }), until: 3 * SECOND },
  misdirectedWrite: lasting("misdirectedWrite", { reach: 0 }),
  misdirectedRead: lasting("misdirectedRead", FRAMES),
  staleRead: lasting("staleRead", FRAMES),
  diskLoss: lasting("diskLoss", { restartUs: SECOND }),
  volumeLoss: lasting("volumeLoss", { restartUs: SECOND }),
  swapDisks: { ...lasting("swapDisks"), target: { role: "stores", stores: [1, 2], peers: [], group: 1 } },
  oldImage: lasting("oldImage", { ageUs: 1_500_000, restartUs: 200_000 }),
  fileLoss: fault(1, "fileLoss", 8 * SECOND, 9 * SECOND, { stores: [1] }, { restartUs: 200_000 }),
  shortFile: lasting("shortFile", { restartUs: 200_000 }),
  earlierVolume: lasting("earlierVolume", { ageUs: 1_500_000, restartUs: 200_000 }),
  laterFormat: lasting("laterFormat", { system: 0 }),
}

/** Each start begins a file: with these there is one between others when it is to be lost. */
const STARTS: Readonly<Partial<Record<Damage, readonly PlanFault[]>>> = {
  fileLoss: [{ ...POWER, id: 3, at: 2.5 * SECOND, until: 2.7 * SECOND }],
}

for (const kind of Object.keys(EXAMPLES) as Damage[]) {
  test(`${kind} changes what a start reads, is counted, and changes nothing before its time or once lifted`, () => {
    assert.ok(kind in CATALOGUE)
    const others = [POWER, ...(STARTS[kind] ?? [])]
    const healthy = run(others, 7, kind === "fileLoss")
    const struck = run([EXAMPLES[kind], ...others], 7, kind === "fileLoss")
    healthy.world.runUntil(3 * SECOND - 1)
    struck.world.runUntil(3 * SECOND - 1)
    assert.equal(struck.world.trace.hex(), healthy.world.trace.hex())
    assert.equal(struck.world.stateDigest(), healthy.world.stateDigest())
    healthy.world.runUntil(10 * SECOND)
    struck.world.runUntil(10 * SECOND)
    assert.equal(struck.world.violation, null)
    assert.notDeepEqual(struck.reads, healthy.reads)
    assert.deepEqual(struck.world.faultCounts()[kind], { applied: 1, effective: 1 })
    const { changes } = struck.world.faultRuns()[0]!.tally
    assert.equal(struck.world.run(), true)
    assert.equal(struck.world.faultRuns()[0]!.tally.changes, changes)
    for (const store of [1, 2, 3]) {
      const { alive, disk } = struck.world.host(store)
      assert.equal(alive, true)
      assert.deepEqual([disk.lies, disk.misreads, disk.misdirections, disk.isSwapped], [[], [], [], false])
    }
  })
}

/** What store 1 read when it started for the `boot`-th time, of volume 1. */
function readOf(reads: readonly Read[], boot: number, store = 1): ReadVolume {
  const starts = reads.filter((read) => read.store === store)
  return starts[boot - 1]!.volumes.find(({ volume }) => volume === 1)!
}

test("a lie that no power loss follows harms nobody and is not counted", () => {
  const crash = { ...POWER, args: { restartUs: 200_000, powerLoss: 0 } }
  for (const kind of ["lyingSync", "renameNotDurable"] as const) {
    const healthy = run([crash])
    const struck = run([EXAMPLES[kind], crash])
    assert.equal(struck.world.run(), true)
    assert.equal(healthy.world.run(), true)
    assert.deepEqual(struck.world.faultCounts()[kind], { applied: 1, effective: 0 })
    assert.deepEqual(struck.reads, healthy.reads)
  }
})

test("what a lie promised is safe once an honest sync came after it", () => {
  const lie = { ...EXAMPLES.lyingSync, until: 3.5 * SECOND }
  const healthy = run([POWER])
  const struck = run([lie, POWER])
  assert.equal(struck.world.run(), true)
  assert.equal(healthy.world.run(), true)
  assert.deepEqual(struck.world.faultCounts().lyingSync, { applied: 1, effective: 0 })
  assert.deepEqual(struck.reads, healthy.reads)
})

test("directories are durable soon after nothing keeps them from it, though no one syncs them", () => {
  const lie = { ...EXAMPLES.renameNotDurable, until: 4 * SECOND }
  const power = { ...POWER, at: 4 * SECOND + 1, until: 4_200_001 }
  const healthy = run([power])
  const struck = run([lie, power])
  healthy.world.run()
  struck.world.run()
  assert.deepEqual(struck.world.faultCounts().renameNotDurable, { applied: 1, effective: 0 })
  assert.deepEqual(struck.reads, healthy.reads)
})

test("a power loss leaves of what a lie promised whole sectors, old or new", () => {
  const pictures = new Set<string>()
  for (let seed = 1; seed <= 40; seed++) {
    const healthy = run([POWER], seed)
    const struck = run([EXAMPLES.lyingSync, POWER], seed)
    healthy.world.runUntil(5 * SECOND - 1)
    struck.world.runUntil(5 * SECOND - 1)
    assert.equal(struck.world.stateDigest(), healthy.world.stateDigest(), "who runs does not see it")
    healthy.world.run()
    struck.world.run()
    const [whole] = readOf(healthy.reads, 2).segments
    const left = readOf(struck.reads, 2).segments[0]!
    let lost = 0
    let kept = 0
    for (let at = 0; at < left.bytes.length; at += 512) {
      const now = left.bytes.subarray(at, at + 512)
      if (now.every((byte, i) => byte === whole!.bytes[at + i])) kept++
      else lost++
    }
    pictures.add(`${lost > 0 ? "lost" : ""}${kept > 40 ? "kept" : ""}`)
  }
  assert.ok(pictures.has("lostkept") && pictures.has("kept"), [...pictures].join())
})

test("an unreadable sector is told as such, not as zeros, and can be read again once it was written", () => {
  const { world, reads } = run([EXAMPLES.latentSector, POWER])
  world.run()
  const damaged = readOf(reads, 2).segments.filter(({ unreadable }) => unreadable !== undefined)
  assert.equal(damaged.length, 1)
  const [range] = damaged[0]!.unreadable!
  assert.equal(range!.start % 512, 0)
  assert.ok(range!.end - range!.start <= 1_024)
  assert.ok(damaged[0]!.bytes.subarray(range!.start, range!.end).every((byte) => byte === 0))
})

test("an error of reading is over with its fault: the bytes were there all the time", () => {
  const again = { ...POWER, id: 3, at: 8 * SECOND, until: 8_200_000 }
  const healthy = run([POWER, again])
  const struck = run([EXAMPLES.readError, POWER, again])
  healthy.world.run()
  struck.world.run()
  assert.ok(readOf(struck.reads, 2).segments.some(({ unreadable }) => unreadable !== undefined))
  assert.deepEqual(readOf(struck.reads, 3), readOf(healthy.reads, 3))
})

test("a witness or checkpoint that cannot be read is none", () => {
  const healthy = run([POWER])
  healthy.world.run()
  const whole = readOf(healthy.reads, 2)
  assert.ok(whole.witness !== null && whole.checkpoint > 0)
  for (const [zone, absent] of [
    [2, "witness"],
    [3, "checkpoint"],
  ] as const) {
    const { world, reads } = run([{ ...EXAMPLES.readError, args: { zone, sectors: 1_000 } }, POWER])
    world.run()
    const read = readOf(reads, 2)
    if (absent === "witness") assert.equal(read.witness, null)
    else assert.equal(read.checkpoint, 0)
  }
})

test("rot turns over exactly one bit, in the zone it is aimed at", () => {
  for (const zone of [0, 1, 2]) {
    const healthy = run([POWER])
    const struck = run([{ ...EXAMPLES.bitRot, at: 5_100_000, until: 5_100_000, args: { zone } }, POWER])
    healthy.world.run()
    struck.world.run()
    const bytesOf = (read: ReadVolume): readonly Uint8Array[] => [
      ...read.segments.map(({ bytes }) => bytes),
      read.witness!,
    ]
    const before = bytesOf(readOf(healthy.reads, 2))
    const after = bytesOf(readOf(struck.reads, 2))
    const changed: { readonly file: number; readonly at: number; readonly bits: number }[] = []
    after.forEach((bytes, file) => {
      bytes.forEach((byte, at) => {
        if (byte !== before[file]![at]) changed.push({ file, at, bits: byte ^ before[file]![at]! })
      })
    })
    assert.equal(changed.length, 1)
    const [{ file, at, bits }] = changed as [(typeof changed)[0]]
    assert.equal(bits & (bits - 1), 0)
    assert.equal(file === after.length - 1, zone === 2)
    if (zone < 2) assert.equal(at < 4_096, zone === 0)
  }
})

test("a write that went astray leaves its own place as it was, and lands whole or in part elsewhere", () => {
  for (const reach of [0, 1, 2]) {
    const { world } = run([{ ...EXAMPLES.misdirectedWrite, args: { reach } }])
    assert.equal(world.run(), true)
    assert.deepEqual(world.faultCounts().misdirectedWrite, { applied: 1, effective: 1 })
  }
})

test("a wrong answer is given once, and what is on the disk is right", () => {
  const again = { ...POWER, id: 3, at: 5_600_000, until: 5_800_000 }
  for (const kind of ["misdirectedRead", "staleRead"] as const) {
    const healthy = run([POWER, again])
    const struck = run([EXAMPLES[kind], POWER, again])
    healthy.world.run()
    struck.world.run()
    assert.notDeepEqual(readOf(struck.reads, 2), readOf(healthy.reads, 2))
    assert.deepEqual(readOf(struck.reads, 3), readOf(healthy.reads, 3))
  }
})

test("a stale answer is what stood there before: of a log, nothing from some write on", () => {
  const healthy = run([POWER])
  const struck = run([EXAMPLES.staleRead, POWER])
  healthy.world.run()
  struck.world.run()
  let zeroed = 0
  readOf(struck.reads, 2).segments.forEach(({ bytes }, index) => {
    bytes.forEach((byte, at) => {
      if (byte === readOf(healthy.reads, 2).segments[index]!.bytes[at]) return
      assert.equal(byte, 0)
      zeroed++
    })
  })
  assert.ok(zeroed > 0 && zeroed <= 1_024)
})

test("a lost disk starts empty; a lost volume leaves the others", () => {
  for (const kind of ["diskLoss", "volumeLoss"] as const) {
    const { world, reads } = run([EXAMPLES[kind]])
    world.run()
    const read = readOf(reads, 2)
    assert.deepEqual([read.segments, read.witness, read.checkpoint], [[], null, 0])
    assert.equal(world.host(1).boots, 2)
  }
})

test("a file is lost from between others, and of a short one the rest is as it was", () => {
  const starts = [POWER, ...STARTS.fileLoss!]
  const healthy = run([...starts, { ...POWER, id: 4, at: 8 * SECOND, until: 9 * SECOND }], 7, true)
  const lost = run([EXAMPLES.fileLoss, ...starts], 7, true)
  healthy.world.run()
  lost.world.run()
  const sequencesOf = (reads: readonly Read[]): readonly number[] =>
    readOf(reads, 4).segments.map(({ sequence }) => sequence)
  assert.deepEqual(sequencesOf(healthy.reads), [1, 2, 3])
  assert.deepEqual(sequencesOf(lost.reads), [1, 3])

  const whole = run([{ ...POWER, at: 3 * SECOND, until: 4 * SECOND }])
  const short = run([EXAMPLES.shortFile])
  whole.world.run()
  short.world.run()
  const before = readOf(whole.reads, 2).segments.at(-1)!.bytes
  const after = readOf(short.reads, 2).segments.at(-1)!.bytes
  assert.ok(after.length < before.length)
  assert.deepEqual(after, before.subarray(0, after.length))
  assert.ok(before.subarray(after.length).some((byte) => byte !== 0))
})

test("a volume that was lost is put back as it was then, and the others stay", () => {
  const struck = run([EXAMPLES.earlierVolume])
  const healthy = run([])
  healthy.world.runUntil(3 * SECOND - 1)
  const then = healthy.world
    .host(1)
    .disk.images()
    .find(({ volume }) => volume === 1)!
  struck.world.run()
  assert.deepEqual(readOf(struck.reads, 2).segments, [])
  assert.deepEqual(
    readOf(struck.reads, 3).segments.map(({ sequence }) => sequence),
    then.segments.map(({ sequence }) => sequence),
  )
})

test("a header of a later format is whole, and its own again when it is lifted", () => {
  const struck = run([EXAMPLES.laterFormat], 7, true)
  const healthy = run([{ ...POWER, at: 3 * SECOND, until: 4 * SECOND, args: { restartUs: SECOND } }], 7, true)
  struck.world.run()
  healthy.world.run()
  const zoneOf = (reads: readonly Read[], boot: number): Uint8Array =>
    readOf(reads, boot).segments[0]!.bytes.slice(0, 4_096)
  const before = zoneOf(healthy.reads, 2)
  const after = zoneOf(struck.reads, 2)
  assert.equal(
    new DataView(after.buffer).getUint32(8, true),
    new DataView(before.buffer).getUint32(8, true) + 1,
  )
  for (const at of [0, 2_048]) {
    assert.equal(new DataView(after.buffer).getUint32(at + 508, true), crc32c(after, at, at + 508))
  }
  assert.deepEqual(zoneOf(struck.reads, 3), before)
})

test("swapped disks are those of the other, and are back in their places when it is over", () => {
  const crash = fault(1, "crash", 3 * SECOND, 3 * SECOND, { stores: [1, 2] }, { restartUs: SECOND })
  const healthy = run([crash])
  const { world, reads } = run([EXAMPLES.swapDisks])
  healthy.world.runUntil(3_500_000)
  world.runUntil(3_500_000)
  const bytesOn = (of: World, store: number): unknown =>
    of
      .host(store)
      .disk.images()
      .map(({ segments, witness }) => ({ segments, witness }))
  assert.deepEqual(bytesOn(world, 1), bytesOn(healthy.world, 2))
  assert.deepEqual(bytesOn(world, 2), bytesOn(healthy.world, 1))
  assert.notDeepEqual(bytesOn(world, 1), bytesOn(world, 2))
  world.run()
  // Each has started twice more: on the other's disk, and on its own again.
  assert.deepEqual(
    [1, 2, 3].map((store) => reads.filter((read) => read.store === store).length),
    [3, 3, 1],
  )
})

test("disks that are swapped already are not swapped again", () => {
  const other = { ...EXAMPLES.swapDisks, id: 4, at: 4 * SECOND, until: 9 * SECOND }
  const { world } = run([EXAMPLES.swapDisks, { ...other, target: { ...other.target, stores: [2, 3] } }])
  world.run()
  assert.deepEqual(world.faultCounts().swapDisks, { applied: 1, effective: 1 })
})

test("an old image is the directory as it was then, whatever came since", () => {
  const struck = run([EXAMPLES.oldImage])
  const backup = run([])
  backup.world.runUntil(3 * SECOND)
  const then = backup.world
    .host(1)
    .disk.images()
    .find(({ volume }) => volume === 1)!
  struck.world.run()
  const read = readOf(struck.reads, 2)
  assert.deepEqual(
    read.segments.map(({ sequence, bytes }) => [sequence, bytes.length]),
    then.segments.map(({ sequence, bytes }) => [sequence, bytes.length]),
  )
  assert.equal(read.checkpoint, then.base.checkpoint)
})

// The atlas.

const AT = 4 * SECOND
/** A plan with one group of three, and these faults. */
function classOf(...faults: readonly Omit<PlanFault, "id">[]): string {
  const base = plan()
  const numbered = faults.map((sketch, index) => ({ ...sketch, id: index + 1 }))
  return classify({
    ...base,
    phases: { rounds: 2, faultsUs: 60 * SECOND, quietUs: 20 * SECOND },
    cluster: { ...base.cluster, ranges: [BIRTH] },
    faults: numbered,
  })
}

function on(
  kind: FaultKind,
  stores: readonly number[],
  at = AT,
  until = AT + SECOND,
  args: Readonly<Record<string, number>> = {},
): PlanFault {
  return fault(0, kind, at, until, { stores }, args)
}

const powerOf = (store: number, at: number): PlanFault =>
  on("crash", [store], at, at + SECOND, { restartUs: SECOND, powerLoss: 1 })

test("damage that is noticed stays within the model up to f members of a group in one part", () => {
  for (const kind of ["diskLoss", "volumeLoss", "bitRot", "latentSector", "readError"] as const) {
    assert.equal(classOf(on(kind, [1])), "within")
    assert.equal(classOf(on(kind, [1]), on(kind, [1], 9 * SECOND, 9 * SECOND)), "within")
    assert.equal(classOf(on(kind, [1]), on(kind, [2], 30 * SECOND, 31 * SECOND)), "detectable")
    // In between there was a quiet part to repair it in, unless nobody looked there.
    const isLatent = kind === "bitRot" || kind === "latentSector"
    assert.equal(
      classOf(on(kind, [1]), on(kind, [2], 90 * SECOND, 91 * SECOND)),
      isLatent ? "detectable" : "within",
    )
    // A store that holds no replica has nothing to lose.
    assert.equal(classOf(on(kind, [1]), on(kind, [4])), "within")
  }
})

test("a group from which one of three is taken away can bear no damage", () => {
  assert.equal(classOf(on("bitRot", [1]), on("addVoter", [4])), "within")
  assert.equal(classOf(on("bitRot", [1]), on("removeReplica", [2])), "detectable")
})

test("a fault of whoever leads counts as one more member, one of the followers as all others", () => {
  const leader = { ...on("bitRot", []), target: { role: "leader", stores: [], peers: [], group: 1 } as const }
  assert.equal(classOf(leader), "within")
  assert.equal(classOf(leader, on("bitRot", [1])), "detectable")
  assert.equal(classOf({ ...leader, target: { ...leader.target, role: "followers" } }), "detectable")
})

test("swapped disks stop two stores by name and damage nobody, but carry what else befalls them", () => {
  const swap = on("swapDisks", [2, 3], 3 * SECOND, 9 * SECOND)
  assert.equal(classOf(swap), "within")
  assert.equal(classOf(swap, on("diskLoss", [2])), "detectable")
  assert.equal(classOf(swap, on("diskLoss", [1])), "within")
})

test("a lie is within the model alone and in calm, or while no power loss shows it", () => {
  for (const kind of ["lyingSync", "renameNotDurable"] as const) {
    const lie = on(kind, [1], 20 * SECOND, 22 * SECOND)
    const power = powerOf(1, 21 * SECOND)
    assert.equal(classOf(lie, power), "within")
    assert.equal(classOf(lie, power, on("partition", [2], 21 * SECOND, 22 * SECOND)), "undetectable")
    // Whoever was cut off just before may be behind still.
    assert.equal(classOf(lie, power, on("pause", [3], 17 * SECOND, 18 * SECOND)), "undetectable")
    assert.equal(classOf(lie, power, on("pause", [3], 25 * SECOND, 26 * SECOND)), "undetectable")
    assert.equal(classOf(lie, power, on("pause", [3], 40 * SECOND, 41 * SECOND)), "within")
    assert.equal(classOf(lie, on("pause", [3], 21 * SECOND, 22 * SECOND)), "within")
    // Power that fails long after: an honest sync came before it, as the cluster was calm.
    assert.equal(classOf(lie, powerOf(1, 45 * SECOND)), "within")
    // Where it was not calm there may have been none; directories need none.
    assert.equal(
      classOf(lie, on("partition", [2], 22 * SECOND, 44 * SECOND), powerOf(1, 45 * SECOND)),
      kind === "lyingSync" ? "undetectable" : "within",
    )
    assert.equal(classOf(lie, powerOf(2, 21 * SECOND)), "within")
    assert.equal(classOf(on(kind, [1, 2], 20 * SECOND, 22 * SECOND), power), "undetectable")
  }
})

test("what befalls single files is noticed or stops a store by name; a file that is only shorter forgets", () => {
  for (const kind of ["fileLoss", "earlierVolume"] as const) {
    const args = { ageUs: SECOND, restartUs: SECOND }
    assert.equal(classOf(on(kind, [1], AT, AT + SECOND, args), on("partition", [2])), "within")
    assert.equal(classOf(on(kind, [1], AT, AT + SECOND, args), on("bitRot", [2])), "detectable")
  }
  const short = on("shortFile", [1], 20 * SECOND, 21 * SECOND, { restartUs: SECOND })
  assert.equal(classOf(short), "within")
  assert.equal(classOf(short, on("delay", [2], 21 * SECOND, 22 * SECOND)), "undetectable")
  assert.equal(classOf(short, on("bitRot", [2], 40 * SECOND, 40 * SECOND)), "detectable")
  assert.equal(classOf(on("laterFormat", [1]), on("laterFormat", [2]), on("diskLoss", [3])), "within")
})

test("an old image, a stale answer and a write that went astray need calm as well", () => {
  const image = on("oldImage", [1], 20 * SECOND, 24 * SECOND, { ageUs: 3 * SECOND, restartUs: SECOND })
  const stale = on("staleRead", [1], 20 * SECOND, 22 * SECOND, { zone: 1 })
  const astray = on("misdirectedWrite", [1], 20 * SECOND, 22 * SECOND)
  for (const fault of [image, stale, astray]) {
    assert.equal(classOf(fault, powerOf(1, 21 * SECOND)), "within")
    assert.equal(classOf(fault, on("delay", [2], 21 * SECOND, 22 * SECOND)), "undetectable")
    assert.equal(classOf(fault, on("bitRot", [2], 21 * SECOND, 21 * SECOND)), "undetectable")
    // A kernel that is loaded anew is no disturbance.
    assert.equal(classOf(fault, on("reload", [2], 21 * SECOND, 21 * SECOND)), "within")
  }
  // Checkpoints and side slots that are stale contradict the log beside them.
  assert.equal(classOf({ ...stale, args: { zone: 3 } }, on("delay", [2], 21 * SECOND, 22 * SECOND)), "within")
  // So does a header; what begins in it and goes on may be frames.
  for (const [sectors, runClass] of [
    [1, "within"],
    [2, "undetectable"],
  ] as const) {
    const header = { ...stale, args: { zone: 0, sectors } }
    assert.equal(classOf(header, on("delay", [2], 21 * SECOND, 22 * SECOND)), runClass)
  }
})

test("in a quiet part nothing strikes", () => {
  assert.equal(classOf(on("diskLoss", [1, 2], 65 * SECOND, 66 * SECOND)), "within")
  assert.equal(classOf(on("oldImage", [1, 2], 65 * SECOND, 66 * SECOND)), "within")
})

test("a plan of nothing but forgetting keeps a calm around what is left, and a campaign's size", () => {
  const swarm = scenario({
    name: "images",
    about: "Old images alone.",
    faults: { swarm: ["oldImage", "lyingSync"], activations: [3, 6] },
    phases: { rounds: 2 },
  })
  let undetectable = 0
  for (let seed = 1; seed <= 60; seed++) {
    const drawn = drawPlan(swarm, seed)
    assert.ok(drawn.faults.length >= 5, `seed ${seed} has ${drawn.faults.length}`)
    assert.deepEqual(
      drawn.faults.map(({ id }) => id),
      drawn.faults.map((_, index) => index + 1),
    )
    if (classify(drawn) === "undetectable") undetectable++
  }
  assert.ok(undetectable <= 6, `${undetectable} of 60`)
})

test("drawn swarms of damage are mostly within the model, and hardly ever beyond what can be noticed", () => {
  const counts = { within: 0, detectable: 0, undetectable: 0 }
  const kinds = [...(Object.keys(EXAMPLES) as Damage[]), ...SWARM_KINDS]
  const swarm = scenario({ name: "damage", about: "Every fault there is.", faults: { swarm: kinds } })
  const seen = new Set<FaultKind>()
  for (let seed = 1; seed <= 200; seed++) {
    const drawn = drawPlan(swarm, seed)
    counts[classify(drawn)]++
    for (const { kind } of drawn.faults) seen.add(kind)
    assert.deepEqual(parsePlan(JSON.parse(JSON.stringify(drawn))), drawn)
  }
  for (const kind of kinds) assert.ok(seen.has(kind), `${kind} was never drawn`)
  assert.ok(counts.undetectable <= 10 && counts.undetectable > 0, JSON.stringify(counts))
  assert.ok(counts.detectable <= 30 && counts.within >= 160, JSON.stringify(counts))
})
