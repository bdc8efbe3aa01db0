import { assert, test } from "vitest"
import { DEFAULT_TIMING } from "#kernel"
import { drawPlan, scenario, simulate, type RunResult, type Scenario } from "#sim"

const SECOND = 1_000_000
const { livenessUs, supportUs, leaseUs, clockBoundUs, syncOverdueUs } = DEFAULT_TIMING
const SHIPPED = { livenessUs, supportUs, leaseUs, clockBoundUs, syncOverdueUs }

function quiet(ranges: number, faults: Scenario["faults"] = {}): Scenario {
  return scenario({
    name: `rest-${ranges}`,
    about: "Nobody asks anything.",
    // Stores ask each other once a second, as they are shipped.
    cluster: { stores: 5, spares: 0, ranges, tenants: 1, replicas: 3, timing: SHIPPED },
    workload: { kinds: ["register"], clients: 1, operations: 0, keys: 1 },
    faults,
    phases: { rounds: 1, faultsUs: 30 * SECOND, quietUs: 30 * SECOND },
    smallBecause: "it measures idleness",
  })
}

type Counts = { steps: number; groupSends: number; storeSends: number }

/** What happens in the last half of a run. */
function restOf(ranges: number, seed: number): { readonly counts: Counts; readonly result: RunResult } {
  const counts = { steps: 0, groupSends: 0, storeSends: 0 }
  const result = simulate(drawPlan(quiet(ranges), seed), {
    onTrace: {
      stepped(now, _event, _store, _input, effects) {
        if (now < 30 * SECOND) return
        counts.steps++
        for (const effect of effects) {
          if (effect.type !== "send") continue
          if (effect.message.type === "storeHeartbeat") counts.storeSends++
          else counts.groupSends++
        }
      },
      happened() {},
    },
  })
  return { counts, result }
}

test("groups in which nothing happens cost nothing: 150 of them no more than six", () => {
  const few = restOf(6, 3)
  const many = restOf(150, 3)
  for (const { counts, result } of [few, many]) {
    assert.equal(result.verdict, "valid", result.violation?.message)
    assert.equal(counts.groupSends, 0)
    // Five stores, each to the four others at most, once a second for thirty seconds.
    assert.isTrue(counts.storeSends > 400 && counts.storeSends <= 620, String(counts.storeSends))
  }
  assert.isBelow(many.counts.steps, few.counts.steps * 1.1)
})

test("a leader that dies is followed by another within five seconds, within four in nineteen of twenty", () => {
  const waits: number[] = []
  for (let seed = 1; seed <= 25; seed++) {
    const plan = drawPlan(
      quiet(2, {
        script: [
          {
            kind: "crash",
            stores: "leader",
            atUs: [8 * SECOND, 12 * SECOND],
            forUs: SECOND,
            args: { restartUs: 12 * SECOND, powerLoss: [0, 1] },
          },
        ],
      }),
      seed,
    )
    // With the timing that is shipped.
    const timing = {
      heartbeatUs: 100_000,
      electionUsMin: SECOND,
      electionUsMax: 2 * SECOND,
      clockBoundUs: 250_000,
    }
    const support = { livenessUs: SECOND, supportUs: 3 * SECOND, leaseUs: 3 * SECOND, staggerUs: 300_000 }
    const shipped = { ...plan.cluster.config.timing, ...timing, ...support, syncOverdueUs: 1_500_000 }
    const config = { ...plan.cluster.config, timing: shipped }
    const leaders = new Map<number, number>()
    const down: { group: number; at: number }[] = []
    const result = simulate(
      { ...plan, cluster: { ...plan.cluster, config } },
      {
        onTrace: {
          stepped(now, _event, store, _input, effects) {
            for (const effect of effects) {
              if (effect.type !== "observe" || effect.observation.type !== "roleChanged") continue
              const { group, role } = effect.observation
              if (role !== "leader") continue
              leaders.set(group, store)
              const at = down.findIndex((each) => each.group === group)
              if (at >= 0) waits.push(now - down.splice(at, 1)[0]!.at)
            }
          },
          happened(now, _event, what) {
            const store = Number(/^store (\d+) (?:crashes|loses power)$/.exec(what)?.[1] ?? 0)
            for (const [group, led] of leaders) if (led === store) down.push({ group, at: now })
          },
        },
      },
    )
    assert.equal(result.verdict, "valid", result.violation?.message)
    assert.deepEqual(down, [], `seed ${seed}`)
  }
  waits.sort((a, b) => a - b)
  assert.isAbove(waits.length, 25)
  assert.isAtMost(waits.at(-1)!, 5 * SECOND)
  assert.isAtMost(waits[Math.floor(waits.length * 0.95)]!, 4 * SECOND)
})
