import type { LogIndex } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { SnapshotAnswer, SnapshotChunk, SnapshotOffer } from "../raft/message.ts"
import type { Raft } from "../raft/raft.ts"
import type { Hold } from "../raft/snapshot.ts"
import type { Member } from "../range/descriptor.ts"
import type { StateMachine } from "../range/state-machine.ts"
import { isSameSnapshot, type SnapshotId } from "../snapshot/head.ts"
import { SnapshotReceiver } from "../snapshot/receiver.ts"
import { SnapshotSender, type SenderContext } from "../snapshot/sender.ts"
import type { KernelConfig } from "./config.ts"
import type { Moment } from "./replica.ts"
import type { Volume } from "./volume.ts"

/** Longest silences after which a receiver gives the room for a snapshot back. */
const IDLE_ELECTIONS = 2

/** What one replica sends and receives of snapshots, between Raft, the state machine and the store's traffic. */
export class Snapshots {
  readonly #config: KernelConfig
  readonly #volume: Volume
  readonly #raft: Raft
  readonly #machine: StateMachine
  readonly #sender: SnapshotSender
  readonly #receiver: SnapshotReceiver
  /** The first checkpoint that contains the state switched to last. */
  #switchedIn = 0

  constructor(config: KernelConfig, volume: Volume, raft: Raft, machine: StateMachine) {
    this.#config = config
    this.#volume = volume
    this.#raft = raft
    this.#machine = machine
    this.#sender = new SnapshotSender(raft.group, config.timing, config.limits)
    this.#receiver = new SnapshotReceiver(volume.engine, raft.group, raft.replica)
  }

  get deadline(): number {
    return Math.min(this.#sender.deadline, this.#receiver.deadline(this.#idleUs))
  }

  get #idleUs(): number {
    return IDLE_ELECTIONS * this.#config.timing.electionUsMax
  }

  // ── Leader ───────────────────────────────────────────────────────────────────────────────────────

