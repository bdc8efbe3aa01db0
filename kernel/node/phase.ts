/**
 * How far a start has come. Nothing is sent or answered before `running`: first the boot number is made
 * durable, then what the bootstrap document places here, then the list of volumes that may acknowledge.
 */
export type Phase = "booting" | "bootstrapping" | "listing" | "running" | "outdated" | "stopped"

/** In the order in which they are saved. */
export const PHASES: readonly Phase[] = [
  "booting",
  "bootstrapping",
  "listing",
  "running",
  "outdated",
  "stopped",
]
