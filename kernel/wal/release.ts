import type { GroupId, LogIndex, Lsn } from "../ids.ts"
import { invariant } from "../lib/invariant.ts"
import type { DamageMark, Identifier, WalItem } from "./item.ts"
import { identifierOf, sorted, type GroupRecord, type Ledger, type SegmentRecord } from "./ledger.ts"

/** What must be said again, and durable, before the segments below `below` may go. */
export type ReleasePlan = { readonly below: number; readonly items: readonly WalItem[] }

/**
 * The longest prefix of segments that no group needs for its entries, or null when there is none. An entry is dead
 * up to the floor its node gives *and* the log start written down here: what the log itself does not call
 * checkpointed is kept, whatever the node says. Everything else that only those segments say (votes and terms,
 * replicas, log starts, marks of damage, records of the system volume) is in `items`.
 */
export function planRelease(ledger: Ledger, floorOf: (group: GroupId) => LogIndex): ReleasePlan | null {
  const segments = ledger.segments
  let last = segments.length - 1
  // The last segment with a frame stays, and with it the end of the log.
  while (last >= 0 && segments[last]!.firstLsn === 0) last--
  let kept = 0
  while (kept < last && !isLive(ledger, segments[kept]!, floorOf)) kept++
  if (kept <= 0) return null
  const head = segments[kept]!
  invariant(head.firstLsn !== 0, "Cannot release: the log would begin with a segment without frames")
  const items = restatements(ledger, head.firstLsn)
  items.push({ type: "released", below: head.sequence, lsn: head.firstLsn })
  return { below: head.sequence, items }
}

/** Groups with live entries older than the newest `limit` segments, ascending: checkpoint these. */
export function pinnedBy(ledger: Ledger, limit: number): readonly GroupId[] {
  const framed = ledger.segments.filter((segment) => segment.firstLsn !== 0)
  const groups = new Set<GroupId>()
  for (const segment of framed.slice(0, Math.max(0, framed.length - limit))) {
    for (const [group, highest] of segment.live) {
      if (highest > (ledger.groups.get(group)?.startIndex ?? 0)) groups.add(group)
    }
  }
  return [...groups].toSorted((a, b) => a - b)
}

function isLive(ledger: Ledger, segment: SegmentRecord, floorOf: (group: GroupId) => LogIndex): boolean {
  for (const [group, highest] of segment.live) {
    const record = ledger.groups.get(group)
    invariant(record !== undefined, "Cannot release: a segment has entries of a group nobody knows")
    if (highest > Math.min(floorOf(group), record.startIndex)) return true
  }
  return false
}

function restatements(ledger: Ledger, head: Lsn): WalItem[] {
  const items: WalItem[] = []
  const isOld = (lsn: Lsn): boolean => lsn !== 0 && lsn < head
  const identity = ledger.identity
  if (identity !== null && isOld(identity.lsn)) {
    const { cluster, store, incarnation } = identity
    items.push({ type: "identity", cluster, store, incarnation })
  }
  if (ledger.boot !== null && isOld(ledger.boot.lsn)) items.push({ type: "boot", boot: ledger.boot.boot })
  for (const [volume, record] of sorted(ledger.volumes)) {
    if (isOld(record.lsn)) items.push({ type: "volume", volume, incarnation: record.incarnation })
  }
  for (const [group, replicas] of sorted(ledger.tombstones)) {
    for (const [replica, lsn] of sorted(replicas))
      if (isOld(lsn)) items.push({ type: "tombstone", group, replica })
  }
  for (const [volume, lsn] of sorted(ledger.forgetful))
    if (isOld(lsn)) items.push({ type: "forgotten", volume })
  restateWitnesses(ledger, isOld, items)
  const identifiers: Identifier[] = []
  const marks: DamageMark[] = []
  for (const [, record] of sorted(ledger.groups)) {
    const count = items.length
    restateGroup(record, isOld, items)
    if (record.mark !== null && isOld(record.markLsn)) {
      // The log may have been mended further since: nothing of what it holds now is cut by saying it again.
      marks.push({ ...record.mark, keptIndex: record.lastIndex, keptTerm: record.lastTerm })
    } else if (items.length === count) continue
    identifiers.push(identifierOf(record))
  }
  if (marks.length > 0) items.push({ type: "damaged", settled: [], marks })
  if (identifiers.length > 0) items.push({ type: "identifiers", identifiers })
  return items
}

function restateGroup(record: GroupRecord, isOld: (lsn: Lsn) => boolean, items: WalItem[]): void {
  const group = record.group
  if (isOld(record.replicaLsn) && record.descriptor !== null) {
    items.push({ type: "replicaCreated", replica: record.replica, descriptor: record.descriptor })
  }
  if (isOld(record.hardStateLsn)) {
    items.push({ type: "hardState", group, term: record.term, votedFor: record.votedFor })
  }
  if (isOld(record.logStartLsn)) {
    items.push({ type: "logStart", group, index: record.startIndex, term: record.startTerm })
  }
}

function restateWitnesses(ledger: Ledger, isOld: (lsn: Lsn) => boolean, items: WalItem[]): void {
  const byVolume = new Map<number, Identifier[]>()
  for (const [, record] of sorted(ledger.witnesses)) {
    if (!isOld(record.lsn)) continue
    const list = byVolume.get(record.volume)
    if (list === undefined) byVolume.set(record.volume, [record.identifier])
    else list.push(record.identifier)
  }
  for (const [volume, identifiers] of sorted(byVolume)) items.push({ type: "witness", volume, identifiers })
}
