import { EXIT } from "../errors.ts"
import { count, duration, listed, percent } from "../report/format.ts"
import type { Problem, ResultRow, Totals } from "../report/model.ts"
import {
  ACKNOWLEDGED_RATIO_MIN,
  DEFAULT_CAMPAIGN,
  MARK_RUNS_MIN,
  UNDETECTABLE_RATIO_MAX,
  UNKNOWN_RATIO_MAX,
} from "./default-campaign.ts"
import { lowText } from "./floors.ts"
import { ORACLE } from "./message.ts"
import { defaultShares, roundLength } from "./schedule.ts"

type Judgement = Pick<Totals, "verdict" | "exitCode" | "headline" | "problems">
type Sums = Omit<Totals, keyof Judgement>

/** What the runs amount to: exit code, last line, and what is wrong with the campaign as a whole. */
export function judge(sums: Sums, results: readonly ResultRow[]): Judgement {
  const problems = [...findIncomplete(sums), ...findUnknown(sums)]
  if (isWhole(sums))
    problems.push(
      ...findMissedMarks(sums),
      ...findLowMarks(sums),
      ...findMissedSites(sums),
      ...findLostTeeth(sums),
    )
  const exitCode = exitCodeOf(sums, results, problems)
  const verdict = exitCode === EXIT.pass ? "pass" : "fail"
  return { verdict, exitCode, headline: headlineOf(sums, verdict, exitCode, problems), problems }
}

function exitCodeOf(sums: Sums, results: readonly ResultRow[], problems: readonly Problem[]): number {
  // Without determinism no other verdict means anything, so it speaks first.
  if (results.some((row) => row.oracle === ORACLE.rerun || row.oracle === ORACLE.leak))
    return EXIT.nondeterministic
  if (sums.invalid > 0) return EXIT.failed
  const isEnvironment = (problem: Problem): boolean => problem.id === "incomplete" || problem.id === "empty"
  if (problems.some((problem) => !isEnvironment(problem))) return EXIT.failed
  return problems.length > 0 ? EXIT.environment : EXIT.pass
}

/** Marks and teeth are promises over all the seeds of a campaign: part of one cannot break them. */
function isWhole(sums: Sums): boolean {
  const { campaign } = sums
  const isReached = campaign.journal === null || (campaign.journal.left ?? 0) === 0
  return isReached && !campaign.interrupted && campaign.shards.length === campaign.shardCount
}

function findIncomplete(sums: Sums): readonly Problem[] {
  const { campaign } = sums
  if (sums.runs === 0) {
    return [{ id: "empty", scenario: null, message: "No run finished, so nothing was checked" }]
  }
  // One shard alone is a part and says so; several that were merged should be all.
  if (campaign.shards.length <= 1 || campaign.shards.length === campaign.shardCount) return []
  const missing = []
  for (let index = 1; index <= campaign.shardCount; index++) {
    if (!campaign.shards.includes(index)) missing.push(`${index}/${campaign.shardCount}`)
  }
  return [
    { id: "incomplete", scenario: null, message: `Shards are missing: ${missing.slice(0, 8).join(", ")}` },
  ]
}

function findUnknown(sums: Sums): readonly Problem[] {
  if (sums.unknown === 0 || sums.unknown < sums.runs * UNKNOWN_RATIO_MAX) return []
  const share = percent(sums.unknown, sums.runs)
  const message = `${count(sums.unknown)} of ${count(sums.runs)} runs (${share}) have no verdict: the checkers ran out of budget`
  return [{ id: "unknown", scenario: null, message }]
}

function findMissedMarks(sums: Sums): readonly Problem[] {
  const problems: Problem[] = []
  for (const scenario of sums.scenarios) {
    if (scenario.runs < MARK_RUNS_MIN) continue
    const missed = scenario.declaredMarks.filter((mark) => (scenario.marks[mark] ?? 0) === 0)
    if (missed.length === 0) continue
    const message = `${scenario.name} never reached ${missed.join(", ")} in ${count(scenario.runs)} runs`
    problems.push({ id: "marks", scenario: scenario.name, message })
  }
  return problems
}

const MARKS_TOLD_MAX = 12

