/**
 * The default campaign, sized by seeds and never by time, so that it is the same on every machine: two to
 * three minutes on 2 idle cores (1,260 runs of 0.21 s of CPU each, over the 20 scenarios there were
 * when it was measured). Every figure of it stands here.
 */
export const DEFAULT_CAMPAIGN = {
  /** The scenario that draws from everything, and how many seeds it gets for each one of the others. */
  mainScenario: "campaign",
  mainWeight: 65,
  /** Every other scenario gets this many seeds. */
  rounds: 15,
  firstSeed: 1,
} as const

/** A scenario is held to its marks from this many runs on: fewer may miss a rare one by chance. */
export const MARK_RUNS_MIN: number = DEFAULT_CAMPAIGN.rounds

/** What a whole default campaign must show, or its generator is not worth believing. DESIGN §3, §9, §14. */
export const ACKNOWLEDGED_RATIO_MIN = 0.5
export const UNDETECTABLE_RATIO_MAX = 0.05
export const UNKNOWN_RATIO_MAX = 0.01

/** Failures of a campaign that are shrunk, and for how long: the others keep the plan as it was drawn. */
export const SHRUNK_FAILURES_MAX = 12
export const SHRINK_RUNS_MAX = 10_000
export const SHRINK_WALL_MS_MAX = 60_000
export const SHRINK_ALL_WALL_MS_MAX = 240_000
/** Failures that get a capsule and a paragraph; the rest get one line. */
export const CAPSULES_MAX = 50

/** A run that takes longer than this on the wall hangs, and its worker is ended. */
export const RUN_WALL_MS_MAX = 300_000
/** How long a first Ctrl-C waits for the runs under way. */
export const INTERRUPT_GRACE_MS = 10_000
