import type { Command } from "commander"
import type { Host } from "../host.ts"

export type RecordingPageOptions = { readonly out: string }

export function addViewRecording(program: Command, host: Host, end: (code: number) => void): void {
  program
    .command("view")
    .summary("recordings of nodes as a page")
    .description(
      "Writes one HTML file that plays what `orrery start --record` kept of one node or several, side by side, through\n" +
        "the kernel in the page. Of each it holds the end, as much as fits.",
    )
    .argument("<recording...>", "directories, or capsules made by `orrery replay --capsule`")
    .option("--out <file>", "where to write it", "recording.html")
    .action(async (recordings: string[], options: RecordingPageOptions) => {
      const { viewRecordings } = await import("../node/view.ts")
      end(await viewRecordings(host, recordings, options))
    })
}