/** Of all marks there are: that each is one that is known, and is hit as often as it must be. */
function findLowMarks(sums: Sums): readonly Problem[] {
  const problems: Problem[] = []
  const low = sums.marks.filter(({ isBelow }) => isBelow)
  if (low.length > 0) {
    const told = low.map((mark) => `${mark.name} (${lowText(mark, sums.runs)})`)
    const message = `Rarer than chance would have it: ${listed(told, MARKS_TOLD_MAX)}`
    problems.push({ id: "floors", scenario: null, message })
  }
  const unknown = sums.marks.filter(({ floor, elsewhere }) => floor === null && elsewhere === "")
  if (unknown.length > 0) {
    const told = unknown.map(({ name }) => name)
    const message = `No catalogue of marks knows ${listed(told, MARKS_TOLD_MAX)}`
    problems.push({ id: "unknownMarks", scenario: null, message })
  }
  return problems
}

/** Whether this is all of the default campaign, so that what it has not shown is not there to be shown. */
function isWholeDefault(sums: Sums): boolean {
  const shares = defaultShares(sums.scenarios.map((scenario) => scenario.name))
  return sums.campaign.isDefault && sums.runs >= roundLength(shares) * DEFAULT_CAMPAIGN.rounds
}

const SITES_TOLD_MAX = 12

function findMissedSites(sums: Sums): readonly Problem[] {
  const { missedSites } = sums.coverage
  if (!isWholeDefault(sums) || missedSites.length === 0) return []
  const message = `No fault has struck at ${listed(missedSites, SITES_TOLD_MAX)}`
  return [{ id: "sites", scenario: null, message }]
}

/** The default campaign has to show that its generator bites. */
function findLostTeeth(sums: Sums): readonly Problem[] {
  if (!isWholeDefault(sums)) return []
  const problems: Problem[] = []
  const quiet = Object.entries(sums.faults).filter(
    ([, faults]) => faults.applied === 0 || faults.effective === 0,
  )
  if (quiet.length > 0) {
    const kinds = quiet.map(
      ([kind, faults]) => `${kind} (${faults.applied === 0 ? "never applied" : "never effective"})`,
    )
    problems.push({
      id: "teeth",
      scenario: null,
      message: `The generator lost its teeth: ${kinds.join(", ")}`,
    })
  }
  if (sums.acknowledgedRatio < ACKNOWLEDGED_RATIO_MIN) {
    const share = percent(sums.operations.ok, sums.operations.invoked)
    const message = `Only ${share} of the operations were acknowledged: the campaign hardly tested a working cluster`
    problems.push({ id: "acknowledged", scenario: null, message })
  }
  if (sums.classes.undetectable > sums.runs * UNDETECTABLE_RATIO_MAX) {
    const share = percent(sums.classes.undetectable, sums.runs)
    const message = `${share} of the runs are beyond what any checker can detect, at most ${UNDETECTABLE_RATIO_MAX * 100}% may be`
    problems.push({ id: "undetectable", scenario: null, message })
  }
  return problems
}

function headlineOf(
  sums: Sums,
  verdict: "pass" | "fail",
  exitCode: number,
  problems: readonly Problem[],
): string {
  const { campaign } = sums
  const parts = [`${count(sums.runs)} ${sums.runs === 1 ? "run" : "runs"}`]
  parts.push(sums.invalid === 0 ? "no failure" : `${count(sums.invalid)} failed`)
  if (exitCode === EXIT.nondeterministic) parts.push("not deterministic")
  if (sums.unknown > 0) parts.push(`${count(sums.unknown)} without a verdict`)
  if (campaign.verified > 0) parts.push(`${count(campaign.verified)} verified in a new worker`)
  if (problems.length > 0)
    parts.push(`${problems.length} ${problems.length === 1 ? "problem" : "problems"} with the campaign`)
  if (campaign.interrupted) parts.push("interrupted")
  if ((campaign.journal?.left ?? 0) > 0) parts.push(`${count(campaign.journal?.left ?? 0)} left`)
  if (campaign.shardCount > 1) parts.push(shardsText(campaign.shards, campaign.shardCount))
  parts.push(`${duration(sums.simulatedSeconds)} simulated in ${duration(campaign.elapsedSeconds)}`)
  return `${verdict.toUpperCase()}: ${parts.join(", ")}`
}

function shardsText(shards: readonly number[], shardCount: number): string {
  if (shards.length === shardCount) return `all ${shardCount} shards`
  return shards.length === 1 ? `shard ${shards[0]}/${shardCount}` : `${shards.length} of ${shardCount} shards`
}
