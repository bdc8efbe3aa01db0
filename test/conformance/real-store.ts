import { constants, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import {
  SPACE_MAX,
  SYSTEM_VOLUME,
  volumeOfTenant,
  type Base,
  type FrozenOverlay,
  type KernelConfig,
  type MemoryBase,
  type Space,
  type TenantId,
  type VolumeId,
  type VolumeImage,
} from "#kernel"
import { FileStoreDisk, type DiskCompletion } from "#net"
import type { DiskCalls } from "#net/disk/calls.ts"
import { openForWriting } from "#net/disk/environment.ts"
import { CHECKSUM_BYTES, checksumOf, encodeMeta, META_KEY, putChecksum, rowKey } from "#net/disk/row.ts"
import { same, type Entry, type VolumeState } from "./journal.ts"

/** Of what the real files were held against. */
export type FileTally = {
  /** Orders that the real disk carried out, and their bytes. */
  orders: number
  orderBytes: number
  checkpoints: number
  /** Segment files and side slots held against the simulated disk's, byte for byte, and how many bytes that was. */
  files: number
  bytes: number
  rows: number
  /** Volumes that a fault of the simulated disk had changed since they were written: not comparable. */
  struck: number
  /** Volumes that a crash or a fault changed while no process ran: the real files were changed likewise. */
  settled: number
}

export function newFileTally(): FileTally {
  return { orders: 0, orderBytes: 0, checkpoints: 0, files: 0, bytes: 0, rows: 0, struck: 0, settled: 0 }
}

/** The real files are not what the simulated disk holds. */
export class FileDifference extends Error {
  override readonly name = "FileDifference"
}

/** A disk order as the simulated disk completed it. */
export type Order = Extract<Entry, { readonly type: "append" | "create" | "release" | "witness" }>

/**
 * The data directory of one simulated store: `FileStoreDisk` with its system calls, and LMDB. Syncs are left to the system,
 * since nobody takes its power away here.
 */
export class RealStore {
  readonly #calls: DiskCalls
  readonly #path: string
  readonly #tenants: readonly TenantId[]
  readonly #config: KernelConfig
  readonly #tally: FileTally
  readonly #warnings: string[] = []
  /** What the bases are known to hold since they were last held against the simulated ones. */
  readonly #known = new Map<VolumeId, Uint8Array>()
  #disk: FileStoreDisk | null = null
  #images: readonly VolumeImage[] = []
  #waiting: ((completion: DiskCompletion) => void) | null = null

  constructor(path: string, config: KernelConfig, tally: FileTally, calls: DiskCalls) {
    this.#calls = calls
    this.#path = path
    this.#config = config
    this.#tenants = config.tenants
    this.#tally = tally
  }

  /** Puts in place what a crash or a fault has left of each volume, starts on it, and holds what is read against it. */
  async start(images: readonly VolumeState[]): Promise<readonly VolumeImage[]> {
    for (const image of images) await this.#settle(image)
    const { cluster, store, tenants } = this.#config
    const calls = callsFor(this.#calls, (path) => this.#unreadable(images, path))
    // What it puts right it may say; what it cannot do would be a difference.
    const warn = (text: string): void => {
      if (text.startsWith("Cannot")) this.#warnings.push(text)
    }
    this.#disk = await FileStoreDisk.open(this.#path, { cluster, store, tenants }, { calls, warn })
    this.#disk.onCompletion((completion) => this.#waiting?.(completion))
    this.#images = await this.#disk.images()
    if (this.#images.length !== images.length) throw new FileDifference("other volumes are read")
    for (const [at, image] of images.entries()) this.#hold(image, this.#images[at]!)
    return this.#images
  }

  async carryOut(order: Order): Promise<void> {
    const disk = this.#disk!
    this.#tally.orders++
    switch (order.type) {
      case "append": {
        const { volume, lsn, segment, offset, bytes } = order
        this.#tally.orderBytes += bytes.length
        await this.#told("appendSynced", () => disk.append(volume, lsn, segment, offset, bytes))
        break
      }
      case "create": {
        const { volume, segment, sizeBytes, header } = order
        this.#tally.orderBytes += sizeBytes
        await this.#told("segmentCreated", () => disk.createSegment(volume, segment, sizeBytes, header))
        break
      }
      case "release":
        disk.releaseSegments(order.volume, order.below)
        break
      case "witness":
        this.#tally.orderBytes += order.bytes.length
        disk.writeWitness(order.volume, order.bytes)
        break
    }
  }

  async checkpoint(volume: VolumeId, checkpoint: number, changes: FrozenOverlay): Promise<void> {
    this.#tally.orders++
    this.#tally.checkpoints++
    await this.#told("checkpointSynced", () => this.#disk!.checkpoint(volume, checkpoint, changes))
  }

  /** The process ends: holds all that was written against what the simulated disk has. */
  async end(state: readonly VolumeState[], isStruck: boolean): Promise<void> {
    const disk = this.#disk!
    this.#disk = null
    const bases = new Map(this.#images.map(({ volume, base }) => [volume, base]))
    let base: string | null = null
    for (const { volume, base: simulated } of state) {
      base ??= this.#baseDifference(simulated, bases.get(volume)!, volume)
      this.#known.set(volume, simulated.encode())
    }
    this.#images = []
    await disk.close()
    if (base !== null) throw new FileDifference(base)
    if (this.#warnings.length > 0) throw new FileDifference(`the disk warns: ${this.#warnings[0]}`)
    for (const volume of state) {
      const difference = this.#logDifference(volume, readLog(this.#walOf(volume.volume)))
      if (difference === null) continue
      if (!isStruck) throw new FileDifference(difference)
      this.#tally.struck++
    }
  }

  async close(): Promise<void> {
    await this.#disk?.close()
    this.#disk = null
  }

  #told(type: DiskCompletion["type"], order: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting = (completion) => {
        this.#waiting = null
        if (completion.type === type) resolve()
        else
          reject(new FileDifference(`the real disk answers ${JSON.stringify(completion)} where ${type} was`))
      }
      order()
    })
  }

  /** What lies there becomes what the simulated disk shows, where it is not already. */
  async #settle(image: VolumeState): Promise<void> {
    const { volume, segments, witness, base } = image
    const wal = this.#walOf(volume)
    const found = readLog(wal)
    let isSettled = false
    const settle = (deed: () => void): void => {
      mkdirSync(wal, { recursive: true, mode: 0o700 })
      deed()
      isSettled = true
    }
    for (const { sequence } of found.segments)
      if (!segments.some((other) => other.sequence === sequence))
        settle(() => rmSync(join(wal, segmentName(sequence))))
    for (const { sequence, bytes } of segments) {
      const own = found.segments.find((other) => other.sequence === sequence)
      if (own === undefined || !same(own.bytes, bytes))
        settle(() => writeFileSync(join(wal, segmentName(sequence)), bytes, { mode: 0o600 }))
    }
    if (witness === null && found.witness !== null) settle(() => rmSync(join(wal, "witness")))
    if (witness !== null && (found.witness === null || !same(found.witness, witness)))
      settle(() => writeFileSync(join(wal, "witness"), witness, { mode: 0o600 }))
    const known = this.#known.get(volume)
    if (known === undefined ? base.checkpoint > 0 || base.damage.length > 0 : !same(known, base.encode())) {
      settle(() => {})
      await writeBase(join(wal, "..", "data"), base)
    }
    if (isSettled) this.#tally.settled++
  }

  #hold(image: VolumeState, read: VolumeImage): void {
    const difference =
      this.#logDifference(image, read) ?? this.#baseDifference(image.base, read.base, image.volume)
    if (difference !== null) throw new FileDifference(difference)
    const [a, b] = [image, read].map(({ segments }) =>
      JSON.stringify(segments.map((each) => each.unreadable ?? [])),
    )
    if (a !== b) throw new FileDifference(`volume ${image.volume}: ${b} cannot be read, not ${a}`)
  }

  #logDifference(
    { volume, segments, witness }: VolumeState,
    real: Pick<VolumeState, "segments" | "witness">,
  ): string | null {
    const names = [segments, real.segments].map((list) => list.map(({ sequence }) => sequence).join(" "))
    if (names[0] !== names[1]) return `volume ${volume} has segments ${names[1]}, not ${names[0]}`
    for (const [at, { sequence, bytes }] of segments.entries()) {
      const own = real.segments[at]!.bytes
      this.#tally.files++
      this.#tally.bytes += bytes.length
      if (same(own, bytes)) continue
      const from = bytes.findIndex((byte, index) => byte !== own[index])
      return `segment ${sequence} of volume ${volume} is another from byte ${from} on`
    }
    this.#tally.files++
    this.#tally.bytes += witness?.length ?? 0
    const isSame =
      witness === null ? real.witness === null : real.witness !== null && same(witness, real.witness)
    return isSame ? null : `the witness of volume ${volume} is another`
  }

  #baseDifference(simulated: MemoryBase, real: Base, volume: VolumeId): string | null {
    if (simulated.checkpoint !== real.checkpoint)
      return `the base of volume ${volume} is at checkpoint ${real.checkpoint}, not ${simulated.checkpoint}`
    const view = real.snapshot()
    for (let space = 1; space <= SPACE_MAX; space++) {
      const [a, b] = [simulated, view].map((each) => each.cursor(space as Space, "", "", false))
      for (; a!.valid && b!.valid; a!.next(), b!.next()) {
        this.#tally.rows++
        if (a!.key !== b!.key || a!.value !== b!.value)
          return `volume ${volume} has another row at ${JSON.stringify(a!.key)} of space ${space}`
      }
      if (a!.valid || b!.valid) return `volume ${volume} has another number of rows in space ${space}`
    }
    const [a, b] = [simulated.damage, real.damage].map((damage) => JSON.stringify(damage))
    return a === b ? null : `volume ${volume} has damage ${b}, not ${a}`
  }

  #unreadable(images: readonly VolumeState[], path: string): VolumeState["segments"][number]["unreadable"] {
    const image = images.find(({ volume }) => path.startsWith(`${this.#walOf(volume)}/`))
    return image?.segments.find(({ sequence }) => path.endsWith(`/${segmentName(sequence)}`))?.unreadable
  }

  #walOf(volume: VolumeId): string {
    const tenant = this.#tenants.find((each) => volumeOfTenant(each) === volume)
    const own = volume === SYSTEM_VOLUME ? ["system"] : ["tenants", String(tenant)]
    return join(this.#path, ...own, "wal")
  }
}

