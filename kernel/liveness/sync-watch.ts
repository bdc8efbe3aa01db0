import type { Lsn, Mono, VolumeId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"

/**
 * For how long each volume has not become durable further, though something waits for it. A disk that
 * hangs answers nobody, so it is the looks taken now and then that tell.
 */
export class SyncWatch {
  readonly #since = new Map<VolumeId, { lsn: Lsn; at: Mono }>()

  look(volume: VolumeId, durableLsn: Lsn, isWaiting: boolean, mono: Mono): void {
    const seen = this.#since.get(volume)
    if (!isWaiting) this.#since.delete(volume)
    else if (seen === undefined || seen.lsn !== durableLsn)
      this.#since.set(volume, { lsn: durableLsn, at: mono })
  }

  isOverdue(mono: Mono, limitUs: number): boolean {
    for (const { at } of this.#since.values()) if (mono - at >= limitUs) return true
    return false
  }

  save(sink: Sink): void {
    sink.uint(this.#since.size)
    for (const [volume, { lsn, at }] of [...this.#since].sort((a, b) => a[0] - b[0])) {
      sink.uint(volume)
      sink.uint(lsn)
      sink.uint(at)
    }
  }

  static load(reader: ByteReader): SyncWatch {
    const watch = new SyncWatch()
    for (let left = reader.count(3); left > 0; left--) {
      watch.#since.set(reader.uint(), { lsn: reader.uint(), at: reader.uint() })
    }
    return watch
  }
}
