import { spawn } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { assert, describe, test } from "vitest"
import { FileStoreDisk, type DataDirOwner } from "#net"
import { SYSTEM_CALLS, type DiskCalls } from "#net/disk/calls.ts"
import { DiskRig, inTempDir, OWNER } from "../../support/disk-rig.ts"

async function codeOfOpening(path: string, owner: DataDirOwner = OWNER): Promise<string> {
  try {
    const disk = await FileStoreDisk.open(path, owner)
    await disk.close()
    return "opened"
  } catch (error) {
    return (error as { readonly code: string }).code
  }
}

describe("the lock", () => {
  test("one process at a time, and another one is told which", () =>
    inTempDir(async (path) => {
      const disk = await FileStoreDisk.open(path, OWNER)
      const second = await FileStoreDisk.open(path, OWNER).catch((error: unknown) => error)
      assert.propertyVal(second, "code", "dataDirLocked")
      assert.include(String(second), `process ${process.pid}`)
      await disk.close()
      assert.isFalse(existsSync(join(path, "lock")))
      assert.equal(await codeOfOpening(path), "opened")
    }))

  for (const broken of ["unlink", "close", "rename"] as const)
    test(`is given up although ${broken} gives an error of the disk, and the first error is told by name`, () =>
      inTempDir(async (path) => {
        let isBroken = false
        const eio = (): Promise<never> =>
          Promise.reject(Object.assign(new Error("EIO: i/o error"), { code: "EIO" }))
        const calls: DiskCalls = {
          ...SYSTEM_CALLS,
          [broken]: (...args: [never, never]) =>
            isBroken ? eio() : (SYSTEM_CALLS[broken] as (...args: unknown[]) => Promise<void>)(...args),
        }
        const rig = await DiskRig.open(path, { calls })
        await rig.disk.images()
        rig.disk.createSegment(1, 1, 32 << 10, new Uint8Array(4096))
        await rig.next()
        rig.disk.writeWitness(1, new Uint8Array(8))
        isBroken = true
        const error = await rig.disk.close().catch((reason: unknown) => reason)
        // A witness that cannot be written is no promise broken.
        if (broken === "rename") assert.isUndefined(error)
        else {
          assert.propertyVal(error, "code", "dataDirUnusable")
          assert.include(String(error), "EIO")
        }
        assert.equal(await codeOfOpening(path), "opened")
      }))

  test("of a process that was killed is taken over, by one of many that want it", () =>
    inTempDir(async (path) => {
      await codeOfOpening(path)
      // A socket nobody listens on any more: its process ended without a word.
      const script = `require("node:net").createServer().listen(${JSON.stringify(join(path, "lock"))}, () => process.stdout.write("x"))`
      const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] })
      await new Promise((resolve) => child.stdout.once("data", resolve))
      assert.equal(await codeOfOpening(path), "dataDirLocked")
      const ended = new Promise((resolve) => child.once("exit", resolve))
      child.kill("SIGKILL")
      await ended
      assert.isTrue(existsSync(join(path, "lock")))
      const opened = await Promise.allSettled(
        Array.from({ length: 6 }, () => FileStoreDisk.open(path, OWNER)),
      )
      const disks = opened.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []))
      assert.equal(disks.length, 1)
      for (const disk of disks) await disk.close()
    }))

  test("a holder that says nothing is a holder", () =>
    inTempDir(async (path) => {
      const server = createServer(() => undefined)
      await new Promise<void>((resolve) => server.listen(join(path, "lock"), resolve))
      assert.equal(await codeOfOpening(path), "dataDirLocked")
      await new Promise((resolve) => server.close(resolve))
    }))

  test("lies in directories whose names are longer than a socket's may be", () =>
    inTempDir(async (path) => {
      const deep = join(path, "d".repeat(120))
      const disk = await FileStoreDisk.open(deep, OWNER)
      assert.equal(await codeOfOpening(deep), "dataDirLocked")
      await disk.close()
      assert.equal(await codeOfOpening(deep), "opened")
    }))
})

describe("format and identity", () => {
  test("are written first, and asked of every start", () =>
    inTempDir(async (path) => {
      assert.equal(await codeOfOpening(path), "opened")
      const file = join(path, "format.json")
      assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), { format: 1, cluster: "orbit", store: 1 })
      assert.equal(await codeOfOpening(path, { ...OWNER, cluster: "other" }), "dataDirIdentity")
      assert.equal(await codeOfOpening(path, { ...OWNER, store: 2 }), "dataDirIdentity")
      writeFileSync(file, JSON.stringify({ format: 2, cluster: "orbit", store: 1 }))
      assert.equal(await codeOfOpening(path), "dataDirFormat")
      for (const text of ["", "{", "7", "null", "[]"]) {
        writeFileSync(file, text)
        assert.equal(await codeOfOpening(path), "dataDirFormat", text)
      }
      rmSync(file)
      assert.equal(await codeOfOpening(path), "dataDirFormat", "data without a format")
      rmSync(join(path, "system"), { recursive: true })
      rmSync(join(path, "tenants"), { recursive: true })
      assert.equal(await codeOfOpening(path), "opened")
    }))

  test("a path that is a file, or below one, is unusable", () =>
    inTempDir(async (path) => {
      const file = join(path, "file")
      writeFileSync(file, "")
      assert.equal(await codeOfOpening(join(file, "below")), "dataDirUnusable")
    }))
})

describe("modes", () => {
  test("are 0700 and 0600, whatever the umask, and wider ones are closed and said", () =>
    inTempDir(async (path) => {
      const dir = join(path, "node")
      const before = process.umask(0)
      try {
        const disk = await FileStoreDisk.open(dir, OWNER)
        await disk.images()
        await disk.close()
      } finally {
        process.umask(before)
      }
      const modeOf = (name: string): number => statSync(join(dir, name)).mode & 0o777
      for (const name of [".", "system", "system/wal", "tenants", "tenants/0", "tenants/0/data"])
        assert.equal(modeOf(name), 0o700, name)
      for (const name of ["format.json", "system/data/data.mdb", "system/data/lock.mdb"])
        assert.equal(modeOf(name), 0o600, name)
      chmodSync(join(dir, "tenants/0"), 0o755)
      chmodSync(join(dir, "system/data/data.mdb"), 0o644)
      mkdirSync(join(dir, "elsewhere"), { mode: 0o777 })
      chmodSync(join(dir, "elsewhere"), 0o777)
      const warnings: string[] = []
      const disk = await FileStoreDisk.open(dir, OWNER, { warn: (text) => warnings.push(text) })
      await disk.close()
      assert.equal(modeOf("tenants/0"), 0o700)
      assert.equal(modeOf("system/data/data.mdb"), 0o600)
      assert.equal(modeOf("elsewhere"), 0o777, "what is not ours is left alone")
      assert.equal(warnings.length, 2, warnings.join("\n"))
    }))
})
