/** One place of a kernel file: `find` stands there exactly once, and `replace` takes its place. */
export type Edit = { readonly file: string; readonly find: string; readonly replace: string }

/** A bug planted in the kernel, of a kind that real systems had, and the oracle that must see it. */
export type Mutant = {
  /** As in the reference this catalogue was drawn from: R for Raft, W for the log and storage, T for transactions. */
  readonly id: string
  /** A: expected within a thousand seeds of the default campaign. B: deep. */
  readonly tier: "A" | "B"
  /** The break in a few words. */
  readonly title: string
  /** What has to name it. The first is the one it was written for; the others are as true of it. */
  readonly oracles: readonly [string, ...string[]]
  /** Where this bug was met before. */
  readonly source: string
  /** What is wrong, and why it still looks right. */
  readonly about: string
  /** The least that must happen for it to show. Nobody but a reader is told. */
  readonly schedule: string
  readonly edits: readonly [Edit, ...Edit[]]
}
