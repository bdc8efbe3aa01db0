import { Sfc32, type Rng } from "#kernel/lib/rng.ts"
import type { RecoveredVolume } from "#kernel/wal/recovery.ts"
import { assert, test } from "vitest"
import {
  cloneModel,
  describeModel,
  describeRecovered,
  History,
  Rig,
  type Model,
} from "../../support/wal-arbitraries.ts"

type Case = { readonly rig: Rig; readonly durable: Model }

/** Everything is synced; with a witness if `isIdle`. */
function syncedLog(seed: number, framesMax: number, isIdle: boolean): Case {
  const rng = new Sfc32(seed, 2)
  const rig = new Rig(seed)
  const history = new History(rng)
  for (let i = 1 + rng.below(framesMax); i > 0; i--) {
    const items = []
    for (let n = rng.below(3); n >= 0; n--) items.push(history.next())
    rig.write(...items)
  }
  if (isIdle) rig.turn()
  return { rig, durable: cloneModel(history.model) }
}

/** One bit of one synced frame, by its segment and offset. */
function drawFlip(
  rng: Rng,
  rig: Rig,
): { readonly segment: number; readonly at: number; readonly bit: number } {
  const frame = rig.synced[rng.below(rig.synced.length)]!
  return { segment: frame.segment, at: frame.offset + rng.below(frame.bytes.length), bit: 1 << rng.below(8) }
}

/** Whatever is not called damaged is right; what is identified is right about its end, term and vote. */
function assertHonest(recovered: RecoveredVolume, durable: Model, context: string): void {
  const expected = new Map(describeModel(durable).map((line) => [line.split(" ")[1], line]))
  for (const group of recovered.groups) {
    const state = durable.get(group.group)
    if (group.damage === null) {
      // A lost `logStart` is not missed: the log has more of its beginning than it needs.
      const start = Math.max(group.logStart.index, state?.startIndex ?? 0)
      const entries = group.entries.filter((entry) => entry.index > start)
      const isLonger = start > group.logStart.index
      const logStart = isLonger ? { index: start, term: state?.startTerm ?? 0 } : group.logStart
      assert.equal(
        describeRecovered([{ ...group, entries, logStart }])[0],
        expected.get(String(group.group)),
        context,
      )
      continue
    }
    if (state === undefined || !group.damage.identified) continue
    assert.deepEqual([group.term, group.votedFor], [state.term, state.votedFor], context)
    const end = state.startIndex + state.entries.length
    assert.deepEqual(group.damage.end?.index, end, context)
    assert.isAtMost(group.damage.firstIndex, end + 1, context)
  }
}

function flipAndRecover(
  seed: number,
  inputs: number,
  flipsEach: number,
  isIdle: boolean,
): { corruption: number } {
  const rng = new Sfc32(seed, 3)
  const counts = { corruption: 0 }
  for (let done = 0, n = 0; done < inputs; n++) {
    const { rig, durable } = syncedLog(seed * 1000 + n, 10, isIdle)
    for (let i = 0; i < flipsEach; i++, done++) {
      const { segment, at, bit } = drawFlip(rng, rig)
      const bytes = rig.segments.get(segment)!
      bytes[at]! ^= bit
      const recovered = rig.recover()
      const context = `seed ${seed * 1000 + n} segment ${segment} offset ${at} bit ${bit}`
      assert.equal(recovered.verdict, "corruption", context)
      assertHonest(recovered, durable, context)
      counts.corruption++
      bytes[at]! ^= bit
    }
    assert.deepEqual(describeRecovered(rig.recover().groups), describeModel(durable))
  }
  return counts
}

test("no flipped bit of a synced frame is accepted or cut away, with or without a witness", () => {
  assert.equal(flipAndRecover(1, 6000, 40, false).corruption, 6000)
  assert.equal(flipAndRecover(2, 6000, 40, true).corruption, 6000)
})

