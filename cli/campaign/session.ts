import type { Scenario } from "#sim"
import type { Host } from "../host.ts"
import type { Report } from "../report/model.ts"
import type { Engine } from "./engine.ts"
import { explainFailures, type FailureOptions } from "./failures.ts"
import { recordOfKept } from "./journal-entry.ts"
import type { Journal } from "./journal.ts"
import { addKnown, knownFailures, reportOfJournal, signaturesOf } from "./journal-report.ts"
import { runCampaign, type CampaignOptions, type CampaignWatch } from "./run.ts"

export type SessionOptions = {
  readonly scenarios: readonly Scenario[]
  readonly campaign: Omit<CampaignOptions, "isDone">
  readonly failures: Omit<FailureOptions, "known">
}

/**
 * Goes on with a campaign where its journal ends, tells what failed that was not told, and reports the campaign as if it had been run
 * in one go.
 */
export async function runSession(
  host: Host,
  engine: Engine,
  journal: Journal,
  options: SessionOptions,
  watch: Omit<CampaignWatch, "keepsRecords">,
  note: (text: string | null) => void,
): Promise<Report> {
  const { state } = journal
  let interrupted = false
  const watched: Host = {
    ...host,
    onInterrupt: (heard) =>
      host.onInterrupt(() => {
        interrupted = true
        heard()
      }),
  }
  await runCampaign(
    watched,
    { ...options.campaign, isDone: (job) => state.isDone(job) },
    {
      ...watch,
      keepsRecords: false,
      finished(record) {
        if (journal.finished(record)) watch.finished(record)
      },
    },
  )
  const { waiting } = state
  const found = await explainFailures(
    watched,
    engine,
    // In the order of the campaign, so that the same ones are shrunk whichever finished first.
    [...waiting].sort((a, b) => a.index - b.index).map(recordOfKept),
    {
      ...options.failures,
      shrink: options.failures.shrink && !interrupted,
      known: knownFailures(engine, state),
    },
    note,
  )
  const failures = addKnown(state, found)
  // What an interrupt kept from being shrunk waits for the next session, which then tells all there is to it.
  const isWhole = (signature: string, shrunk: string): boolean =>
    !interrupted || shrunk !== "" || state.failures.has(signature)
  const whole = failures.filter(({ signature, shrunk }) => isWhole(signature, shrunk))
  if (whole.length > 0) journal.told(whole, signaturesOf(waiting, whole))
  return reportOfJournal({
    folder: journal.folder,
    state,
    scenarios: options.scenarios,
    markRules: engine.marks,
    failures,
    interrupted,
    jobs: options.campaign.lanes,
  })
}
