import fc from "fast-check"
import { assert, test } from "vitest"
import { DEFAULT_TIMING } from "#kernel/node/config.ts"
import { Group, type Peer } from "../../support/raft-group.ts"

// The five properties of figure 3 of the paper, over schedules nobody thought of: messages lost, doubled, held back
// and delivered in any order; disks that sync when they please; crashes; members that come and go.

const command = fc.oneof(
  { weight: 14, arbitrary: fc.record({ type: fc.constant("deliver" as const), pick: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("lose" as const), pick: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("double" as const), pick: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("wake" as const), pick: fc.nat(4) }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant("sync" as const), pick: fc.nat(4) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("propose" as const), pick: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("crash" as const), pick: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("compact" as const), pick: fc.nat(4) }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("change" as const), pick: fc.nat(4), kind: fc.nat(3) }),
  },
  // Quiet stretches, or little would ever be committed.
  { weight: 2, arbitrary: fc.record({ type: fc.constant("settle" as const), pick: fc.nat(4) }) },
)
type Command = typeof command extends fc.Arbitrary<infer Type> ? Type : never

/** What must hold at every moment, held against all that was ever seen. */
class Watch {
  readonly #group: Group
  /** Who led each term. */
  readonly #leaders = new Map<number, number>()
  /** The log a leader had when it was last looked at. */
  readonly #leaderLogs = new Map<string, readonly string[]>()
  /** Committed entries by index. */
  readonly #committed = new Map<number, string>()
  readonly #terms = new Map<number, number>()
  commits = 0
  elections = 0

  constructor(group: Group) {
    this.#group = group
  }

  look(): void {
    const logs = [...this.#group.peers.values()].filter((peer) => !peer.isRemoved)
    for (const peer of logs) this.#lookAt(peer)
    for (const a of logs) for (const b of logs) if (a.id < b.id) assertMatching(a, b)
  }

  /** A crash may take back what was not durable. */
  forget(id: number): void {
    this.#terms.set(id, this.#group.peer(id).raft.term)
  }

  #lookAt(peer: Peer): void {
    const { raft } = peer
    assert.isAtLeast(raft.term, this.#terms.get(peer.id) ?? 0, "a term never goes back")
    this.#terms.set(peer.id, raft.term)
    for (const each of peer.applied) {
      const word = `${each.term}#${each.digestHigh}.${each.digestLow}`
      const known = this.#committed.get(each.index)
      if (known === undefined) this.commits++
      assert.equal(word, known ?? word, `state machine safety at ${each.index}`)
      this.#committed.set(each.index, word)
    }
    if (!raft.isLeader) return
    const elected = this.#leaders.get(raft.term)
    assert.equal(elected ?? peer.id, peer.id, `election safety in term ${raft.term}`)
    if (elected === undefined) {
      this.#leaders.set(raft.term, peer.id)
      this.elections++
      for (const [index, word] of this.#committed) {
        if (index <= raft.log.start.index) continue
        const each = raft.log.entryAt(index)
        assert.equal(
          `${each.term}#${each.digestHigh}.${each.digestLow}`,
          word,
          `leader completeness at ${index}`,
        )
      }
    }
    const key = `${raft.term}`
    const words = peer.words()
    const first = words[0]
    const before = (this.#leaderLogs.get(key) ?? []).filter(
      (word) => first === undefined || Number.parseInt(word, 10) >= Number.parseInt(first, 10),
    )
    if (first !== undefined) assert.deepEqual(words.slice(0, before.length), before, "leader append-only")
    this.#leaderLogs.set(key, words)
  }
}

/** Log matching: where two logs hold an entry of one index and term, they agree there and on all before. */
function assertMatching(a: Peer, b: Peer): void {
  const from = Math.max(a.raft.log.firstIndex, b.raft.log.firstIndex)
  let isMatching = false
  for (let index = Math.min(a.raft.lastIndex, b.raft.lastIndex); index >= from; index--) {
    const [x, y] = [a.raft.log.entryAt(index), b.raft.log.entryAt(index)]
    isMatching ||= x.term === y.term
    if (!isMatching) continue
    assert.deepEqual(
      [x.term, x.digestLow],
      [y.term, y.digestLow],
      `log matching of ${a.id} and ${b.id} at ${index}`,
    )
  }
}

function run(group: Group, watch: Watch, command: Command, n: number): void {
  const ids = [...group.peers.keys()].filter((id) => !group.peer(id).isRemoved)
  const peer = group.peer(ids[command.pick % ids.length]!)
  const at = command.pick % Math.max(1, group.flying.length)
  switch (command.type) {
    case "deliver":
      for (const flying of group.flying.splice(at, 1)) group.hand(flying)
      peer.step({ type: "turnEnded" })
      break
    case "lose":
      group.flying.splice(at, 1)
      break
    case "double":
      group.flying.push(...group.flying.slice(at, at + 1))
      break
    case "wake":
      peer.mono = Math.max(peer.mono, peer.raft.deadline)
      // A third of the time it has been deaf for so long that it listens to candidates again.
      if (n % 3 === 0) for (const other of group.peers.values()) other.mono += DEFAULT_TIMING.electionUsMin
      peer.step({ type: "timePassed" })
      break
    case "sync":
      if (!peer.isDurable) peer.sync()
      break
    case "propose":
      for (const leader of group.leaders) leader.propose(`${n}`)
      for (const leader of group.leaders) leader.step({ type: "turnEnded" })
      break
    case "crash":
      peer.restart()
      watch.forget(peer.id)
      break
    case "compact": {
      const { log, commitIndex } = peer.raft
      const index = Math.min(commitIndex, log.durableIndex)
      if (index > log.start.index && peer.isDurable && !peer.raft.isInstalling) peer.compact(index)
      break
    }
    case "change":
      for (const leader of group.leaders) change(leader, command.kind, command.pick)
      break
    case "settle":
      group.settle()
      break
  }
}

function change(leader: Peer, kind: number, pick: number): void {
  const { voters } = leader.raft.configuration
  const store = voters[pick % voters.length]!.store
  const fresh = 10 + leader.raft.configuration.nextReplica
  if (kind === 0) leader.administer({ type: "addVoter", store: fresh, incarnation: fresh })
  else if (kind === 1) leader.administer({ type: "addLearner", store: fresh, incarnation: fresh })
  else if (kind === 2) leader.administer({ type: "transferLeader", store })
  else if (voters.length > 2) leader.administer({ type: "removeReplica", store })
}

test("one leader a term, logs that match, leaders that only append, nothing committed is ever lost or applied otherwise", () => {
  let commits = 0
  let elections = 0
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 5 }),
      fc.array(command, { size: "max", minLength: 60, maxLength: 250 }),
      (size, commands) => {
        const group = new Group(Array.from({ length: size }, (_, i) => i + 1))
        const watch = new Watch(group)
        for (const [n, step] of commands.entries()) {
          run(group, watch, step, n)
          group.collect()
          watch.look()
        }
        commits += watch.commits
        elections += watch.elections
      },
    ),
    { numRuns: 50, seed: 1 },
  )
  // A property that never saw what it is about proves nothing.
  assert.isAbove(elections, 50)
  assert.isAbove(commits, 150)
})
