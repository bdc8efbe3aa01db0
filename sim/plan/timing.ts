import { DEFAULT_LIMITS, DEFAULT_TIMING, type Limits, type Timing } from "#kernel"
import type { Chance } from "./chance.ts"

const MS = 1_000
const SECOND = 1_000_000
const KIB = 1_024

/** The shipped timing in most runs, a jittered one in the others; tokens expire within a run or never. */
export function drawTiming(chance: Chance, fixed: Partial<Timing>): Timing {
  const tokenTtlUs = chance.spread(20 * SECOND, 600 * SECOND)
  const scrubPeriodUs = chance.of("scrub").spread(2 * SECOND, 60 * SECOND)
  if (chance.percent(60)) return { ...DEFAULT_TIMING, tokenTtlUs, scrubPeriodUs, ...fixed }
  const heartbeatUs = chance.between(50, 150) * MS
  // At least six heartbeats: one or two lost ones are no silence.
  // Three heartbeats between stores, and what a lease is shorter than the support it rests on.
  const clockBoundUs = chance.between(100, 500) * MS
  const livenessUs = chance.between(400, 1_000) * MS
  const supportUs = 3 * livenessUs + clockBoundUs
  const electionUsMin = Math.max(6 * heartbeatUs, chance.between(600, 1_500) * MS)
  return {
    heartbeatUs,
    electionUsMin,
    // A leader that heard from nobody stays in office for up to this, also when its lease is over.
    electionUsMax: electionUsMin + chance.of("office").spread(400, 4_000) * MS,
    clockBoundUs,
    livenessUs,
    supportUs,
    leaseUs: supportUs,
    staggerUs: chance.between(100, 400) * MS,
    syncOverdueUs: Math.floor(supportUs / 2),
    requestDeadlineUs: chance.between(3, 10) * SECOND,
    tokenTtlUs,
    scrubPeriodUs,
    ...fixed,
  }
}

/** Small enough that compaction, snapshots, new segments, checkpoints and full windows happen in a minute. */
export function drawLimits(chance: Chance, fixed: Partial<Limits>): Limits {
  const segmentBytesFirst = powerOfTwo(chance, 8 * KIB, 64 * KIB)
  return {
    ...DEFAULT_LIMITS,
    windowMessagesMax: chance.spread(1, 32),
    windowBytesMax: powerOfTwo(chance, 4 * KIB, 256 * KIB),
    peerBytesMax: chance.of("peer").percent(25)
      ? powerOfTwo(chance.of("peer"), 4 * KIB, 64 * KIB)
      : 1_024 * KIB,
    appendBytesMax: powerOfTwo(chance, KIB, 4 * KIB),
    uncommittedBytesMax: chance.percent(25) ? powerOfTwo(chance, 2 * KIB, 16 * KIB) : 1_024 * KIB,
    pendingLogBytesMax: chance.of("pending").percent(25)
      ? powerOfTwo(chance.of("pending"), 2 * KIB, 16 * KIB)
      : 1_024 * KIB,
    requestsMax: chance.percent(25) ? chance.spread(4, 32) : 1_024,
    storeRequestsMax: chance.of("held").percent(25) ? chance.of("held").spread(8, 64) : 4_096,
    logKeepEntries: chance.spread(4, 64),
    pinnedSegmentsMax: chance.of("pinned").spread(1, 8),
    checkpointLogBytes: powerOfTwo(chance, 4 * KIB, 32 * KIB),
    ...drawSnapshots(chance.of("snapshots")),
    // So few that a pass takes seconds, while rows before and behind its cursor are written.
    scrubRowsPerSecond: chance.of("scrub").spread(10, 10_000),
    segmentBytesFirst,
    segmentBytesMax: powerOfTwo(chance, segmentBytesFirst, 256 * KIB),
    ...fixed,
  }
}

/**
 * Chunks of a few rows, and so few bytes a second that they wait for each other, but enough for the states of all
 * groups of a lost store, some megabytes, to cross in a quiet part; one at a time in half of the runs.
 */
function drawSnapshots(chance: Chance): Partial<Limits> {
  return {
    snapshotChunkBytes: powerOfTwo(chance, 128, 8 * KIB),
    // Several on the way, or a slow link alone would take a quiet part for a few hundred of them.
    snapshotWindowChunks: chance.spread(3, 12),
    snapshotBytesPerSecond: powerOfTwo(chance, 1_024 * KIB, 8_192 * KIB),
    snapshotsSendingMax: chance.spread(1, 4),
    snapshotsReceivingMax: chance.spread(1, 4),
    snapshotLogBytesMax: chance.percent(25) ? powerOfTwo(chance, 128 * KIB, 512 * KIB) : 1_024 * KIB,
  }
}

function powerOfTwo(chance: Chance, min: number, max: number): number {
  let value = min
  const octaves: number[] = []
  for (; value <= max; value *= 2) octaves.push(value)
  return chance.pick(octaves)
}
