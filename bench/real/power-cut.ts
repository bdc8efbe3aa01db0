/**
 * Does a store keep what it acknowledged when its disk loses power? A store of the shipped build writes onto an ext4 in a
 * loop device, the power is cut at a moment of its own in each round, and what the disk had is started anew. The same with
 * builds that leave out the syncs of the log, or of the base: they must lose something, or nothing was tried.
 * `node bench/real/power-cut.ts --cuts 20 [--seed 1]`, as root. Exits 1 when the shipped build loses a write or another one
 * loses none, 4 where no power can be cut.
 */
import { Sfc32 } from "#kernel/lib/rng.ts"
import { whyNoPowerCut } from "../support/loop-disk.ts"
import { powerCut } from "../support/power-cut.ts"
import { benchOptions } from "../support/report.ts"

const options = benchOptions(import.meta.filename, { cuts: 20, seed: 1 })
const missing = whyNoPowerCut()
if (missing !== null) {
  console.error(`No power can be cut here: ${missing}`)
  process.exit(4)
}
const rng = new Sfc32(options.seed, 0)
const table: Record<string, object> = {}
for (const without of [null, "log", "base"] as const) {
  const count = {
    cuts: 0,
    acknowledged: 0,
    "segments released": 0,
    "cuts with loss": 0,
    "refused to start": 0,
  }
  const cuts = without === null ? options.cuts : Math.max(1, Math.floor(options.cuts / 5))
  for (; count.cuts < cuts; count.cuts++) {
    const acknowledged = 100 + rng.below(2_000)
    // A base is only needed once the log has let go of something.
    const released = without === "base" ? 2 : rng.below(4)
    const report = await powerCut({ without, writers: 1 + rng.below(64), acknowledged, released })
    count.acknowledged += report.acknowledged
    count["segments released"] += report.released
    if (report.lost.length > 0) count["cuts with loss"]++
    if (report.refusal !== null) count["refused to start"]++
    if (without === null && report.lost.length > 0)
      console.error(`lost ${report.lost.join(" ")} ${report.refusal ?? ""}`)
  }
  const isGood = (count["cuts with loss"] === 0) === (without === null)
  if (!isGood) process.exitCode = 1
  table[without === null ? "as shipped" : `without syncs of the ${without}`] = count
}
console.table(table)
