import type { Command } from "commander"
import { parseDuration } from "../arguments.ts"
import { EXIT } from "../errors.ts"
import type { Host } from "../host.ts"
import { statusText, type SeenStore } from "../real/status-table.ts"
import type { RealWorld } from "../real/world.ts"
import { paintFor } from "../report/paint.ts"

type Options = { readonly json?: true; readonly timeout: number }

const TIMEOUT_MS = 2_000

export function addStatus(
  program: Command,
  host: Host,
  end: (code: number) => void,
  loadWorld: () => Promise<RealWorld>,
): void {
  program
    .command("status")
    .summary("stores and groups of a running cluster")
    .description(
      "Asks every store of a cluster how it is: who is up, who leads each group, in which term, who lags, what the disk\n" +
        "holds. Exit 1 when a store is silent or a group has no leader.",
    )
    .argument("[client]", "the client folder of the cluster, as `orrery init` made it", "client")
    .option("--json", "what every store says, whole")
    .option(
      "--timeout <duration>",
      "how long a store may take to answer",
      (text) => parseDuration("--timeout", text),
      TIMEOUT_MS,
    )
    .action(async (client: string, options: Options) => {
      const door = (await loadWorld()).door(client)
      try {
        const stores = await Promise.all(
          door.stores.map(async (store): Promise<SeenStore> => {
            const report = await door.report(store, options.timeout)
            return { store, state: report === null ? "silent" : "up", report }
          }),
        )
        host.stdout.write(
          options.json === true
            ? `${JSON.stringify({ stores }, null, 1)}\n`
            : statusText(stores, paintFor(host.stdout, host.env)),
        )
        end(isWhole(stores) ? EXIT.pass : EXIT.failed)
      } finally {
        await door.close()
      }
    })
}

function isWhole(stores: readonly SeenStore[]): boolean {
  const statuses = stores.flatMap(({ report }) => report?.groups ?? [])
  const led = new Set(statuses.filter(({ role }) => role === "leader").map(({ group }) => group))
  return stores.every(({ report }) => report !== null) && statuses.every(({ group }) => led.has(group))
}
