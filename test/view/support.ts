import { readFileSync } from "node:fs"
import { isPlanError, parseCapsule, type Capsule } from "#sim"

const FOLDER = new URL("../../scenarios/regressions/", import.meta.url)

/** A capsule that is kept in the repository. */
export function regression(name: string): Capsule {
  const capsule = parseCapsule(JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), "utf8")))
  if (isPlanError(capsule)) throw new Error(capsule.message)
  return capsule
}
