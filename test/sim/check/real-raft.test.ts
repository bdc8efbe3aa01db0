import assert from "node:assert/strict"
import { test } from "vitest"
import {
  isStoreMessage,
  DEFAULT_LIMITS,
  DEFAULT_TIMING,
  type Effect,
  type Input,
  type Observation,
  type PeerMessage,
  type RaftMessage,
} from "#kernel"
import { Sfc32 } from "#kernel/lib/rng.ts"
import { NOTHING_BESIDE } from "#kernel/node/store-budget.ts"
import { NO_SWITCHES } from "#kernel/node/switches.ts"
import { RaftLog } from "#kernel/raft/log.ts"
import { Raft, type RaftEvent } from "#kernel/raft/raft.ts"
import type { WalItem } from "#kernel/wal/item.ts"
import { SafetyChecker } from "#sim/check/safety.ts"
import { NO_SUPPORT } from "../../support/no-support.ts"
import { applied, BIRTH, entry, GROUP, log, role, voted, VOLUME } from "../../support/told-cluster.ts"

/** What a host of this test does wrong. */
type Sabotage =
  | "none"
  | "ignoresBarriers"
  | "confirmsUnsynced"
  | "forgetsVotes"
  | "losesFrame"
  | "changesState"

const TICK = 10_000

/** The kernel's own Raft on three stores, with loss, delay and power loss, and the checkers watching. */
class Run {
  readonly reports: string[] = []
  readonly rng: Sfc32
  readonly #hosts: Host[]
  readonly #mail: { readonly at: number; readonly message: RaftMessage }[] = []
  readonly checker: SafetyChecker
  readonly items = new Map<Uint8Array, readonly WalItem[]>()
  commits = 0
  now = 0
  readonly event = 0

  constructor(seed: number, sabotage: Sabotage) {
    this.rng = new Sfc32(seed, 7)
    this.checker = new SafetyChecker({
      births: [BIRTH],
      itemsOf: (bytes) => this.items.get(bytes) ?? null,
      damagesSynced: false,
      forgetful: new Set(),
    })
    this.#hosts = [1, 2, 3].map((store) => new Host(this, store, sabotage))
  }

  leaseHolders(): readonly [] {
    return []
  }

  report(oracle: string, message: string): void {
    this.reports.push(`${oracle}: ${message}`)
  }

  post(message: PeerMessage): void {
    if (isStoreMessage(message)) return
    if (this.rng.below(100) < 10) return
    const copies = this.rng.below(100) < 5 ? 2 : 1
    for (let i = 0; i < copies; i++)
      this.#mail.push({ at: this.now + TICK * (1 + this.rng.below(6)), message })
  }

