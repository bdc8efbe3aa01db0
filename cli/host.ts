import { availableParallelism } from "node:os"

/** A stream of text for people, or for the program behind a pipe. */
export interface Out {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
}

/** All that the command line takes from outside, so that a test can stand in for a terminal. */
export interface Host {
  readonly stdout: Out
  readonly stderr: Out
  /** For commands that ask; the process's own where a host has none. */
  readonly stdin?: NodeJS.ReadStream | NodeJS.ReadableStream
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cores: number
  /** The module whose export `engine` draws, runs and shrinks: loaded afresh by every worker. */
  readonly engineUrl: string
  /** Calls `heard` at the first Ctrl-C or termination request, unless the returned function came first. */
  onInterrupt(heard: () => void): () => void
}

/** Whoever read what is written may have gone (`… | head`): that ends nothing, and a node runs on without its listener. */
function outliveReader(stream: NodeJS.WriteStream): NodeJS.WriteStream {
  return stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error
  })
}

/** This very process. */
export function processHost(): Host {
  return {
    stdout: outliveReader(process.stdout),
    stderr: outliveReader(process.stderr),
    env: process.env,
    cores: availableParallelism(),
    engineUrl: new URL("./campaign/simulator.ts", import.meta.url).href,
    onInterrupt(heard) {
      const forget = (): void => {
        process.off("SIGINT", first)
        process.off("SIGTERM", first)
      }
      // The first one asks for an end with a report; with no one listening, the next one kills.
      const first = (): void => {
        forget()
        heard()
      }
      process.on("SIGINT", first)
      process.on("SIGTERM", first)
      return forget
    },
  }
}
