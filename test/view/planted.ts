import { once } from "node:events"
import { readFileSync } from "node:fs"
import { registerHooks } from "node:module"
import { join, relative } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { parentPort, Worker, workerData } from "node:worker_threads"
import type { Plan } from "#sim"

export type Bug = {
  readonly file: string
  readonly find: string
  readonly replace: string
  readonly oracle: string
}

/** A follower acknowledges an append when it is handed to the log: every run shows it. */
export const EARLY_ACKNOWLEDGEMENT: Bug = {
  file: "kernel/raft/replication.ts",
  find: "barrier: lsn > context.durableLsn ?",
  replace: "barrier: lsn > context.nextLsn ?",
  oracle: "RAFT-ack-durable",
}

/** A leader confirms its reads to itself: a run shows it in which it is cut off. */
export const OWN_CONFIRMATION: Bug = {
  file: "kernel/raft/read-index.ts",
  find: "|| open.confirmedBy.includes(replica)",
  replace: "|| (replica > 0 && open.confirmedBy.includes(self))",
  oracle: "LIN-linearizable",
}

export type Seen = {
  readonly traceHash: string
  readonly oracle: string | null
  readonly message: string
  readonly events: number
}

const ROOT = join(import.meta.dirname, "../..")

/** The file with the bug in it; null for every other file. */
export function planted(bug: Bug, path: string, text: string): string | null {
  if (path !== bug.file) return null
  if (text.split(bug.find).length !== 2) throw new Error(`The bug no longer fits ${path}`)
  return text.replace(bug.find, bug.replace)
}

/** What Node sees of a plan on the kernel with the bug: in a worker, since load hooks hold for one thread. */
export async function runPlanted(bug: Bug, plan: Plan): Promise<Seen> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { bug, plan } })
  try {
    const [seen] = (await once(worker, "message")) as [Seen]
    return seen
  } finally {
    await worker.terminate()
  }
}

if (parentPort !== null && workerData?.bug !== undefined) {
  const { bug, plan } = workerData as { readonly bug: Bug; readonly plan: Plan }
  const kernel = pathToFileURL(join(ROOT, "kernel")).href
  registerHooks({
    load(url, context, nextLoad) {
      if (!url.startsWith(kernel)) return nextLoad(url, context)
      const path = fileURLToPath(url)
      const source = planted(bug, relative(ROOT, path), readFileSync(path, "utf8"))
      return source === null
        ? nextLoad(url, context)
        : { format: "module-typescript", source, shortCircuit: true }
    },
  })
  const { simulate } = await import("#sim")
  const { traceHash, violation, events } = simulate(plan)
  const seen: Seen = {
    traceHash,
    oracle: violation?.oracle ?? null,
    message: violation?.message ?? "",
    events,
  }
  parentPort.postMessage(seen)
}
