import type { GroupId, Mono } from "../ids.ts"
import type { RoomWatch } from "../liveness/room.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { Moment, Replica } from "./replica.ts"

/** Groups asked to go in one beat: each of them elects. */
const GROUPS_PER_BEAT = 64
/** Beats before a group that stayed is asked again. */
const AGAIN_BEATS = 5

/** When a group was last asked to go, and how often since its volume is full. */
type Attempt = { at: Mono; count: number }

/**
 * A leader without room refuses writes; another may take them. So it hands over to a voter that could take over at
 * once and whose store has said for a while that it has room in the group's volume. Where nobody has, nothing moves,
 * and as what counts is to have had room for a while, no two full stores hand a group to and fro.
 */
export class HandOver {
  readonly #attempts = new Map<GroupId, Attempt>()

  /** Once a housekeeping. Gives the replicas with which it had to do. */
  step(replicas: readonly Replica[], room: RoomWatch, moment: Moment): readonly Replica[] {
    if (!room.isTight) {
      this.#attempts.clear()
      return NOBODY
    }
    const asked: Replica[] = []
    const againUs = AGAIN_BEATS * room.beatUs
    let isStuck = false
    for (const replica of replicas) {
      const { group, volume } = replica
      if (asked.length >= GROUPS_PER_BEAT) break
      if (!replica.raft.isLeader || replica.isRemoved || !room.isFull(volume.id, moment.mono)) {
        this.#attempts.delete(group)
        continue
      }
      const attempt = this.#attempts.get(group) ?? { at: 0, count: 0 }
      if (attempt.count > 0 && moment.mono - attempt.at < againUs) continue
      const heirs = replica.heirs(moment).filter(({ store }) => room.hasRoom(store, volume.id, moment.mono))
      if (heirs.length === 0) {
        isStuck = true
        continue
      }
      // Groups that leave together spread over those who can take them, and who did not take it is not asked first.
      replica.handOver(heirs[(group + attempt.count) % heirs.length]!.store, moment)
      this.#attempts.set(group, { at: moment.mono, count: attempt.count + 1 })
      asked.push(replica)
      mark("node.handOver.asked", moment)
    }
    if (isStuck) mark("node.handOver.nobodyHasRoom", moment)
    return asked
  }

  save(sink: Sink): void {
    sink.uint(this.#attempts.size)
    for (const [group, { at, count }] of [...this.#attempts].sort((a, b) => a[0] - b[0])) {
      sink.uint(group)
      sink.uint(at)
      sink.uint(count)
    }
  }

  static load(reader: ByteReader): HandOver {
    const handOver = new HandOver()
    for (let left = reader.count(3); left > 0; left--)
      handOver.#attempts.set(reader.uint(), { at: reader.uint(), count: reader.uint() })
    return handOver
  }
}

const NOBODY: readonly Replica[] = []

function mark(name: string, moment: Moment): void {
  moment.out.push({ type: "observe", observation: { type: "mark", name } })
}
