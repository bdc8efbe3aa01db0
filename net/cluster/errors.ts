/** Why a cluster cannot be made, or its configuration not be used. Stable: docs/ERRORS.md. */
export type ClusterErrorCode =
  | "clusterExists" // the directory holds something already
  | "configUnreadable" // a file of the configuration cannot be read
  | "configNotJson"
  | "configFormat" // written by a build that knows a later format
  | "configUnknownKey"
  | "configInvalid" // a value that cannot be meant, or two that contradict each other
  | "noFreePort"

export class ClusterError extends Error {
  override readonly name = "ClusterError"
  readonly code: ClusterErrorCode

  constructor(code: ClusterErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
