import { Command, CommanderError } from "commander"
import { orreryVersion } from "./build-id.ts"
import { addChaos } from "./commands/chaos.ts"
import { addDemo } from "./commands/demo.ts"
import { addExplore } from "./commands/explore.ts"
import { addExport } from "./commands/export.ts"
import { addInit } from "./commands/init.ts"
import { addJournalStatus } from "./commands/journal-status.ts"
import { addList } from "./commands/list.ts"
import { addMerge } from "./commands/merge.ts"
import { addRecover } from "./commands/recover.ts"
import { addReplay } from "./commands/replay.ts"
import { addReplayRecording } from "./commands/replay-recording.ts"
import { addRun } from "./commands/run.ts"
import { addShow } from "./commands/show.ts"
import { addShrink } from "./commands/shrink.ts"
import { addStart } from "./commands/start.ts"
import { addStatus } from "./commands/status.ts"
import { addView } from "./commands/view.ts"
import { addViewRecording } from "./commands/view-recording.ts"
import { addZoo } from "./commands/zoo.ts"
import { didYouMean, EnvironmentError, EXIT, messageOf, systemCode, UsageError } from "./errors.ts"
import { processHost, type Host } from "./host.ts"
import type { RealWorld } from "./real/world.ts"

/** Runs the command line `argv` (without node and script) and returns the exit code. Nothing escapes it. */
export async function main(argv: readonly string[], host: Host = processHost()): Promise<number> {
  let code: number = EXIT.pass
  const { program, commands } = makeProgram(host, (ended) => {
    code = ended
  })
  try {
    await program.parseAsync([...argv], { from: "user" })
    return code
  } catch (thrown) {
    return fail(host, thrown, commands)
  }
}

function makeProgram(
  host: Host,
  end: (code: number) => void,
): { program: Command; commands: readonly Command[] } {
  const program = new Command("orrery")
    .description("A deterministic, simulation-first database: every run replayable from one integer.")
    .version(orreryVersion(), "-V, --version")
    .helpCommand(false)
  const sim = program
    .command("sim")
    .summary("the simulator")
    .description("Whole clusters of the real kernel under one seed.")
    .helpCommand(false)
  for (const add of [
    addRun,
    addList,
    addShow,
    addReplay,
    addShrink,
    addView,
    addExport,
    addMerge,
    addJournalStatus,
    addExplore,
    addZoo,
  ])
    add(sim, host, end)
  addInit(program, host, end)
  addStart(program, host, end)
  addReplayRecording(program, host, end)
  addViewRecording(program, host, end)
  const range = program
    .command("range")
    .summary("ranges of a store")
    .description("What an operator may do about the ranges of a store.")
    .helpCommand(false)
  addRecover(range, host, end)
  for (const add of [addDemo, addStatus, addChaos]) add(program, host, end, loadWorld)
  const commands = [...new Set([program, ...program.commands, ...sim.commands, ...range.commands])]
  for (const command of commands) {
    command
      .exitOverride()
      .showSuggestionAfterError(false)
      .configureOutput({
        writeOut: (text) => host.stdout.write(text),
        // Errors are told by `fail`, on one line; help after a wrong command is told here.
        writeErr: (text) => host.stderr.write(text),
        outputError: () => {},
      })
  }
  return { program, commands }
}

async function loadWorld(): Promise<RealWorld> {
  const { NodeWorld } = await import("./real/node-world.ts")
  return new NodeWorld()
}

/** Commander's codes for what is no error. */
const SAID: ReadonlySet<string> = new Set(["commander.version", "commander.helpDisplayed"])

function fail(host: Host, thrown: unknown, commands: readonly Command[]): number {
  if (thrown instanceof CommanderError) {
    if (SAID.has(thrown.code)) return EXIT.pass
    // `orrery` and `orrery sim` alone: the help was printed, and nothing was done.
    if (thrown.code !== "commander.help") host.stderr.write(`orrery: ${tellCommander(thrown, commands)}\n`)
    return EXIT.usage
  }
  if (thrown instanceof UsageError) {
    host.stderr.write(`orrery: ${messageOf(thrown)}\n`)
    return EXIT.usage
  }
  if (thrown instanceof EnvironmentError || systemCode(thrown) !== "") {
    host.stderr.write(`orrery: ${messageOf(thrown)}\n`)
    return EXIT.environment
  }
  // A defect of ours: the stack says where, and the code is not one of a check that failed.
  host.stderr.write(
    `orrery: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}\n`,
  )
  return EXIT.environment
}

/** Commander's sentence with the nearest name of a flag or a command. */
function tellCommander(error: CommanderError, commands: readonly Command[]): string {
  const text = messageOf(error).replace(/^error: /, "")
  const quoted = /'([^']*)'/.exec(text)?.[1] ?? ""
  if (error.code === "commander.unknownOption") {
    const flags = commands.flatMap((command) => command.options.flatMap((option) => option.long ?? []))
    return `${text}${didYouMean(quoted, [...new Set(flags)])}`
  }
  if (error.code === "commander.unknownCommand") {
    const names = commands.slice(1).map((command) => command.name())
    return `${text}${didYouMean(quoted, names)}`
  }
  return text
}
