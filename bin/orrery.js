#!/usr/bin/env node
// Plain JavaScript that an old Node can read too: it is here to say what is wrong with that Node, or to use the
// one that came with `npm ci`. Everything else is in cli/.
import { spawn } from "node:child_process"
import { existsSync, readdirSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

const NODE_MIN = [24, 12]
const EXIT_ENVIRONMENT = 4

const self = fileURLToPath(import.meta.url)
const root = dirname(dirname(self))
const source = join(root, "cli/main.ts")
const inCheckout = existsSync(source)

function oldNode() {
  const [major, minor] = process.versions.node.split(".").map(Number)
  return major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1])
}

/** The runtime that package.json pins, or null on a platform without one and before `npm ci`. */
function pinnedNode() {
  const modules = join(root, "node_modules")
  if (!inCheckout || !existsSync(modules)) return null
  for (const name of readdirSync(modules)) {
    const binary = join(modules, name, "bin/node")
    if (name.startsWith("node-") && existsSync(binary)) return binary
  }
  return null
}

function explain() {
  const has = `Orrery needs Node ${NODE_MIN.join(".")} or newer, and this is ${process.versions.node} (${process.execPath}).`
  if (!inCheckout) return `${has}\nInstall a newer Node and try again.`
  return `${has}\nRun \`npm ci\` first: it brings the right one. Then \`npx orrery\` uses it.`
}

/** Runs this file again under another Node and ends as that ends. */
function runUnder(binary) {
  const child = spawn(binary, [self, ...process.argv.slice(2)], { stdio: "inherit" })
  // A terminal sends Ctrl-C to both. The child decides what it means; this process waits for its word.
  process.on("SIGINT", () => {})
  process.on("SIGTERM", () => child.kill("SIGTERM"))
  process.on("SIGHUP", () => child.kill("SIGHUP"))
  child.on("error", (error) => {
    console.error(`Cannot run ${binary}: ${error.message}`)
    process.exitCode = EXIT_ENVIRONMENT
  })
  child.on("exit", (code, signal) => {
    if (signal === null) {
      process.exit(code)
    } else {
      process.removeAllListeners(signal)
      process.kill(process.pid, signal)
    }
  })
}

async function run() {
  const { main } = await import(pathToFileURL(inCheckout ? source : join(root, "cli/main.js")).href)
  process.exitCode = await main(process.argv.slice(2))
}

const pinned = oldNode() ? pinnedNode() : null
if (pinned !== null) {
  runUnder(pinned)
} else if (oldNode()) {
  console.error(explain())
  process.exitCode = EXIT_ENVIRONMENT
} else {
  run().catch((error) => {
    // Ours, not a verdict on what was checked: never exit 1.
    console.error(error)
    process.exitCode = EXIT_ENVIRONMENT
  })
}
