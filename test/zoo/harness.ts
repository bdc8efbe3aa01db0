import type { Edit } from "./mutant.ts"

/** A bug planted in the simulator itself, and the one test that must turn red over it. */
export type HarnessMutant = {
  readonly id: string
  /** The break in a few words. */
  readonly title: string
  /** What would go unseen: the reason why the test is there. */
  readonly about: string
  readonly test: { readonly file: string; readonly name: string }
  readonly edits: readonly [Edit, ...Edit[]]
}

/** Who tests the testers: a simulator that has gone blind is as green as one that has nothing to find. */
export const HARNESS_MUTANTS: readonly HarnessMutant[] = [
  {
    id: "H01",
    title: "an unseeded draw",
    about: "A failure would have no seed.",
    test: { file: "test/sim/world.test.ts", name: "one plan, run twice, gives one trace and one state" },
    edits: [
      {
        file: "sim/draws.ts",
        find: "let hash = stir(0x2545_f491, seed | 0)",
        replace: "let hash = stir(Math.floor(Math.random() * 0x1_0000_0000) | 0, seed | 0)",
      },
    ],
  },
  {
    id: "H02",
    title: "one stream of chance for all",
    about: "A fault that is left out would change every later draw, and nothing could be shrunk.",
    test: {
      file: "test/sim/world.test.ts",
      name: "a fault dropped from the plan shifts no draw of what it did not touch",
    },
    edits: [
      {
        file: "sim/draws.ts",
        find: "/** One draw in [0, 2^32).",
        replace: "let drawn = 0\n\n/** One draw in [0, 2^32).",
      },
      {
        file: "sim/draws.ts",
        find: "hash = stir(hash, counter)",
        replace: "hash = stir(hash, counter)\n  hash = stir(hash, drawn++)",
      },
    ],
  },
  {
    id: "H03",
    title: "events of one moment in reverse",
    about: "What is asked for first would happen last: messages would pass each other on a healthy link.",
    test: {
      file: "test/sim/scheduler.test.ts",
      name: "events happen by time, those of one moment in the order they were asked for",
    },
    edits: [
      {
        file: "sim/scheduler.ts",
        find: "if (times[parent]! <= at) break",
        replace: "if (times[parent]! < at) break",
      },
    ],
  },
  {
    id: "H04",
    title: "a trace hash that hears nothing",
    about: "Two runs that part would look like one.",
    test: { file: "test/sim/world.test.ts", name: "another seed is another run" },
    edits: [
      {
        file: "sim/trace/hash.ts",
        find: "if (!this.#isOn) this.#digest.events++",
        replace: "if (this.#isOn) this.#digest.events++",
      },
      {
        file: "sim/trace/hash.ts",
        find: "this.#digest.opened(store, boot, effects)",
        replace: "",
      },
    ],
  },
  {
    id: "H05",
    title: "one seed for all plans",
    about: "A campaign of a million seeds would be one run.",
    test: { file: "test/sim/plan/draw.test.ts", name: "one seed draws one plan, another seed another" },
    edits: [
      {
        file: "sim/plan/draw.ts",
        find: "new Chance(`${scenario.name}/${seed}`)",
        replace: "new Chance(`${scenario.name}/${seed * 0}`)",
      },
      { file: "sim/plan/draw.ts", find: "    seed,\n  }", replace: "    seed: 0,\n  }" },
    ],
  },
  {
    id: "H06",
    title: "a checker that never fires",
    about: "Two votes in a term would pass.",
    test: {
      file: "test/sim/check/raft.test.ts",
      name: "a second vote in a term fires one vote, in one boot and over a restart",
    },
    edits: [
      {
        file: "sim/check/raft.ts",
        find: "if (before !== undefined && before !== votedFor) {",
        replace: "if (before !== undefined && before < 0) {",
      },
    ],
  },
  {
    id: "H07",
    title: "a checker that believes what it is told",
    about: "A commit that only its leader's memory holds would pass.",
    test: {
      file: "test/sim/check/raft.test.ts",
      name: "a commit that only the leader's memory holds fires commit quorum",
    },
    edits: [
      {
        file: "sim/check/quorums.ts",
        find: "if (held * 2 > members.length) return",
        replace: "if (held >= 0) return",
      },
    ],
  },
  {
    id: "H08",
    title: "a search that finds every history good",
    about: "A stale read would pass.",
    test: {
      file: "test/sim/check/linearizable.test.ts",
      name: "a read that begins after a write has ended must not be stale",
    },
    edits: [
      {
        file: "sim/check/linearizable.ts",
        find: 'if (verdict === "invalid") {',
        replace: 'if (verdict === "invalid" && steps < 0) {',
      },
    ],
  },
  {
    id: "H09",
    title: "patience without end",
    about: "A cluster that never stops electing would pass for one at rest.",
    test: {
      file: "test/sim/check/liveness.test.ts",
      name: "terms that go on rising in settled quiet fire no livelock; one election does not",
    },
    edits: [
      {
        file: "sim/check/liveness.ts",
        find: "if (group.rises > RISES_MAX) {",
        replace: "if (group.rises < 0) {",
      },
    ],
  },
  {
    id: "H10",
    title: "the last word instead of the first",
    about: "What broke would be named by what it broke in turn.",
    test: {
      file: "test/sim/world.test.ts",
      name: "the first report of a checker is the verdict, with its time and event",
    },
    edits: [
      {
        file: "sim/world.ts",
        find: "this.violation ??= { oracle, message, at: this.now, event: this.event }",
        replace: "this.violation = { oracle, message, at: this.now + 1, event: this.event - 1 }",
      },
    ],
  },
  {
    id: "H11",
    title: "a fault that is never applied",
    about: "Crashes would stand in plans and strike nobody.",
    test: {
      file: "test/sim/faults.test.ts",
      name: "a crash kills the process and loses what it knew; it starts again after its time",
    },
    edits: [
      {
        file: "sim/faults/process.ts",
        find: "if (stage.crash(store, powerLoss, restartAt)) run.tally.changes++",
        replace: "if (restartAt > 0 || powerLoss) run.tally.changes++",
      },
    ],
  },
  {
    id: "H12",
    title: "a fault that is never lifted",
    about: "Quiet would not be quiet, and every broken promise of liveness the fault's.",
    test: {
      file: "test/sim/world.test.ts",
      name: "everything is lifted when a quiet part begins, and who was down comes back",
    },
    edits: [
      {
        file: "sim/faults/injector.ts",
        find: "for (const run of this.runs) if (run.active) this.#lift(run, true)",
        replace: "",
      },
    ],
  },
  {
    id: "H13",
    title: "faults in the quiet part",
    about: "A cluster would be blamed for what it had no time to recover from.",
    test: {
      file: "test/sim/world.test.ts",
      name: "everything is lifted when a quiet part begins, and who was down comes back",
    },
    edits: [
      {
        file: "sim/faults/injector.ts",
        find: "if (!isQuiet(this.#phases, fault.at))",
        replace: "if (isQuiet(this.#phases, fault.at) || fault.at >= 0)",
      },
    ],
  },
  {
    id: "H14",
    title: "everything excused",
    about: "Plans within the model would be judged as if all stores had forgotten.",
    test: { file: "test/sim/faults.test.ts", name: "crashes, partitions and power losses damage nobody" },
    edits: [
      {
        file: "sim/faults/atlas.ts",
        find: 'return areClocksApart || isOverwhelmed(plan) ? "detectable" : "within"',
        replace: 'return areClocksApart || isOverwhelmed(plan) ? "detectable" : "undetectable"',
      },
    ],
  },
  {
    id: "H15",
    title: "a power loss that loses nothing",
    about: "Whatever is acknowledged too early would be there all the same.",
    test: {
      file: "test/sim/env-disk.test.ts",
      name: "a power loss leaves an unsynced write lost, whole, torn or in any subset of its sectors",
    },
    edits: [
      {
        file: "sim/env/disk.ts",
        find: "files.segment(write.segment)?.settle(write.offset, write.bytes, this.#settleKey(volume))",
        replace: "files.segment(write.segment)?.bytes.set(write.bytes, write.offset)",
      },
    ],
  },
  {
    id: "H16",
    title: "a dropped completion",
    about: "What waits for a disk would wait for ever, and liveness be the kernel's fault.",
    test: {
      file: "test/sim/world.test.ts",
      name: "a client's request is answered once what it rests on is durable, and its timers fire",
    },
    edits: [
      {
        file: "sim/store-host.ts",
        find: 'if (outcome === "appendSynced" && !this.process.paused) this.#releaseHeld()',
        replace: 'if (outcome === "appendSynced") return',
      },
    ],
  },
  {
    id: "H17",
    title: "a partition that lets everything through",
    about: "Cuts would be counted and cut nothing.",
    test: {
      file: "test/sim/env.test.ts",
      name: "a partition cuts both ways, what is under way as well, and heals",
    },
    edits: [
      {
        file: "sim/env/link-overlay.ts",
        find: `if (this.fault.type === "partition") return true`,
        replace: `if (this.fault.type === "partition") return false`,
      },
    ],
  },
  {
    id: "H18",
    title: "a shrinker that changes the oracle",
    about: "The small failure would be another bug than the large one.",
    test: {
      file: "test/sim/shrink/shrink.test.ts",
      name: "a shrunk plan is 1-minimal over faults and operations and fails by the same check only",
    },
    edits: [
      {
        file: "sim/shrink/drive.ts",
        find: "const isTaken = seen?.oracle === oracle",
        replace: "const isTaken = seen !== null",
      },
    ],
  },
  {
    id: "H19",
    title: "doubt taken for failure",
    about: "A write whose answer was lost would be said not to have happened.",
    test: {
      file: "test/sim/workload/client.test.ts",
      name: "a write without a token that times out is over, and nobody knows how it ended",
    },
    edits: [
      {
        file: "sim/workload/client.ts",
        find: `if (op.abandoned || !repeatable) return ended(writes ? "info" : "fail", token, attempt)
      continue`,
        replace: `if (op.abandoned || !repeatable) return ended(writes && attempt < 0 ? "info" : "fail", token, attempt)
      continue`,
      },
    ],
  },
  {
    id: "H20",
    title: "a capsule that forgets a fault",
    about: "A failure would not fail again.",
    test: { file: "test/sim/trace/capsule.test.ts", name: "a capsule survives being written and read" },
    edits: [
      {
        file: "sim/trace/capsule.ts",
        find: `"faults": \${listed(faults)}`,
        replace: `"faults": \${listed(faults.slice(1))}`,
      },
    ],
  },
]
