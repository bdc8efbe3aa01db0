import { createHash } from "node:crypto"
import { existsSync, globSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const ROOT: string = fileURLToPath(new URL("..", import.meta.url))

/** The folders that decide how a run goes: two builds that agree in them give the same traces. */
const DECIDING = ["kernel", "sql", "sim", "scenarios"]

/**
 * 16 hexadecimal digits over the names and contents of every source of a run, or of what was compiled from
 * them: the checkout and its package are two builds.
 */
export function buildId(): string {
  const hash = createHash("sha256")
  for (const folder of DECIDING) {
    if (!existsSync(`${ROOT}${folder}`)) continue
    const files = globSync(`${folder}/**/*.{ts,js}`, { cwd: ROOT }).filter((path) => !path.endsWith(".d.ts"))
    for (const path of files.map((path) => path.replaceAll("\\", "/")).sort(byCodeUnit)) {
      hash.update(`${path}\n`)
      hash.update(readFileSync(`${ROOT}${path}`))
      hash.update("\n")
    }
  }
  return hash.digest("hex").slice(0, 16)
}

/** The version in the package.json beside `cli/`. */
export function orreryVersion(): string {
  const manifest = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8")) as { readonly version?: unknown }
  return typeof manifest.version === "string" ? manifest.version : "unknown"
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
