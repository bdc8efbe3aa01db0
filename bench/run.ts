/**
 * Runs benchmarks one after the other, each in a process of its own, so that none inherits what the engine learnt
 * from another. `npm run bench`, or by name: `node bench/run.ts sim/s1 kernel/commits [--json]`. With
 * `--help` each of them says what it is.
 */
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const BENCHES = [
  "sim/s0",
  "sim/s1",
  "sim/checkers",
  "sim/growth",
  "sim/groups",
  "sim/memory",
  "sim/linearizable",
  "sim/isolation",
  "view/seek",
  "kernel/commits",
  "kernel/range-txns",
  "kernel/engine",
  "kernel/snapshot",
  "real/disk",
  "real/api",
  "real/peer-echo",
  "real/host-loop",
  "real/etcd",
  "real/idle",
  "real/recorder",
]

const words = process.argv.slice(2)
const names = words.filter((word) => !word.startsWith("--"))
const unknown = words.find((word) => !BENCHES.includes(word) && word !== "--json" && word !== "--help")
if (unknown !== undefined) {
  console.error(`No benchmark or option "${unknown}". There are: ${BENCHES.join(", ")}; --json and --help`)
  process.exitCode = 2
} else {
  for (const name of names.length > 0 ? names : BENCHES) {
    const file = fileURLToPath(new URL(`${name}.ts`, import.meta.url))
    const flags = words.filter((word) => word.startsWith("--"))
    const { status } = spawnSync(process.execPath, [file, ...flags], { stdio: "inherit" })
    if (status !== 0) process.exitCode = 1
  }
}
