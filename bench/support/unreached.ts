/** Why lines of the kernel are not reached by simulation. */
import type { Missed } from "./kernel-coverage.ts"

/** A reason, in a sentence, with what tries these lines instead where anything does. */
const WHY = {
  exhaustive:
    "The end of a `switch` that knows every variant: a new one does not compile. It is there for the compiler.",
  rule: "A rule of the kernel's own is broken: it stops the store, and a run that came here would fail by `RES-invariant`.",
  decoder:
    "Bytes that no store wrote, behind a checksum that is right. Simulated damage breaks the checksum first; the decoders are fuzzed (`bench/kernel/decoder-fuzz.ts`).",
  host: "For hosts other than the simulator: sockets, recordings of real nodes and their replay, the page of a run. Tried by `test/net`, `test/conformance`, `test/view` and `test/cli/real`.",
  store:
    "A store in memory for hosts without files. The simulator has disks with sectors; `test/kernel` runs on it.",
  tests: "Looked at by tests and benches alone.",
  wrongRows:
    "A replica whose rows are wrong under checksums that are right. No fault makes one, since only a bug in the kernel would; planted bugs of the zoo and `test/kernel/node/state-damage.test.ts` come here.",
  refusal:
    "A request whose value or answer is larger than its bound, which is a megabyte or four of them: more than a plan can hold. Tried by `test/kernel/range`.",
  later:
    "For what the kernel does not do yet: intents, versions that are collected. Tried by `test/kernel/mvcc`.",
  operator:
    "An operator did what nobody is simulated to do: the files of another store in place, an order for a group that is not here, the only voter asked to leave.",
  rare: "Reached by the 1,695 seeds of the whole default campaign (at 03106e1, each of these), and not by these seeds.",
  moment: "Simulation can come here and has not in these seeds: it takes rare things at one moment.",
} as const

export type Why = keyof typeof WHY

