export * from "./host/ports.ts"
export * from "./cluster/node-config.ts"
export { BirthError, writeBirth } from "./host/birth.ts"
export { Host, type HostLog, type HostParts, type HostStats, type HostStop } from "./host/host.ts"
export { LOG_LEVELS, NodeLog, type LogLevel, type LogOptions } from "./log.ts"
export { NodeFileError, parseNodeFile } from "./node-file.ts"
export {
  kernelConfigOf,
  NodeServer,
  readNodeFile,
  startNode,
  StoppedError,
  type ClientDoor,
  type NodeOptions,
  type NodeParts,
} from "./server.ts"
