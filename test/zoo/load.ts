import { registerHooks } from "node:module"
import { fileURLToPath } from "node:url"
import type * as Sim from "#sim"
import type { Mutant } from "./mutant.ts"
import { evaluatedIn, Server, type Probe } from "./patch.ts"

export type Loaded = {
  readonly sim: typeof Sim
  readonly scenarioOf: (name: string) => Sim.Scenario | null
  readonly probe: Probe
}

/**
 * Loads the simulator over a kernel with this bug in it, or over the shipped one. Load hooks hold for one thread and
 * for modules nobody has imported yet: call it once, first, in a worker of its own.
 */
export async function loadMutant(mutant: Mutant | null): Promise<Loaded> {
  const server = new Server({ edits: mutant?.edits ?? [], folders: ["kernel"] })
  registerHooks({
    load(url, context, nextLoad) {
      const text = url.startsWith("file:") ? server.textOf(fileURLToPath(url)) : null
      if (text === null) return nextLoad(url, context)
      return { format: "module-typescript", source: text, shortCircuit: true }
    },
  })
  const sim = await import("#sim")
  const { scenarioOf } = await import("#scenarios/index.ts")
  return { sim, scenarioOf, probe: server.probe(evaluatedIn(globalThis)) }
}
