// The door `orrery/client`.
export {
  Client,
  connect,
  type BatchOp,
  type BatchResult,
  type CallOptions,
  type ClientStore,
  type ConnectOptions,
  type ReadOptions,
  type Row,
  type ScanOptions,
  type WriteOptions,
} from "./client.ts"
export { OrreryError, OutcomeUnknownError, type ClientErrorCode } from "./errors.ts"
export { StoreSession, type Waiting } from "./store-session.ts"
export type { Bytes } from "./bytes.ts"
export type { TlsFiles } from "../api/tls.ts"
