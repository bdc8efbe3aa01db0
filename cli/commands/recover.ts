import type { Command } from "commander"
import type { RecoverOrder } from "#kernel"
import { parseInteger } from "../arguments.ts"
import { UsageError } from "../errors.ts"
import type { Host } from "../host.ts"

type Options = {
  readonly seen: readonly RecoverOrder[]
  readonly acceptDataLoss?: true
  readonly json?: true
}

/** Adds `recover` to `orrery range`. */
export function addRecover(range: Command, host: Host, end: (code: number) => void): void {
  range
    .command("recover")
    .summary("go on with what is left of a group that lost its only replica")
    .description(
      "For a store that is not running, and groups whose only voting replica has lost some of its log or of its rows:\n" +
        "they refuse with corruptSingleReplica, for nobody can repair them. Without --seen they are listed (exit 1 when\n" +
        "there are any). With --seen and --accept-data-loss a group goes on with what is left: ACKNOWLEDGED WRITES MAY BE\n" +
        "LOST. Look first whether another store has a replica of the group (`orrery status`): then start that one instead.",
    )
    .argument("<dir>", "the node's directory")
    .option(
      "--seen <group/replica/incarnation/generation>",
      "the group, as it was told; several times for several groups",
      (text: string, before: readonly RecoverOrder[]) => [...before, parseSeen(text)],
      [] as readonly RecoverOrder[],
    )
    .option("--accept-data-loss", "do it")
    .option("--json", "what was found and done, as JSON")
    .action(async (directory: string, options: Options) => {
      const { recoverNode } = await import("../node/recover.ts")
      end(await recoverNode(directory, options, host))
    })
}

function parseSeen(text: string): RecoverOrder {
  const parts = text.split("/")
  if (parts.length !== 4)
    throw new UsageError(`--seen: "${text}" is not of the form group/replica/incarnation/generation`)
  const [group, replica, incarnation, generation] = parts.map((part) =>
    parseInteger("--seen", part, 1, Number.MAX_SAFE_INTEGER),
  )
  return { group: group!, replica: replica!, incarnation: incarnation!, generation: generation! }
}
