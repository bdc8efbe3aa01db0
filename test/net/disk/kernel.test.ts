import { assert, test } from "vitest"
import type { KernelConfig } from "#kernel"
import { DiskRig, inTempDir } from "../../support/disk-rig.ts"
import { HandHost } from "../../support/hand-host.ts"
import { requestOf } from "../../support/requests.ts"
import { configOf } from "../../support/store-rig.ts"

const PUTS = 120
const VALUE = "v".repeat(8_000)

test("a kernel over a disk finds everything again, and replays only what its last checkpoint lacks", () =>
  inTempDir(async (path) => {
    const base = configOf(1, [1])
    const config: KernelConfig = { ...base, limits: { ...base.limits, checkpointLogBytes: 200_000 } }
    let rig = await DiskRig.open(path)
    let host = await HandHost.open(config, rig)
    await host.run(() => host.kernel.status().some(({ role }) => role === "leader"))
    for (let i = 0; i < PUTS; i++) {
      const reply = await host.request(
        requestOf([{ type: "put", key: `k${i}`, value: `${i}${VALUE}` }], { id: i + 1 }),
      )
      assert.equal(reply.type, "ok", JSON.stringify(reply))
    }
    const [before] = host.kernel.status()
    assert.isNotNull(before!.checkpoint)
    await rig.disk.close()

    rig = await DiskRig.open(path)
    host = await HandHost.open({ ...config, bootstrap: null }, rig)
    assert.equal(host.fatal, null)
    const [opened] = host.kernel.status()
    assert.equal(opened!.lastIndex, before!.lastIndex)
    const missing = opened!.lastIndex - opened!.appliedIndex
    assert.isAbove(missing, 0)
    assert.isBelow(missing, PUTS / 2)
    const verdicts = host.observed.flatMap((effect) =>
      effect.type === "observe" && effect.observation.type === "recovered"
        ? [effect.observation.verdict]
        : [],
    )
    assert.deepEqual(verdicts, ["clean", "clean"])
    await host.run(() => host.kernel.status().some(({ role }) => role === "leader"))
    for (let i = 0; i < PUTS; i++) {
      const reply = await host.request(requestOf([{ type: "get", key: `k${i}` }], { id: PUTS + i + 1 }))
      const [result] = reply.type === "ok" ? reply.results : []
      assert.deepInclude(result, { type: "value", value: `${i}${VALUE}` })
    }
    await rig.disk.close()
  }))
