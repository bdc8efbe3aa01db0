import type { DiskKind } from "./plan.ts"
import { event, one, victims, type Drawers } from "./swarm-ground.ts"

const MS = 1_000
const SECOND = 1_000_000

export const DISK_DRAWERS: Drawers<DiskKind> = {
  syncError: ({ span, target, ground, draw }, kind) => [
    event(kind, span, one(target, ground), { restartUs: draw.spread(50 * MS, 3 * SECOND) }),
  ],
  diskFull: ({ span, target, ground }, kind) => [event(kind, span, victims(target, ground), {})],
  slowDisk: ({ span, target, ground, draw }, kind) => [
    event(kind, span, victims(target, ground), { factor: draw.spread(10, 500) }),
  ],
  stalledDisk: ({ span, target, ground }, kind) => [event(kind, span, victims(target, ground), {})],
}
