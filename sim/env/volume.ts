import type { FrozenOverlay, VolumeId } from "#kernel"
import type { Handle } from "../scheduler.ts"
import { DiskBase, type Brittle } from "./disk-base.ts"
import { VolumeFiles } from "./volume-files.ts"

/** What a volume did for its kernel; `number` is an lsn, a segment or a checkpoint. */
export type DiskOperation = {
  readonly type: "append" | "createSegment" | "checkpoint" | "witness"
  readonly volume: VolumeId
  readonly number: number
  /** Of an append. */
  readonly segment: number
  readonly offset: number
  /** What is appended, the header of a new segment, or the witness. */
  readonly bytes: Uint8Array
  readonly sizeBytes: number
  readonly changes: FrozenOverlay | null
  startedAt: number
  /** When it completes, unless a stall keeps it back. */
  dueAt: number
  handle: Handle
}

/** The input that tells the kernel what became of an operation. */
export type DiskOutcome =
  | "appendSynced"
  | "appendFailed"
  | "segmentCreated"
  | "segmentRefused"
  | "checkpointSynced"
  | "checkpointRefused"
  | "checkpointFailed"

/** One directory with what is under way to it, and the base its kernel reads. */
export class Volume {
  readonly id: VolumeId
  /** Another one for each process: what an old one goes on reading is what it knew. */
  base: DiskBase = new DiskBase()
  /** What of its base a running process cannot read. */
  brittle: Brittle[] = []
  files: VolumeFiles
  witnessUnsynced: DiskOperation | null = null
  readonly underWay: DiskOperation[] = []
  /** The log of this process is durable up to here. What an earlier process wrote is not counted. */
  durableLsn = 0
  appending = false
  operationCount = 0
  settleCount = 0

  constructor(id: VolumeId) {
    this.id = id
    this.files = new VolumeFiles(id)
  }
}
