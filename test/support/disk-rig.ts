import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { FileStoreDisk, type DataDirOwner, type DiskCompletion, type FileStoreDiskOptions } from "#net"

export const OWNER: DataDirOwner = { cluster: "orbit", store: 1, tenants: [0] }

/** A new directory, removed when `use` ends. */
export async function inTempDir<Result>(use: (path: string) => Promise<Result>): Promise<Result> {
  const path = mkdtempSync(join(tmpdir(), "orrery-disk-"))
  try {
    return await use(path)
  } finally {
    rmSync(path, { recursive: true, force: true })
  }
}

/** A disk with what it has told so far. */
export class DiskRig {
  readonly disk: FileStoreDisk
  readonly told: DiskCompletion[] = []
  #waiting: (() => void) | null = null

  private constructor(disk: FileStoreDisk) {
    this.disk = disk
    disk.onCompletion((completion) => {
      this.told.push(completion)
      this.#waiting?.()
    })
  }

  static async open(path: string, options: FileStoreDiskOptions = {}): Promise<DiskRig> {
    return new DiskRig(await FileStoreDisk.open(path, OWNER, options))
  }

  /** The next completion that was not yet taken. */
  async next(): Promise<DiskCompletion> {
    while (this.told.length === 0) await new Promise<void>((resolve) => (this.#waiting = resolve))
    return this.told.shift()!
  }
}
