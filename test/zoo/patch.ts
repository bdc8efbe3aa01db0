import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { join, relative, sep } from "node:path"
import type { Edit } from "./mutant.ts"

/** The checkout: what edits name their files from. */
export const ROOT: string = join(import.meta.dirname, "..", "..")

/** Where the text that a loader served says that it runs, under `globalThis`. */
const EVALUATED = "__orreryZooEvaluated"

/** What a build is made over: some edits, of files under some folders. */
export type Patch = {
  /** Empty: the text that is shipped. */
  readonly edits: readonly Edit[]
  /** Top-level folders whose files are served and hashed. */
  readonly folders: readonly string[]
}

/** The text with this edit, or an error: a find that is gone, or no longer alone, is a mutant that means nothing. */
export function applyEdit(text: string, edit: Edit): string {
  const at = text.indexOf(edit.find)
  if (at < 0) throw new Error(`Cannot mutate ${edit.file}: it has no ${JSON.stringify(edit.find)}`)
  if (text.includes(edit.find, at + 1)) {
    throw new Error(`Cannot mutate ${edit.file}: it has ${JSON.stringify(edit.find)} more than once`)
  }
  return text.slice(0, at) + edit.replace + text.slice(at + edit.find.length)
}

/** A file of the checkout as these edits leave it. */
export function patchedText(edits: readonly Edit[], file: string): string {
  let text = readFileSync(join(ROOT, file), "utf8")
  for (const edit of edits) if (edit.file === file) text = applyEdit(text, edit)
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

/** What was really loaded, seen from two sides: by the loader that served it, and by the text that ran. */
export type Probe = {
  /** Files that were served, sorted. */
  readonly files: readonly string[]
  /** Of their texts as they were served: the name of the build. */
  readonly hash: string
  /** Files whose text ran, each with the hash of that text; sorted. */
  readonly evaluated: readonly string[]
}

/**
 * The one function that all loaders go through: gives the text of a module, and remembers it. Each text that is
 * served ends by saying that it runs and what it is, so that what ran can be held against what was meant.
 */
export class Server {
  readonly #patch: Patch
  readonly #served = new Map<string, string>()

  constructor(patch: Patch) {
    this.#patch = patch
  }

  /** The text to load instead of that of the file at this absolute path; null for a file that is none of ours. */
  textOf(path: string): string | null {
    const file = relative(ROOT, path).split(sep).join("/")
    if (!file.endsWith(".ts") || !this.#patch.folders.includes(file.split("/")[0]!)) return null
    const text = patchedText(this.#patch.edits, file)
    this.#served.set(file, text)
    const said = JSON.stringify(witnessOf(file, text))
    // No bracket and no semicolon may come first: what goes away with a type before it would take them along.
    return `${text}\nglobalThis.${EVALUATED} ??= []\nglobalThis.${EVALUATED}.push(${said})\n`
  }

  /** `evaluated` is what `evaluatedIn` gave where the build runs. */
  probe(evaluated: readonly string[]): Probe {
    const sources = [...this.#served]
    const files = sources.map(([file]) => file).sort()
    return { files, hash: contentHash(sources), evaluated: [...evaluated].sort() }
  }
}

/** What has been said to run, by all that runs under this global object. */
export function evaluatedIn(scope: object): readonly string[] {
  const said = (scope as Record<string, unknown>)[EVALUATED]
  return Array.isArray(said) ? [...new Set(said as string[])] : []
}

/** Before another build runs under the same global object. */
export function forgetEvaluated(scope: object): void {
  delete (scope as Record<string, unknown>)[EVALUATED]
}

function witnessOf(file: string, text: string): string {
  return `${file} ${contentHash([[file, text]])}`
}

/** What the probe of a build must say that served these files, from the checkout alone. */
export function expectedProbe(edits: readonly Edit[], files: readonly string[]): Probe {
  const sources = files.map((file) => [file, patchedText(edits, file)] as const)
  const evaluated = sources.map(([file, text]) => witnessOf(file, text))
  const missing = [...new Set(edits.map((edit) => edit.file))].filter((file) => !files.includes(file))
  // A file that is edited and not loaded is no mutant: said in a way that no probe can.
  const all = [...evaluated, ...missing.map((file) => `${file} not loaded`)]
  return { files: [...files].sort(), hash: contentHash(sources), evaluated: all.sort() }
}
