import pc from "picocolors"
import type { Out } from "../host.ts"

export type Paint = ReturnType<typeof pc.createColors>

/** Colours on a terminal, unless NO_COLOR says no or FORCE_COLOR says yes. https://no-color.org */
export function paintFor(out: Out, env: Readonly<Record<string, string | undefined>>): Paint {
  const forbids = (env["NO_COLOR"] ?? "") !== "" || env["TERM"] === "dumb"
  const forced = (env["FORCE_COLOR"] ?? "") !== "" && env["FORCE_COLOR"] !== "0"
  return pc.createColors(!forbids && (forced || out.isTTY === true))
}
