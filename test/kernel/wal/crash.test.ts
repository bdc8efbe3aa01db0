import { Sfc32 } from "#kernel/lib/rng.ts"
import { assert, expect, test } from "vitest"
import {
  cloneModel,
  describeModel,
  describeRecovered,
  History,
  Rig,
  type Model,
} from "../../support/wal-arbitraries.ts"

/** Random frames; afterwards one of them is unsynced. */
function runHistory(
  seed: number,
  frames: number,
): { rig: Rig; history: History; durable: Model; framed: Model } {
  const rng = new Sfc32(seed, 1)
  const rig = new Rig(seed)
  const history = new History(rng)
  let durable = cloneModel(history.model)
  for (let i = 0; i < frames; i++) {
    durable = cloneModel(history.model)
    for (let n = rng.below(4); n >= 0; n--) rig.wal.append(history.next())
    rig.turn()
    if (i < frames - 1) rig.sync()
  }
  return { rig, history, durable, framed: cloneModel(history.model) }
}

test("whatever sectors of the unsynced frame survive a crash, the log is what was durable, or that and the whole frame", () => {
  const rng = new Sfc32(9, 9)
  for (let seed = 1; seed <= 1500; seed++) {
    const { rig, durable, framed } = runHistory(seed, 1 + rng.below(12))
    const mode = rng.below(4)
    const isWhole = rig.crash(() => (mode === 0 ? false : mode === 1 ? true : rng.below(2) === 0))
    const recovered = rig.recover()
    const context = `seed ${seed}`
    expect(["clean", "tornTail"], context).toContain(recovered.verdict)
    expect(describeRecovered(recovered.groups), context).toEqual(describeModel(isWhole ? framed : durable))
    if (isWhole) expect(recovered.verdict, context).toBe("clean")
  }
})

test("a log goes on after any number of crashes, and reading it twice gives the same", () => {
  for (let seed = 1; seed <= 120; seed++) {
    const rng = new Sfc32(seed, 5)
    const rig = new Rig(seed)
    const history = new History(rng)
    let expected = cloneModel(history.model)
    for (let boot = 0; boot < 6; boot++) {
      for (let i = rng.below(6); i > 0; i--) {
        for (let n = rng.below(3); n >= 0; n--) rig.wal.append(history.next())
        rig.turn()
        expected = cloneModel(history.model)
        rig.sync()
        if (rng.below(3) === 0) rig.turn()
      }
      rig.wal.append(history.next())
      rig.turn()
      if (rig.crash(() => rng.below(3) > 0)) expected = cloneModel(history.model)
      const recovered = rig.recover()
      assert.deepEqual(
        describeRecovered(recovered.groups),
        describeModel(expected),
        `seed ${seed} boot ${boot}`,
      )
      assert.deepEqual(describeRecovered(rig.recover().groups), describeRecovered(recovered.groups))
      assert.equal(recovered.damage.length, 0)
      rig.restart(recovered)
      history.model.clear()
      for (const [group, state] of expected)
        history.model.set(group, { ...state, entries: [...state.entries] })
    }
  }
})
