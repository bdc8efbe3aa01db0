import type { Brand } from "./lib/brand.ts"

/** One process or worker with its disks; from 1. */
export type StoreId = Brand<number, "StoreId">
/** A Raft group, which replicates one range; from 1. */
export type GroupId = Brand<number, "GroupId">
/** A contiguous span of keys of one tenant; from 1. */
export type RangeId = Brand<number, "RangeId">
/** One replica of one group, never used again after its removal; from 1 within its group. */
export type ReplicaId = Brand<number, "ReplicaId">
/** Owner of ranges; 0 is the default tenant. */
export type TenantId = Brand<number, "TenantId">
/** A log and an engine of their own: 0 is the system volume, tenant t has volume t + 1. */
export type VolumeId = Brand<number, "VolumeId">
/** Position of a frame in a volume's log, from 1; 0 is "before the first". */
export type Lsn = Brand<number, "Lsn">
/** Raft's term; 0 is "before the first election". */
export type Term = Brand<number, "Term">
/** Raft's log index, from 1; 0 is "before the first entry". */
export type LogIndex = Brand<number, "LogIndex">
/** Microseconds of a monotonic clock: for deadlines. */
export type Mono = Brand<number, "Mono">
/** Microseconds since 1970 by the store's wall clock: for timestamps. */
export type Wall = Brand<number, "Wall">
/** A hybrid logical timestamp, `unixMs * 2048 + logical`; 0 is "never". */
export type Timestamp = Brand<number, "Timestamp">
/** Random identity of a disk's content: 53 bits, drawn when a store starts empty. */
export type Incarnation = Brand<number, "Incarnation">

export const SYSTEM_VOLUME: VolumeId = 0

export function volumeOfTenant(tenant: TenantId): VolumeId {
  return tenant + 1
}
