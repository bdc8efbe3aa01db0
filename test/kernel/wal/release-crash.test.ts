import type { GroupId } from "#kernel/ids.ts"
import { Sfc32 } from "#kernel/lib/rng.ts"
import { NO_SWITCHES } from "#kernel/node/switches.ts"
import type { WalItem } from "#kernel/wal/item.ts"
import { recoverVolume, type RecoveredVolume } from "#kernel/wal/recovery.ts"
import { emptyWalStart, Wal, type WalEffect, type WalLimits, type WalStart } from "#kernel/wal/wal.ts"
import { assert, test } from "vitest"
import {
  applyToModel,
  cloneModel,
  createdItem,
  describeModel,
  describeRecovered,
  IDENTITY,
  putEntry,
  type Model,
} from "../../support/wal-arbitraries.ts"

const SECTOR = 512
const limits: WalLimits = { segmentBytesFirst: 16 << 10, segmentBytesMax: 16 << 10 }
const SYSTEM = { ...IDENTITY, volume: 0 }

type Append = Extract<WalEffect, { readonly type: "append" }>
type Directory = { readonly segments: ReadonlyMap<number, Uint8Array>; readonly witness: Uint8Array | null }
/** What a crash may leave, and what must be read from it. */
type Crash = { readonly at: string; readonly directory: Directory; readonly expected: readonly string[] }

/** A host that shows the directory as a crash would leave it, at every point of every deed. */
class Host {
  readonly crashes: Crash[] = []
  readonly model: Model
  readonly wal: Wal
  #durable: Model
  #segments: Map<number, Uint8Array>
  #witness: Uint8Array | null
  released = 0

  constructor(start: WalStart, directory: Directory, model: Model) {
    this.wal = new Wal({ identity: SYSTEM, limits, rng: new Sfc32(5, 5), switches: NO_SWITCHES }, start)
    this.model = model
    this.#durable = cloneModel(model)
    this.#segments = new Map(directory.segments)
    this.#witness = directory.witness
  }

  get directory(): Directory {
    return { segments: this.#segments, witness: this.#witness }
  }

  append(...items: readonly WalItem[]): void {
    for (const item of items) {
      this.wal.append(item)
      applyToModel(this.model, item)
    }
  }

  /** Turns until there is nothing to do any more, so also the witness of an idle volume. */
  run(): void {
    for (let isBusy = true; isBusy;) {
      const effects = this.wal.endTurn()
      isBusy = effects.length > 0
      for (const effect of effects) this.#carryOut(effect)
    }
  }

  #show(
    at: string,
    segments: ReadonlyMap<number, Uint8Array>,
    witness = this.#witness,
    model = this.#durable,
  ): void {
    this.crashes.push({ at, directory: { segments, witness }, expected: describeModel(model) })
  }

  #with(segment: number, bytes: Uint8Array): Map<number, Uint8Array> {
    return new Map(this.#segments).set(segment, bytes)
  }

  #carryOut(effect: WalEffect): void {
    switch (effect.type) {
      case "createSegment": {
        const bytes = new Uint8Array(effect.sizeBytes)
        this.#show(`segment ${effect.segment} without a header`, this.#with(effect.segment, bytes.slice()))
        bytes.set(effect.header)
        this.#segments = this.#with(effect.segment, bytes)
        this.#show(`segment ${effect.segment} made`, this.#segments)
        this.wal.segmentCreated(effect.segment)
        break
      }
      case "append":
        this.#write(effect)
        break
      case "writeWitness":
        this.#show("a torn witness", this.#segments, effect.bytes.slice(0, effect.bytes.length - 2))
        this.#witness = effect.bytes
        this.#show("a witness", this.#segments)
        break
      case "releaseSegments":
        this.#release(effect.below)
        break
    }
  }

  /** Any prefix of the frame's sectors, all but any one of them, and all. */
  #write({ segment, offset, bytes, lsn }: Append): void {
    const first = Math.floor(offset / SECTOR)
    const count = Math.ceil((offset + bytes.length) / SECTOR) - first
    const file = this.#segments.get(segment)!
    const kept = (keeps: (sector: number) => boolean): Map<number, Uint8Array> => {
      const torn = file.slice()
      for (let sector = 0; sector < count; sector++) {
        const from = Math.max((first + sector) * SECTOR, offset)
        const to = Math.min((first + sector + 1) * SECTOR, offset + bytes.length)
        if (keeps(sector)) torn.set(bytes.subarray(from - offset, to - offset), from)
      }
      return this.#with(segment, torn)
    }
    for (let length = 0; length < count; length++)
      this.#show(
        `frame ${lsn}, ${length} sectors of it`,
        kept((sector) => sector < length),
      )
    for (let lost = 0; lost < count; lost++)
      this.#show(
        `frame ${lsn} without its sector ${lost}`,
        kept((sector) => sector !== lost),
      )
    this.#segments = kept(() => true)
    this.#durable = cloneModel(this.model)
    this.#show(`frame ${lsn} written`, this.#segments)
    this.wal.synced(lsn)
  }

  /** Files go in any order: every set of them may be gone. */
  #release(below: number): void {
    const goes = [...this.#segments.keys()].filter((sequence) => sequence < below)
    this.released += goes.length
    for (let set = 0; set < 1 << goes.length; set++) {
      const left = new Map(this.#segments)
      goes.forEach((sequence, bit) => (set & (1 << bit)) !== 0 && left.delete(sequence))
      this.#show(
        `released ${goes.filter((_, bit) => (set & (1 << bit)) !== 0).join()} of ${goes.join()}`,
        left,
      )
    }
    for (const sequence of goes) this.#segments.delete(sequence)
  }
}

