import { availableParallelism } from "node:os"
import { defineConfig, type ViteUserConfig } from "vitest/config"

const config: ViteUserConfig = defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Processes, not threads: tests start workers and trap globals of their own.
    pool: "forks",
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // A line a file, and what a test printed only if it failed.
    silent: "passed-only",
    slowTestThreshold: 10_000,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})

export default config
