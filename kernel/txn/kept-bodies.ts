import type { ByteReader, Sink } from "../lib/bytes.ts"
import { TOKEN_BODIES_DROPPED_MAX, TOKEN_BODIES_KNOWN_MAX } from "../limits.ts"

/** An outcome whose body is worth dropping once its client has said that it has the answer. */
export type KeptBody = { readonly anchor: string; readonly client: number; readonly seq: number }

/**
 * The large bodies that this leader has seen recorded, so that no request has to look for what it may drop.
 * Nobody else knows them: those of an older leader, and the oldest where there are too many, stay until their
 * records go.
 */
export class KeptBodies {
  /** In the order in which they were recorded. */
  #bodies: KeptBody[] = []

  note(body: KeptBody): void {
    this.#bodies.push(body)
    if (this.#bodies.length > TOKEN_BODIES_KNOWN_MAX) this.#bodies.shift()
  }

  /** Takes out some of those that the client has acknowledged, the oldest first. */
  takeAcknowledged(client: number, ackedSeq: number): readonly KeptBody[] {
    if (this.#bodies.length === 0) return NONE
    const taken: KeptBody[] = []
    this.#bodies = this.#bodies.filter((body) => {
      const isTaken =
        body.client === client && body.seq <= ackedSeq && taken.length < TOKEN_BODIES_DROPPED_MAX
      if (isTaken) taken.push(body)
      return !isTaken
    })
    return taken
  }

  clear(): void {
    this.#bodies = []
  }

  save(sink: Sink): void {
    sink.uint(this.#bodies.length)
    for (const body of this.#bodies) saveBody(body, sink)
  }

  static load(reader: ByteReader): KeptBodies {
    const kept = new KeptBodies()
    for (let left = reader.count(3); left > 0; left--) kept.#bodies.push(loadBody(reader))
    return kept
  }
}

export function saveBody(body: KeptBody, sink: Sink): void {
  sink.str(body.anchor)
  sink.uint(body.client)
  sink.uint(body.seq)
}

export function loadBody(reader: ByteReader): KeptBody {
  return { anchor: reader.str(), client: reader.uint(), seq: reader.uint() }
}

const NONE: readonly KeptBody[] = []
