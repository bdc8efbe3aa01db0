/** What recovery makes of a volume as a whole. */
export type Verdict =
  /** Nothing was ever written. */
  | "empty"
  | "clean"
  /** The last frame was never durable and is gone. */
  | "tornTail"
  /** Something durable is missing: the groups concerned open as `recovering`. */
  | "corruption"
  /** Nobody can say whose log this was: the volume begins again, as someone else. */
  | "newIncarnation"
  /** Files of another cluster, store, volume or life: do not start. */
  | "identityMismatch"
  /** Written by a build that knows more: do not start. */
  | "unknownFormat"

export type Row = { readonly id: string; readonly condition: string; readonly verdict: Verdict; readonly action: string }

/**
 * The table recovery decides by. DESIGN §5; the idea of a table with a test for every row is that of TigerBeetle's
 * `journal.zig` (`recovery_cases`). A row with a mild verdict may be overruled by a graver one.
 */
export const RECOVERY_TABLE = [
  { id: "empty", condition: "no segment, or none with a header, and no witness", verdict: "empty", action: "begin at lsn 1" },
  { id: "cleanEnd", condition: "only zeros after the last frame", verdict: "clean", action: "go on in a new segment" },
  { id: "emptySegment", condition: "last segment has no header and only zeros", verdict: "clean", action: "ignore it: its making was not finished" },
  { id: "tornShort", condition: "the file stops inside the last frame", verdict: "tornTail", action: "cut" },
  { id: "tornZeroSector", condition: "last frame's header is intact or itself torn, and a sector of it is zero", verdict: "tornTail", action: "cut" },
  { id: "tornZeroStart", condition: "the sector where the last frame begins is zero, later ones are not", verdict: "tornTail", action: "cut" },
  { id: "rewound", condition: "a segment begins with an lsn already read, after the frame before it", verdict: "clean", action: "an earlier recovery cut there: follow the later segment" },
  { id: "continued", condition: "bad bytes end a segment, and a later one goes on with that very lsn", verdict: "clean", action: "an earlier recovery cut there: ignore them" },
  { id: "garbage", condition: "bytes after the last frame that no torn write leaves", verdict: "corruption", action: "mark" },
  { id: "laterFrame", condition: "an unreadable frame with a readable one after it in its segment", verdict: "corruption", action: "mark what is between" },
  { id: "lsnGap", condition: "a frame whose lsn leaves a gap", verdict: "corruption", action: "mark the gap" },
  { id: "lsnBackwards", condition: "a frame whose lsn was read before, not at the beginning of a segment", verdict: "corruption", action: "ignore it and mark its lsn" },
  { id: "chainBreak", condition: "a frame that names another predecessor than the one read", verdict: "corruption", action: "mark the predecessor" },
  { id: "unreadableSegment", condition: "both headers of a segment are bad and it is not empty, others are readable", verdict: "corruption", action: "mark every frame in it" },
  { id: "missingSegment", condition: "a hole in the sequence of segments", verdict: "corruption", action: "mark the frames it had" },
  { id: "missingHead", condition: "segments before the first are gone and nothing says they were released", verdict: "corruption", action: "mark the frames they had" },
  { id: "witnessed", condition: "the side slot vouches for an lsn at or after the end", verdict: "corruption", action: "mark from the end to that lsn" },
  { id: "witnessContradicts", condition: "the side slot vouches for another frame than the one read", verdict: "corruption", action: "mark it" },
  { id: "systemWitnessed", condition: "the system volume vouches for a term, a vote or an entry that is not there", verdict: "corruption", action: "mark the lsn after the end" },
  { id: "indexGap", condition: "a group's entries leave a gap, or begin where no log start is known", verdict: "corruption", action: "mark the group" },
  { id: "unreadableIdentity", condition: "no segment has a readable header and no witness says whose they are", verdict: "newIncarnation", action: "begin again as a new incarnation" },
  { id: "identityMismatch", condition: "an intact header of another cluster, store, incarnation, volume or sequence", verdict: "identityMismatch", action: "stop" },
  { id: "unknownFormat", condition: "an intact header of an unknown format version", verdict: "unknownFormat", action: "stop" },
] as const satisfies readonly Row[]

export type RowId = (typeof RECOVERY_TABLE)[number]["id"]

const VERDICT_BY_ROW: ReadonlyMap<RowId, Verdict> = new Map(RECOVERY_TABLE.map((row) => [row.id, row.verdict]))

export function verdictOf(row: RowId): Verdict {
  return VERDICT_BY_ROW.get(row) ?? "corruption"
}