function recovered({ segments, witness }: Directory): RecoveredVolume {
  return recoverVolume({
    segments: [...segments].map(([sequence, bytes]) => ({ sequence, bytes })),
    witness,
    systemWitness: null,
    identity: SYSTEM,
  })
}

/** Beyond what the log itself calls checkpointed of group 2: that must not go. */
const FLOOR = (group: GroupId): number => (group === 1 ? 40 : 4)
const LIVE = [1, 2, 3, 4].map((index) => putEntry(index, 7, `live ${index}`))
const IDENTIFIER = {
  group: 5,
  replica: 1,
  lastIndex: 3,
  lastTerm: 1,
  term: 4,
  votedFor: 2,
  checksum: 9,
  mark: null,
}

/** Only the first segments say who this is, what was promised to whom, and how a tenant's log ended. */
function filled(): Host {
  const host = new Host(emptyWalStart(1), { segments: new Map(), witness: null }, new Map())
  host.append(
    { type: "identity", cluster: "orbit", store: 3, incarnation: 8 },
    { type: "boot", boot: 4 },
    { type: "volume", volume: 1, incarnation: 6 },
    { type: "tombstone", group: 9, replica: 2 },
    { type: "witness", volume: 1, identifiers: [IDENTIFIER] },
    createdItem(1, 1),
    createdItem(2, 3),
    { type: "hardState", group: 2, term: 7, votedFor: 3 },
    createdItem(3, 1),
    { type: "hardState", group: 3, term: 2, votedFor: 1 },
  )
  host.run()
  for (let index = 1; index <= 40; index++) {
    host.append({ type: "entries", group: 1, entries: [putEntry(index, 1, "x".repeat(2_000))] })
    host.run()
    // Acknowledged, and live: it ends what may go.
    if (index === 30) host.append({ type: "entries", group: 2, entries: LIVE })
  }
  host.append(
    { type: "replicaRemoved", group: 3, replica: 1 },
    { type: "logStart", group: 1, index: 40, term: 1 },
  )
  host.run()
  return host
}

function assertNothingLost(volume: RecoveredVolume, crash: Crash, context: string): void {
  assert.deepEqual(describeRecovered(volume.groups), crash.expected, context)
  assert.deepEqual(volume.damage, [], context)
  const { ledger } = volume.start!
  assert.equal(ledger.identity?.incarnation, 8, context)
  assert.equal(ledger.boot?.boot, 4, context)
  assert.equal(ledger.volumes.get(1)?.incarnation, 6, context)
  assert.isTrue(ledger.tombstones.get(9)?.has(2), context)
  assert.deepEqual(ledger.witnesses.get(5)?.identifier, IDENTIFIER, context)
}

test("a crash at any point of a release loses no vote, term, entry or identifier, nor does one at any point of the release after it", () => {
  const host = filled()
  host.crashes.length = 0
  host.wal.release(FLOOR)
  host.run()
  assert.isAbove(host.released, 2)
  assert.isAbove(host.crashes.length, 12)
  let released = 0
  for (const first of host.crashes) {
    const volume = recovered(first.directory)
    assertNothingLost(volume, first, first.at)
    // Started again, the store releases what is left to release, and dies of that too.
    const again = new Host(volume.start!, first.directory, cloneModel(host.model))
    again.append({ type: "boot", boot: 4 }, { type: "hardState", group: 2, term: 8, votedFor: 1 })
    again.wal.release(FLOOR)
    again.run()
    released += again.released
    assert.isAbove(again.crashes.length, 3, first.at)
    for (const second of again.crashes)
      assertNothingLost(recovered(second.directory), second, `${first.at}, then ${second.at}`)
  }
  assert.isAbove(released, 10)
})
