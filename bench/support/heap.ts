import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void

/** A full collection now, without a flag on the command line. */
export function collectGarbage(): void {
  collect()
}
