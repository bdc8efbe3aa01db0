import { readFileSync } from "node:fs"
import { registerHooks } from "node:module"
import { join, relative } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { parentPort, workerData } from "node:worker_threads"

/** One bug that every run shows: a follower acknowledges an append when it is handed to the log. */
export const PLANTED = {
  file: "kernel/raft/replication.ts",
  find: "barrier: lsn > context.durableLsn ?",
  replace: "barrier: lsn > context.nextLsn ?",
  oracle: "RAFT-ack-durable",
} as const

const ROOT = join(import.meta.dirname, "../..")

/** The file with the bug in it; null for every other file. */
export function planted(path: string, text: string): string | null {
  if (path !== PLANTED.file) return null
  if (text.split(PLANTED.find).length !== 2) throw new Error(`The bug no longer fits ${path}`)
  return text.replace(PLANTED.find, PLANTED.replace)
}

// As a worker it runs plans on the kernel with the bug: hooks hold for one thread.
if (parentPort !== null && workerData?.plans !== undefined) {
  const kernel = pathToFileURL(join(ROOT, "kernel")).href
  registerHooks({
    load(url, context, nextLoad) {
      if (!url.startsWith(kernel)) return nextLoad(url, context)
      const path = fileURLToPath(url)
      const source = planted(relative(ROOT, path), readFileSync(path, "utf8"))
      return source === null
        ? nextLoad(url, context)
        : { format: "module-typescript", source, shortCircuit: true }
    },
  })
  const { simulate } = await import("#sim")
  parentPort.postMessage(
    workerData.plans.map((plan: never) => {
      const { traceHash, violation, events } = simulate(plan)
      return { traceHash, oracle: violation?.oracle ?? null, events }
    }),
  )
}
