/** What the supervisor asks of its keeper. `id` names one start of one process, and is never used again. */
export type ToKeeper =
  | {
      readonly type: "start"
      readonly id: number
      readonly command: string
      readonly args: readonly string[]
      readonly cwd: string
      /** Standard output and error go to the end of this file. */
      readonly log: string
    }
  | { readonly type: "signal"; readonly id: number; readonly signal: NodeJS.Signals }

export type FromKeeper =
  | { readonly type: "ready" }
  | { readonly type: "started"; readonly id: number; readonly pid: number }
  /** It never ran. */
  | { readonly type: "refused"; readonly id: number; readonly message: string }
  | {
      readonly type: "exited"
      readonly id: number
      readonly code: number | null
      readonly signal: NodeJS.Signals | null
    }
