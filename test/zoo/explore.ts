import assert from "node:assert/strict"
import { Worker } from "node:worker_threads"
import { didYouMean, UsageError } from "#cli/errors.ts"
import type { ExploreModule } from "#cli/commands/explore.ts"
import type { Explored, Replayed } from "#sim"
import type { ExploreReport, ExploreTask } from "./explore-worker.ts"
import { MUTANTS, mutantOf } from "./mutants.ts"
import { expectedProbe } from "./patch.ts"

/** A small scope of a kernel with a planted bug, in a thread of its own: it has modules of its own as well. */
export const exploreMutant: ExploreModule["exploreMutant"] = async (id, scope, wallMsMax, onProgress) => {
  let explored: Explored | null = null
  await run({ type: "explore", mutant: knownId(id), scope, wallMsMax }, (report) => {
    if (report.type === "progress") onProgress(report.progress)
    if (report.type === "explored") ({ explored } = report)
  })
  assert(explored !== null, "The exploration ended without an answer")
  return explored
}

/** A schedule once more, over the kernel with that bug. */
export const replayMutant: ExploreModule["replayMutant"] = async (id, scope, choices) => {
  let replayed: Replayed | null = null
  await run({ type: "replay", mutant: knownId(id), scope, choices, wallMsMax: null }, (report) => {
    if (report.type === "replayed") ({ replayed } = report)
  })
  assert(replayed !== null, "The replay ended without an answer")
  return replayed
}

function knownId(id: string): string {
  if (mutantOf(id) !== null) return id
  const ids = MUTANTS.map((mutant) => mutant.id)
  throw new UsageError(`There is no mutant "${id}"${didYouMean(id, ids)}`)
}

async function run(task: ExploreTask, onReport: (report: ExploreReport) => void): Promise<void> {
  const worker = new Worker(new URL("explore-worker.ts", import.meta.url), { workerData: task })
  try {
    await new Promise<void>((resolve, reject) => {
      worker.on("message", (report: ExploreReport) => {
        try {
          if (report.type === "loaded") {
            const { edits } = mutantOf(task.mutant)!
            assert.deepEqual(
              report.probe,
              expectedProbe(edits, report.probe.files),
              "That is not what was loaded",
            )
          }
          onReport(report)
        } catch (error) {
          reject(error)
        }
      })
      worker.on("error", reject)
      worker.on("exit", () => resolve())
    })
  } finally {
    await worker.terminate()
  }
}
