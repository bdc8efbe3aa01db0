import type {
  AdminReply,
  AdminRequest,
  BootStamp,
  Effect,
  Frame,
  FrozenOverlay,
  GroupStatus,
  Identity,
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
  /**
   * Whoever is told of frames that arrived, decoded, from stores that proved who they are, on which lane, and from which
   * bytes: those do not change any more.
   */
  onFrame(listener: (frame: Frame, lane: Lane, bytes: Uint8Array) => void): void
  close(): Promise<void>
}

/**
 * What arrives from clients and operators; a session is a connection, and its number is never used again. Whoever cannot be
 * taken in is refused as `overloaded` within the call.
 */
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
 * What is told of a store's life, for a recorder and for metrics: all that went into the kernel and all that came out,
 * in order. It is called on the loop, so it only notes. Null where nobody watches.
 */
export interface HostWatcher {
  /**
   * The kernel was opened with these: whoever can give them again can give the whole life again. It may be saved whenever no
   * step is under way.
   */
  opened(
    config: KernelConfig,
    images: readonly VolumeImage[],
    boot: BootStamp,
    effects: readonly Effect[],
    kernel: { save(sink: Sink): void },
  ): void
  /** Right after the step, before anything of it is carried out. Of a frame, the bytes it was decoded from. */
  stepped(input: Input, effects: readonly Effect[], bytes: Uint8Array | null): void
  /** The effect is carried out now: its barrier, if it had one, is met. */
  released?(effect: Effect): void
}

/**
 * Whether this store has ever spoken. The document of its birth is not applied again once it has, whatever became of its
 * disk: what it said under its first name would be forgotten, and it would contradict itself.
 */
export interface BirthRecord {
  readonly born: boolean
  /** Makes it durable that this store has lived; nothing it says leaves before that. Rejects when the disk would not. */
  bear(): Promise<void>
}

/** The kernel as its host uses it. */
export interface StoreKernel {
  step(input: Input): readonly Effect[]
  identity(): Identity
  status(): readonly GroupStatus[]
  /** Volumes that may have held replicas of which nothing is known any more. */
  readonly forgetful: ReadonlySet<VolumeId>
  /** It was told to drain, and there is nothing more to wait for. */
  isDrained(): boolean
  save(sink: Sink): void
}
