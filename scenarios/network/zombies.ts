import { scenario, type Scenario } from "#sim"

/** What was said by a process that is no more reaches those who know its successor. */
export const main: Scenario = scenario({
  name: "zombies",
  about:
    "Old processes go on talking beside their successors, and messages of earlier lives come again seconds later. Nobody who knows better listens.",
  faults: { swarm: ["zombie", "replayOld", "crash", "hold", "partition"], activations: [10, 18] },
  marks: ["frame.oldBoot"],
})
