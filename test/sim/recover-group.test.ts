import assert from "node:assert/strict"
import { test } from "vitest"
import { drawPlan, simulate, type Plan } from "#sim"
import { main } from "../../scenarios/disks/lost-only-replica.ts"

const MS = 1_000

type Told = { readonly at: number; readonly what: string }

/** A run, and what of it an operator would have seen. */
function lived(plan: Plan): { readonly told: readonly Told[]; readonly answered: readonly number[] } {
  const told: Told[] = []
  const result = simulate(plan, {
    onTrace: {
      happened: (at, _event, what) =>
        void (what.includes("corruptSingleReplica") && told.push({ at, what: "stopped" })),
      stepped: (at, _event, _store, _input, effects) => {
        for (const effect of effects) {
          if (effect.type !== "observe" || effect.observation.type !== "mark") continue
          if (effect.observation.name === "range.refounded") told.push({ at, what: "goes on" })
        }
      },
    },
  })
  assert.equal(result.violation, null)
  assert.equal(result.runClass, "undetectable", "what was acknowledged may be gone")
  const answered = result.history.filter(({ outcome }) => outcome === "ok").map(({ endedAt }) => endedAt)
  return { told, answered }
}

test("a range that stood still for its only replica is served again after the operator's act, and not before", () => {
  let whole = 0
  for (let seed = 1; seed <= 12; seed++) {
    const { told, answered } = lived(drawPlan(main, seed))
    const stopped = told.find(({ what }) => what === "stopped")?.at ?? Infinity
    const goesOn = told.find(({ at, what }) => what === "goes on" && at > stopped)?.at ?? Infinity
    assert.ok(!answered.some((at) => at > stopped + 500 * MS && at < goesOn), `seed ${seed}`)
    if (goesOn < Infinity && answered.some((at) => at > goesOn)) whole++
  }
  assert.ok(whole >= 4, `${whole} runs came through`)
})

test("an order that names a generation that is not there leaves the store where it was", () => {
  const drawn = drawPlan(main, 8)
  const faults = drawn.faults.map((fault) =>
    fault.kind === "recoverGroup" ? { ...fault, args: { ...fault.args, generation: 7 } } : fault,
  )
  const { told } = lived({ ...drawn, faults })
  assert.ok(told.some(({ what }) => what === "stopped"))
  assert.ok(!told.some(({ what }) => what === "goes on"))
})

test("a range whose only replica lost its very creation is never spoken of as if it had not been", () => {
  for (const seed of [12, 13, 31]) {
    let forgotAt = Infinity
    const codes = new Map<string, number>()
    simulate(drawPlan(main, seed), {
      onTrace: {
        happened: (at, _event, what) => {
          if (what.includes("may have forgotten")) forgotAt = Math.min(forgotAt, at)
        },
        stepped: (at, _event, _store, _input, effects) => {
          for (const effect of effects) {
            if (effect.type !== "reply" || at < forgotAt || effect.reply.type !== "error") continue
            const { code } = effect.reply.error
            codes.set(code, (codes.get(code) ?? 0) + 1)
          }
        },
      },
    })
    assert.ok(forgotAt < Infinity, `seed ${seed}: it was noticed`)
    assert.deepEqual([...codes.keys()], ["recovering"], `seed ${seed}`)
    assert.ok(codes.get("recovering")! > 100, `seed ${seed}`)
  }
})
