import { main } from "#cli/main.ts"
import { processHost } from "#cli/host.ts"

// The command line over the toy simulator, for tests that need a process of their own.
process.exitCode = await main(process.argv.slice(2), {
  ...processHost(),
  engineUrl: new URL("./toy-engine.ts", import.meta.url).href,
})
