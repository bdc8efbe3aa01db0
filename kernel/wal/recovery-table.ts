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

/** A line of the table: when it applies and what is done. */
export type Row = { readonly condition: string; readonly verdict: Verdict; readonly action: string }

export type RowId =
  | "empty"
  | "cleanEnd"
  | "emptySegment"
  | "tornShort"
  | "tornZeroSector"
  | "tornZeroStart"
  | "rewound"
  | "continued"
  | "garbage"
  | "unreadableSector"
  | "laterFrame"
  | "lsnGap"
  | "lsnBackwards"
  | "chainBreak"
  | "unreadableSegment"
  | "missingSegment"
  | "missingHead"
  | "witnessed"
  | "witnessContradicts"
  | "systemWitnessed"
  | "indexGap"
  | "earlierLife"
  | "otherLife"
  | "unreadableIdentity"
  | "identityMismatch"
  | "unknownFormat"

/**
 * The table recovery decides by. DESIGN §5; the idea of a table with a test for every row is that of TigerBeetle's
 * `journal.zig` (`recovery_cases`). Where several rows apply, the gravest verdict holds: the last in `Verdict` that any
 * of them has, except that damage an earlier recovery settled counts no more.
 */
export const RECOVERY_TABLE: Readonly<Record<RowId, Row>> = {
  empty: {
    condition: "no segment, or none with a header, and no witness",
    verdict: "empty",
    action: "begin at lsn 1",
  },
  cleanEnd: {
    condition: "only zeros after the last frame",
    verdict: "clean",
    action: "go on in a new segment",
  },
  emptySegment: {
    condition: "last segment has no header and only zeros",
    verdict: "clean",
    action: "ignore it: its making was not finished",
  },
  tornShort: {
    condition: "the file stops inside the last frame",
    verdict: "tornTail",
    action: "cut",
  },
  tornZeroSector: {
    condition: "last frame's header is intact or itself torn, and a sector of it is zero",
    verdict: "tornTail",
    action: "cut",
  },
  tornZeroStart: {
    condition: "the sector where the last frame begins is zero, later ones are not",
    verdict: "tornTail",
    action: "cut",
  },
  rewound: {
    condition: "a segment begins with an lsn already read, after the frame before it",
    verdict: "clean",
    action: "an earlier recovery cut there: follow the later segment",
  },
  continued: {
    condition: "bad bytes end a segment, and a later one goes on with that very lsn",
    verdict: "clean",
    action: "an earlier recovery cut there: ignore them",
  },
  garbage: {
    condition: "bytes after the last frame that no torn write leaves",
    verdict: "corruption",
    action: "mark",
  },
  unreadableSector: {
    condition: "after the last frame something could not be read",
    verdict: "corruption",
    action: "mark: it is not taken for zeros",
  },
  laterFrame: {
    condition: "an unreadable frame with a readable one after it in its segment",
    verdict: "corruption",
    action: "mark what is between",
  },
  lsnGap: {
    condition: "a frame whose lsn leaves a gap",
    verdict: "corruption",
    action: "mark the gap",
  },
  lsnBackwards: {
    condition: "a frame whose lsn was read before, not at the beginning of a segment",
    verdict: "corruption",
    action: "ignore it and mark its lsn",
  },
  chainBreak: {
    condition: "a frame that names another predecessor than the one read",
    verdict: "corruption",
    action: "mark the predecessor",
  },
  unreadableSegment: {
    condition: "both headers of a segment are bad and it is not empty, others are readable",
    verdict: "corruption",
    action: "mark every frame in it",
  },
  missingSegment: {
    condition: "a hole in the sequence of segments",
    verdict: "corruption",
    action: "mark the frames it had",
  },
  missingHead: {
    condition: "segments before the first are gone and nothing says they were released",
    verdict: "corruption",
    action: "mark the frames they had",
  },
  witnessed: {
    condition: "the side slot vouches for an lsn at or after the end",
    verdict: "corruption",
    action: "mark from the end to that lsn",
  },
  witnessContradicts: {
    condition: "the side slot vouches for another frame than the one read",
    verdict: "corruption",
    action: "mark it",
  },
  systemWitnessed: {
    condition: "the system volume vouches for a term, a vote or an entry that is not there",
    verdict: "corruption",
    action: "mark the lsn after the end",
  },
  indexGap: {
    condition: "a group's entries leave a gap, or begin where no log start is known",
    verdict: "corruption",
    action: "mark the group",
  },
  earlierLife: {
    condition: "intact headers of another incarnation, before the first of the one on the list",
    verdict: "clean",
    action: "ignore them: the volume was lost and began again",
  },
  otherLife: {
    condition: "intact headers, and none of the incarnation on the list",
    verdict: "newIncarnation",
    action: "the volume on the list is missing: begin again as a new incarnation",
  },
  unreadableIdentity: {
    condition: "no segment has a readable header and no witness says whose they are",
    verdict: "newIncarnation",
    action: "begin again as a new incarnation",
  },
  identityMismatch: {
    condition:
      "an intact header of another cluster, store, volume or sequence, or of another life after one of this",
    verdict: "identityMismatch",
    action: "stop",
  },
  unknownFormat: {
    condition: "an intact header of an unknown format version",
    verdict: "unknownFormat",
    action: "stop",
  },
}
