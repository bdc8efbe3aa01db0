/** Why there is no recording to read, or none to write. The code is for programs, the text for people. */
export class RecordingError extends Error {
  override readonly name = "RecordingError"
  readonly code: "recordingMissing" | "recordingVersion" | "recordingDamaged" | "recordingDirectory"

  constructor(code: RecordingError["code"], message: string) {
    super(message)
    this.code = code
  }
}
