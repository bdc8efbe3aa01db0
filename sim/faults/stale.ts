import type { Frame, Lane } from "#kernel"
import type { FrameListener } from "../env/network.ts"
import { argument, storesOf, type FaultKindActions, type Stage } from "./stage.ts"

/** How often the tape looks whether somebody has started anew. */
const LOOK_US = 100_000
/** Of so many frames one is kept: a tape of a whole life, not of its last moment. */
const SPARSE = 8

type Taped = { readonly from: number; readonly to: number; readonly lane: Lane; readonly frame: Frame }

/** What some stores said last, and since when each of them speaks as who it is now. */
class Tape implements FrameListener {
  readonly #stage: Stage
  readonly #stores: readonly number[]
  readonly #max: number
  #taped: Taped[] = []
  readonly #newest = new Map<number, { readonly boot: number; readonly at: number }>()
  #heard = 0

  constructor(stage: Stage, stores: readonly number[], max: number) {
    this.#stage = stage
    this.#stores = stores
    this.#max = max
  }

  frameSent(from: number, to: number, lane: Lane, frame: Frame): void {
    if (!this.#stores.includes(from)) return
    const { fromBoot } = frame.header
    const newest = this.#newest.get(from)
    if (newest === undefined || newest.boot < fromBoot)
      this.#newest.set(from, { boot: fromBoot, at: this.#stage.now })
    if (this.#heard++ % SPARSE !== 0) return
    this.#taped.push({ from, to, lane, frame })
    if (this.#taped.length <= this.#max) return
    // What is about to come again stays until it has.
    const oldest = this.#taped.findIndex((taped) => !this.#isOutlived(taped))
    this.#taped.splice(Math.max(0, oldest), 1)
  }

  /** What was said in lives whose successor has been heard for `afterUs`: it leaves the tape. */
  takeDue(afterUs: number): readonly Taped[] {
    const isDue = (taped: Taped): boolean =>
      this.#isOutlived(taped) && this.#stage.now - this.#newest.get(taped.from)!.at >= afterUs
    const due = this.#taped.filter(isDue)
    if (due.length > 0) this.#taped = this.#taped.filter((taped) => !isDue(taped))
    return due
  }

  #isOutlived({ from, frame }: Taped): boolean {
    return frame.header.fromBoot < (this.#newest.get(from)?.boot ?? 0)
  }
}

/** A process is started anew although the old one still runs. */
export const zombie: FaultKindActions = {
  begin(stage, run) {
    const restartAt = stage.now + argument(run, "restartUs", 500_000)
    for (const store of storesOf(stage, run)) {
      if (stage.raise(store, run, argument(run, "hearsPpm", 0), restartAt)) run.applied = true
    }
  },
  lift(stage, run) {
    for (const store of storesOf(stage, run)) {
      const host = stage.host(store)
      if (host.zombie?.id !== run.fault.id) continue
      host.zombie.end()
      host.zombie = null
    }
  },
}

/** What an earlier life of a store has said comes again, to stores that know a later one. */
export const replayOld: FaultKindActions = {
  begin(stage, run) {
    const tape = new Tape(stage, storesOf(stage, run), argument(run, "messages", 100))
    run.own = tape
    run.applied = true
    stage.network.listen(tape)
    run.next = stage.actAt(run, 1, stage.now + LOOK_US)
  },
  act(stage, run) {
    if (!(run.own instanceof Tape)) return
    for (const { from, to, lane, frame } of run.own.takeDue(argument(run, "afterUs", 0))) {
      run.tally.changes++
      stage.network.replay(from, to, lane, frame)
    }
    run.next = stage.actAt(run, 1, stage.now + LOOK_US)
  },
  lift(stage, run) {
    if (run.own instanceof Tape) stage.network.unlisten(run.own)
    run.own = null
  },
}
