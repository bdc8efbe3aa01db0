import { LOG_MUTANTS } from "./mutants-log.ts"
import { RAFT_MUTANTS } from "./mutants-raft.ts"
import type { Mutant } from "./mutant.ts"

/**
 * Where the kernel has an invariant of its own against a bug, the bug takes it away too: it would not have been
 * made by someone who had thought of that.
 */
const FIRST: readonly Mutant[] = [
  {
    id: "R01",
    tier: "A",
    title: "vote before persisting",
    oracles: ["RAFT-vote-durable"],
    source: "NodeDB-Lab/nodedb#161; datatechnology/cornerstone#65",
    about:
      "Votes and candidacies leave as soon as they are handed to the log, not when they are durable: the reply compares with what is written instead of what is synced.",
    schedule: "One election.",
    edits: [
      {
        file: "kernel/raft/election.ts",
        find: "barrier: preVote ? 0 : state.hardStateLsn,",
        replace: "barrier: 0,",
      },
      {
        file: "kernel/raft/election.ts",
        find: "barrier: state.hardStateLsn > context.durableLsn ?",
        replace: "barrier: state.hardStateLsn > context.nextLsn ?",
      },
    ],
  },
  {
    id: "R04",
    tier: "B",
    title: "commit an old-term entry by counting",
    oracles: ["RAFT-commit-quorum", "RAFT-leader-completeness"],
    source: "logcabin/logcabin#44; canonical/raft#220; async-raft/async-raft#108; bakwc/PySyncObj#169",
    about: "A leader commits whatever a quorum holds, also where the last entry so held is of an older term.",
    schedule:
      "A leader appends what only a minority gets; the next leader has it, and hears that a quorum holds it before a quorum holds its own first entry.",
    edits: [
      {
        file: "kernel/raft/replication.ts",
        find: "if (state.log.termAt(index) !== state.term) return",
        replace: "",
      },
    ],
  },
  {
    id: "W01",
    tier: "A",
    title: "acknowledge before sync",
    oracles: ["RAFT-ack-durable"],
    source: "etcd-io/etcd#14370; etcd-io/etcd#10508",
    about: "A follower acknowledges an append when it is handed to the log, not when it is durable.",
    schedule: "One append.",
    edits: [
      {
        file: "kernel/raft/replication.ts",
        find: "barrier: lsn > context.durableLsn ?",
        replace: "barrier: lsn > context.nextLsn ?",
      },
    ],
  },
  {
    id: "W03",
    tier: "A",
    title: "checksum skipped",
    oracles: ["WAL-no-invention"],
    source: "FAST'17, Redundancy Does Not Imply Fault Tolerance",
    about: "A frame whose header is whole is read back without a look at the checksum of its items.",
    schedule:
      "A frame longer than a sector is under way when the power goes, and only its beginning arrives.",
    edits: [
      {
        file: "kernel/wal/frame.ts",
        find: "if (bodyChecksum(bytes, offset, header.end, seedOf(context, offset)) !== header.checksum) {",
        replace: "if (header.checksum === 0) {",
      },
    ],
  },
  {
    id: "R07",
    tier: "A",
    title: "overwritten suffix keeps its stale tail",
    oracles: ["RAFT-log-matching"],
    source: "mofa-org/mofa#1151",
    about: "Conflicting entries are replaced one for one; what the old log had beyond them stays.",
    schedule:
      "A leader is cut off with some entries of its own, and comes back to a leader that sends fewer at once.",
    edits: [
      {
        file: "kernel/raft/log.ts",
        find: "if (first.index <= this.lastIndex) this.#truncate(first.index)",
        replace: `const after = Math.max(0, first.index - this.firstIndex + entries.length)
    const tail = this.#entries.slice(after)
    const tailLsns = this.#lsns.slice(after)
    if (first.index <= this.lastIndex) this.#truncate(first.index)`,
      },
      {
        file: "kernel/raft/log.ts",
        find: "this.#ends.push(this.#end + entry.length)",
        replace: `this.#ends.push(this.#end + entry.length)
      if (entry !== entries.at(-1)) continue
      for (let i = 0; i < tail.length; i++) {
        this.#entries.push(tail[i]!)
        this.#lsns.push(tailLsns[i]!)
        this.#ends.push(this.#end + tail[i]!.length)
      }`,
      },
    ],
  },
  {
    id: "R23",
    tier: "A",
    title: "read without quorum",
    oracles: ["LIN-linearizable", "LEASE-stale"],
    source: "deventlab/d-engine#381",
    about:
      "A leader confirms its read-index rounds itself: as long as it believes it leads, it reads. Since leases serve most reads, what is left to it is the time between the end of its lease and the end of its office.",
    schedule:
      "A leader is cut off from its followers but not from a client; another leads and writes; the first reads.",
    edits: [
      {
        file: "kernel/raft/read-index.ts",
        find: "|| open.confirmedBy.includes(replica)",
        replace: "|| (replica > 0 && open.confirmedBy.includes(self))",
      },
    ],
  },
  {
    id: "R09",
    tier: "A",
    title: "leader counts its own unsynced append",
    oracles: ["RAFT-commit-quorum"],
    source:
      "adjoint-io/raft#130 (a match guessed, not acknowledged); hashicorp/raft design, Raft thesis §10.2.1",
    about: "The leader is one of the quorum for what it has appended, synced or not.",
    schedule: "A follower of three syncs before its leader does.",
    edits: [
      {
        file: "kernel/raft/replication.ts",
        find: "replica === state.replica ? state.log.durableIndex :",
        replace: "replica === state.replica ? state.log.lastIndex :",
      },
    ],
  },
  {
    id: "R05",
    tier: "A",
    title: "commit not capped on the follower",
    oracles: ["RAFT-state-machine-safety"],
    source: "scylladb/scylladb#9965; atomix/copycat#265; lerna-stack/akka-entity-replication#166",
    about:
      "A follower commits as far as the leader has, if only its log is that long: not as far as its log is known to agree. An append says how far that is; for a heartbeat the leader knows it, so that cap is gone as well.",
    schedule:
      "A leader is cut off with entries of its own, others lead and commit; it comes back, and a heartbeat is faster than the append that repairs its log.",
    edits: [
      {
        file: "kernel/raft/replication.ts",
        find: "advanceCommit(state, Math.min(message.leaderCommit, matchIndex), out)",
        replace: "advanceCommit(state, Math.min(message.leaderCommit, state.log.lastIndex), out)",
      },
      {
        file: "kernel/raft/replication.ts",
        find: "advanceCommit(state, Math.min(message.leaderCommit, storedIndex(state)), out)",
        replace: "advanceCommit(state, Math.min(message.leaderCommit, state.log.lastIndex), out)",
      },
      {
        file: "kernel/raft/replication.ts",
        find: "leaderCommit: Math.min(state.commitIndex, progress.matchIndex),",
        replace: "leaderCommit: state.commitIndex,",
      },
    ],
  },
  {
    id: "R06",
    tier: "A",
    title: "matching suffix truncated",
    oracles: ["RAFT-log-matching", "RAFT-ack-durable", "RAFT-state-machine-safety"],
    source: "lerna-stack/akka-entity-replication#151; zhebrak/raftos#26",
    about:
      "An append replaces the log from its first entry on, also where the log has those very entries and more: an old one cuts away what newer ones brought.",
    schedule: "An append arrives twice, or after a later one.",
    edits: [
      {
        file: "kernel/raft/replication.ts",
        find: "while (fresh < entries.length && state.log.termAt(entries[fresh]!.index) === entries[fresh]!.term) fresh++",
        replace: "",
      },
      {
        file: "kernel/raft/replication.ts",
        find: `invariant(first > state.commitIndex, "Cannot overwrite a committed entry")`,
        replace: "",
      },
      {
        file: "kernel/raft/raft.ts",
        find: `invariant(state.commitIndex <= state.log.lastIndex, "Commit lies beyond the end of the log")`,
        replace: "",
      },
    ],
  },
  {
    id: "T23",
    tier: "A",
    title: "token applied twice",
    oracles: ["ONCE-exactly-once"],
    source: "etcd-io/etcd#18424; CurvineIO/curvine#676",
    about:
      "A leader knows again only the tokens it has evaluated itself: a retry at a new leader is executed again.",
    schedule: "A write commits, its answer is lost with its leader, the client asks the next one.",
    edits: [
      {
        file: "kernel/range/token-desk.ts",
        find: `if (known.type === "outcome") return known.outcome`,
        replace: `if (known.type === "outcome" && known.outcome.commitTs > this.#machine.lowWater) return known.outcome`,
      },
    ],
  },
  {
    id: "W09",
    tier: "A",
    title: "applied index apart from data",
    oracles: ["HASH-applied-with-data"],
    source: "etcd-io/etcd#13766, PR #13854, postmortem PR #13967",
    about: "The applied index goes to the engine now and then, the rows it speaks of with every entry.",
    schedule: "A checkpoint, a crash, a boot.",
    edits: [
      {
        file: "kernel/range/state-machine.ts",
        find: "this.#engine.apply([appliedWrite(this.#shape.descriptor.groupId, this.#applied)])",
        replace:
          "if (index % 8 <= 1) this.#engine.apply([appliedWrite(this.#shape.descriptor.groupId, this.#applied)])",
      },
    ],
  },
  {
    id: "R18",
    tier: "A",
    title: "snapshot that forgets membership",
    oracles: ["RAFT-config-overlap"],
    source: "moby/swarmkit#238",
    about: "A replica that takes in a snapshot keeps the configuration it had, or none.",
    schedule: "A replica is added when the log no longer begins at its beginning.",
    edits: [
      {
        file: "kernel/raft/snapshot.ts",
        find: "state.configurations.reset(configurationIndex, configuration)",
        replace: "",
      },
    ],
  },
  {
    id: "W05",
    tier: "A",
    title: "mid-log corruption truncated as a torn tail",
    oracles: ["WAL-release", "RAFT-leader-completeness", "RAFT-ack-durable"],
    source: "FAST'18, Protocol-Aware Recovery for Consensus-Based Storage",
    about:
      "A start takes what it can read up to the first damaged frame for the whole log, and goes on as if nothing had followed.",
    schedule: "A bit turns over in the log of one store, and the store starts again.",
    edits: [
      {
        file: "kernel/node/boot.ts",
        find: "let damage = recovered.damage",
        replace: 'let damage: RecoveredGroup["damage"] = null',
      },
    ],
  },
  {
    id: "I01",
    tier: "A",
    title: "damaged replica votes without identifiers",
    oracles: ["IDENT-damaged", "RAFT-one-vote", "RAFT-leader-completeness", "RAFT-election-safety"],
    source:
      "FAST'18, Protocol-Aware Recovery for Consensus-Based Storage (the case its crash model leaves out)",
    about: "A replica votes by the log it could read, whether or not it knows where the one it had ended.",
    schedule:
      "The end of a log is lost together with everything that vouches for it, and an election comes before the repair.",
    edits: [
      {
        file: "kernel/raft/election.ts",
        find: "const mayVote = state.recovery === null || state.recovery.identified",
        replace: "const mayVote = true",
      },
    ],
  },
  {
    id: "I02",
    tier: "A",
    title: "wiped store votes",
    oracles: ["IDENT-name", "RAFT-one-vote", "RAFT-leader-completeness"],
    source: "cockroachdb/cockroach#9037; qdrant/qdrant#1235; databendlabs/openraft#607",
    about:
      "A volume that lost everything keeps its incarnation, and whoever has not answered yet is told what its range is: an empty replica with an old name and a vote.",
    schedule: "A tenant's volume is lost, and a leader of a new term speaks to the store.",
    edits: [
      {
        file: "kernel/node/boot.ts",
        find: "? drawName(chance)\n      : (listed?.incarnation",
        replace: "? (listed?.incarnation ?? incarnation)\n      : (listed?.incarnation",
      },
      {
        file: "kernel/raft/replication.ts",
        find: "const isBirth = !progress.known && includes(state.configurations.current.learners, to.replica)",
        replace: "const isBirth = !progress.known",
      },
    ],
  },
  {
    id: "I03",
    tier: "A",
    title: "incarnation ignored",
    oracles: ["IDENT-name", "RAFT-one-vote", "RAFT-leader-completeness"],
    source: "etcd-io/etcd#10951; lni/dragonboat#256",
    about:
      "A new life has a new name, and nobody asks for it: replicas are made in whatever life a volume is, and members are known by their store.",
    schedule: "A disk is replaced by an empty one, and a leader of a new term speaks to the store.",
    edits: [
      {
        file: "kernel/node/kernel.ts",
        find: "if (volume === undefined || volume.incarnation !== message.incarnation) return",
        replace: "if (volume === undefined) return",
      },
      {
        file: "kernel/raft/replication.ts",
        find: "const isBirth = !progress.known && includes(state.configurations.current.learners, to.replica)",
        replace: "const isBirth = !progress.known",
      },
      {
        file: "kernel/raft/raft.ts",
        find: "known !== null && (known.store !== from.store || known.incarnation !== from.incarnation)",
        replace: "known !== null && known.store !== from.store",
      },
    ],
  },
  {
    id: "I04",
    tier: "B",
    title: "regression not refused",
    oracles: ["LIVE-converge", "RAFT-commit-quorum", "RAFT-leader-completeness", "LIN-linearizable"],
    source: "none published; what a restore of a running member from its backup does to any Raft group",
    about:
      "A leader believes what a member says of its log's end, whatever it acknowledged before, and goes on counting that when the member was started anew.",
    schedule: "An old image of a disk is put back while the leader that took its acknowledgements leads on.",
    edits: [
      {
        file: "kernel/raft/regression.ts",
        find: "if (message.sentMono <= progress.provenAt) return false",
        replace: "if (message.sentMono >= 0) return false",
      },
      {
        file: "kernel/raft/regression.ts",
        find: "progress.restarted()",
        replace: "",
      },
    ],
  },
  {
    id: "R24",
    tier: "A",
    title: "lease counted from the answer",
    oracles: ["LEASE-disjoint", "LIN-linearizable"],
    source: "tikv/tikv#964; sofastack/sofa-jraft#34; etcd-io/etcd#20418",
    about:
      "A store counts the support it has from the moment it hears of it, not from the moment it asked for it.",
    schedule: "A leader is cut off; its answer had waited for the supporter's next heartbeat.",
    edits: [
      {
        file: "kernel/liveness/support.ts",
        find: "this.#granted(from, incarnation, boot, message, changes)",
        replace:
          "this.#granted(from, incarnation, boot, { ...message, askedMono: mono, askedWall: wall }, changes)",
      },
    ],
  },
  {
    id: "R25",
    tier: "A",
    title: "lease without a promise",
    oracles: ["LEASE-disjoint", "LIN-linearizable"],
    source: "yugabyte/yugabyte-db#16; cockroachdb/cockroach#66562",
    about:
      "A member votes for another leader though it supports the store of the one it has promised itself to.",
    schedule: "A leader is cut off; the others campaign after the usual silence, within its lease.",
    edits: [
      {
        file: "kernel/raft/lease.ts",
        find: "return context.mono < context.support.forgetfulUntil || isFortified(state, context)",
        replace: "return context.mono < context.support.forgetfulUntil",
      },
    ],
  },
  {
    id: "L01",
    tier: "B",
    title: "vote after a start inside a lease",
    oracles: ["LEASE-disjoint", "LIN-linearizable"],
    source: "synthetic: the rule of store liveness that support survives a restart or is waited for",
    about: "A store that was started again votes at once, though it may have promised something before.",
    schedule: "A leader is cut off, a quorum of the others is started again within its lease.",
    edits: [
      {
        file: "kernel/liveness/support.ts",
        find: "this.forgetfulUntil = isFirst ? mono : mono + timing.supportUs",
        replace: "this.forgetfulUntil = isFirst ? mono : mono",
      },
    ],
  },
  {
    id: "L02",
    tier: "A",
    title: "rest with a member that lags",
    oracles: ["LIVE-converge"],
    source: "synthetic: the condition under which CockroachDB lets a range quiesce, without its followers",
    about: "A leader falls silent as soon as a quorum has everything: whoever is behind stays so.",
    schedule: "One member is slower than the others with the last write of a busy stretch.",
    edits: [
      {
        file: "kernel/raft/lease.ts",
        find: "if (progress.matchIndex < lastIndex || fortifier.commitIndex < lastIndex) return false",
        replace: "",
      },
    ],
  },
  {
    id: "L03",
    tier: "B",
    title: "timeline read of unknown age",
    oracles: ["LEASE-stale"],
    source: "synthetic: the rule of raft.follower-lease-read, expired lease refuses",
    about: "A follower answers with what it has, however long ago its leader last spoke.",
    schedule: "A follower is cut off from the others but not from its clients, for longer than a lease.",
    edits: [
      {
        file: "kernel/raft/raft.ts",
        find: `this.#state.role === "follower" && isFortified(this.#state, context)`,
        replace: `this.#state.role !== "leader"`,
      },
      {
        file: "kernel/node/replica.ts",
        find: "if (ageUs > leaseUs || ageUs < -clockBoundUs) return null",
        replace: "if (ageUs < -clockBoundUs) return null",
      },
    ],
  },
  {
    id: "S05",
    tier: "A",
    title: "snapshot switch not atomic",
    oracles: ["HASH-replicas-agree", "HASH-applied-with-data", "HASH-scrub"],
    source: "tikv/tikv#9108, #8301",
    about:
      "The rows of a snapshot go to the range as they come, and only its records wait for the last of them: the staging space is where the rows belong. The hash kept along the way is that of the sender, so replicas differ only in what later writes make of it; a count of the rows sees the mixture itself, and every repair makes another.",
    schedule:
      "A follower is in the middle of a snapshot; the transfer ends, by a crash or a new leader, and the log brings it up instead.",
    edits: [
      {
        file: "kernel/snapshot/staging.ts",
        find: 'return { space: SPACE_STAGING, type: "put", key, value: row.value }',
        replace:
          'return { space: key === "" ? SPACE_STAGING : row.space, type: "put", key: row.key, value: row.value }',
      },
      {
        file: "kernel/range/state-machine.ts",
        find: "const writes: Write[] = clearRows(this.#shape.descriptor)",
        replace: "const writes: Write[] = []",
      },
    ],
  },
  {
    id: "W40",
    tier: "A",
    title: "snapshot acknowledged before its checkpoint",
    oracles: ["RAFT-ack-durable"],
    source: "dragonboat, etcd: a snapshot is saved before it is reported; Raft (extended version), §7",
    about: "A replica cuts its log and acknowledges as soon as the new state is in memory.",
    schedule: "One snapshot.",
    edits: [
      {
        file: "kernel/node/replica.ts",
        find: "this.#sayApplied(moment.out)",
        replace: "this.#sayApplied(moment.out)\n    this.snapshotSynced(moment)",
      },
    ],
  },
  {
    id: "W41",
    tier: "A",
    title: "chunk of a snapshot taken in whatever its number",
    oracles: ["HASH-replicas-agree"],
    source: "cockroachdb/cockroach#37906 (a stream taken up at another place); DESIGN §4",
    about:
      "A receiver takes the chunks as they come and is done with the last: one that is lost is missed, one that comes twice is counted twice. Nothing is added up in the end.",
    schedule: "A chunk is lost, repeated or late.",
    edits: [
      {
        file: "kernel/snapshot/receiver.ts",
        find: "if (chunk.number < staged.nextChunk) {",
        replace: "if (chunk.number < 0) {",
      },
      {
        file: "kernel/snapshot/receiver.ts",
        find: 'if (chunk.number > staged.nextChunk) return "gap"',
        replace: "",
      },
      {
        file: "kernel/snapshot/receiver.ts",
        find: "readRows(chunk.data, staged.last,",
        replace: "readRows(chunk.data, BEFORE_FIRST,",
      },
      {
        file: "kernel/snapshot/receiver.ts",
        find: "if (hash.high === id.hashHigh && hash.low === id.hashLow) return",
        replace: "if (staged.rowCount >= 0) return",
      },
    ],
  },
  {
    id: "W42",
    tier: "A",
    title: "log released under a snapshot in flight",
    oracles: ["RAFT-snapshot-log"],
    source: "cockroachdb/cockroach docs/tech-notes/raft-snapshots.md; etcd-io/etcd#3292",
    about:
      "A leader compacts its log as far as its own checkpoint goes. Who takes its snapshot in needs the next one when it is done.",
    schedule: "A checkpoint of the leader while it sends a snapshot.",
    edits: [
      {
        file: "kernel/node/snapshots.ts",
        find: "if (held.index >= wanted) continue",
        replace: "if (held.index >= 0) continue",
      },
      {
        file: "kernel/node/snapshots.ts",
        find: "if (head.id.index < log.start.index) return this.#giveUpAll(moment)",
        replace: "if (head.id.index < 0 && log.start.index > 0) return this.#giveUpAll(moment)",
      },
    ],
  },
  {
    id: "D01",
    tier: "B",
    title: "damage that is alarmed and never repaired",
    oracles: ["HASH-scrub"],
    source: "etcd-io/etcd#13766: an alarm, and replicas that stay as they are",
    about:
      "A replica finds its state damaged, says so, serves nothing and asks; its leader hears that and sends nothing.",
    schedule: "A block of a checkpoint rots before a start.",
    edits: [
      {
        file: "kernel/raft/replication.ts",
        find: 'if (progress.state !== "snapshot") startSnapshot(state, from, progress, context, out)',
        replace: "",
      },
    ],
  },
  {
    id: "D02",
    tier: "B",
    title: "a damaged span answered as absent",
    oracles: ["HASH-replicas-agree", "LIN-linearizable", "ONCE-exactly-once"],
    source: "none published; what any reader does that takes a failed read for an empty one",
    about: "The engine names what it could not read, and the state machine goes on with what it got.",
    schedule: "A block of a checkpoint rots before a start, and one of its rows is written.",
    edits: [
      {
        file: "kernel/range/state-machine.ts",
        find: "if (damage.length > 0 && !this.#isDamaged) this.#isDamaged = this.#isTouchedBy(damage)",
        replace: "",
      },
    ],
  },
]

export const MUTANTS: readonly Mutant[] = [...FIRST, ...RAFT_MUTANTS, ...LOG_MUTANTS]

export function mutantOf(id: string): Mutant | null {
  return MUTANTS.find((mutant) => mutant.id === id) ?? null
}
