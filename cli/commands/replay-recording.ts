import type { Command } from "commander"
import { parseInteger, parseWindow } from "../arguments.ts"
import type { Host } from "../host.ts"
import type { RecordingOptions } from "../node/replay.ts"

export function addReplayRecording(program: Command, host: Host, end: (code: number) => void): void {
  program
    .command("replay")
    .summary("a node's recording again")
    .description(
      "Runs what `orrery start --record` kept of a node through the kernel of this build. Every hash in it must come\n" +
        "out again, and the same state; where they part is said. With --capsule, what it ends with is put into one\n" +
        "file, which is replayed likewise.",
    )
    .argument("<recording>", "its directory, or a capsule of one")
    .option(
      "--stretch <n>",
      "this part alone: one start of the process, or what lies behind a hole",
      (text) => parseInteger("--stretch", text, 1, Number.MAX_SAFE_INTEGER),
    )
    .option("--until <event>", "stop after this event of the process", (text) =>
      parseInteger("--until", text, 1, Number.MAX_SAFE_INTEGER),
    )
    .option(
      "--trace <from..to>",
      "tell these events, a line each; of the last stretch unless one is named",
      (text) => parseWindow("--trace", text),
    )
    .option(
      "--capsule <file>",
      "put its last start or saved kernel, and all that followed (up to --until), into this file, and replay that",
    )
    .option("--json", "the result as JSON")
    .action(async (directory: string, options: RecordingOptions) => {
      const { replayNode } = await import("../node/replay.ts")
      end(await replayNode(host, directory, options))
    })
}
