/** Kinds of fault that change what a disk keeps or gives back: `disk-damage.test.ts` has an example of each. */
export type Damage =
  | "lyingSync"
  | "renameNotDurable"
  | "readError"
  | "latentSector"
  | "bitRot"
  | "misdirectedWrite"
  | "misdirectedRead"
  | "staleRead"
  | "diskLoss"
  | "volumeLoss"
  | "swapDisks"
  | "oldImage"
  | "fileLoss"
  | "shortFile"
  | "earlierVolume"
  | "laterFormat"

/** What a store that runs meets: `live-read-error.test.ts`. */
export type LiveDamage = "liveReadError"
