import type { Incarnation, Mono, StoreId, VolumeId, Wall } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { Timing } from "../node/config.ts"
import { NONE_FULL, type StoreHeartbeat } from "./message.ts"

/** Support this store gives to another: it counts it alive until then, by its own clock. */
type Given = {
  incarnation: Incarnation
  boot: number
  life: number
  /** Numbered within this boot; another one after each break. */
  epoch: number
  until: Mono
  isLive: boolean
  /** Stamps of the heartbeat granted last, as its sender wrote them. */
  askedMono: Mono
  askedWall: Wall
  heardAt: Mono
}

/** Support this store has from another, counted from when it asked. */
type Had = {
  incarnation: Incarnation
  boot: number
  epoch: number
  askedMono: Mono
  askedWall: Wall
  isLive: boolean
}

/** One unbroken stretch of support, named by the store that gives it. */
export type SupportName = {
  /** That store's own incarnation, whatever those of its volumes are. */
  readonly incarnation: Incarnation
  readonly boot: number
  readonly epoch: number
}

/** What a group asks of the support between stores. */
export interface Support {
  /** Of this store itself: epochs are numbered within its boot. */
  readonly incarnation: Incarnation
  readonly boot: number
  readonly life: number
  /** Before this time a replica of this boot may have forgotten what it promised in the one before. */
  readonly forgetfulUntil: Mono
  /** Whether this store wants to be counted alive: its clock is trusted and its disk answers. */
  readonly isAsking: boolean
  /** The epoch in which this store supports that one now, or 0. */
  givenTo(store: StoreId, mono: Mono): number
  /** The same, if it is still in the life it spoke in. */
  givenIn(store: StoreId, life: number, mono: Mono): number
  /** In which life of a disk, boot and epoch that store supports this one, for certain, or null. */
  hadFrom(store: StoreId, mono: Mono, wall: Wall): SupportName | null
}

/** What a change in the support between stores means for the groups that have members there. */
export type SupportChange = {
  readonly store: StoreId
  /**
   * `givenEnded`: its leaders may be deposed. `givenRenewed`: it gave up what it had and asked again, so
   * they live, and nothing is promised to them. `had`: it begins, or ends, to support this store.
   */
  readonly type: "givenEnded" | "givenRenewed" | "hadBegan" | "hadEnded"
}

/** Of each hundred parts of a duration, what two clocks may differ by in their rates. */
const DRIFT_PERCENT = 1

/** What a duration by another's clock comes to by ours at least. */
export function heldAtLeastUs(heldUs: number): number {
  return heldUs - Math.ceil((heldUs * DRIFT_PERCENT) / 100)
}

/**
 * Stores support each other for a while: one promise between two stores in place of one for every group
 * they share. The supporter counts from receipt and the supported from when it asked, less what clocks may
 * differ by, so that who relies on a promise stops before the one who made it.
 *
 * A promise names (store, incarnation, boot, life) of the one it was made to, and the boot and epoch of the
 * one who made it: an unbroken stretch. What rests on one epoch never rests on the next.
 */
export class StoreSupport implements Support {
  readonly #timing: Timing
  readonly incarnation: Incarnation
  readonly boot: number
  readonly forgetfulUntil: Mono
  #life = 1
  #isAsking = true
  #epoch = 0
  readonly #given = new Map<StoreId, Given>()
  readonly #had = new Map<StoreId, Had>()

  /** `isFirst`: nothing was promised before this boot. */
  constructor(timing: Timing, incarnation: Incarnation, boot: number, mono: Mono, isFirst: boolean) {
    this.#timing = timing
    this.incarnation = incarnation
    this.boot = boot
    this.forgetfulUntil = isFirst ? mono : mono + timing.supportUs
  }

  get life(): number {
    return this.#life
  }

  get isAsking(): boolean {
    return this.#isAsking
  }

