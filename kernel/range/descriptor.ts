import type { GroupId, Incarnation, RangeId, ReplicaId, StoreId, TenantId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"

/** One replica's place: removed replicas never come back under the same id. */
export type Member = {
  readonly replica: ReplicaId
  readonly store: StoreId
  readonly incarnation: Incarnation
}

/** What a range is and who serves it; replicated in its own group. `[start, end)`, empty `end` is unbounded. */
export type RangeDescriptor = {
  readonly rangeId: RangeId
  readonly groupId: GroupId
  readonly tenant: TenantId
  readonly start: string
  readonly end: string
  readonly generation: number
}

export function contains(range: RangeDescriptor, key: string): boolean {
  return key >= range.start && (range.end === "" || key < range.end)
}

export function writeMember(member: Member, sink: Sink): void {
  sink.uint(member.replica)
  sink.uint(member.store)
  sink.uint(member.incarnation)
}

export function readMember(reader: ByteReader): Member {
  return { replica: reader.uint(), store: reader.uint(), incarnation: reader.uint() }
}

export function writeDescriptor(range: RangeDescriptor, sink: Sink): void {
  sink.uint(range.rangeId)
  sink.uint(range.groupId)
  sink.uint(range.tenant)
  sink.str(range.start)
  sink.str(range.end)
  sink.uint(range.generation)
}

export function readDescriptor(reader: ByteReader): RangeDescriptor {
  return {
    rangeId: reader.uint(),
    groupId: reader.uint(),
    tenant: reader.uint(),
    start: reader.str(),
    end: reader.str(),
    generation: reader.uint(),
  }
}
