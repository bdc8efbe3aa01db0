import assert from "node:assert/strict"
import { transformSync } from "esbuild"
import { describe, test } from "vitest"
import { ORACLES } from "#sim"
import { hunt, pureFailures, run, UNHINTED } from "./hunt.ts"
import { applyEdit, expectedProbe, mutatedText, type Probe } from "./load.ts"
import { MUTANTS, mutantOf } from "./mutants.ts"

// The whole zoo is a command: `node test/zoo/run.ts`. Here: it fits this kernel, it is really loaded, and the cheapest
// of it is caught.

/** Oracles over whole histories, which are not in the table of the online ones. */
const HISTORY_ORACLES = ["LEASE-stale", "ONCE-exactly-once", "LIN-linearizable"]

describe("the catalogue", () => {
  test.each(MUTANTS)(
    "$id, $title: every edit fits exactly one place, and what comes out is a module",
    (mutant) => {
      for (const file of new Set(mutant.edits.map((edit) => edit.file))) {
        const text = mutatedText(mutant, file)
        assert.notEqual(text, mutatedText(null, file))
        assert.doesNotThrow(() => transformSync(text, { loader: "ts", format: "esm", logLevel: "silent" }))
      }
    },
  )

  test("an edit whose place is gone, or is no longer the only one, is refused", () => {
    const edit = { file: "kernel/a.ts", find: "b", replace: "c" }
    assert.equal(applyEdit("abd", edit), "acd")
    assert.throws(() => applyEdit("ad", edit), /it has no "b"/)
    assert.throws(() => applyEdit("abdb", edit), /more than once/)
  })

  test("ids are unique and every intended oracle exists", () => {
    const known = [...ORACLES.map((oracle) => oracle.id), ...HISTORY_ORACLES]
    assert.equal(new Set(MUTANTS.map((mutant) => mutant.id)).size, MUTANTS.length)
    const unknown = MUTANTS.flatMap((mutant) => mutant.oracles).filter((oracle) => !known.includes(oracle))
    assert.deepEqual(unknown, [])
  })
})

describe("the loader", () => {
  async function probeOf(id: string | null): Promise<Probe> {
    const probes: Probe[] = []
    await run({ mutant: id, scenario: UNHINTED, seeds: [], until: [] }, (report) => {
      if (report.type === "loaded") probes.push(report.probe)
    })
    return probes[0]!
  }

  test("without a mutant, what a worker loads is the kernel that is shipped", async () => {
    const probe = await probeOf(null)
    assert.ok(probe.files.includes("kernel/raft/raft.ts"))
    assert.deepEqual(probe, expectedProbe(null, probe.files))
    assert.deepEqual(probe.evaluated, [])
  })

  test("with one, its text is what was served and what ran, and the rest is as shipped", async () => {
    const mutant = mutantOf("R06")!
    const pure = await probeOf(null)
    const probe = await probeOf(mutant.id)
    assert.deepEqual(probe.files, pure.files)
    assert.deepEqual(probe, expectedProbe(mutant, probe.files))
    assert.notEqual(probe.hash, pure.hash)
    assert.deepEqual(
      probe.evaluated.map((witness) => witness.split(" ")[0]),
      ["kernel/raft/raft.ts", "kernel/raft/replication.ts"],
    )
  })
})

describe("the cheapest of the zoo", () => {
  // Seeds with small clusters, so that this stays a matter of seconds. A hunt counts no seed that the shipped kernel fails.
  test.each(["R01", "W01", "R09"])("%s is caught by the oracle it was written for", async (id) => {
    const { found, seeds } = await hunt(mutantOf(id)!, FROM, SEEDS)
    assert.ok(found !== null, `not caught within ${seeds} seeds`)
  })

  test("I01, which the campaign seldom meets, is caught where its schedule is written down", async () => {
    const { found, seeds } = await hunt(mutantOf("I01")!, 14, 1, undefined, "unsure-voter")
    assert.ok(found?.oracle === "IDENT-damaged", `not caught within ${seeds} seeds`)
  })

  test("on the same seeds nothing is held against the shipped kernel", async () => {
    assert.deepEqual(await pureFailures(Array.from({ length: SEEDS }, (_, i) => FROM + i)), [])
  })
})

const FROM = 19
const SEEDS = 3
