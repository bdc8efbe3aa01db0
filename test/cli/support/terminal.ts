import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import type { Host } from "#cli/host.ts"
import { main } from "#cli/main.ts"

export type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string }

export const TOY_URL: string = new URL("./toy-engine.ts", import.meta.url).href

/** A folder of its own for the test file, which becomes the current one: reports and capsules land there. */
export function ownFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "orrery-cli-"))
  const before = process.cwd()
  process.chdir(folder)
  afterAll(() => {
    process.chdir(before)
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}

/** Runs a command line over the toy simulator, with pipes for streams unless told otherwise. */
export async function orrery(args: readonly string[], part: Partial<Host> = {}): Promise<Ended> {
  let stdout = ""
  let stderr = ""
  const host: Host = {
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
    env: {},
    cores: 2,
    engineUrl: TOY_URL,
    onInterrupt: () => () => {},
    ...part,
  }
  const code = await main(args, host)
  return { code, stdout, stderr }
}
