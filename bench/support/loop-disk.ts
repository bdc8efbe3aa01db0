import { execFile, execFileSync } from "node:child_process"
import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync } from "node:fs"
import { constants, copyFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"

const run = promisify(execFile)

/** `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`, which Node has no call for. */
const CUT = `open(my $d, "<", $ARGV[0]) or die "$!"; my $how = pack("L", 2); ioctl($d, 0x8004587d, $how) or die "$!"`

/** Null where a power cut can be made; else what is missing. */
export function whyNoPowerCut(): string | null {
  if (process.getuid?.() !== 0) return "only root mounts a file"
  if (!existsSync("/dev/loop-control")) return "there are no loop devices"
  for (const command of ["losetup", "mount", "umount", "mkfs.ext4", "perl"]) {
    try {
      execFileSync("sh", ["-c", `command -v ${command}`], { stdio: "ignore" })
    } catch {
      return `there is no ${command}`
    }
  }
  return null
}

/**
 * A disk whose power can be cut: an ext4 in a file, on a loop device that reads and writes past the cache of the file
 * below. `cut` is the power cut as its file system sees it: from that call on nothing reaches the device any more,
 * neither a page that was not written back nor an entry of the journal, while the processes on it run on and are told
 * EIO. What the file has then is what a disk without a volatile cache of its own would have; a copy that is taken while
 * writes go on would be of no single moment, and no disk ever looked like it.
 */
export class LoopDisk {
  readonly path: string
  readonly #image: string
  readonly #device: string

  private constructor(path: string, image: string, device: string) {
    this.path = path
    this.#image = image
    this.#device = device
  }

  static async make(root: string, bytes: number): Promise<LoopDisk> {
    const image = join(root, "image")
    const file = openSync(image, "wx")
    ftruncateSync(file, bytes)
    closeSync(file)
    await run("mkfs.ext4", ["-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", image])
    return LoopDisk.#mount(image, join(root, "disk"))
  }

  static async #mount(image: string, path: string): Promise<LoopDisk> {
    mkdirSync(path, { recursive: true })
    const { stdout } = await run("losetup", ["--find", "--show", "--direct-io=on", image])
    const device = stdout.trim()
    try {
      await run("mount", ["-t", "ext4", device, path])
    } catch (error) {
      await run("losetup", ["--detach", device])
      throw error
    }
    return new LoopDisk(path, image, device)
  }

  async cut(): Promise<void> {
    await run("perl", ["-e", CUT, this.path])
  }

  /** A disk with what this one had when its power was cut, in the same place. Nobody may use this one any more. */
  async copied(): Promise<LoopDisk> {
    const copy = `${this.#image}.copy`
    await copyFile(this.#image, copy, constants.COPYFILE_FICLONE)
    await this.close()
    return LoopDisk.#mount(copy, this.path)
  }

  async close(): Promise<void> {
    await run("umount", [this.path])
    await run("losetup", ["--detach", this.#device])
  }
}
