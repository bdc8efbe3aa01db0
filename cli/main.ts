import { readFileSync } from "node:fs"

/** Runs one command line and says how the process should exit. */
export async function main(argv: readonly string[]): Promise<number> {
  if (argv[0] === "--version") {
    const manifest: { version: string } = JSON.parse(
      readFileSync(new URL("../package.json", import.meta.url), "utf8"),
    )
    console.log(manifest.version)
    return 0
  }
  console.error("Cannot run this: only `orrery --version` is there yet")
  return 2
}
