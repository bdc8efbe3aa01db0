import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { createInterface } from "node:readline"
import type { Command } from "commander"
import { parseInteger } from "../arguments.ts"
import { EXIT, UsageError } from "../errors.ts"
import type { Host } from "../host.ts"
import { RealCluster } from "../real/cluster.ts"
import { complete, DemoShell } from "../real/demo-shell.ts"
import type { Made, RealWorld } from "../real/world.ts"
import { duration } from "../report/format.ts"
import { paintFor, type Paint } from "../report/paint.ts"

type Options = { readonly nodes: number; readonly dir?: string; readonly json?: true }

const NODES_MAX = 15
const PROMPT = "orrery> "

export function addDemo(
  program: Command,
  host: Host,
  end: (code: number) => void,
  loadWorld: () => Promise<RealWorld>,
): void {
  program
    .command("demo")
    .summary("a cluster to play with, destroyed on exit")
    .description(
      "Makes a secure cluster on loopback, says how to connect, and takes commands: `help` lists them. Lines may also\n" +
        "come from a pipe. The cluster ends with the last line, at `quit` and at Ctrl-C.",
    )
    .option("--nodes <n>", "stores", (text) => parseInteger("--nodes", text, 1, NODES_MAX), 3)
    .option("--dir <dir>", "make it there and leave it there (default: a temporary folder)")
    .option("--json", "say how to connect as one line of JSON")
    .action(async (options: Options) => end(await demo(host, options, loadWorld)))
}

async function demo(host: Host, options: Options, loadWorld: () => Promise<RealWorld>): Promise<number> {
  const { dir } = options
  if (dir !== undefined && existsSync(dir) && readdirSync(dir).length > 0)
    throw new UsageError(`--dir: ${dir} is not empty; \`orrery start\` runs a node that is there`)
  const startedAt = performance.now()
  const paint = paintFor(host.stdout, host.env)
  const world = await loadWorld()
  const temporary = dir === undefined ? mkdtempSync(join(tmpdir(), "orrery-demo-")) : null
  try {
    const made = await world.make(
      temporary === null ? resolve(dir!) : join(temporary, "cluster"),
      options.nodes,
    )
    const door = world.door(made.client)
    const cluster = await RealCluster.open({ layout: made.layout, door, commandOf: world.commandOf(null) })
    const cut = new AbortController()
    const forget = host.onInterrupt(() => cut.abort())
    try {
      await cluster.startAll()
      await cluster.mustBeReady()
      const seconds = (performance.now() - startedAt) / 1_000
      host.stdout.write(
        options.json === true ? connectJson(made, cluster) : intro(made, cluster, seconds, paint),
      )
      const shell = new DemoShell(cluster, door, made.ranges, paint)
      await prompt(host, shell, cluster, options.json === true, cut.signal)
    } finally {
      forget()
      await door.close()
      await cluster.close()
    }
  } finally {
    if (temporary !== null) rmSync(temporary, { recursive: true, force: true })
  }
  return EXIT.pass
}

/** Lines, one after the other, until there are no more, or `quit`, or Ctrl-C. */
async function prompt(
  host: Host,
  shell: DemoShell,
  cluster: RealCluster,
  isForMachines: boolean,
  cut: AbortSignal,
): Promise<void> {
  const input = host.stdin ?? process.stdin
  const isTerminal = host.stdout.isTTY === true && "isTTY" in input && input.isTTY
  const lines = createInterface({
    input,
    terminal: isTerminal,
    prompt: PROMPT,
    ...(isTerminal ? { output: process.stdout } : {}),
    completer: (line: string) => complete(line, cluster.stores),
  })
  const close = (): void => lines.close()
  lines.on("SIGINT", close)
  cut.addEventListener("abort", close, { once: true })
  if (cut.aborted) close()
  let deaths = 0
  if (isTerminal) lines.prompt()
  for await (const line of lines) {
    // Lines of a pipe are seen nowhere else, and an answer alone does not say what it answers.
    if (!isTerminal && !isForMachines && line.trim() !== "") host.stdout.write(`${PROMPT}${line.trim()}\n`)
    const answer = await shell.answer(line)
    if (answer === null) break
    host.stdout.write(answer)
    for (const { store, log } of cluster.deaths.slice(deaths))
      host.stdout.write(`store ${store} has ended by itself; its log: ${log}\n`)
    deaths = cluster.deaths.length
    if (cut.aborted) break
    if (isTerminal) lines.prompt()
  }
  cut.removeEventListener("abort", close)
  lines.close()
}

function connectJson({ layout, client, ranges }: Made, cluster: RealCluster): string {
  const stores = cluster.stores.map((store) => ({
    store,
    pid: cluster.pidOf(store),
    log: cluster.logOf(store),
  }))
  return `${JSON.stringify({ directory: layout.directory, client, stores, ranges: ranges.length })}\n`
}

function intro({ client }: Made, cluster: RealCluster, seconds: number, paint: Paint): string {
  const count = cluster.stores.length
  return [
    paint.bold(
      `A cluster of ${count} ${count === 1 ? "store" : "stores"} is up, after ${duration(seconds)}.`,
    ),
    "",
    "From TypeScript:",
    paint.cyan(`  import { connect } from "orrery/client"`),
    paint.cyan(`  const client = connect({ config: ${JSON.stringify(client)} })`),
    paint.cyan(`  await client.put("greeting", "hello")`),
    "From another terminal:",
    paint.cyan(`  npx orrery status ${client}`),
    "",
    `${paint.bold("help")} lists what can be done here; ${paint.bold("quit")} destroys it.`,
    "",
    "",
  ].join("\n")
}
