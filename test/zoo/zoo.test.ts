import assert from "node:assert/strict"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { runInNewContext } from "node:vm"
import { build, transformSync } from "esbuild"
import { afterAll, describe, test } from "vitest"
import { createViteServer } from "vitest/node"
import { main } from "#cli/main.ts"
import { loadZoo } from "#cli/commands/zoo.ts"
import { ORACLES } from "#sim"
import { esbuildPatch, vitePatch } from "./bundle.ts"
import { hunt, pureFailures, run, UNHINTED } from "./hunt.ts"
import type { Edit } from "./mutant.ts"
import { MUTANTS, mutantOf } from "./mutants.ts"
import {
  applyEdit,
  evaluatedIn,
  expectedProbe,
  forgetEvaluated,
  patchedText,
  ROOT,
  Server,
  type Probe,
} from "./patch.ts"
import { parseResults } from "./results.ts"

// The whole zoo is a command: `npx orrery sim zoo`. Here: it fits this kernel, it is really loaded, whichever way, and
// the cheapest of it is caught.

/** Oracles over whole histories, which are not in the table of the online ones. */
const HISTORY_ORACLES = ["LEASE-stale", "ONCE-exactly-once", "LIN-linearizable"]

describe("the catalogue", () => {
  test.each(MUTANTS)(
    "$id, $title: every edit fits exactly one place, and what comes out is a module",
    (mutant) => {
      for (const file of new Set(mutant.edits.map((edit) => edit.file))) {
        const text = patchedText(mutant.edits, file)
        assert.notEqual(text, patchedText([], file))
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

describe("what is loaded", () => {
  /** Each gives what a build of the kernel with these edits says of itself. */
  const loaders: Readonly<Record<string, (mutant: string | null) => Promise<Probe>>> = {
    async "Node's load hook, in a worker"(mutant) {
      const probes: Probe[] = []
      await run({ type: "run", mutant, scenario: UNHINTED, seeds: [], until: [] }, (report) => {
        if (report.type === "loaded") probes.push(report.probe)
        return false
      })
      return probes[0]!
    },
    async "Vite's plugin"(mutant) {
      const server = new Server({ edits: editsOf(mutant), folders: ["kernel"] })
      const vite = await createViteServer({
        configFile: false,
        root: ROOT,
        logLevel: "silent",
        plugins: [vitePatch(server)],
        server: { middlewareMode: true, watch: null, ws: false },
        optimizeDeps: { noDiscovery: true },
      })
      forgetEvaluated(globalThis)
      try {
        await vite.ssrLoadModule("/kernel/index.ts")
        return server.probe(evaluatedIn(globalThis))
      } finally {
        forgetEvaluated(globalThis)
        await vite.close()
      }
    },
    async "the bundler's plugin"(mutant) {
      const server = new Server({ edits: editsOf(mutant), folders: ["kernel"] })
      const { outputFiles } = await build({
        entryPoints: [join(ROOT, "kernel/index.ts")],
        bundle: true,
        format: "iife",
        write: false,
        logLevel: "silent",
        plugins: [esbuildPatch(server)],
      })
      const scope = {}
      runInNewContext(`(globalThis) => {${outputFiles[0]!.text}}`)(scope)
      return server.probe(evaluatedIn(scope))
    },
  }

  describe.each(Object.entries(loaders))("by %s", (_name, probeOf) => {
    test("without a mutant it is the kernel that is shipped", async () => {
      const probe = await probeOf(null)
      assert.ok(probe.files.includes("kernel/raft/raft.ts"))
      assert.deepEqual(probe, expectedProbe([], probe.files))
    })

    test("with one, its text is what was served and what ran, and the rest is as shipped", async () => {
      const mutant = mutantOf("R06")!
      const pure = await probeOf(null)
      const probe = await probeOf(mutant.id)
      assert.deepEqual(probe.files, pure.files)
      assert.deepEqual(probe, expectedProbe(mutant.edits, probe.files))
      assert.notEqual(probe.hash, pure.hash)
      assert.deepEqual(
        probe.evaluated
          .filter((witness) => !pure.evaluated.includes(witness))
          .map((witness) => witness.split(" ")[0]),
        ["kernel/raft/raft.ts", "kernel/raft/replication.ts"],
      )
    })
  })

  test("a file that is edited and never loaded is told from a mutant that runs", () => {
    const edit = { file: "kernel/raft/log.ts", find: "readonly #entries", replace: "#entries" }
    assert.match(expectedProbe([edit], []).evaluated.join(), /log\.ts not loaded/)
  })

  function editsOf(id: string | null): readonly Edit[] {
    return id === null ? [] : mutantOf(id)!.edits
  }
})

describe("the cheapest of the zoo", () => {
  // Seeds with small clusters, so that this stays a matter of seconds. A hunt counts no seed that the shipped kernel fails.
  test.each(["R01", "W01", "R09"])("%s is caught by the oracle it was written for", async (id) => {
    const window = await hunt(mutantOf(id)!, FROM, SEEDS)
    assert.ok(window?.found, `not caught within ${SEEDS} seeds`)
  })

  test("I01, which the campaign seldom meets, is caught where its schedule is written down", async () => {
    const window = await hunt(mutantOf("I01")!, 14, 1, { scenario: "unsure-voter" })
    assert.equal(window?.found?.oracle, "IDENT-damaged")
  })

  test("under another strategy what showed it is kept as a plan, on which the shipped kernel is clean", async () => {
    const window = await hunt(mutantOf("W01")!, FROM, SEEDS, { scenario: UNHINTED, strategy: "priority" })
    const plan = window?.found?.plan
    assert.ok(plan?.faults.some(({ kind }) => kind === "prioritize"))
    assert.deepEqual(await pureFailures([FROM], UNHINTED, plan), [])
  })

  test("on the same seeds nothing is held against the shipped kernel", async () => {
    assert.deepEqual(await pureFailures(Array.from({ length: SEEDS }, (_, i) => FROM + i)), [])
  })

  test("a hunt that is told to stop leaves nothing behind", async () => {
    assert.equal(
      await hunt(mutantOf("I01")!, FROM, SEEDS, { scenario: UNHINTED, shouldStop: () => true }),
      null,
    )
  })
})

describe("orrery sim zoo", () => {
  const folder = mkdtempSync(join(tmpdir(), "orrery-zoo-"))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  async function zoo(
    ...args: string[]
  ): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
    const said = { out: "", err: "" }
    const host = {
      stdout: { write: (text: string) => void (said.out += text) },
      stderr: { write: (text: string) => void (said.err += text) },
      env: {},
      cores: 1,
      engineUrl: "",
      onInterrupt: () => () => undefined,
    }
    return { code: await main(["sim", "zoo", ...args], host), ...said }
  }

  // Green only if the canary was caught: a harness that finds nothing any more is not one that found nothing.
  test("the canary is caught, shrunk, and the next hunt has nothing left to do", async () => {
    const json = join(folder, "canary.json")
    const args = [
      "--mutant",
      "R01",
      "--from",
      String(FROM),
      "--seeds",
      String(SEEDS),
      "--windows",
      "1",
      "--json",
      json,
    ]
    const first = await zoo(...args, "--report", join(folder, "canary.html"))
    assert.equal(first.code, 0, first.out + first.err)
    assert.match(first.out, /R01 +A +vote before persisting +RAFT-vote-durable/)
    assert.match(first.out, /1 of 1 caught/)
    assert.match(readFileSync(join(folder, "canary.html"), "utf8"), /<svg/)
    const results = parseResults(JSON.parse(readFileSync(json, "utf8")), json)
    const canary = results.mutants.find(({ id }) => id === "R01")!
    assert.ok(canary.shrunk!.after.faults <= canary.shrunk!.before.faults)
    const again = await zoo(...args, "--against", json)
    assert.equal(again.code, 0)
    assert.equal(again.err, "")
    assert.match(again.out, /none of 1 is found less often than before/)
  })

  test("a mutant of tier A that is not caught is a failure", async () => {
    const json = join(folder, "missed.json")
    const args = ["--mutant", "R04", "--mutant", "R07", "--seeds", "1", "--json", json, "--jobs", "1"]
    const missed = await zoo(...args)
    assert.equal(missed.code, 1, missed.out)
    assert.match(missed.out, /✗ tier A within 1000 seeds: 0 of 1 \(not R07\)/)
  })

  test("what it cannot do is said in a line", async () => {
    assert.match((await zoo("--mutant", "R1")).err, /there is no "R1", did you mean "R01"/)
    assert.match((await zoo("--scenario", "zoo")).err, /There is no scenario "zoo"/)
    const torn = await zoo("--mutant", "R01", "--against", join(ROOT, "package.json"))
    assert.deepEqual([torn.code, /holds no results of the zoo/.test(torn.err)], [2, true])
  })

  test("where there are no sources it says that it needs a checkout", async () => {
    await assert.rejects(loadZoo(new URL("file:///nowhere/test/zoo/zoo.ts")), {
      name: "EnvironmentError",
      message: /needs a checkout/,
    })
  })
})

const FROM = 19
const SEEDS = 3
