import { statSync } from "node:fs"
import { RecordingError, replayRecording } from "#net"
import { buildId, orreryVersion } from "../build-id.ts"
import { ByteProgress } from "../byte-progress.ts"
import type { RecordingPageOptions } from "../commands/view-recording.ts"
import { EnvironmentError, EXIT, UsageError } from "../errors.ts"
import { writeTextFile } from "../files.ts"
import type { Host } from "../host.ts"
import { Collector, type CollectedPart } from "../page/collect.ts"
import { pageText } from "../page/page-text.ts"
import { paintFor } from "../report/paint.ts"

/** Replays recordings, and writes the page that does so as well; gives the exit code. */
export async function viewRecordings(
  host: Host,
  recordings: readonly string[],
  { out }: RecordingPageOptions,
): Promise<number> {
  const parts: CollectedPart[] = []
  const progress = new ByteProgress(host, "replay")
  try {
    for (const recording of recordings) {
      const part = await collected(recording, (done, of) => progress.update(done, of))
      if (typeof part === "string") {
        progress.stop()
        host.stdout.write(`${paintFor(host.stdout, host.env).red(part)}\n`)
        return EXIT.nondeterministic
      }
      const twin = parts.findIndex(({ config }) => config.store === part.config.store)
      if (twin >= 0)
        throw new UsageError(`${recordings[twin]} and ${recording} are both of store ${part.config.store}`)
      parts.push(part)
    }
  } catch (thrown) {
    if (!(thrown instanceof RecordingError)) throw thrown
    if (thrown.code === "recordingMissing") throw new UsageError(thrown.message)
    if (thrown.code === "recordingDirectory") throw new EnvironmentError(thrown.message)
    host.stdout.write(`${paintFor(host.stdout, host.env).red(thrown.message)} (${thrown.code})\n`)
    return EXIT.failed
  } finally {
    progress.stop()
  }
  const text = await pageText({
    name: recordings.join(", "),
    plan: null,
    recordings: parts,
    expected: {
      oracle: "",
      message: "",
      traceHash: parts.map(({ traceHash }) => traceHash).join(" "),
      command: "",
      version: "",
    },
    version: orreryVersion(),
    build: buildId(),
  })
  writeTextFile(out, text)
  host.stdout.write(
    `${out}  (${Math.ceil(statSync(out).size / 1_024)} KiB): open it in a browser, offline if you like\n`,
  )
  return EXIT.pass
}

/** The last stretch of a recording, or a sentence when it does not come out of this kernel. */
async function collected(
  recording: string,
  onProgress: (done: number, of: number) => void,
): Promise<CollectedPart | string> {
  let collector: Collector | null = null
  const { divergence, stretches } = await replayRecording(recording, {
    stretch: "last",
    onStart: (start) => {
      collector = new Collector(start)
    },
    onStep: (_store, _event, input) => collector!.step(input),
    onProgress,
  })
  if (divergence !== null)
    return `${recording} does not come out of this kernel: \`orrery replay ${recording}\` says where they part.`
  if (stretches.length === 0 || collector === null) return `Nothing of ${recording} can be replayed.`
  return (collector as Collector).part()
}