  go(seconds: number): void {
    for (const host of this.#hosts) host.boot()
    for (
      const end = this.now + seconds * 1_000_000;
      this.now < end && this.reports.length === 0;
      this.now += TICK
    ) {
      const due = this.#mail.filter((mail) => mail.at <= this.now)
      for (const mail of due) this.#mail.splice(this.#mail.indexOf(mail), 1)
      for (const { message } of due) this.#hosts[message.to - 1]!.receive(message)
      for (const host of this.#hosts) host.tick()
    }
  }
}

class Host {
  readonly #run: Run
  readonly #store: number
  readonly #sabotage: Sabotage
  #raft: Raft | null = null
  readonly #disk: WalItem[] = [
    { type: "replicaCreated", replica: 0, descriptor: BIRTH.descriptor },
    { type: "entries", group: GROUP, entries: [entry(1, 0)] },
  ]
  #pending: WalItem[] = []
  #frame: { readonly lsn: number; readonly items: readonly WalItem[]; readonly syncedAt: number } | null =
    null
  #durableLsn = 0
  #appendedLsn = 0
  #held: Extract<Effect, { readonly type: "send" }>[] = []
  #applied = 0
  #hash = 0
  #upAt = 0

  constructor(run: Run, store: number, sabotage: Sabotage) {
    this.#run = run
    this.#store = store
    this.#sabotage = sabotage
    this.#disk[0] = { type: "replicaCreated", replica: store, descriptor: BIRTH.descriptor }
  }

  boot(): void {
    const { checker, rng, now } = this.#run
    const raftLog = new RaftLog({ index: 0, term: 0 })
    let [term, votedFor] = [0, 0]
    for (const item of this.#disk) {
      if (item.type === "entries") raftLog.append(item.entries, 0)
      else if (item.type === "hardState") [term, votedFor] = [item.term, item.votedFor]
    }
    raftLog.synced(0)
    if (this.#sabotage === "forgetsVotes") votedFor = 0
    this.#raft = new Raft(
      GROUP,
      this.#store,
      BIRTH.descriptor,
      DEFAULT_TIMING,
      DEFAULT_LIMITS,
      new Sfc32(rng.u32(), 1),
      {
        term,
        votedFor,
        log: raftLog,
        commitIndex: 1,
        configurationIndex: 1,
        configuration: BIRTH.configuration,
        recovery: null,
      },
      now,
    )
    this.#applied = 1
    this.#hash = 0
    checker.storeBooted(this.#run, this.#store)
    const said: Observation[] = [
      { type: "recovered", volume: VOLUME, verdict: "clean", lsn: this.#durableLsn },
      role(this.#store, term, "follower"),
      ...(votedFor === 0 ? [] : [voted(this.#store, term, votedFor)]),
      log(this.#store, ...raftLog.slice(1, Infinity)),
      applied(this.#store, entry(1, 0), 0),
    ]
    for (const each of said) checker.observed(this.#run, this.#store, each)
    this.#tell({ type: "wake" }, [])
    // The birth, in the first frame of the first boot.
    if (this.#appendedLsn === 0) this.#pending = this.#disk.splice(0)
  }

  #crash(): void {
    const { checker, rng, now } = this.#run
    this.#raft = null
    this.#pending = []
    this.#held = []
    // An unsynced frame survives whole or not at all.
    if (this.#frame !== null && rng.below(2) === 0) this.#onDisk(this.#frame.lsn, this.#frame.items)
    if (this.#sabotage === "losesFrame" && this.#durableLsn > 3) this.#disk.splice(-1)
    this.#appendedLsn = this.#durableLsn
    this.#frame = null
    this.#upAt = now + 100_000 * (1 + rng.below(30))
    checker.storeCrashed(this.#run, this.#store)
  }

  #onDisk(lsn: number, items: readonly WalItem[]): void {
    this.#disk.push(...items)
    this.#durableLsn = lsn
  }

  receive(message: RaftMessage): void {
    const { now } = this.#run
    if (this.#raft === null) return
    // Replica n lives on store n.
    const store: number = message.from
    const from = { replica: message.from, store, incarnation: store }
    const header = {
      version: 2,
      cluster: "c",
      fromStore: store,
      toStore: this.#store,
      fromIncarnation: 1,
    }
    const frame = {
      header: { ...header, fromBoot: 1, fromNonce: 1, volumes: [], configEpoch: 0, wall: now },
      messages: [message],
    }
    const speaker = { home: header.fromIncarnation, boot: frame.header.fromBoot }
    this.#step({ type: "messageReceived", message, from, speaker }, { type: "frame", frame })
  }

  tick(): void {
    const { rng, now } = this.#run
    if (this.#raft === null) {
      if (now >= this.#upAt) this.boot()
      return
    }
    if (this.#frame !== null && now >= this.#frame.syncedAt) {
      const { lsn, items } = this.#frame
      this.#onDisk(lsn, items)
      this.#frame = null
      this.#step({ type: "logSynced" }, { type: "appendSynced", volume: VOLUME, lsn })
    }
    if (now >= this.#raft.deadline) this.#step({ type: "timePassed" }, { type: "wake" })
    if (this.#raft.isLeader && rng.below(4) === 0) this.#propose()
    this.#step({ type: "turnEnded" }, { type: "turnEnded" })
    if (rng.below(400) === 0) this.#crash()
  }

  #propose(): void {
    const { payload } = entry(0, 0, String(this.#run.rng.u32()))
    this.#step({ type: "proposed", payload }, { type: "wake" })
  }

  #step(event: RaftEvent, input: Partial<Input> & { readonly type: Input["type"] }): void {
    const raft = this.#raft!
    const context = {
      mono: this.#run.now,
      wall: this.#run.now,
      nextLsn: this.#appendedLsn + 1,
      // A host that says "durable" of what it has only been handed.
      durableLsn: this.#sabotage === "confirmsUnsynced" ? this.#appendedLsn + 1 : this.#durableLsn,
      fenced: false,
      draining: false,
      support: NO_SUPPORT,
      highWater: 0,
      memory: () => "",
      budget: NOTHING_BESIDE,
      switches: NO_SWITCHES,
    }
    const effects: Effect[] = []
    let leads = false
    for (const effect of raft.step(event, context)) {
      if (effect.type === "persist") this.#pending.push(effect.item)
      else if (effect.type === "observe") effects.push(effect)
      else if (effect.type === "becameLeader") leads = true
      else if (effect.type === "send") {
        const barrier = effect.barrier === 0 ? null : { volume: VOLUME, lsn: effect.barrier }
        effects.push({
          type: "send",
          to: effect.to.store,
          lane: effect.lane,
          message: effect.message,
          barrier,
        })
      }
    }
    for (; this.#applied < raft.commitIndex; this.#run.commits++) {
      const next = raft.log.entryAt(++this.#applied)
      this.#hash = (Math.imul(this.#hash, 31) + next.digestLow) >>> 0
      if (this.#sabotage === "changesState" && this.#store === 2 && this.#applied === 40) this.#hash = 1
      effects.push({ type: "observe", observation: applied(this.#store, next, this.#hash) })
    }
    if (event.type === "turnEnded" && this.#frame === null && this.#pending.length > 0) {
      const lsn = ++this.#appendedLsn
      const bytes = new Uint8Array(0)
      this.#frame = {
        lsn,
        items: this.#pending,
        syncedAt: this.#run.now + TICK * (1 + this.#run.rng.below(4)),
      }
      this.#run.items.set(bytes, this.#pending)
      this.#pending = []
      effects.push({ type: "append", volume: VOLUME, lsn, segment: 1, offset: 0, bytes })
    }
    this.#tell(input, effects)
    for (const effect of effects) if (effect.type === "send") this.#held.push(effect)
    this.#release()
    if (leads) this.#propose()
  }

  #release(): void {
    const isFree = (effect: { readonly barrier: { readonly lsn: number } | null }): boolean =>
      this.#sabotage === "ignoresBarriers" ||
      effect.barrier === null ||
      effect.barrier.lsn <= this.#durableLsn
    const free = this.#held.filter(isFree)
    this.#held = this.#held.filter((effect) => !isFree(effect))
    for (const effect of free) {
      this.#run.checker.released(this.#run, this.#store, effect)
      this.#run.post(effect.message)
    }
  }

  #tell(input: Partial<Input> & { readonly type: Input["type"] }, effects: readonly Effect[]): void {
    const stamped = { mono: this.#run.now, wall: this.#run.now, ...input } as Input
    this.#run.checker.stepped(this.#run, this.#store, stamped, effects)
  }
}

test("the kernel's own Raft, with loss, delay and power loss, breaks no promise", () => {
  let commits = 0
  for (let seed = 1; seed <= 20; seed++) {
    const run = new Run(seed, "none")
    run.go(60)
    assert.deepEqual(run.reports, [], `seed ${seed}`)
    commits += run.commits
  }
  assert.ok(commits > 10_000, `only ${commits} entries were applied`)
})

const CAUGHT: readonly (readonly [Sabotage, readonly string[]])[] = [
  ["ignoresBarriers", ["RAFT-vote-durable", "RAFT-ack-durable"]],
  ["confirmsUnsynced", ["RAFT-vote-durable", "RAFT-ack-durable", "RAFT-commit-quorum"]],
  ["forgetsVotes", ["WAL-release"]],
  ["losesFrame", ["WAL-release", "RAFT-monotonic-term"]],
  ["changesState", ["HASH-replicas-agree"]],
]

for (const [sabotage, oracles] of CAUGHT) {
  test(`under a host that ${sabotage.replace(/([A-Z])/g, " $1").toLowerCase()} it is caught by its oracle`, () => {
    for (let seed = 1; seed <= 5; seed++) {
      const run = new Run(seed, sabotage)
      run.go(60)
      const oracle = run.reports[0]?.split(":")[0] ?? "none"
      assert.ok(oracles.includes(oracle), `seed ${seed}: ${run.reports[0]}`)
    }
  })
}
