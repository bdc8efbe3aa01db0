import { subscribe } from "node:diagnostics_channel"
import type { ServerHttp2Stream } from "node:http2"
import { WINDOW_BYTES } from "./limits.ts"
import { LANES, pathOf } from "./service.ts"

const PATHS: ReadonlySet<string> = new Set(
  LANES.filter((lane) => lane !== "liveness").map((lane) => pathOf(lane)),
)

let isWidening = false

/**
 * Peers may send this much before they wait for a word from here. HTTP/2 begins with 64 KiB, and a batch of entries soon
 * stands before a closed window: a turn of both processes for the rest of it. gRPC's server keeps its sessions to itself, so
 * they are found where Node tells of each stream as it begins, by the path; other servers of the process are let be.
 */
export function widenWindows(): void {
  if (isWidening) return
  isWidening = true
  subscribe("http2.server.stream.created", (message) => {
    const { stream, headers } = message as Begun
    const { session } = stream
    if (session === undefined || session.destroyed || !PATHS.has(headers[":path"] ?? "")) return
    session.setLocalWindowSize(WINDOW_BYTES)
    session.settings({ initialWindowSize: WINDOW_BYTES })
  })
}

type Begun = {
  readonly stream: ServerHttp2Stream
  readonly headers: { readonly ":path"?: string }
}
