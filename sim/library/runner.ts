import { InvariantError } from "#kernel"
import type { Dice, Machine, MachineEffect, MachineInput, NodeEnv } from "./machine.ts"
import { copyPlain, freezePlain, NotPlainError, plainText } from "./plain.ts"

/** A machine whose own types nobody in here needs to know. */
export type AnyMachine = Machine<unknown>
export type AnyInput = MachineInput<unknown, unknown>
export type AnyEffect = MachineEffect<unknown, unknown>

/** A rule of machines that one has broken: the oracle that the run fails. */
export class Breach extends Error {
  override readonly name = "Breach"
  readonly oracle: string

  constructor(oracle: string, message: string) {
    super(message)
    this.oracle = oracle
  }
}

/** What engines say to whoever changes a frozen object. */
const FROZEN = /read.?only|not extensible|cannot delete|unconfigurable|frozen/i

/**
 * Calls a machine, and when it is on guard holds it to its promise: every step is taken twice from the same
 * state with the same dice and must come to the same, the state it is given is frozen and must be the same
 * afterwards, and everything it makes is plain data.
 *
 * Not noticed: a machine that reads a clock which shows the same at both calls. Running a whole plan again
 * (`verify`) finds that.
 */
export class Runner {
  readonly machine: AnyMachine
  readonly #onGuard: boolean
  readonly #name: string

  constructor(machine: AnyMachine, onGuard: boolean) {
    this.machine = machine
    this.#onGuard = onGuard
    this.#name = `Machine ${machine.name}`
    const hasBoth = machine.save !== undefined && machine.load !== undefined
    if ((machine.save === undefined) !== (machine.load === undefined) || (machine.inPlace && !hasBoth)) {
      throw new InvariantError(`Cannot run ${machine.name}: "save" and "load" belong together`)
    }
  }

  init(env: NodeEnv): unknown {
    return this.#called("init", () => {
      const state = this.machine.init(env)
      if (this.#onGuard && this.text(state) !== this.text(this.machine.init(env)))
        this.#differs("init", "a state")
      return state
    })
  }

  /** One step; `dice` gives the same ones each time. */
  step(
    env: NodeEnv,
    state: unknown,
    input: AnyInput,
    dice: () => Dice,
  ): { readonly state: unknown; readonly effects: readonly AnyEffect[]; readonly effectsText: string } {
    return this.#called("step", () => {
      if (!this.#onGuard) {
        const next = this.machine.step(state, input, dice())
        return { ...next, effectsText: plainText(next.effects, "effects") }
      }
      freezePlain(input)
      if (this.machine.inPlace === true) return this.#stepInPlace(env, state, input, dice)
      if (this.machine.save === undefined) freezePlain(state)
      const before = this.text(state)
      const next = this.machine.step(state, input, dice())
      if (this.text(state) !== before) this.#mutates(input.type)
      const effectsText = plainText(next.effects, "effects")
      const nextText = this.text(next.state)
      const again = this.machine.step(state, input, dice())
      if (this.text(again.state) !== nextText) this.#differs(`step (${input.type})`, "another state")
      if (plainText(again.effects, "effects") !== effectsText)
        this.#differs(`step (${input.type})`, "other effects")
      return { ...next, effectsText }
    })
  }

  /** The state as a machine has it that was saved and loaded; `same` says whether it would save the same again. */
  reload(state: unknown, env: NodeEnv): { readonly state: unknown; readonly same: boolean } {
    return this.#called("load", () => {
      const loaded = this.#copy(state, env)
      return { state: loaded, same: this.text(loaded) === this.text(state) }
    })
  }

  /** Equal texts, equal states. */
  text(state: unknown): string {
    const { save } = this.machine
    return save === undefined ? plainText(state, "state") : plainText(save(state), "what save gives")
  }

  leads(state: unknown): boolean {
    return this.machine.leads?.(state) === true
  }

  #stepInPlace(env: NodeEnv, state: unknown, input: AnyInput, dice: () => Dice): ReturnType<Runner["step"]> {
    const twin = this.#copy(state, env)
    const next = this.machine.step(state, copyPlain(input, "input"), dice())
    const effectsText = plainText(next.effects, "effects")
    const again = this.machine.step(twin, copyPlain(input, "input"), dice())
    if (plainText(again.effects, "effects") !== effectsText) {
      this.#differs(`step (${input.type})`, "other effects once it was saved and loaded")
    }
    if (this.text(again.state) !== this.text(next.state)) {
      this.#differs(`step (${input.type})`, "another state once it was saved and loaded")
    }
    return { ...next, effectsText }
  }

  #copy(state: unknown, env: NodeEnv): unknown {
    const { save, load } = this.machine
    if (save === undefined || load === undefined) return copyPlain(state, "state")
    return load(copyPlain(save(state), "what save gives"), env)
  }

  #called<T>(what: string, call: () => T): T {
    try {
      return call()
    } catch (error) {
      if (error instanceof Breach) throw error
      if (error instanceof NotPlainError) throw new Breach("DET-not-plain", `${this.#name}: ${error.message}`)
      const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
      if (this.#onGuard && error instanceof TypeError && FROZEN.test(error.message)) {
        throw new Breach("DET-mutates", `${this.#name}: ${what} changes what it was given. ${text}`)
      }
      throw new Breach("RES-threw", `${this.#name}: ${what} threw. ${text}`)
    }
  }

  #mutates(type: string): never {
    throw new Breach("DET-mutates", `${this.#name}: step (${type}) changes the state it was given`)
  }

  #differs(what: string, came: string): never {
    const why = "so it rests on something that is neither its state nor its input"
    throw new Breach("DET-differs", `${this.#name}: ${what} taken twice came to ${came}, ${why}`)
  }
}