  begin(to: Member, moment: Moment): void {
    const head = this.#sender.head
    if (head !== null && head.id.index < this.#raft.log.start.index) this.#giveUpAll(moment)
    this.#sender.begin(to, this.#senderContext(moment))
    const { id } = this.#sender.head!
    this.#raft.snapshots.begun(to.replica, id.index, this.#machine.size?.bytes ?? 0)
  }

  answered(message: SnapshotAnswer, moment: Moment): void {
    this.#sender.answered(message.from, message, this.#senderContext(moment))
    this.#raft.snapshots.carried(message.from, this.#sender.carried(message.from))
  }

  /** Transfers that Raft does not wait for any more end; those without a step forward are given up. */
  pump(moment: Moment): void {
    if (this.#sender.size === 0) return
    const { snapshots, log } = this.#raft
    for (const replica of this.#sender.receivers()) {
      if (!snapshots.awaits(replica)) this.#sender.drop(replica, moment.traffic)
    }
    const head = this.#sender.head
    if (head === null) return
    // The log that follows it is gone: whoever takes it in needs another one at once.
    if (head.id.index < log.start.index) return this.#giveUpAll(moment)
    if (this.#sender.deadline > moment.mono) return
    for (const replica of this.#sender.pump(this.#senderContext(moment))) this.#givenUp(replica, moment)
  }

  #giveUpAll(moment: Moment): void {
    for (const replica of this.#sender.receivers()) {
      this.#sender.drop(replica, moment.traffic)
      this.#givenUp(replica, moment)
    }
  }

  #givenUp(replica: number, moment: Moment): void {
    mark(moment, "raft.snapshot.givenUp")
    this.#raft.snapshots.givenUp(replica)
  }

  #senderContext(moment: Moment): SenderContext {
    const { group, replica: from, term } = this.#raft
    return {
      mono: moment.mono,
      traffic: moment.traffic,
      pin: () => this.#machine.pin(this.#config.limits.snapshotChunkBytes),
      offer: (to, head) => {
        const message = { type: "snapshotOffer", group, from, to: to.replica, term, head } as const
        moment.out.push({ type: "send", to: to.store, lane: "bulk", message, barrier: null })
      },
      send: (to, id, chunk) => {
        // Rows that could not be read are missing in it: looked for after reading, and before anything leaves.
        if (this.#machine.checkDamage()) return mark(moment, "raft.snapshot.unreadable")
        const message = { type: "snapshotChunk", group, from, to: to.replica, term, id, chunk } as const
        moment.out.push({ type: "send", to: to.store, lane: "bulk", message, barrier: null })
      },
      mark: (name) => mark(moment, name),
    }
  }

  /**
   * How far the log may go: not past a snapshot under way, unless what it holds for that passes by more than the limit
   * what has arrived. As long as a receiver comes forward faster than the log grows it gets there, and a newer snapshot would
   * not get there sooner, nor need less.
   */
  releasable(wanted: LogIndex, moment: Moment): LogIndex {
    const { snapshots, log } = this.#raft
    const { snapshotLogBytesMax } = this.#config.limits
    let index = wanted
    let isLetGo = false
    for (const held of snapshots.holds(moment.mono)) {
      if (held.index >= wanted) continue
      if (log.bytesAfter(held.index) > snapshotLogBytesMax + this.#worth(held)) isLetGo = true
      else index = Math.min(index, held.index)
    }
    if (isLetGo) mark(moment, "raft.snapshot.logLetGo")
    if (index < wanted) mark(moment, "raft.snapshot.logHeld")
    return index
  }

  /** What has arrived, in bytes that it would take anew: the state may have grown since, and a newer snapshot with it. */
  #worth({ carried, stateBytes }: Hold): number {
    const now = this.#machine.size?.bytes ?? 0
    return stateBytes > 0 && now > stateBytes ? Math.floor((carried / stateBytes) * now) : carried
  }

  // ── Follower ─────────────────────────────────────────────────────────────────────────────────────

  offered(message: SnapshotOffer, from: Member, isStale: boolean, moment: Moment): void {
    const { head } = message
    const { installing } = this.#raft.snapshots
    if (installing !== null && isSameSnapshot(installing.head.id, head.id)) {
      this.#answer(head.id, "installing", 0, message, from, moment)
      return
    }
    const isAble = installing === null && !isStale && this.#volume.hasRoom
    if (!isAble || !moment.traffic.reserve(this.#raft.group)) {
      mark(moment, "raft.snapshot.declined")
      this.#answer(head.id, "declined", 0, message, from, moment)
      return
    }
    const next = this.#receiver.begin(head, message.from, moment.mono, (name) => mark(moment, name))
    this.#answer(head.id, "position", next, message, from, moment)
  }

  /** True when all of it is here: `snapshotReceived` is due. */
  chunk(message: SnapshotChunk, from: Member, moment: Moment): SnapshotOffer | null {
    const { id, chunk } = message
    const { head } = this.#receiver
    const taken = this.#receiver.take(id, chunk, moment.mono, (name) => mark(moment, name))
    if (taken === "unknown") return null
    this.#volume.staged(chunk.data.length)
    if (taken !== "complete" || head === null) {
      const next = this.#receiver.staged?.nextChunk ?? 0
      this.#answer(id, taken === "gap" ? "gap" : "taken", next, message, from, moment)
      return null
    }
    this.#answer(id, "installing", chunk.number + 1, message, from, moment)
    const { group, to, term } = message
    return { type: "snapshotOffer", group, from: message.from, to, term, head }
  }

  #answer(
    id: SnapshotId,
    verdict: SnapshotAnswer["verdict"],
    nextChunk: number,
    asked: SnapshotOffer | SnapshotChunk,
    to: Member,
    moment: Moment,
  ): void {
    const { group, replica: from, term } = this.#raft
    const retryAfterUs = verdict === "declined" ? this.#config.timing.electionUsMin : 0
    const lsn = this.#raft.snapshots.termBarrier(this.#volume.wal.durableLsn)
    const where = { type: "snapshotAnswer", group, from, to: asked.from, term } as const
    moment.out.push({
      type: "send",
      to: to.store,
      lane: "raft",
      message: { ...where, id, verdict, nextChunk, retryAfterUs },
      barrier: lsn === 0 ? null : { volume: this.#volume.id, lsn },
    })
  }

  /** Raft has no use for what was received after all. */
  discard(moment: Moment): void {
    this.#receiver.discard()
    moment.traffic.release(this.#raft.group)
  }

  /** The one switch from the old state to the new one. */
  install(message: SnapshotOffer, moment: Moment): void {
    this.#machine.installSnapshot(message.head, this.#receiver.rows!)
    this.#switchedIn = this.#volume.nextCheckpoint
    this.#receiver.installed()
    moment.traffic.release(this.#raft.group)
    mark(moment, "raft.snapshot.switched")
    this.#volume.wantCheckpoint()
  }

  /**
   * Whether this checkpoint, now durable, has the snapshot whose switch waits for it. Not by its index: damaged rows are
   * replaced at the very index at which an older checkpoint may have them.
   */
  isSwitchedIn(checkpoint: number): boolean {
    return this.#raft.isInstalling && checkpoint >= this.#switchedIn
  }

  /** After anything was applied, and when time has passed. */
  tidy(moment: Moment): void {
    const { staged } = this.#receiver
    if (staged !== null && staged.id.index <= this.#machine.appliedIndex && !this.#isDamaged) {
      // The log got there first.
      mark(moment, "raft.snapshot.overtaken")
      this.discard(moment)
    } else if (this.#receiver.deadline(this.#idleUs) <= moment.mono) {
      this.#receiver.pause()
      moment.traffic.release(this.#raft.group)
    }
  }

  get #isDamaged(): boolean {
    return this.#raft.snapshots.isWanted
  }

  save(sink: Sink): void {
    this.#sender.save(sink)
    this.#receiver.save(sink)
    sink.uint(this.#switchedIn)
  }

  load(reader: ByteReader): void {
    this.#sender.load(reader)
    this.#receiver.load(reader)
    this.#switchedIn = reader.uint()
  }
}

function mark(moment: Moment, name: string): void {
  moment.out.push({ type: "observe", observation: { type: "mark", name } })
}
