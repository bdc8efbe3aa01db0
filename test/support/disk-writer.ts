import { OverlayEngine } from "#kernel/engine/overlay.ts"
import { DiskRig } from "./disk-rig.ts"

// A process for a test to kill: it writes without end, and says after each step what the disk has told it is durable.

export const KEYS = 300
export const APPEND_BYTES = 4096
export const SEGMENT_BYTES: number = 8 << 20

const path = process.argv[2]
if (path !== undefined && import.meta.main) {
  const rig = await DiskRig.open(path)
  const base = (await rig.disk.images()).find(({ volume }) => volume === 1)!.base
  const engine = new OverlayEngine(base)
  rig.disk.createSegment(1, 1, SEGMENT_BYTES, new Uint8Array(4096).fill(255))
  await rig.next()
  for (let step = 1; ; step++) {
    engine.apply(
      Array.from({ length: KEYS }, (_, i) => ({
        space: 1 as const,
        type: "put" as const,
        key: `k${i}`,
        value: `${step}`,
      })),
    )
    rig.disk.append(1, step, 1, step * APPEND_BYTES, new Uint8Array(APPEND_BYTES).fill((step % 250) + 1))
    rig.disk.checkpoint(1, step, engine.freeze(step))
    await rig.next()
    await rig.next()
    engine.settle(step, base)
    process.stdout.write(`${step}\n`)
  }
}
