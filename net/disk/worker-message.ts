import type { VolumeId } from "#kernel"

// What the loop's thread and the thread that writes bases say to each other. Rows travel packed, in buffers that change
// hands, so that handing over a checkpoint costs the loop no more than packing it.

/** Keys [from, to) of the base, the space included in both. */
export type KeySpan = { readonly from: Uint8Array; readonly to: Uint8Array }

export type WorkerOrder =
  | { readonly type: "open"; readonly volume: VolumeId; readonly path: string }
  /** The next rows of the checkpoint being handed over: `put` u8 1 or `delete` u8 0, u16 length and bytes of the key with its space, and of a put u32 length of what follows, room for the checksum, value. Big endian. */
  | { readonly type: "rows"; readonly volume: VolumeId; readonly bytes: Uint8Array }
  /** All rows were handed over: `cleared` goes first, then they, then what the base says of itself, in one transaction. */
  | {
      readonly type: "commit"
      readonly volume: VolumeId
      readonly cleared: readonly KeySpan[]
      readonly meta: Uint8Array
    }
  | { readonly type: "close" }

export type WorkerAnswer =
  | { readonly type: "opened"; readonly volume: VolumeId; readonly failure: Failure | null }
  /** `spent`: the buffers the rows came in, handed back to be used again. */
  | {
      readonly type: "committed"
      readonly volume: VolumeId
      readonly failure: Failure | null
      readonly spent: readonly Uint8Array[]
    }
  | { readonly type: "closed" }

/** `code` is the number of an errno or of LMDB. */
export type Failure = { readonly code: string | number; readonly message: string }
