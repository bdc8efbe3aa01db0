import type { Incarnation } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"

/** One process of a store: the life of its disk, the start it is, and what it drew so that no other is it. */
export type Process = { readonly incarnation: Incarnation; readonly boot: number; readonly nonce: number }

export const NO_PROCESS: Process = { incarnation: 0, boot: 0, nonce: 0 }

/**
 * Whether a peer that has heard `heard` shows `self` to be an old image: a boot is made durable before its first word,
 * so of one disk no two processes speak under one boot.
 */
export function isImage(self: Process, heard: Process): boolean {
  if (heard.incarnation !== self.incarnation) return false
  return heard.boot === self.boot ? heard.nonce !== self.nonce : heard.boot > self.boot
}

export function writeProcess({ incarnation, boot, nonce }: Process, sink: Sink): void {
  sink.uint(incarnation)
  sink.uint(boot)
  sink.uint(nonce)
}

export function readProcess(reader: ByteReader): Process {
  return { incarnation: reader.uint(), boot: reader.uint(), nonce: reader.uint() }
}
