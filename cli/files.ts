import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { EnvironmentError, messageOf, systemCode, UsageError } from "./errors.ts"

/** Writes a whole file, with the folders above it. A disk that refuses is the environment's fault: exit 4. */
export function writeTextFile(path: string, text: string): void {
  try {
    makeFolder(dirname(path))
    writeFileSync(path, text)
  } catch (thrown) {
    throw new EnvironmentError(`Cannot write ${path}: ${messageOf(thrown)}`)
  }
}

/** Not `recursive`: Node 26 never returns from that on a file system that makes no folders, such as /proc. */
export function makeFolder(folder: string): void {
  if (existsSync(folder)) return
  const parent = dirname(folder)
  if (parent !== folder) makeFolder(parent)
  try {
    mkdirSync(folder)
  } catch (thrown) {
    // Another process, a shard perhaps, was faster.
    if (systemCode(thrown) !== "EEXIST") throw thrown
  }
}

export function readTextFile(path: string): string {
  try {
    return readFileSync(path, "utf8")
  } catch (thrown) {
    const code = systemCode(thrown)
    if (code === "ENOENT") throw new UsageError(`There is no file ${path}`)
    if (code === "EISDIR") throw new UsageError(`${path} is a folder, not a file`)
    throw new EnvironmentError(`Cannot read ${path}: ${messageOf(thrown)}`)
  }
}

/** Parses a JSON file that a user named. What it must contain is for the caller to say. */
export function readJsonFile(path: string): unknown {
  const text = readTextFile(path)
  try {
    return JSON.parse(text)
  } catch (thrown) {
    throw new UsageError(`${path} is not JSON: ${messageOf(thrown)}`)
  }
}
