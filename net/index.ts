export * from "./host/ports.ts"
export * from "./cluster/node-config.ts"
export { ClusterError, type ClusterErrorCode } from "./cluster/errors.ts"
export { readClientConfig, readNodeConfig } from "./cluster/config-file.ts"
export { initCluster, type InitOptions, type MadeCluster } from "./cluster/init.ts"
export { GrpcPeerLinks, type PeerLinksOptions } from "./peer/links.ts"
export type { LaneStats, PeerErrorCode, PeerEvent, PeerLinksStats, PeerStats } from "./peer/stats.ts"
export type { PeerTls } from "./peer/tls.ts"
export { BirthError, writeBirth } from "./host/birth.ts"
export { Host, type HostLog, type HostParts, type HostStats, type HostStop } from "./host/host.ts"
export { NodeLog, type LogLevel, type LogOptions } from "./log.ts"
export {
  kernelConfigOf,
  NodeServer,
  startNode,
  StoppedError,
  type ClientDoor,
  type NodeOptions,
  type NodeParts,
} from "./server.ts"
export { recoverStore, type RecoverReport } from "./recover.ts"
export { FileStoreDisk, type FileStoreDiskOptions } from "./disk/store-disk.ts"
export { SYSTEM_CALLS } from "./disk/calls.ts"
export type { DataDirOwner } from "./disk/data-dir.ts"
export { DataDirError, type DataDirCode } from "./disk/errors.ts"
export { DirectoryLock } from "./disk/lock.ts"
export { ClientApi, type ClientApiOptions, type StatusSource } from "./api/client-api.ts"
export type { TlsFiles } from "./api/tls.ts"
export { connect, type Client } from "./client/client.ts"
export { OrreryError, OutcomeUnknownError } from "./client/errors.ts"
export { StoreSession } from "./client/store-session.ts"
export { makeRecordingCapsule, type MadeCapsule } from "./record/capsule.ts"
export { RecordingError } from "./record/error.ts"
export { FlightRecorder, type RecorderOptions } from "./record/recorder.ts"
export { replayRecording, type RecordingReplay, type ReplayOptions, type Stretch } from "./record/replay.ts"
export type { StepListener } from "./record/player.ts"
export type { Start as RecordingStart } from "./record/start.ts"
export type { LostCode } from "./record/segment-writer.ts"
export { machineParts, type NodeStatus } from "./node-parts.ts"
