import type { Mutant } from "./mutant.ts"

/** Votes, terms, logs and members, as Raft's implementations got them wrong. Ids as in reference/simulation.md §11. */
export const RAFT_MUTANTS: readonly Mutant[] = [
  {
    id: "R02",
    tier: "A",
    title: "vote forgotten in the same term",
    oracles: ["RAFT-one-vote", "RAFT-election-safety"],
    source: "microsoft/CCF#8094; ktoso/akka-raft#56",
    about: "Whoever steps down is free again: a candidate or leader that becomes a follower clears its vote.",
    schedule: "A candidate loses, and its rival of the same term asks for its vote.",
    edits: [
      {
        file: "kernel/raft/role.ts",
        find: "  state.leader = leader\n  state.preVoting = false",
        replace: "  state.votedFor = 0\n  state.leader = leader\n  state.preVoting = false",
      },
    ],
  },
  {
    id: "R03",
    tier: "A",
    title: "a lost election gives its term back",
    oracles: ["RAFT-monotonic-term", "RAFT-one-vote", "RAFT-election-safety"],
    source: "camunda/camunda#5356; vesoft-inc/nebula#2405",
    about:
      "A candidate that was refused goes back to the term it came from, as if it had never campaigned: it may vote again in the one it tried.",
    schedule: "Two candidates of one term, and then an election.",
    edits: [
      {
        file: "kernel/raft/election.ts",
        find: `name: "raft.election.lost" } })`,
        replace: `name: "raft.election.lost" } })
    if (!state.preVoting) {
      state.term--
      state.votedFor = 0
      persistHardState(state, context, out)
    }`,
      },
    ],
  },
  {
    id: "R10",
    tier: "A",
    title: "term of the entry before not compared",
    oracles: ["RAFT-log-matching", "RAFT-state-machine-safety"],
    source: "jasonrogena/lightraft#11",
    about: "An append fits wherever the log is long enough.",
    schedule: "A leader is cut off with entries of its own, and comes back to one that has gone on.",
    edits: [
      {
        file: "kernel/raft/replication.ts",
        find: "if (state.log.termAt(prevIndex) !== prevTerm) {",
        replace: "if (prevIndex > state.log.lastIndex) {",
      },
      {
        file: "kernel/raft/log.ts",
        find: `invariant(entry.term >= this.lastTerm, "Cannot append: terms go back")`,
        replace: "",
      },
    ],
  },
  {
    id: "R11",
    tier: "A",
    title: "an old request takes the term back",
    oracles: ["RAFT-monotonic-term", "RAFT-one-vote", "RAFT-election-safety"],
    source: "willemt/raft#118 (SandTable, WRaft)",
    about: "Whoever is asked for a vote joins the candidate's term, also when that lies behind its own.",
    schedule: "A request for a vote arrives late, or comes from a store that was away.",
    edits: [
      {
        file: "kernel/raft/election.ts",
        find: "if (!request.preVote && request.term > state.term) becomeFollower",
        replace: "if (!request.preVote && request.term !== state.term) becomeFollower",
      },
      {
        file: "kernel/raft/role.ts",
        find: "if (term > state.term) {",
        replace: "if (term !== state.term) {",
      },
    ],
  },
  {
    id: "R13",
    tier: "A",
    title: "up to date by length alone",
    oracles: ["RAFT-leader-completeness", "RAFT-state-machine-safety"],
    source: "etcd-io/raft: raft_paper_test.go, TestVoter",
    about: "A log that is as long is as good: the terms of the last entries are not compared.",
    schedule:
      "A leader is cut off with entries nobody else has, others commit fewer, it comes back and campaigns.",
    edits: [
      {
        file: "kernel/raft/log.ts",
        find: "return end.term > this.lastTerm || (end.term === this.lastTerm && end.index >= this.lastIndex)",
        replace: "return end.index >= this.lastIndex",
      },
    ],
  },
  {
    id: "R14",
    tier: "B",
    title: "members changed before the last change is committed",
    oracles: ["RAFT-config-overlap"],
    source: "databendlabs/openraft#2051; AxonIQ/axon-server-se#120 (there with single-server changes)",
    about:
      "A leader begins a change as soon as it is in no joint configuration, whether or not the configuration it is in was committed, by anyone.",
    schedule: "Two changes in quick succession, or a change right after an election.",
    edits: [
      {
        file: "kernel/raft/change.ts",
        find: "return isJoint(current) || currentIndex > state.commitIndex || state.termStartIndex > state.commitIndex",
        replace: "return isJoint(current) && currentIndex >= 0",
      },
    ],
  },
  {
    id: "R15",
    tier: "A",
    title: "joint consensus with one counter",
    oracles: ["RAFT-commit-quorum", "RAFT-election-safety"],
    source: "async-raft/async-raft#62",
    about: "While a configuration is joint, a majority of all who take part is enough.",
    schedule: "A voter is removed, and one of those that stay is slow.",
    edits: [
      {
        file: "kernel/raft/quorum.ts",
        find: "return Math.min(incoming, majorityIndex(configuration.outgoing, matchOf))",
        replace: "return majorityIndex(members({ ...configuration, learners: [] }), matchOf)",
      },
      {
        file: "kernel/raft/quorum.ts",
        find: "return hasMajority(configuration.voters, saysYes) && hasMajority(configuration.outgoing, saysYes)",
        replace: "return hasMajority(members({ ...configuration, learners: [] }), saysYes)",
      },
    ],
  },
  {
    id: "R16",
    tier: "B",
    title: "truncated configuration stays in force",
    oracles: ["RAFT-config-overlap", "RAFT-commit-quorum", "RAFT-election-safety"],
    source: "canonical/raft#250",
    about: "A configuration whose entry is cut away from the log is still the newest one.",
    schedule: "A leader appends a change, is cut off, and another leader's entries replace it.",
    edits: [
      {
        file: "kernel/raft/membership.ts",
        find: "this.truncated(entries[0]!.index)",
        replace: "",
      },
    ],
  },
  {
    id: "R17",
    tier: "B",
    title: "a newer configuration outlives the snapshot that contradicts it",
    oracles: ["RAFT-config-overlap", "RAFT-commit-quorum", "RAFT-election-safety"],
    source: "databendlabs/openraft#1808",
    about:
      "A snapshot's configuration is taken up only if the one in force has a lower index: one of an entry that went with the old log stays.",
    schedule:
      "A leader appends a change nobody else gets, and is brought up by a snapshot that ends before it.",
    edits: [
      {
        file: "kernel/raft/snapshot.ts",
        find: "state.configurations.reset(configurationIndex, configuration)",
        replace:
          "if (configurationIndex >= state.configurations.currentIndex) state.configurations.reset(configurationIndex, configuration)",
      },
    ],
  },
  {
    id: "R19",
    tier: "B",
    title: "a learner comes out of a snapshot as a voter",
    oracles: ["RAFT-config-overlap", "RAFT-commit-quorum"],
    source: "lni/dragonboat#94",
    about: "Whoever takes a snapshot in is one of the group now, so it lists itself among the voters.",
    schedule: "A learner is added when the log no longer begins at its beginning.",
    edits: [
      {
        file: "kernel/raft/snapshot.ts",
        find: "state.configurations.reset(configurationIndex, configuration)",
        replace: `const own = configuration.learners.filter((member) => member.replica === state.replica)
  const learners = configuration.learners.filter((member) => member.replica !== state.replica)
  state.configurations.reset(configurationIndex, {
    ...configuration,
    voters: [...configuration.voters, ...own],
    learners,
  })`,
      },
    ],
  },
  {
    id: "R20",
    tier: "B",
    title: "a promoted learner votes for nobody",
    oracles: ["LIVE-leader", "LIVE-progress", "LIVE-converge"],
    source: "etcd-io/etcd#10998; tikv/raft-rs#57",
    about:
      "Only who knows that it is a voter votes: one that was promoted and has not heard of it refuses all.",
    schedule: "A learner is promoted by the others, does not hear of it, and its leader is lost.",
    edits: [
      {
        file: "kernel/raft/election.ts",
        find: "const mayVote = state.recovery === null || state.recovery.identified",
        replace:
          "const mayVote = (state.recovery === null || state.recovery.identified) && isVoter(state.configurations.current, state.replica)",
      },
    ],
  },
  {
    id: "R21",
    tier: "B",
    title: "a configuration in force from its commit",
    oracles: ["RAFT-commit-quorum", "RAFT-config-overlap", "LIVE-leader"],
    source: "etcd-io/etcd#12359",
    about:
      "Configurations take effect when they are committed, as other entries do: a change is committed by those it leaves behind.",
    schedule: "A replica is added.",
    edits: [
      {
        file: "kernel/raft/replication.ts",
        find: "if (state.configurations.appended(entries)) configurationChanged(state, out)",
        replace: "",
      },
      {
        file: "kernel/raft/replication.ts",
        find: "state.commitIndex = index\n  const { group, replica, term } = state",
        replace: `const committed = state.log.slice(state.commitIndex + 1, Infinity).filter((entry) => entry.index <= index)
  state.commitIndex = index
  if (state.configurations.appended(committed)) configurationChanged(state, out)
  const { group, replica, term } = state`,
      },
    ],
  },
  {
    id: "R22",
    tier: "A",
    title: "read before the first commit of a term",
    oracles: ["LIN-linearizable", "LEASE-stale"],
    source: "etcd-io/etcd#7331; tikv/tikv#9239; RedisLabs/redisraft#22",
    about:
      "A new leader answers reads as soon as a quorum has confirmed it, from what it knows to be committed: that may be less than what its predecessor had acknowledged.",
    schedule: "A leader is lost right after a write, and the next one is asked at once.",
    edits: [
      {
        file: "kernel/range/service.ts",
        find: "if (this.#machine.appliedIndex < context.termStartIndex) return null",
        replace:
          "if (this.#machine.appliedIndex < context.termStartIndex && [...this.#waiting.values()].some((waiting) => waiting.footprint.isWrite)) return null",
      },
    ],
  },
  {
    id: "R26",
    tier: "B",
    title: "success because the term has not changed",
    oracles: ["LIN-linearizable", "ONCE-exactly-once", "LEASE-stale"],
    source: "redpanda-data/redpanda#3003",
    about:
      "A leader that steps down within its term tells its waiting writers that all went well: nobody else can have led meanwhile.",
    schedule: "A leader loses its quorum with an entry under way, and the next leader does not have it.",
    edits: [
      {
        file: "kernel/range/service.ts",
        find: `if (proposal.answered) continue
      this.#out.refuse(proposal.session, proposal.reply.id, { code: "outcomeUnknown" })`,
        replace: `if (proposal.answered) continue
      if (context.term !== this.#machine.appliedTerm) {
        this.#out.refuse(proposal.session, proposal.reply.id, { code: "outcomeUnknown" })
        continue
      }
      this.#out.answer(proposal.session, proposal.reply, proposal.commitTs, context.mono, context.wall)`,
      },
    ],
  },
  {
    id: "R27",
    tier: "B",
    title: "no pre-vote, no stickiness, no check of the quorum",
    oracles: ["LIVE-no-livelock", "LIVE-leader", "LIVE-progress"],
    source: "Cloudflare, 2020-11-02; cockroachdb/cockroach#104042",
    about:
      "Everyone campaigns at once with a new term, all join it, and a leader leads on without followers.",
    schedule: "Stores that reach some of the others and not all.",
    edits: [
      {
        file: "kernel/raft/election.ts",
        find: "  campaign(state, true, false, context, out)",
        replace: "  campaign(state, false, false, context, out)",
      },
      {
        file: "kernel/raft/election.ts",
        find: `const fresh = leaderIsFresh(state, context.mono) || state.role === "leader"`,
        replace: "const fresh = false",
      },
      {
        file: "kernel/raft/lease.ts",
        find: "if (replica === state.replica) return true\n    const progress",
        replace: "if (replica > 0) return true\n    const progress",
      },
    ],
  },
  {
    id: "R28",
    tier: "A",
    title: "a removed replica deposes leaders",
    oracles: ["LIVE-no-livelock", "LIVE-leader", "LIVE-converge", "LIVE-progress"],
    source: "PikaLabs/floyd#25",
    about:
      "A replica that was removed and does not know campaigns for ever with new terms, and everyone joins them: nobody tells it, and no leader is left in peace.",
    schedule: "A replica is removed while it is away.",
    edits: [
      {
        file: "kernel/raft/raft.ts",
        find: "if (tellRemoved(state, message.from, from, out)) return",
        replace: "",
      },
      {
        file: "kernel/raft/election.ts",
        find: "  campaign(state, true, false, context, out)",
        replace: "  campaign(state, false, false, context, out)",
      },
      {
        file: "kernel/raft/election.ts",
        find: `const fresh = leaderIsFresh(state, context.mono) || state.role === "leader"`,
        replace: "const fresh = false",
      },
      {
        file: "kernel/raft/election.ts",
        find: "const isBound = !request.transfer && mayNotVote(state, context)",
        replace: "const isBound = false",
      },
    ],
  },
  {
    id: "R30",
    tier: "B",
    title: "a voter that has not caught up",
    oracles: ["LIVE-progress", "LIVE-leader", "LIVE-converge"],
    source: "f-rustrated/EastGuard#150",
    about: "A learner that is to become a voter becomes one at once, whatever it has of the log.",
    schedule: "A replica is added on a store that does not answer, and another one is lost.",
    edits: [
      {
        file: "kernel/raft/change.ts",
        find: `progress.state === "replicate" &&
      progress.matchIndex + CATCH_UP_ENTRIES >= state.log.lastIndex`,
        replace: "progress.matchIndex + CATCH_UP_ENTRIES >= 0",
      },
    ],
  },
  {
    id: "R31",
    tier: "B",
    title: "an old sync counts for the new entry",
    oracles: ["RAFT-ack-durable", "RAFT-commit-quorum"],
    source: "etcd-io/raft: testdata/async_storage_writes_append_aba_race.txt",
    about:
      "An entry that takes the place of another keeps the number of the frame in which the first one was written: a sync of that frame makes the second one durable.",
    schedule: "A follower's entries are replaced by those of a new leader.",
    edits: [
      {
        file: "kernel/raft/log.ts",
        find: "    this.#lsns.length = keep\n",
        replace: "",
      },
      {
        file: "kernel/raft/log.ts",
        find: "this.#lsns.push(lsn)\n      this.#ends",
        replace: "this.#lsns[this.#entries.length - 1] ??= lsn\n      this.#ends",
      },
    ],
  },
]
