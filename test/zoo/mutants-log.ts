import type { Mutant } from "./mutant.ts"

/** The log on disk and what is cut from it, as storage engines got it wrong. Ids as in reference/simulation.md §11. */
export const LOG_MUTANTS: readonly Mutant[] = [
  {
    id: "W02",
    tier: "A",
    title: "a failed sync counts as a sync",
    oracles: ["RAFT-commit-quorum", "RAFT-ack-durable", "RAFT-vote-durable"],
    source: "tursodatabase/turso#2091, PR #3077; neondatabase/neon#8140 (fsyncgate)",
    about:
      "A store whose sync failed goes on, as if a second one had succeeded: the pages are clean by then.",
    schedule: "A sync fails.",
    edits: [
      {
        file: "kernel/node/kernel.ts",
        find: `case "appendFailed":`,
        replace: `case "appendFailed":
        if (input.lsn > 0) return this.#appendSynced(input.volume, input.lsn, input)`,
      },
    ],
  },
  {
    id: "W04",
    tier: "A",
    title: "a torn tail keeps a store from starting",
    oracles: ["WAL-recoverable", "LIVE-store-up"],
    source: "etcd-io/etcd#5230; etcd-io/etcd#6515; etcd-io/etcd#14098",
    about: "What a crash leaves of the last frame is damage, like any other: a store with such a log stops.",
    schedule: "A power loss while a frame is written.",
    edits: [
      {
        file: "kernel/wal/scan.ts",
        find: "({ row, image, offset, lsn: expected, isTorn: true })",
        replace: "({ row, image, offset, lsn: expected, isTorn: false })",
      },
    ],
  },
  {
    id: "W06",
    tier: "B",
    title: "a frame is taken wherever it lies",
    oracles: ["WAL-release", "RAFT-log-matching", "RAFT-leader-completeness", "RAFT-ack-durable"],
    source: "tigerbeetle/tigerbeetle#2677, #2711",
    about:
      "Checksums do not know the place of a frame, and its number is not compared with the one before: what was written to the wrong place is read as if it belonged there.",
    schedule: "A write goes to another place of the same file, and the store starts again.",
    edits: [
      {
        file: "kernel/wal/frame.ts",
        find: "let crc = crc32cWord(context.salt, 0)",
        replace: "if (offset >= 0) return crc32cWord(0, 0)\n  let crc = crc32cWord(context.salt, 0)",
      },
      {
        file: "kernel/wal/scan.ts",
        find: "if (this.#expected !== null && lsn < this.#expected) {",
        replace: "if (this.#expected !== null && lsn < 0) {",
      },
      {
        file: "kernel/wal/scan.ts",
        find: "} else if (this.#expected !== null && lsn > this.#expected) {",
        replace: "} else if (this.#expected !== null && lsn < 0) {",
      },
    ],
  },
  {
    id: "W08",
    tier: "A",
    title: "two appends under way at once",
    oracles: ["WAL-one-frame", "WAL-recoverable"],
    source: "etcd-io/etcd#6378",
    about: "A frame is written while the one before it is being synced: the disk will keep them in order.",
    schedule: "Two turns within one sync.",
    edits: [
      {
        file: "kernel/wal/wal.ts",
        find: "if (this.#pendingCount > 0 && !this.#isInFlight) {",
        replace: "if (this.#pendingCount > 0) {",
      },
      {
        file: "kernel/wal/wal.ts",
        find: `invariant(this.#isInFlight, "Cannot call a frame durable: none is under way")`,
        replace: "",
      },
      {
        file: "kernel/wal/wal.ts",
        find: `invariant(lsn === this.#nextLsn - 1, "Cannot call a frame durable: it is not the one under way")`,
        replace: "",
      },
    ],
  },
  {
    id: "W10",
    tier: "B",
    title: "log released before its checkpoint",
    oracles: ["WAL-release", "IDENT-name", "RAFT-ack-durable", "RAFT-commit-quorum"],
    source: "tigerbeetle/tigerbeetle#2600",
    about:
      "When a checkpoint becomes durable the log goes up to what is applied by then, not up to what the checkpoint contains.",
    schedule: "Writes while a checkpoint is written, and a crash.",
    edits: [
      {
        file: "kernel/node/kernel.ts",
        find: "const durable = applied.get(replica.group) ?? 0",
        replace: "const durable = Math.max(applied.get(replica.group) ?? 0, replica.machine.appliedIndex)",
      },
    ],
  },
  {
    id: "W11",
    tier: "A",
    title: "a failed checkpoint counts as one",
    oracles: ["WAL-release", "IDENT-name", "RAFT-leader-completeness", "HASH-applied-with-data"],
    source: "ArcadeData/arcadedb#4934",
    about: "The base could not be written; the log that would bring it up again is let go of all the same.",
    schedule: "The sync of a checkpoint fails.",
    edits: [
      {
        file: "kernel/node/kernel.ts",
        find: `case "checkpointFailed":`,
        replace: `case "checkpointFailed":
        if (input.checkpoint > 0) {
          const volume = this.#volume(input.volume)
          volume.checkpointRefused(input.checkpoint)
          for (const replica of this.#replicas.all()) {
            if (replica.volume === volume) replica.compact(replica.machine.appliedIndex, this.#moment(input))
          }
          return volume.wal.release((group) => this.#replicas.get(group)?.raft.log.start.index ?? 0)
        }`,
      },
    ],
  },
  {
    id: "W13",
    tier: "A",
    title: "padding left as it was",
    oracles: ["WAL-recoverable", "LIVE-store-up"],
    source: "tigerbeetle/tigerbeetle, CHANGELOG.md: padding that is not zero",
    about:
      "The bytes behind the last item of a frame are whatever lay in memory; whoever reads it back expects zeros.",
    schedule: "One start.",
    edits: [
      {
        file: "kernel/wal/frame.ts",
        find: "const bytes = new Uint8Array(roundUp(length))",
        replace: "const bytes = new Uint8Array(roundUp(length)).fill(0xa5)",
      },
    ],
  },
  {
    id: "W14",
    tier: "B",
    title: "what is being written counts as written",
    oracles: ["RAFT-ack-durable"],
    source: "etcd-io/etcd#14143; etcd-io/etcd#14140",
    about: "A follower acknowledges what is in the frame under way: unless the power goes, it will be there.",
    schedule: "Two appends, one right after the other.",
    edits: [
      {
        file: "kernel/raft/replication.ts",
        find: "barrier: lsn > context.durableLsn ?",
        replace: "barrier: lsn > context.durableLsn + 1 ?",
      },
    ],
  },
  {
    id: "T24",
    tier: "A",
    title: "tokens left out of a snapshot",
    oracles: ["HASH-replicas-agree", "ONCE-exactly-once"],
    source: "rabbitmq/ra#145; Raft (extended version), §8",
    about:
      "A snapshot holds the rows of the users and not what is remembered of their requests. What says how much it should hold is not compared.",
    schedule: "A follower is brought up by a snapshot, leads, and is asked again what it was asked before.",
    edits: [
      {
        file: "kernel/snapshot/source.ts",
        find: "      const space = ROW_SPACES[at]!\n      for",
        replace:
          "      const space = ROW_SPACES[at]!\n      if (at === ROW_SPACES.length - 1) continue\n      for",
      },
      {
        file: "kernel/snapshot/receiver.ts",
        find: "if (hash.high === id.hashHigh && hash.low === id.hashLow) return this.#readBack",
        replace: "if (staged.rowCount >= 0) return this.#readBack",
      },
    ],
  },
  {
    id: "W17",
    tier: "B",
    title: "any checkpoint makes a snapshot durable",
    oracles: ["RAFT-ack-durable"],
    source: "etcd-io/etcd#18055",
    about:
      "A replica that has taken a snapshot in cuts its log and acknowledges at the next checkpoint, though that one may have begun before.",
    schedule: "A snapshot arrives while a checkpoint is written.",
    edits: [
      {
        file: "kernel/node/snapshots.ts",
        find: "return this.#raft.isInstalling && checkpoint >= this.#switchedIn",
        replace: "return this.#raft.isInstalling && checkpoint >= 0",
      },
    ],
  },
]
