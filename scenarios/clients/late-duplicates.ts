import { scenario, type Scenario } from "#sim"

const SECOND = 1_000_000

/** Requests that arrive twice, late, at another store, or after their client has gone. */
export const main: Scenario = scenario({
  name: "late-duplicates",
  about:
    "Clients repeat themselves at several stores and the network repeats them once more, late. A token takes effect once, or not at all once it has expired.",
  cluster: { stores: [3, 5], timing: { tokenTtlUs: 20 * SECOND } },
  workload: { kinds: ["counter"], clients: [6, 10], operations: [700, 1_000] },
  faults: {
    swarm: ["duplicate", "delay", "clog", "crash", "transferLeader"],
    activations: [8, 14],
  },
  marks: ["range.token.repeated", "range.token.expired"],
})
