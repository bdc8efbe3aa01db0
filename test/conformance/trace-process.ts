import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { drawPlan } from "#sim"
import { main as campaign } from "#scenarios/campaign.ts"
import { conform, newTally, type Tally } from "./trace.ts"

// A process of `run.ts`: it is sent seeds and sends back what each of them came to.

export type Done = { readonly seed: number; readonly tally: Tally }

let directory = ""

process.on("message", (seed: number) => void run(seed))
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    if (directory !== "") rmSync(directory, { recursive: true, force: true })
    process.exit(1)
  })
}

async function run(seed: number): Promise<void> {
  directory = mkdtempSync(join(tmpdir(), "orrery-trace-"))
  const tally = newTally()
  try {
    await conform(drawPlan(campaign, seed), directory, tally)
  } catch (error) {
    tally.differences.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
  const done: Done = { seed, tally }
  if (process.connected) process.send?.(done)
}
