import { parentPort, workerData } from "node:worker_threads"
import { loadMutant } from "../../zoo/load.ts"
import { mutantOf } from "../../zoo/mutants.ts"

/** Replays recordings by the kernel of a mutant, or by the shipped one for null. */
export type Task = { readonly mutant: string | null; readonly directories: readonly string[] }

/** Of each recording: whether the replay left it. */
export type Report = { readonly parted: readonly boolean[]; readonly evaluated: readonly string[] }

const { mutant, directories } = workerData as Task
// First, so that nothing of the kernel is loaded before its bug is in it.
const { probe } = await loadMutant(mutant === null ? null : mutantOf(mutant))
const { replayRecording } = await import("#net/record/replay.ts")
const parted: boolean[] = []
for (const directory of directories) parted.push((await replayRecording(directory)).divergence !== null)
const report: Report = { parted, evaluated: probe.evaluated }
parentPort?.postMessage(report)
