import assert from "node:assert/strict"
import { RecordingError, replayRecording } from "#net"

/** What a replay of the recording comes to: its ending, or the code it is refused with. */
export async function replayEnding(directory: string): Promise<string> {
  try {
    const { stretches, divergence, notes } = await replayRecording(directory)
    if (divergence !== null) return "parted"
    return stretches.at(-1)?.ending ?? notes[0]!
  } catch (error) {
    assert.ok(error instanceof RecordingError)
    return error.code
  }
}
