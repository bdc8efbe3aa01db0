import {
  isGatewayMessage,
  unreachable,
  type Effect,
  type Frame,
  type GatewayMessage,
  type Input,
  type KvReply,
  type KvRequest,
  type PeerMessage,
} from "#kernel"
import type { FaultRun } from "../faults/stage.ts"

/** Follows a run for people. It may look at everything and change nothing. */
export interface Listener {
  stepped(now: number, event: number, store: number, input: Input, effects: readonly Effect[]): void
  /** A crash, a start, a fault begun or lifted, a part of a round. */
  happened(now: number, event: number, what: string): void
  /** What lies between the steps, as data. What is sent is the very object that arrives, or as its codec made it. */
  noted?(now: number, event: number, note: Note): void
}

/** `event` is the last one before it. */
export type Note =
  | { readonly type: "started"; readonly store: number; readonly boot: number }
  | { readonly type: "stopped"; readonly store: number; readonly powerLoss: boolean }
  | { readonly type: "frameSent"; readonly from: number; readonly to: number; readonly frame: Frame }
  | {
      readonly type: "requestSent"
      readonly client: number
      readonly store: number
      readonly request: KvRequest
    }
  | { readonly type: "replySent"; readonly store: number; readonly client: number; readonly reply: KvReply }
  | {
      readonly type: "replyArrived"
      readonly client: number
      readonly store: number
      readonly reply: KvReply
    }
  /** Of a fault that waits for whom to strike this is told when it begins to wait. */
  | { readonly type: "faultBegan"; readonly run: FaultRun }
  | { readonly type: "faultEnded"; readonly run: FaultRun }

/** One line for each step and happening between two events, both included. */
export class LineRecorder implements Listener {
  readonly #from: number
  readonly #to: number
  readonly #write: (line: string) => void

  constructor(from: number, to: number, write: (line: string) => void) {
    this.#from = from
    this.#to = to
    this.#write = write
  }

  stepped(now: number, event: number, store: number, input: Input, effects: readonly Effect[]): void {
    if (event < this.#from || event > this.#to) return
    const told = effects.map(effectText).join("; ")
    // A turn that ends with nothing to do says nothing.
    if (input.type === "turnEnded" && told === "") return
    this.#write(
      `${stampText(now)} #${event} s${store} ${inputText(input)}${told === "" ? "" : ` -> ${told}`}`,
    )
  }

