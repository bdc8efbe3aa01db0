import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { registerHooks } from "node:module"
import { join, relative } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import type * as Sim from "#sim"
import type { Edit, Mutant } from "./mutant.ts"

const ROOT: string = join(import.meta.dirname, "..", "..")
const KERNEL_URL: string = pathToFileURL(join(ROOT, "kernel")).href + "/"

/** Where the served text of a mutated file says that it runs. */
const EVALUATED = "__orreryZooEvaluated"

/** The text with this edit, or an error: a find that is gone, or no longer alone, is a mutant that means nothing. */
export function applyEdit(text: string, edit: Edit): string {
  const at = text.indexOf(edit.find)
  if (at < 0) throw new Error(`Cannot mutate ${edit.file}: it has no ${JSON.stringify(edit.find)}`)
  if (text.includes(edit.find, at + 1)) {
    throw new Error(`Cannot mutate ${edit.file}: it has ${JSON.stringify(edit.find)} more than once`)
  }
  return text.slice(0, at) + edit.replace + text.slice(at + edit.find.length)
}

/** A kernel file as this mutant has it; as it is shipped for null, and where the mutant changes nothing. */
export function mutatedText(mutant: Mutant | null, file: string): string {
  let text = readFileSync(join(ROOT, file), "utf8")
  for (const edit of mutant?.edits ?? []) if (edit.file === file) text = applyEdit(text, edit)
  return text
}

/** Names a set of sources by their content. */
export function contentHash(sources: readonly (readonly [file: string, text: string])[]): string {
  const hash = createHash("sha256")
  for (const [file, text] of sources.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${file}\0${text.length}\0${text}`)
  }
  return hash.digest("hex").slice(0, 16)
}

/** What was really loaded, seen from two sides: by the hook that served it, and by the text that ran. */
export type Probe = {
  /** Kernel files that were loaded, sorted. */
  readonly files: readonly string[]
  /** Of their texts as they were served. */
  readonly hash: string
  /** Mutated files whose text ran, with the hash of that text; sorted. */
  readonly evaluated: readonly string[]
}

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
  const served = new Map<string, string>()
  const evaluated: string[] = []
  Object.assign(globalThis, { [EVALUATED]: evaluated })
  const mutated = new Set(mutant?.edits.map((edit) => edit.file))
  registerHooks({
    load(url, context, nextLoad) {
      if (!url.startsWith(KERNEL_URL)) return nextLoad(url, context)
      const file = relative(ROOT, fileURLToPath(url))
      const text = mutatedText(mutant, file)
      served.set(file, text)
      if (!mutated.has(file)) return nextLoad(url, context)
      const witness = `\nglobalThis.${EVALUATED}.push(${JSON.stringify(witnessOf(file, text))})\n`
      return { format: "module-typescript", source: text + witness, shortCircuit: true }
    },
  })
  const sim = await import("#sim")
  const { scenarioOf } = await import("#scenarios/index.ts")
  const sources = [...served]
  const files = sources.map(([file]) => file).sort()
  return { sim, scenarioOf, probe: { files, hash: contentHash(sources), evaluated: evaluated.sort() } }
}

function witnessOf(file: string, text: string): string {
  return `${file} ${contentHash([[file, text]])}`
}

/** What the probe of this mutant must say, from the files alone. */
export function expectedProbe(mutant: Mutant | null, files: readonly string[]): Probe {
  const texts = new Map(files.map((file) => [file, mutatedText(mutant, file)]))
  const mutated = [...new Set(mutant?.edits.map((edit) => edit.file))]
  return {
    files,
    hash: contentHash([...texts]),
    evaluated: mutated.map((file) => witnessOf(file, texts.get(file) ?? "not loaded")).sort(),
  }
}