test("no sector of synced frames that cannot be read is cut away, with or without a witness", () => {
  const rng = new Sfc32(12, 12)
  for (let n = 0; n < 2_000; n++) {
    const { rig, durable } = syncedLog(12_000_000 + n, 10, n % 2 === 0)
    const { segment, at } = drawFlip(rng, rig)
    const start = Math.floor(at / 512) * 512
    const { length } = rig.segments.get(segment)!
    const end = Math.min(length, start + 512 * (1 + rng.below(4)))
    const recovered = rig.recover(rig.unreadable(segment, start, end))
    const context = `case ${n} segment ${segment} [${start}, ${end})`
    assert.equal(recovered.verdict, "corruption", context)
    // Several frames at once may take all that ever named a replica: then nobody is opened under its group.
    const named = recovered.groups.filter((group) => group.replica !== 0)
    assertHonest({ ...recovered, groups: named }, durable, context)
  }
})

test("what recovery made of damage is written down: the next one finds the same, and calls it settled", () => {
  const rng = new Sfc32(4, 4)
  for (let n = 0; n < 800; n++) {
    const { rig, durable } = syncedLog(7_000_000 + n, 8, n % 2 === 0)
    const { segment, at, bit } = drawFlip(rng, rig)
    rig.segments.get(segment)![at]! ^= bit
    const first = rig.recover()
    assert.deepEqual(rig.recover(), first)
    rig.restart(first)
    rig.turn()
    rig.sync()
    const second = rig.recover()
    const context = `case ${n}`
    assert.deepEqual(describeRecovered(second.groups), describeRecovered(first.groups), context)
    assert.deepEqual(
      second.groups.map((group) => group.damage),
      first.groups.map((group) => group.damage),
      context,
    )
    assert.equal(second.verdict, "clean", context)
    assert.isTrue(
      second.damage.every((range) => range.isSettled),
      context,
    )
    assertHonest(second, durable, context)
  }
})

test("a synced log with a sector lost from its last frame is corrupt if it was witnessed, torn if not", () => {
  const rng = new Sfc32(6, 6)
  for (let n = 0; n < 300; n++) {
    const { rig, durable } = syncedLog(9_000_000 + n, 8, n % 2 === 0)
    const frame = rig.synced.at(-1)!
    const end = frame.offset + frame.bytes.length
    const sector = Math.floor((frame.offset + rng.below(frame.bytes.length)) / 512) * 512
    const from = Math.max(sector, frame.offset)
    rig.segments.get(frame.segment)!.fill(0, from, Math.min(sector + 512, end))
    const recovered = rig.recover()
    if (n % 2 === 0) {
      assert.equal(recovered.verdict, "corruption")
      assertHonest(recovered, durable, `case ${n}`)
      // The slot knows every group, so nobody is left in doubt.
      assert.isTrue(recovered.groups.every((group) => group.damage === null || group.damage.identified))
    } else {
      assert.include(["tornTail", "clean"], recovered.verdict)
    }
  }
})

test("4,000 files cut short are read to their last whole frame, or called corrupt when a slot remembers more", () => {
  const rng = new Sfc32(8, 8)
  for (let n = 0; n < 200; n++) {
    const rig = new Rig(n, undefined, { segmentBytesFirst: 1 << 20, segmentBytesMax: 1 << 20 })
    const history = new History(new Sfc32(n, 10))
    const models = [cloneModel(history.model)]
    for (let i = 1 + rng.below(8); i > 0; i--) {
      rig.write(history.next(), history.next())
      models.push(cloneModel(history.model))
    }
    rig.turn()
    const whole = rig.segments.get(1)!
    const last = rig.synced.at(-1)!
    for (let i = 0; i < 20; i++) {
      const size = 4096 + rng.below(last.offset + last.bytes.length - 4096)
      rig.segments.set(1, whole.slice(0, size))
      const kept = rig.synced.filter((frame) => frame.offset + frame.bytes.length <= size).length
      const blind = rig.recover({ witness: null })
      assert.include(["clean", "tornTail"], blind.verdict)
      assert.deepEqual(describeRecovered(blind.groups), describeModel(models[kept]!))
      const witnessed = rig.recover()
      assert.equal(witnessed.verdict, "corruption")
      assertHonest(witnessed, models.at(-1)!, `history ${n} size ${size}`)
    }
  }
})