/** The system's calls but for syncs; what is named unreadable gives the error that a disk gives. */
function callsFor(
  system: DiskCalls,
  unreadableOf: (path: string) => VolumeState["segments"][number]["unreadable"],
): DiskCalls {
  const bad = new Map<number, NonNullable<ReturnType<typeof unreadableOf>>>()
  const nothing = (): Promise<void> => Promise.resolve()

  return {
    ...system,
    sync: nothing,
    dataSync: nothing,
    open: async (path, flags, mode) => {
      const file = await system.open(path, flags & ~constants.O_DSYNC, mode)
      const spans = unreadableOf(path)
      if (spans !== undefined) bad.set(file, spans)
      else bad.delete(file)
      return file
    },
    read: (file, bytes, offset, length, position) => {
      const isBad = bad.get(file)?.some(({ start, end }) => start < position + length && end > position)
      if (isBad === true)
        return Promise.reject(Object.assign(new Error("EIO: i/o error, read"), { code: "EIO" }))
      return system.read(file, bytes, offset, length, position)
    },
  }
}

function readLog(wal: string): Pick<VolumeState, "segments" | "witness"> {
  if (!existsSync(wal)) return { segments: [], witness: null }
  const segments = readdirSync(wal)
    .filter((name) => name.endsWith(".seg"))
    .sort()
    .map((name) => ({ sequence: Number.parseInt(name, 10), bytes: readFileSync(join(wal, name)) }))
  const witness = join(wal, "witness")
  return { segments, witness: existsSync(witness) ? readFileSync(witness) : null }
}

function segmentName(sequence: number): string {
  return `${String(sequence).padStart(12, "0")}.seg`
}

/** A base as `net/disk` lays it out, with the content of this one. */
async function writeBase(path: string, base: MemoryBase): Promise<void> {
  rmSync(path, { recursive: true, force: true })
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const database = openForWriting(path)
  database.transactionSync(() => {
    const put = (key: string, value: Uint8Array): void => {
      const bytes = Buffer.concat([Buffer.from(key, "latin1"), new Uint8Array(CHECKSUM_BYTES), value])
      const start = key.length + CHECKSUM_BYTES
      putChecksum(bytes, key.length, checksumOf(bytes, 0, key.length, start, bytes.length))
      database.putSync(bytes.subarray(0, key.length), bytes.subarray(key.length))
    }
    for (let space = 1; space <= SPACE_MAX; space++) {
      const cursor = base.cursor(space as Space, "", "", false)
      for (; cursor.valid; cursor.next())
        put(rowKey(space as Space, cursor.key), Buffer.from(cursor.value, "latin1"))
    }
    put(META_KEY, encodeMeta({ checkpoint: base.checkpoint, damage: base.damage }))
  })
  await database.close()
}
