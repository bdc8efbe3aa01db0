/** Why a data directory cannot be used. The command line tells it in one line and exits 4. */
export type DataDirCode =
  /** Another process that lives holds it. */
  | "dataDirLocked"
  /** It was written by a build this one does not understand, or what says so is missing or damaged. */
  | "dataDirFormat"
  /** It belongs to another cluster or store. */
  | "dataDirIdentity"
  /** Others may read or change it, and this process may not put that right. */
  | "dataDirModes"
  /** The machine did not let it be read or made. */
  | "dataDirUnusable"

/** A data directory that cannot be used, with a stable code. `message` names the directory and what to do. */
export class DataDirError extends Error {
  override readonly name = "DataDirError"
  readonly code: DataDirCode

  constructor(code: DataDirCode, message: string) {
    super(message)
    this.code = code
  }
}

/** The code of a failed system call, or of LMDB; "" when there is none. */
export function codeOf(error: unknown): string | number {
  if (typeof error !== "object" || error === null || !("code" in error)) return ""
  const { code } = error
  return typeof code === "string" || typeof code === "number" ? code : ""
}
