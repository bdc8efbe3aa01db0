import { join } from "node:path"
import { SYSTEM_CALLS, type DiskCalls } from "#net/disk/calls.ts"
import type { Plan } from "#sim"
import { hashOf, journalOf, type Entry } from "./journal.ts"
import { Mirror, newKernelTally, type KernelTally } from "./mirror.ts"
import { newFileTally, RealStore, type FileTally } from "./real-store.ts"

export type Tally = KernelTally &
  FileTally & { events: number; zombieSteps: number; readonly differences: string[] }

export function newTally(): Tally {
  return { ...newKernelTally(), ...newFileTally(), events: 0, zombieSteps: 0, differences: [] }
}

/**
 * Runs a plan in the simulator, and then each of its stores again for real in a directory of its own below `directory`:
 * real files and LMDB, and a kernel that knows only what it reads there and hears by bytes. What parts is in the tally. `calls`
 * are the system's, unless a disk is to be tried that does something else.
 */
export async function conform(
  plan: Plan,
  directory: string,
  tally: Tally,
  calls: DiskCalls = SYSTEM_CALLS,
): Promise<void> {
  const { stores, entries, events, traceHash, zombieSteps } = journalOf(plan)
  tally.events += events
  tally.zombieSteps += zombieSteps
  if (hashOf(plan) !== traceHash) tally.differences.push("another trace when it is looked at")
  for (const store of stores) {
    const own = entries.get(store)!
    try {
      await liveAgain(own, join(directory, String(store)), tally, calls)
    } catch (error) {
      const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
      tally.differences.push(`store ${store}: ${text}`)
    }
  }
}

async function liveAgain(
  entries: readonly Entry[],
  path: string,
  tally: Tally,
  calls: DiskCalls,
): Promise<void> {
  const first = entries.find((entry) => entry.type === "boot")
  if (first === undefined) return
  const disk = new RealStore(path, first.config, tally, calls)
  let mirror: Mirror | null = null
  try {
    for (const entry of entries) {
      if (entry.type === "boot") mirror = new Mirror(entry, await disk.start(entry.images), tally)
      // Nothing of a store is left to be done but by a process of it.
      else if (mirror === null) throw new Error(`A ${entry.type} without a process`)
      else if (entry.type === "step") mirror.step(entry)
      else if (entry.type === "reload") mirror.reload(entry.saved)
      else if (entry.type === "checkpoint")
        await disk.checkpoint(
          entry.volume,
          entry.checkpoint,
          mirror.changesOf(entry.volume, entry.checkpoint),
        )
      else if (entry.type === "end") {
        if (entry.saved !== null) mirror.hold(entry.saved)
        mirror = null
        await disk.end(entry.state, entry.isStruck)
      } else await disk.carryOut(entry)
    }
  } finally {
    await disk.close()
  }
}
