import type {
  BootStamp,
  ByteWriter,
  Effect,
  Frame,
  GroupId,
  GroupStatus,
  Identity,
  Input,
  KernelConfig,
  ReadView,
  Sink,
  Stamp,
  Term,
  VolumeId,
  VolumeImage,
  Base,
} from "#kernel"

/** A running kernel, as its host sees it. */
export interface StoreKernel {
  step(input: Input): readonly Effect[]
  save(sink: Sink): void
  identity(): Identity
  status(): readonly GroupStatus[]
  /** It was told to drain, and there is nothing more to wait for. */
  isDrained(): boolean
  /** The term in which this store leads the group and may serve reads alone at this moment; 0: it may not. */
  leaseTerm(group: GroupId, stamp: Stamp): Term
  /** What the volume's engine answers now: for checks only. */
  view(volume: VolumeId): ReadView
}

/**
 * One build of the kernel. Several may live in one run, then only bytes and plain records cross between
 * them: frames, log images, saved states.
 */
export interface KernelBuild {
  readonly name: string
  open(
    config: KernelConfig,
    images: readonly VolumeImage[],
    boot: BootStamp,
  ): { readonly kernel: StoreKernel; readonly effects: readonly Effect[] }
  load(config: KernelConfig, bytes: Uint8Array, bases: ReadonlyMap<VolumeId, Base>): StoreKernel
  /** Made in `scratch`, and then of its own. */
  encodeFrame(frame: Frame, scratch: ByteWriter): Uint8Array
  /** Null when the bytes are no frame, or one of another cluster's format. */
  decodeFrame(bytes: Uint8Array): Frame | null
}
