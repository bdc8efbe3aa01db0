/**
 * Switches in the code: places where a correct kernel may as well do something that it seldom does. The
 * simulator turns them on and off while a run goes on, so that rare paths become usual ones (FoundationDB
 * calls it buggify). Each does what some configuration or some timing could do: with any of them on, every
 * promise holds.
 */
export const SWITCHES = {
  windowOfOne: "One append at a time is in flight to a follower.",
  appendOfOne: "An append carries one entry.",
  electionSoonest: "The silence a replica bears is always the shortest: candidates meet.",
  electionLatest: "The silence a replica bears is always the longest.",
  queueOfOne: "A group that holds a request refuses the next one as overloaded.",
  checkpointAlways: "A volume is checkpointed as soon as anything is logged.",
  segmentsSmallest: "Segments of the log stay as small as the first.",
  keepNoEntries: "Compaction keeps no entries for those that lag: they need a snapshot.",
} as const

export type SwitchName = keyof typeof SWITCHES

/**
 * The port by which a host turns them. The kernel asks only where the answer changes what it does next, so
 * that a host may count its answers as effects.
 */
export interface Switches {
  on(name: SwitchName): boolean
}

/** What a shell is given. */
export const NO_SWITCHES: Switches = { on: () => false }
