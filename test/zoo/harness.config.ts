import { defineConfig, type ViteUserConfig } from "vitest/config"
import type { Reporter } from "vitest/node"
import { vitePatch } from "./bundle.ts"
import { HARNESS_MUTANTS } from "./harness.ts"
import type { Edit } from "./mutant.ts"
import { ROOT, Server } from "./patch.ts"

// Vitest over a mutated simulator: a project for each mutant, with the one file that has the test meant for it, and
// one project over the simulator as it is. Says on standard output what came of each test, as JSON lines.

const NAMES: readonly string[] = HARNESS_MUTANTS.map(({ test }) => test.name)
const FILES: readonly string[] = [...new Set(HARNESS_MUTANTS.map(({ test }) => test.file))]

const reporter: Reporter = {
  onTestRunEnd(modules) {
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { name: project } = test.project
        const { state } = test.result()
        if (state !== "skipped")
          process.stdout.write(`${JSON.stringify({ project, name: test.name, state })}\n`)
      }
    }
  },
}

type Project = NonNullable<NonNullable<ViteUserConfig["test"]>["projects"]>[number]

function project(name: string, include: readonly string[], edits: readonly Edit[]): Project {
  return {
    root: ROOT,
    plugins: [vitePatch(new Server({ edits, folders: ["sim"] }))],
    // What one mutant makes of a module must never be taken from a cache by another, or by the tests proper.
    test: { name, include: [...include], fsModuleCache: false },
  }
}

const config: ViteUserConfig = defineConfig({
  root: ROOT,
  test: {
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    fsModuleCache: false,
    reporters: [reporter],
    testNamePattern: NAMES.map(exactly).join("|"),
    projects: [
      project("pure", FILES, []),
      ...HARNESS_MUTANTS.map(({ id, test, edits }) => project(id, [test.file], edits)),
    ],
  },
})

function exactly(name: string): string {
  return `${name.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)}$`
}

export default config
