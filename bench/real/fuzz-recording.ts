import { fuzzRecordings } from "./recording-fuzz.ts"
import { benchOptions } from "../support/report.ts"

/**
 * How do the decoders of a recording take bytes nobody vouches for? Headers, starts and events with one to four changes, half
 * of them sealed again with right checksums.
 * `node bench/real/fuzz-recording.ts --inputs 1000000 [--seed 1]`. Exits 1 when a decoder throws, when bytes with a
 * wrong checksum pass, or when what passes does not encode to itself.
 */
const options = benchOptions(import.meta.filename, { inputs: 1_000_000, seed: 1 })

const inputs = options.inputs
const startedAt = performance.now()
const before = process.memoryUsage().rss
let peak = before

const report = fuzzRecordings(inputs, options.seed, (done) => {
  peak = Math.max(peak, process.memoryUsage().rss)
  if (!process.stderr.isTTY && done % 100_000 !== 0) return
  const rate = (done / (performance.now() - startedAt)) * 1000
  const eta = Math.ceil((inputs - done) / rate)
  const line = `${done} of ${inputs} inputs · ${Math.round(rate)}/s · ${eta} s left`
  process.stderr.write(process.stderr.isTTY ? `\r${line}\u001b[K` : `${line}\n`)
})
if (process.stderr.isTTY) process.stderr.write("\n")

console.table(report.counts)
console.log(`memory: ${Math.round((peak - before) / 2 ** 20)} MiB more than at the start, at most`)
for (const line of report.wrong.slice(0, 20)) console.error(line)
if (report.wrong.length > 20) console.error(`and ${report.wrong.length - 20} more`)
process.exitCode = report.wrong.length > 0 ? 1 : 0