  /** For how long after asking the support is relied on. */
  get #reliedUs(): number {
    const { supportUs, clockBoundUs } = this.#timing
    return supportUs - Math.floor((supportUs * DRIFT_PERCENT) / 100) - clockBoundUs
  }

  /** When `timePassed` is wanted next: some support may end then. */
  get deadline(): Mono {
    let deadline = Number.MAX_SAFE_INTEGER
    for (const given of this.#given.values())
      if (given.isLive && given.until < deadline) deadline = given.until
    const relied = this.#reliedUs
    for (const had of this.#had.values())
      if (had.isLive && had.askedMono + relied < deadline) deadline = had.askedMono + relied
    return deadline
  }

  givenTo(store: StoreId, mono: Mono): number {
    const given = this.#given.get(store)
    return given !== undefined && given.isLive && given.until > mono ? given.epoch : 0
  }

  givenIn(store: StoreId, life: number, mono: Mono): number {
    return this.#given.get(store)?.life === life ? this.givenTo(store, mono) : 0
  }

  hadFrom(store: StoreId, mono: Mono, wall: Wall): SupportName | null {
    const had = this.#had.get(store)
    return had !== undefined && had.isLive && this.#holds(had, mono, wall) ? had : null
  }

  /**
   * Two witnesses of how much time has passed since it asked: the later one counts, and if they contradict
   * each other by more than clocks may differ, neither does.
   */
  #holds(had: Had, mono: Mono, wall: Wall): boolean {
    const byMono = mono - had.askedMono
    const byWall = wall - had.askedWall
    const apart = byMono - byWall
    const { clockBoundUs } = this.#timing
    return Math.max(byMono, byWall) < this.#reliedUs && apart <= clockBoundUs && -apart <= clockBoundUs
  }

  /** Stores that count on this one now, ascending. */
  supported(): readonly StoreId[] {
    const stores: StoreId[] = []
    for (const [store, given] of this.#given) if (given.isLive) stores.push(store)
    return stores.sort((a, b) => a - b)
  }

  /** Null when that is what it does already; else all peers are to be told at once. */
  ask(wanted: boolean): readonly SupportChange[] | null {
    if (wanted === this.#isAsking) return null
    this.#isAsking = wanted
    return this.giveUp()
  }

  /** Whatever rests on support had so far ends: here now, and then elsewhere with the next heartbeat. */
  giveUp(): readonly SupportChange[] {
    const changes: SupportChange[] = []
    for (const [store, had] of this.#had) if (had.isLive) changes.push({ store, type: "hadEnded" })
    this.#life++
    this.#had.clear()
    return changes.sort(byStore)
  }

  heartbeatTo(store: StoreId, mono: Mono, wall: Wall, full: readonly VolumeId[] = NONE_FULL): StoreHeartbeat {
    const given = this.#given.get(store)
    const isLive = given !== undefined && given.isLive && given.until > mono
    return {
      type: "storeHeartbeat",
      life: this.#life,
      asks: this.#isAsking,
      sentMono: mono,
      sentWall: wall,
      epoch: isLive ? given.epoch : 0,
      // Also of one that asks for nothing: it compares clocks by the way back and forth.
      ofIncarnation: given?.incarnation ?? 0,
      ofBoot: given?.boot ?? 0,
      ofLife: given?.life ?? 0,
      askedMono: given?.askedMono ?? 0,
      askedWall: given?.askedWall ?? 0,
      heldUs: given === undefined ? 0 : Math.max(0, mono - given.heardAt),
      full,
    }
  }

  /** Support that has run out. */
  timePassed(mono: Mono, wall: Wall): readonly SupportChange[] {
    const changes: SupportChange[] = []
    for (const [store, given] of this.#given) {
      if (!given.isLive || given.until > mono) continue
      given.isLive = false
      changes.push({ store, type: "givenEnded" })
    }
    for (const [store, had] of this.#had) {
      if (!had.isLive || this.#holds(had, mono, wall)) continue
      had.isLive = false
      changes.push({ store, type: "hadEnded" })
    }
    return changes.sort(byStore)
  }

  /** `isNew`: support begins, and the other should hear of it before its next turn comes. */
  heard(
    from: StoreId,
    incarnation: Incarnation,
    boot: number,
    message: StoreHeartbeat,
    mono: Mono,
    wall: Wall,
  ): { readonly changes: readonly SupportChange[]; readonly isNew: boolean } {
    const changes = [...this.timePassed(mono, wall)]
    const isNew = this.#grant(from, incarnation, boot, message, mono, changes)
    this.#granted(from, incarnation, boot, message, changes)
    return { changes, isNew }
  }

  /** Someone asks for support. True when it begins with this. */
  #grant(
    from: StoreId,
    incarnation: Incarnation,
    boot: number,
    message: StoreHeartbeat,
    mono: Mono,
    changes: SupportChange[],
  ): boolean {
    const known = this.#given.get(from)
    if (known !== undefined) {
      if (known.incarnation === incarnation) {
        if (isOlder(boot, message, known)) return false
      } else if (known.isLive) return false
    }
    const isSame =
      known !== undefined &&
      known.isLive &&
      known.boot === boot &&
      known.life === message.life &&
      known.incarnation === incarnation
    if (known !== undefined && known.isLive && (!isSame || !message.asks)) {
      const lives = message.asks && known.boot === boot
      changes.push({ store: from, type: lives ? "givenRenewed" : "givenEnded" })
    }
    this.#given.set(from, {
      incarnation,
      boot,
      life: message.life,
      epoch: isSame ? known.epoch : ++this.#epoch,
      until: mono + this.#timing.supportUs,
      isLive: message.asks,
      askedMono: message.sentMono,
      askedWall: message.sentWall,
      heardAt: mono,
    })
    return message.asks && !isSame
  }

  /** What the other says of its support for this store. */
  #granted(
    from: StoreId,
    incarnation: Incarnation,
    boot: number,
    message: StoreHeartbeat,
    changes: SupportChange[],
  ): void {
    const isForMe = message.ofIncarnation === this.incarnation && message.ofBoot === this.boot
    if (message.epoch === 0 || !isForMe || message.ofLife !== this.#life || !this.#isAsking) return
    const { epoch, askedMono, askedWall } = message
    const known = this.#had.get(from)
    if (known !== undefined && known.incarnation === incarnation) {
      if (boot < known.boot || (boot === known.boot && epoch < known.epoch)) return
      if (boot === known.boot && epoch === known.epoch && askedMono <= known.askedMono) return
    }
    const isSame = known !== undefined && known.incarnation === incarnation && known.boot === boot
    const goesOn = isSame && known.epoch === epoch && known.isLive
    this.#had.set(from, { incarnation, boot, epoch, askedMono, askedWall, isLive: true })
    if (!goesOn) changes.push({ store: from, type: "hadBegan" })
  }

  save(sink: Sink): void {
    sink.uint(this.incarnation)
    sink.uint(this.boot)
    sink.uint(this.forgetfulUntil)
    sink.uint(this.#life)
    sink.bool(this.#isAsking)
    sink.uint(this.#epoch)
    sink.uint(this.#given.size)
    for (const [store, given] of [...this.#given].sort((a, b) => a[0] - b[0])) {
      sink.uint(store)
      sink.uint(given.incarnation)
      sink.uint(given.boot)
      sink.uint(given.life)
      sink.uint(given.epoch)
      sink.uint(given.until)
      sink.bool(given.isLive)
      sink.uint(given.askedMono)
      sink.uint(given.askedWall)
      sink.uint(given.heardAt)
    }
    sink.uint(this.#had.size)
    for (const [store, had] of [...this.#had].sort((a, b) => a[0] - b[0])) {
      sink.uint(store)
      sink.uint(had.incarnation)
      sink.uint(had.boot)
      sink.uint(had.epoch)
      sink.uint(had.askedMono)
      sink.uint(had.askedWall)
      sink.bool(had.isLive)
    }
  }

  static load(reader: ByteReader, timing: Timing): StoreSupport {
    const incarnation = reader.uint()
    const boot = reader.uint()
    const forgetfulUntil = reader.uint()
    const support = new StoreSupport(timing, incarnation, boot, forgetfulUntil, true)
    support.#life = reader.uint()
    support.#isAsking = reader.bool()
    support.#epoch = reader.uint()
    for (let left = reader.count(10); left > 0; left--) {
      support.#given.set(reader.uint(), {
        incarnation: reader.uint(),
        boot: reader.uint(),
        life: reader.uint(),
        epoch: reader.uint(),
        until: reader.uint(),
        isLive: reader.bool(),
        askedMono: reader.uint(),
        askedWall: reader.uint(),
        heardAt: reader.uint(),
      })
    }
    for (let left = reader.count(7); left > 0; left--) {
      support.#had.set(reader.uint(), {
        incarnation: reader.uint(),
        boot: reader.uint(),
        epoch: reader.uint(),
        askedMono: reader.uint(),
        askedWall: reader.uint(),
        isLive: reader.bool(),
      })
    }
    return support
  }
}

/** Frames pass each other: what was sent before something already heard says nothing any more. */
function isOlder(boot: number, message: StoreHeartbeat, known: Given): boolean {
  if (boot !== known.boot) return boot < known.boot
  if (message.life !== known.life) return message.life < known.life
  return message.sentMono < known.askedMono
}

function byStore(a: SupportChange, b: SupportChange): number {
  return a.store - b.store || (a.type < b.type ? -1 : a.type > b.type ? 1 : 0)
}
