import { open, readFile, rename } from "node:fs/promises"
import { join } from "node:path"
import type { BirthRecord } from "./ports.ts"

/**
 * Whether a store has lived, in a file of its own beside `node.json`, outside of the volumes: it outlasts whatever becomes of
 * them. `orrery init` writes it for a store that has not, the store itself before its first word. Where it is missing
 * nobody knows, and only an operator may say.
 */
const FILE = "birth.json"
const FORMAT = 1

export class BirthError extends Error {
  override readonly name = "BirthError"
  readonly code: "birthUnknown" | "birthUnreadable"

  constructor(code: BirthError["code"], message: string) {
    super(message)
    this.code = code
  }
}

/** Says, durably, whether the store of this directory has lived: written beside, synced, put in place, synced again. */
export async function writeBirth(directory: string, born: boolean): Promise<void> {
  const path = join(directory, FILE)
  const beside = `${path}.new`
  const file = await open(beside, "w", 0o600)
  try {
    await file.writeFile(`${JSON.stringify({ format: FORMAT, born })}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(beside, path)
  const folder = await open(directory, "r")
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Throws a `BirthError` when the file does not say. */
export async function readBirth(directory: string): Promise<BirthRecord> {
  const path = join(directory, FILE)
  let text: string
  try {
    text = await readFile(path, "utf8")
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error) || error.code !== "ENOENT") throw error
    throw new BirthError("birthUnknown", `Cannot tell whether this store has lived: ${path} is missing`)
  }
  let said: unknown
  try {
    said = JSON.parse(text)
  } catch {
    said = null
  }
  if (typeof said !== "object" || said === null || !("born" in said) || !("format" in said)) {
    throw new BirthError("birthUnreadable", `Cannot tell whether this store has lived: ${path} is damaged`)
  }
  if (said.format !== FORMAT || typeof said.born !== "boolean") {
    throw new BirthError(
      "birthUnreadable",
      `Cannot tell whether this store has lived: ${path} is not of format 1`,
    )
  }
  return new FileBirth(directory, said.born)
}

class FileBirth implements BirthRecord {
  readonly #directory: string
  born: boolean

  constructor(directory: string, born: boolean) {
    this.#directory = directory
    this.born = born
  }

  async bear(): Promise<void> {
    await writeBirth(this.#directory, true)
    this.born = true
  }
}
