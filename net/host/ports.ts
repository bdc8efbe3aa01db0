import type {
  AdminReply,
  AdminRequest,
  BootStamp,
  Effect,
  Frame,
  FrozenOverlay,
  Input,
  KernelConfig,
  KvReply,
  KvRequest,
  Lane,
  Lsn,
  Mono,
  Sink,
  StoreId,
  VolumeId,
  VolumeImage,
  Wall,
} from "#kernel"

// What the host's loop stands between. It hands the kernel what these bring, and these what the kernel wants done;
// none of them decides anything, none of them may hold the loop up.

/** Both clocks of this machine, in whole microseconds, as the kernel is given them: neither ever goes back. */
export interface HostClock {
  mono(): Mono
  wall(): Wall
}

/** What became of work on a volume: the input that tells the kernel, without its stamp. `detail` is for the log. */
export type DiskCompletion =
  | { readonly type: "appendSynced"; readonly volume: VolumeId; readonly lsn: Lsn }
  | { readonly type: "appendFailed"; readonly volume: VolumeId; readonly lsn: Lsn; readonly detail: string }
  | { readonly type: "segmentCreated"; readonly volume: VolumeId; readonly segment: number }
  | {
      readonly type: "segmentRefused"
      readonly volume: VolumeId
      readonly segment: number
      readonly code: "diskFull"
      readonly detail: string
    }
  | { readonly type: "checkpointSynced"; readonly volume: VolumeId; readonly checkpoint: number }
  | {
      readonly type: "checkpointRefused"
      readonly volume: VolumeId
      readonly checkpoint: number
      readonly code: "diskFull"
      readonly detail: string
    }
  | {
      readonly type: "checkpointFailed"
      readonly volume: VolumeId
      readonly checkpoint: number
      readonly detail: string
    }

/**
 * The volumes of one store on a disk. Every order returns at once; its completion is told later, on the loop's own
 * thread, never from within the call. A volume is given one append at a time (the kernel sees to it), and `append` is
 * write and data-sync in one.
 */
export interface StoreDisk {
  /** What a start reads: every file was synced before it is read. Rejects when the directory cannot be used. */
  images(): Promise<readonly VolumeImage[]>
  append(volume: VolumeId, lsn: Lsn, segment: number, offset: number, bytes: Uint8Array): void
  createSegment(volume: VolumeId, segment: number, sizeBytes: number, header: Uint8Array): void
  releaseSegments(volume: VolumeId, below: number): void
  writeWitness(volume: VolumeId, bytes: Uint8Array): void
  checkpoint(volume: VolumeId, checkpoint: number, changes: FrozenOverlay): void
  /** Whoever is told of completions; set once, before the first order. */
  onCompletion(listener: (completion: DiskCompletion) => void): void
  /** Waits for what is under way, then lets go of files and lock. */
  close(): Promise<void>
}

/**
 * The way to the other stores, one stream a peer and lane. `send` never waits: what a slow or absent peer does not take
 * is dropped beyond a bound, as a network drops. What leaves for one peer on one lane arrives in order or not at all.
 */
export interface PeerLinks {
  send(to: StoreId, lane: Lane, frame: Frame): void
  /** Whoever is told of frames that arrived, decoded, from stores that proved who they are. */
  onFrame(listener: (frame: Frame) => void): void
  close(): Promise<void>
}

/** What arrives from clients and operators; a session is a connection, and its number is never used again. */
export interface RequestDoor {
  request(session: number, request: KvRequest): void
  admin(session: number, request: AdminRequest): void
}

/** Where answers go. An answer to a session that has ended is dropped. */
export interface AnswerDoor {
  reply(session: number, reply: KvReply): void
  adminReply(session: number, reply: AdminReply): void
}

/**
 * Follows a store from its start: told of everything the kernel was told and did, in order, right after it did it and
 * before any of it is carried out. It changes nothing and never throws; what it has to do, it does later.
 */
export interface HostRecorder {
  /** A start. `images` are those the kernel was opened from; it may be saved whenever no step is under way. */
  opened(
    config: KernelConfig,
    images: readonly VolumeImage[],
    boot: BootStamp,
    effects: readonly Effect[],
    kernel: { save(sink: Sink): void },
  ): void
  stepped(input: Input, effects: readonly Effect[]): void
  /** The kernel is not stepped any more. Resolves when all that was told is written; never rejects. */
  closed(): Promise<void>
}
