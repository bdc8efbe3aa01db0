/** What Linux says of processes, for benches that start some. */
import { readFileSync, statSync } from "node:fs"

/** Ticks a second of the times in /proc; Linux shows them so on every machine it runs on. */
const TICKS = 100

/** CPU seconds of all threads since the process began. */
export function cpuOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
  // The name may hold anything, so what is counted begins behind it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return (Number(fields[11]) + Number(fields[12])) / TICKS
}

/**
 * Bytes the device below this directory was given to write, by anyone. Not `write_bytes` of /proc/PID/io: that counts whole
 * folios of the page cache, which are up to a megabyte each time a few hundred bytes of a segment are written through.
 * Null where the system does not say.
 */
export function deviceWrittenBytes(directory: string): number | null {
  const { dev } = statSync(directory)
  const major = (dev >> 8) & 0xfff
  const minor = (dev & 0xff) | ((dev >> 12) & 0xfff00)
  for (const line of readFileSync("/proc/diskstats", "latin1").split("\n")) {
    const fields = line.trim().split(/\s+/)
    if (Number(fields[0]) === major && Number(fields[1]) === minor) return Number(fields[9]) * 512
  }
  return null
}

/** CPU seconds all processes of this machine have used since it began. */
export function machineCpuS(): number {
  const ticks = readFileSync("/proc/stat", "latin1").split("\n", 1)[0]!.split(/\s+/).slice(1).map(Number)
  // user, nice, system, (idle, iowait,) irq, softirq, steal.
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = ticks
  return (user + nice + system + irq + softirq + steal) / TICKS
}
