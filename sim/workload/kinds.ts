import { append } from "./append.ts"
import { counter } from "./counter.ts"
import { register } from "./register.ts"
import { scan } from "./scan.ts"
import { set } from "./set.ts"
import { steps } from "./steps.ts"
import type { Workload } from "./workload.ts"

export const WORKLOADS: readonly Workload[] = [register, append, set, counter, scan, steps]

export function workloadOf(kind: string): Workload | null {
  return WORKLOADS.find((workload) => workload.kind === kind) ?? null
}