/** What a line says is enough for these, wherever it stands. */
const BY_TEXT: readonly (readonly [pattern: RegExp, why: Why])[] = [
  [/\bunreachable\(|: no such variant/, "exhaustive"],
  [/\bInvariantError\(/, "rule"],
  [/\breader\.fail\(\)|this\.fail\(\)/, "decoder"],
]

/** For all that was missed in a function, `file name`; or in a whole file. */
export const BY_PLACE: Readonly<Record<string, Why>> = {
  "engine/tree.ts #level": "rare",
  "lib/bytes.ts uint": "rare",
  "node/refound.ts giveUp": "rare",
  "node/refound.ts begun": "rare",
  "node/replica.ts #sayRecoverable": "rare",
  "node/snapshots.ts #givenUp": "rare",
  "raft/change.ts promote": "rare",
  "raft/change.ts memberAbsent": "rare",
  "raft/regression.ts isRefused": "rare",
  "raft/repair.ts readRecovery": "rare",
  "raft/saved.ts saveState": "rare",
  "raft/snapshot.ts answersFor": "rare",
  "raft/snapshot.ts givenUp": "rare",
  "raft/state-damage.ts stateDamaged": "rare",
  "raft/state-damage.ts handOver": "rare",
  "range/state-machine.ts salvage": "rare",
  "range/state-machine.ts clearsOf": "rare",
  "snapshot/sender.ts pump": "rare",
  "txn/kept-bodies.ts loadBody": "rare",
  "wal/release.ts restatements": "rare",
  "wal/replay.ts #logStart": "rare",
  "wal/scan.ts #accept": "rare",
  "wal/scan.ts #checkWitness": "rare",
  "wal/scan.ts shapeOf": "rare",
  "engine/engine.ts tagOf": "moment",
  "engine/layers.ts get": "moment",
  "engine/memory-base.ts": "store",
  "engine/overlay.ts get changeCount": "tests",
  "engine/overlay.ts save": "moment",
  "engine/overlay.ts load": "moment",
  "lib/bytes.ts notUint": "rule",
  "lib/bytes.ts u8": "decoder",
  "lib/bytes.ts raw": "decoder",
  "lib/digest.ts resume": "host",
  "lib/rng.ts below": "tests",
  "mvcc/gc.ts": "later",
  "mvcc/key.ts decodeVersionKey": "host",
  "mvcc/key.ts decodeUserKey": "moment",
  "mvcc/store.ts writeVersion": "tests",
  "mvcc/store.ts next": "moment",
  "mvcc/version.ts decodeVersion": "later",
  "mvcc/version.ts encodeUint": "later",
  "node/boot.ts bootStore": "operator",
  "node/drain.ts step": "moment",
  "node/drain.ts save": "moment",
  "node/frame-codec.ts frameLength": "host",
  "node/graveyard.ts giveUpImage": "operator",
  "node/hand-over.ts save": "moment",
  "node/kernel.ts view": "host",
  "node/kernel.ts #admin": "operator",
  "node/record.ts": "host",
  "node/replica-scrub.ts": "wrongRows",
  "node/snapshots.ts #giveUpAll": "moment",
  "node/timers.ts scheduledAt": "tests",
  "node/timers.ts entries": "tests",
  "node/trace-digest.ts": "host",
  "node/volume.ts get view": "host",
  "node/volume.ts durableAppliedOf": "tests",
  "raft/change.ts administer": "operator",
  "raft/log.ts #notHeld": "rule",
  "raft/message.ts readMessage": "moment",
  "raft/message.ts readTagged": "decoder",
  "raft/raft.ts #message": "moment",
  "raft/saved.ts loadState": "moment",
  "raft/snapshot.ts get isSending": "tests",
  "raft/types.ts readEntryRest": "decoder",
  "range/comparison.ts answeredAt": "wrongRows",
  "range/evaluate.ts #read": "moment",
  "range/evaluate.ts #count": "refusal",
  "range/latches.ts get size": "tests",
  "range/latches.ts acquire": "later",
  "range/latches.ts release": "later",
  "range/request-codec.ts": "host",
  "range/service.ts get wantsReadRound": "tests",
  "range/service.ts #write": "moment",
  "range/service.ts applied": "moment",
  "range/state-machine.ts apply": "moment",
  "range/state-machine.ts save": "moment",
  "snapshot/receiver.ts": "moment",
  "snapshot/traffic.ts takeSlot": "moment",
  "time/hlc.ts logical": "tests",
  "txn/outcome.ts readBody": "refusal",
  "txn/outcome.ts readResult": "decoder",
  "txn/outcome.ts writeOpError": "refusal",
  "txn/outcome.ts readOpError": "refusal",
  "wal/frame.ts encodeFrame": "moment",
  "wal/frame.ts chooseMask": "rule",
  "wal/item.ts readItem": "decoder",
  "wal/recovery.ts assemble": "moment",
  "wal/replay.ts trim": "moment",
  "wal/replay.ts recoveredOf": "moment",
  "wal/wal.ts get inFlight": "tests",
  "wal/wal.ts get ledger": "tests",
  "wal/wal.ts failed": "host",
}

/** Why a line was missed; null when nobody has said yet. */
export function whyMissed({ path, text, within }: Missed): Why | null {
  for (const [pattern, why] of BY_TEXT) if (pattern.test(text)) return why
  const file = path.replace(/^kernel\//, "")
  return BY_PLACE[`${file} ${within}`] ?? BY_PLACE[file] ?? null
}

export type Unreached = { readonly reason: string; readonly lines: readonly Missed[] }

/** The lines of each reason, those of most lines first, and under no reason those that nobody has explained. */
export function reasonsOf(missed: readonly Missed[]): readonly Unreached[] {
  return [...Map.groupBy(missed, whyMissed)]
    .map(([why, lines]) => ({ reason: why === null ? "" : WHY[why], lines }))
    .sort((a, b) => b.lines.length - a.lines.length || (a.reason < b.reason ? -1 : 1))
}