  happened(now: number, event: number, what: string): void {
    if (event < this.#from || event > this.#to) return
    this.#write(`${stampText(now)} #${event} == ${what}`)
  }
}

/** Seconds with six digits. */
function stampText(now: number): string {
  const whole = Math.floor(now / 1_000_000)
  return `${whole}.${String(now % 1_000_000).padStart(6, "0")}`
}

export function inputText(input: Input): string {
  switch (input.type) {
    case "wake":
    case "turnEnded":
      return input.type
    case "frame": {
      const { header, messages } = input.frame
      return `frame from s${header.fromStore}: ${messages.map(messageText).join(", ")}`
    }
    case "request": {
      const ops = input.request.ops.map((op) =>
        op.type === "scan" ? `scan ${op.start}` : `${op.type} ${op.key}`,
      )
      return `request ${input.request.id} of session ${input.session}: ${ops.join(", ")}`
    }
    case "txn":
      return `txn ${input.request.id} of session ${input.session}: ${input.request.action.type} ${input.request.txn}`
    case "admin":
      return `admin g${input.request.group} ${input.request.action.type} s${input.request.action.store}`
    case "appendSynced":
    case "appendFailed":
      return `${input.type} v${input.volume} lsn ${input.lsn}`
    case "segmentCreated":
    case "segmentRefused":
      return `${input.type} v${input.volume} segment ${input.segment}`
    case "checkpointSynced":
    case "checkpointRefused":
    case "checkpointFailed":
      return `${input.type} v${input.volume} checkpoint ${input.checkpoint}`
    case "drain":
      return "drain"
    default:
      return unreachable(input)
  }
}

export function effectText(effect: Effect): string {
  switch (effect.type) {
    case "send":
      return `send s${effect.to} ${messageText(effect.message)}${barrierText(effect.barrier)}`
    case "reply": {
      const { reply } = effect
      const code = reply.type === "ok" ? `ok @${reply.commitTs}` : reply.error.code
      return `reply ${reply.id} ${code}${barrierText(effect.barrier)}`
    }
    case "adminReply":
      return `adminReply ${effect.reply.type === "error" ? effect.reply.error.code : effect.reply.type}`
    case "txnReply": {
      const { reply } = effect
      const said = reply.type === "error" ? reply.error.code : reply.type
      return `txnReply ${reply.id} ${said}${barrierText(effect.barrier)}`
    }
    case "append":
      return `append v${effect.volume} lsn ${effect.lsn} (${effect.bytes.length} bytes)`
    case "createSegment":
      return `createSegment v${effect.volume} ${effect.segment}`
    case "releaseSegments":
      return `releaseSegments v${effect.volume} below ${effect.below}`
    case "writeWitness":
      return `writeWitness v${effect.volume}`
    case "checkpoint":
      return `checkpoint v${effect.volume} ${effect.checkpoint}${barrierText(effect.barrier)}`
    case "wakeAt":
      return effect.mono === null ? "wakeAt never" : `wakeAt ${effect.mono}`
    case "fatal":
      return `fatal ${effect.code}: ${effect.detail}`
    case "observe":
      return observationText(effect.observation)
    default:
      return unreachable(effect)
  }
}

function observationText(observation: Extract<Effect, { readonly type: "observe" }>["observation"]): string {
  switch (observation.type) {
    case "mark":
      return `mark ${observation.name}`
    case "roleChanged":
      return `g${observation.group} ${observation.role} in term ${observation.term}`
    case "committed":
    case "applied":
      return `g${observation.group} ${observation.type} ${observation.index}`
    case "voted":
      return `g${observation.group} votes for ${observation.votedFor} in term ${observation.term}`
    case "recovered":
      return `recovered v${observation.volume} to lsn ${observation.lsn}: ${observation.verdict}`
    case "mayHaveForgotten":
      return `v${observation.volume} may have forgotten replicas`
    case "groupRecovered":
      return `g${observation.group} goes on with what is left of it, from ${observation.index} in generation ${observation.generation}`
    case "recoverRefused":
      return `g${observation.order.group} is not recovered: ${observation.code}`
    case "stateDiffered":
      return `g${observation.group} state differed at ${observation.kind} ${observation.space} row "${observation.key}"`
    default:
      return observation.type
  }
}

function messageText(message: PeerMessage): string {
  if (message.type === "storeHeartbeat")
    return `storeHeartbeat life ${message.life}${message.asks ? "" : " asks nothing"}, supports in ${message.epoch}`
  if (message.type === "outdated")
    return `outdated: boot ${message.boot} of process ${message.nonce} was heard of`
  if (isGatewayMessage(message)) return gatewayText(message)
  const about = `g${message.group} t${message.term}`
  switch (message.type) {
    case "appendEntries":
      return `${message.type} ${about} after ${message.prevIndex}+${message.entries.length}`
    case "appendReply":
      return `${message.type} ${about} ${message.success ? `match ${message.matchIndex}` : `rejects ${message.rejectedIndex}`}`
    case "voteRequest":
      return `${message.preVote ? "preVoteRequest" : message.type} ${about} last ${message.lastIndex}`
    case "voteReply":
      return `${message.preVote ? "preVoteReply" : message.type} ${about} ${message.granted ? "granted" : "refused"}`
    case "snapshotOffer":
      return `${message.type} ${about} at ${message.head.id.index}`
    case "snapshotChunk":
      return `${message.type} ${about} at ${message.id.index}: ${message.chunk.number}${message.chunk.last ? ", the last" : ""}`
    case "snapshotAnswer":
      return `${message.type} ${about} at ${message.id.index}: ${message.verdict}, next ${message.nextChunk}`
    case "heartbeat":
    case "heartbeatReply":
    case "timeoutNow":
    case "removed":
    case "absent":
    case "stored":
    case "repairAsk":
    case "repairAnswer":
    case "deFortify":
    case "snapshotReply":
    case "scrubState":
    case "scrubReply":
    case "scrubVerdict":
      return `${message.type} ${about}`
    default:
      return unreachable(message)
  }
}

function gatewayText(message: GatewayMessage): string {
  switch (message.type) {
    case "ask": {
      const { id, rangeId, ops, command } = message.request
      return `ask ${id} of range ${rangeId}: ${command?.type ?? ops.map((op) => op.type).join(", ")}`
    }
    case "answer": {
      const { reply } = message
      return `answer ${reply.id} ${reply.type === "ok" ? (reply.answer?.type ?? "ok") : reply.error.code}`
    }
    case "waits":
      return `waits in range ${message.wait.rangeId} for ${message.for.length}`
    case "probe":
      return `probe past ${message.path.length}`
    default:
      return unreachable(message)
  }
}

function barrierText(barrier: { readonly volume: number; readonly lsn: number } | null): string {
  return barrier === null ? "" : ` [v${barrier.volume}:${barrier.lsn}]`
}
