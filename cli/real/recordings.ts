import { readdirSync } from "node:fs"
import { join } from "node:path"
import { messageOf } from "../errors.ts"

/** The folder of one start of one node among the recordings of a run. */
export function recordingOf(store: number | string, boot: number | string): string {
  return `node-${store}-boot-${boot}`
}

/** What became of one recording when it was run again. */
export type Replayed = {
  readonly directory: string
  /**
   * `same`: every hash of it came out again · `parted`: one did not, or it is damaged · `nothing`: its process died
   * before the first hash was written.
   */
  readonly word: "same" | "parted" | "nothing"
  /** Inputs of the kernel that were stepped again, and hashes that were compared and agreed. */
  readonly events: number
  readonly hashes: number
  /** For people, when it is not the same. */
  readonly detail: string
}

/** Runs every recording below `directory` again, one after the other. `done` hears of each. */
export async function replayAll(
  directory: string,
  done: (replayed: Replayed) => void,
): Promise<readonly Replayed[]> {
  const all: Replayed[] = []
  for (const name of readdirSync(directory).toSorted()) {
    const replayed = await replay(join(directory, name))
    all.push(replayed)
    done(replayed)
  }
  return all
}

async function replay(directory: string): Promise<Replayed> {
  // Loaded when there is something to run again: the simulator's commands know of this file too.
  const { RecordingError, replayRecording } = await import("#net")
  try {
    const { stretches, divergence, notes } = await replayRecording(directory)
    const events = stretches.reduce((sum, { firstEvent, lastEvent }) => sum + lastEvent - firstEvent, 0)
    const hashes = stretches.reduce((sum, { compared }) => sum + compared, 0)
    if (divergence !== null) {
      const { stretch, after, upTo } = divergence
      const detail = `stretch ${stretch} parts after event ${after} and by event ${upTo}`
      return { directory, word: "parted", events, hashes, detail }
    }
    if (hashes === 0) return { directory, word: "nothing", events, hashes, detail: notes.join("; ") }
    return { directory, word: "same", events, hashes, detail: "" }
  } catch (thrown) {
    if (!(thrown instanceof RecordingError)) throw thrown
    const word = thrown.code === "recordingMissing" ? "nothing" : "parted"
    return { directory, word, events: 0, hashes: 0, detail: messageOf(thrown) }
  }
}
