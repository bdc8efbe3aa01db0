import type { KernelError } from "../errors.ts"
import { Gateway, gatewayFor, type PushedFor } from "../gateway/gateway.ts"
import type { GatewayMessage } from "../gateway/message.ts"
import type { Mono, Wall } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { RangeDescriptor } from "../range/descriptor.ts"
import type { KvRequest } from "../range/request.ts"
import type { KernelConfig } from "./config.ts"
import { Desk } from "./desk.ts"
import type { Effect } from "./effect.ts"
import type { FrameHeader, Input, Stamp } from "./input.ts"
import type { Process } from "./process.ts"

/** The ranges of a store, as its gateway reaches them. */
export interface Ranges {
  request(session: number, request: KvRequest, stamp: Stamp): void
  pushed(pushed: PushedFor, stamp: Stamp): void
}

/** The gateway of a store, and the desk over which it and the ranges there deal with each other. */
export class Gate {
  readonly desk: Desk = new Desk()
  readonly #gateway: Gateway
  /** Something was said to the gateway since it was served. */
  #isTouched = false

  constructor(gateway: Gateway) {
    this.#gateway = gateway
  }

  static open(config: KernelConfig, process: Process, wall: Wall): Gate {
    return new Gate(gatewayFor(config, process, wall))
  }

  /** Whether it has to be served: most steps of a store have nothing to do with it. */
  get isBusy(): boolean {
    return this.#isTouched || !this.desk.isEmpty
  }

  get deadline(): Mono {
    return this.#gateway.deadline
  }

  /** There is a replica of it here. */
  learn(descriptor: RangeDescriptor): void {
    this.#gateway.learn(descriptor)
  }

  request(input: Extract<Input, { readonly type: "txn" }>, isFenced: boolean, isDraining: boolean): void {
    this.#isTouched = true
    const refusal: KernelError | null = isFenced ? FENCED : isDraining ? LEAVING : null
    this.#gateway.request(input.session, input.request, refusal, input)
  }

  message(message: GatewayMessage, header: FrameHeader, stamp: Stamp): void {
    this.#isTouched = true
    this.#gateway.message(message, header, stamp)
  }

  timePassed(stamp: Stamp): void {
    this.#isTouched = true
    this.#gateway.timePassed(stamp)
  }

  /** For people. */
  tell(out: Effect[]): void {
    this.#gateway.tell(out)
  }

  /** Carries to and fro between the gateway and the ranges, until neither has anything more to say. */
  serve(ranges: Ranges, out: Effect[], stamp: Stamp): void {
    this.#isTouched = false
    const [gateway, desk] = [this.#gateway, this.desk]
    while (gateway.hasWork || !desk.isEmpty) {
      for (const { session, reply } of desk.takeReplies()) gateway.replied(session, reply, stamp)
      for (const said of desk.takeWords()) gateway.told(said, stamp)
      for (const effect of gateway.takeEffects()) out.push(effect)
      for (const { session, request } of gateway.takeLocal()) ranges.request(session, request, stamp)
      for (const pushed of gateway.takePushed()) ranges.pushed(pushed, stamp)
    }
  }

  /** Between two steps. */
  save(sink: Sink): void {
    this.#gateway.save(sink)
  }

  static load(reader: ByteReader, { store, timing }: KernelConfig, { nonce }: Process): Gate {
    return new Gate(Gateway.load(reader, store, nonce, timing))
  }
}

const FENCED: KernelError = { code: "clockOutOfBound" }
/** Another store may begin it. */
const LEAVING: KernelError = { code: "notLeader", hint: null, term: 0 }
