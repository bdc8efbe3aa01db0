import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, test } from "vitest"
import { DiskRig, inTempDir } from "../../support/disk-rig.ts"
import { APPEND_BYTES, KEYS } from "../../support/disk-writer.ts"

const WRITER = fileURLToPath(new URL("../../support/disk-writer.ts", import.meta.url))

/** Runs the writer until it has said `count` steps, kills it, and gives the last step it said. */
function killedAfter(path: string, count: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [WRITER, path], { stdio: ["ignore", "pipe", "inherit"] })
    let said = ""
    child.stdout.setEncoding("latin1")
    child.stdout.on("data", (part: string) => {
      said += part
      if (said.split("\n").length > count) child.kill("SIGKILL")
    })
    child.once("error", reject)
    child.once("close", () => resolve(Number(said.trimEnd().split("\n").at(-1))))
  })
}

test("a process killed at any moment leaves the last checkpoint it was told of or a later one, whole, and every append", async () => {
  for (const count of [1, 7, 20]) {
    await inTempDir(async (path) => {
      const last = await killedAfter(path, count)
      assert.isAtLeast(last, count)
      // Its lock is dead, and taken over.
      const rig = await DiskRig.open(path)
      const { base, segments } = (await rig.disk.images()).find(({ volume }) => volume === 1)!
      assert.isAtLeast(base.checkpoint, last)
      assert.isAtMost(base.checkpoint, last + 2)
      for (let i = 0; i < KEYS; i++) assert.equal(base.get(1, `k${i}`), String(base.checkpoint))
      assert.deepEqual(base.damage, [])
      const { bytes } = segments[0]!
      for (let step = 1; step <= last; step++) {
        const written = bytes.subarray(step * APPEND_BYTES, (step + 1) * APPEND_BYTES)
        assert.isTrue(written.every((byte) => byte === (step % 250) + 1))
      }
      await rig.disk.close()
    })
  }
})
