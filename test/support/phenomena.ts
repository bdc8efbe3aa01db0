import type { Anomaly } from "#sim/check/isolation/findings.ts"
import type { Transaction } from "#sim/check/isolation/history.ts"
import { txn } from "./transactions.ts"

/**
 * The phenomena by their definitions, each as small as it can be, and beside each what nearly is one. What is expected
 * is the worst anomaly at read committed, at snapshot isolation and when serializable; null is valid.
 */
export type Phenomenon = {
  readonly name: string
  readonly history: readonly Transaction[]
  readonly expected: readonly [Anomaly | null, Anomaly | null, Anomaly | null]
  readonly pattern?: string
  /** Who takes part in what is found when serializable, if not all. */
  readonly involved?: readonly number[]
}

const everywhere = (anomaly: Anomaly | null): readonly [Anomaly | null, Anomaly | null, Anomaly | null] => [
  anomaly,
  anomaly,
  anomaly,
]
const VALID = everywhere(null)

export const PHENOMENA: readonly Phenomenon[] = [
  {
    name: "dirty write: two keys end in opposite orders",
    history: [txn(1, "a x 1; a y 1"), txn(2, "a x 2; a y 2"), txn(3, "r x [1 2]"), txn(4, "r y [2 1]")],
    expected: everywhere("G0"),
    pattern: "dirty write",
    involved: [1, 2],
  },
  {
    name: "two keys end in the same order",
    history: [txn(1, "a x 1; a y 1"), txn(2, "a x 2; a y 2"), txn(3, "r x [1 2]"), txn(4, "r y [1 2]")],
    expected: VALID,
  },
  {
    name: "dirty write in one list: another's append stands between two of one transaction",
    history: [txn(1, "a x 1; a x 3"), txn(2, "a x 2"), txn(3, "r x [1 2 3]")],
    expected: everywhere("G0"),
    pattern: "dirty write",
    involved: [1, 2],
  },
  {
    name: "aborted read of a list",
    history: [txn(1, "a x 1", { status: "fail" }), txn(2, "r x [1]")],
    expected: everywhere("G1a"),
    pattern: "aborted read",
  },
  {
    name: "aborted read of a register",
    history: [txn(1, "w x 1", { status: "fail" }), txn(2, "r x 1")],
    expected: everywhere("G1a"),
    pattern: "aborted read",
  },
  {
    name: "an aborted write that was tried again with success, and read",
    history: [txn(1, "w x 1", { status: "fail" }), txn(2, "w x 1"), txn(3, "r x 1")],
    expected: VALID,
  },
  {
    name: "a write that was read, and tried again in vain",
    history: [txn(1, "w x 1"), txn(2, "w x 1", { status: "fail" }), txn(3, "r x 1")],
    expected: VALID,
  },
  {
    name: "an append of unknown outcome that was read",
    history: [txn(1, "a x 1", { status: "info" }), txn(2, "r x [1]")],
    expected: VALID,
  },
  {
    name: "what a transaction of unknown outcome did is seen in part",
    history: [txn(1, "a x 1; a y 1", { status: "info" }), txn(2, "r x [1]; r y []"), txn(3, "r y [1]")],
    expected: [null, "G-single", "G-single"],
    pattern: "read skew",
    involved: [1, 2],
  },
  {
    name: "what a transaction of unknown outcome wrote is seen in part",
    history: [txn(1, "w x 1; w y 1", { status: "info" }), txn(2, "r x 1; r y .")],
    expected: [null, "G-single", "G-single"],
    pattern: "read skew",
  },
  {
    name: "dirty update: a committed append on top of an aborted one",
    history: [txn(1, "a x 1", { status: "fail" }), txn(2, "a x 2"), txn(3, "r x [1 2]")],
    expected: everywhere("G1a"),
    involved: [3, 1],
  },
  {
    name: "intermediate read of a list",
    history: [txn(1, "a x 1; a x 2"), txn(2, "r x [1]"), txn(3, "r x [1 2]")],
    expected: everywhere("G1b"),
    pattern: "intermediate read",
    involved: [2, 1],
  },
  {
    name: "a transaction reads its own intermediate append",
    history: [txn(1, "a x 1; r x [1]; a x 2; r x [1 2]"), txn(3, "r x [1 2]")],
    expected: VALID,
  },
  {
    name: "intermediate read of a register",
    history: [txn(1, "w x 1; w x 2"), txn(2, "r x 1")],
    expected: everywhere("G1b"),
    pattern: "intermediate read",
  },
  {
    name: "circular information flow: two read from each other",
    history: [txn(1, "a x 1; r y [2]"), txn(2, "a y 2; r x [1]")],
    expected: everywhere("G1c"),
    pattern: "circular information flow",
  },
  {
    name: "circular information flow of registers",
    history: [txn(1, "w x 1; r y 2"), txn(2, "w y 2; r x 1")],
    expected: everywhere("G1c"),
    pattern: "circular information flow",
  },
  {
    name: "circular information flow through a replaced append",
    history: [txn(1, "a x 1; r y [2]"), txn(2, "a x 2; a y 2"), txn(3, "r x [1 2]")],
    expected: everywhere("G1c"),
    involved: [1, 2],
  },
  {
    name: "information flows one way",
    history: [txn(1, "a x 1"), txn(2, "a y 2; r x [1]"), txn(3, "r y [2]; r x [1]")],
    expected: VALID,
  },
  {
    name: "lost update: two append on the strength of the same list",
    history: [txn(1, "r x []; a x 1"), txn(2, "r x []; a x 2"), txn(3, "r x [1 2]")],
    expected: [null, "G-single", "G-single"],
    pattern: "lost update",
    involved: [1, 2],
  },
  {
    name: "lost update of a list that nobody reads later",
    history: [txn(1, "r x []; a x 1"), txn(2, "r x []; a x 2")],
    expected: [null, "lostUpdate", "lostUpdate"],
    pattern: "lost update",
  },
  {
    name: "lost update of a register",
    history: [txn(1, "w x 1"), txn(2, "r x 1; w x 2"), txn(3, "r x 1; w x 3")],
    expected: [null, "lostUpdate", "lostUpdate"],
    pattern: "lost update",
    involved: [2, 3],
  },
  {
    name: "lost update of a register whose order is known by timestamps",
    history: [
      txn(1, "w x 1", { commitTs: 5 }),
      txn(2, "r x 1; w x 2", { commitTs: 20 }),
      txn(3, "r x 1; w x 3", { commitTs: 30 }),
    ],
    expected: [null, "G-single", "G-single"],
    pattern: "lost update",
    involved: [2, 3],
  },
  {
    name: "two updates, each of what the other left",
    history: [txn(1, "w x 1"), txn(2, "r x 1; w x 2"), txn(3, "r x 2; w x 3"), txn(4, "r x 3")],
    expected: VALID,
  },
  {
    name: "read skew: one of two keys is seen before the other's transaction, one after",
    history: [txn(1, "a x 1; a y 1"), txn(2, "r x []; r y [1]"), txn(3, "r x [1]")],
    expected: [null, "G-single", "G-single"],
    pattern: "read skew",
    involved: [1, 2],
  },
  {
    name: "read skew of registers",
    history: [txn(1, "w x 1; w y 1"), txn(2, "r x .; r y 1")],
    expected: [null, "G-single", "G-single"],
    pattern: "read skew",
  },
  {
    name: "read skew over three transactions",
    history: [txn(1, "a x 1; a z 1"), txn(2, "r z [1]; a y 1"), txn(3, "r y [1]; r x []"), txn(4, "r x [1]")],
    expected: [null, "G-single", "G-single"],
    involved: [1, 2, 3],
  },
  {
    name: "read skew through a predicate: a scan finds one of two rows inserted together",
    history: [txn(1, "w k1 1; w k2 2"), txn(2, "s k..l k1=1")],
    expected: [null, "G-single", "G-single"],
    pattern: "read skew through a predicate",
  },
  {
    name: "a scan finds both of two rows inserted together",
    history: [txn(1, "w k1 1; w k2 2"), txn(2, "s k..l k1=1 k2=2"), txn(3, "s k..l ")],
    expected: VALID,
  },
  {
    name: "non-repeatable read",
    history: [txn(1, "a x 1"), txn(2, "r x []; r x [1]")],
    expected: [null, "internal", "internal"],
    involved: [2],
  },
  {
    name: "a transaction does not see its own write",
    history: [txn(1, "w x 1; r x .")],
    expected: everywhere("internal"),
  },
  {
    name: "a transaction sees its own append before it made it",
    history: [txn(1, "r x [1]; a x 1")],
    expected: everywhere("internal"),
  },
  {
    name: "a scan does not find what its transaction inserted",
    history: [txn(1, "w k1 1; s k..l ")],
    expected: everywhere("internal"),
  },
  {
    name: "write skew: each reads what the other changes",
    history: [txn(1, "r x []; a y 1"), txn(2, "r y []; a x 1"), txn(3, "r x [1]; r y [1]")],
    expected: [null, null, "G2-item"],
    pattern: "write skew",
    involved: [1, 2],
  },
  {
    name: "write skew of registers",
    history: [txn(1, "r x .; r y .; w y 1"), txn(2, "r x .; r y .; w x 1")],
    expected: [null, null, "G2-item"],
    pattern: "write skew",
  },
  {
    name: "one reads what the other changes",
    history: [txn(1, "r x []; a y 1"), txn(2, "r y [1]; a x 1"), txn(3, "r x [1]; r y [1]")],
    expected: VALID,
  },
  {
    name: "write skew of three",
    history: [txn(1, "r x .; w y 1"), txn(2, "r y .; w z 1"), txn(3, "r z .; w x 1")],
    expected: [null, null, "G2-item"],
  },
  {
    name: "the read-only anomaly of snapshot isolation",
    history: [txn(1, "r y .; w y 20"), txn(2, "r x .; r y .; w x 11"), txn(3, "r x .; r y 20")],
    expected: [null, null, "G2-item"],
  },
  {
    name: "phantoms: each inserts a row into the span that the other has scanned",
    history: [txn(1, "s k..l ; w k1 1"), txn(2, "s k..l ; w k2 2")],
    expected: [null, null, "G2"],
    pattern: "write skew through a predicate",
  },
  {
    name: "the second to insert has scanned the first's row",
    history: [txn(1, "s k..l ; w k1 1"), txn(2, "s k..l k1=1; w k2 2")],
    expected: VALID,
  },
  {
    name: "phantoms of lists",
    history: [txn(1, "s k..l ; a k1 1"), txn(2, "s k..l ; a k2 2")],
    expected: [null, null, "G2"],
    pattern: "write skew through a predicate",
  },
  {
    name: "long fork: two readers see two writers in opposite orders",
    history: [txn(1, "a x 1"), txn(2, "a y 1"), txn(3, "r x [1]; r y []"), txn(4, "r x []; r y [1]")],
    expected: [null, "G-nonadjacent", "G-nonadjacent"],
    pattern: "long fork",
  },
  {
    name: "long fork of registers",
    history: [txn(1, "w x 1"), txn(2, "w y 1"), txn(3, "r x 1; r y ."), txn(4, "r x .; r y 1")],
    expected: [null, "G-nonadjacent", "G-nonadjacent"],
    pattern: "long fork",
  },
  {
    name: "two readers see two writers in the same order",
    history: [txn(1, "a x 1"), txn(2, "a y 1"), txn(3, "r x [1]; r y []"), txn(4, "r x [1]; r y [1]")],
    expected: VALID,
  },
  {
    name: "a read of what nobody appended",
    history: [txn(1, "a x 1"), txn(2, "r x [1 7]")],
    expected: everywhere("garbageRead"),
    involved: [2],
  },
  {
    name: "a read of what nobody wrote",
    history: [txn(1, "r x 7")],
    expected: everywhere("garbageRead"),
  },
  {
    name: "an element that is there twice",
    history: [txn(1, "a x 1"), txn(2, "r x [1 1]")],
    expected: everywhere("duplicateElements"),
    involved: [2],
  },
  {
    name: "two reads that are not one the beginning of the other",
    history: [txn(1, "a x 1"), txn(2, "a x 2"), txn(3, "r x [1 2]"), txn(4, "r x [2]")],
    expected: everywhere("incompatibleOrder"),
    involved: [4, 3],
  },
  {
    name: "by timestamps: a read of what was committed after the snapshot",
    history: [
      txn(1, "a x 1", { startTs: 1, commitTs: 10 }),
      txn(2, "r x [1]; a y 1", { startTs: 5, commitTs: 20 }),
    ],
    expected: [null, "G-SIa", null],
  },
  {
    name: "by timestamps: a read that misses what was committed before the snapshot",
    history: [
      txn(1, "a x 1", { startTs: 1, commitTs: 10 }),
      txn(2, "r x []; a y 1", { startTs: 15, commitTs: 20 }),
    ],
    expected: [null, "G-SIb", null],
    involved: [2, 1],
  },
  {
    name: "by timestamps: a read of what was committed just when the snapshot was taken",
    history: [
      txn(1, "a x 1", { startTs: 1, commitTs: 10 }),
      txn(2, "r x [1]; a y 1", { startTs: 10, commitTs: 20 }),
    ],
    expected: VALID,
  },
]

const at = (invokedAt: number, completedAt: number, process?: number): Partial<Transaction> => ({
  invokedAt,
  completedAt,
  ...(process === undefined ? {} : { process }),
})

/** Wrong only because of who came first: by process order or in real time, and never without. */
export const ORDER_PHENOMENA: readonly (Phenomenon & { readonly order: "process" | "realTime" })[] = [
  {
    name: "a stale read",
    order: "realTime",
    history: [txn(1, "a x 1", at(10, 20)), txn(2, "r x []", at(21, 30)), txn(3, "r x [1]")],
    expected: [null, "G-single-realtime", "G-single-realtime"],
    pattern: "stale read",
    involved: [1, 2],
  },
  {
    name: "a read that begins when the append ends",
    order: "realTime",
    history: [txn(1, "a x 1", at(10, 20)), txn(2, "r x []", at(20, 30)), txn(3, "r x [1]")],
    expected: VALID,
  },
  {
    name: "a process does not see its own append",
    order: "process",
    history: [txn(1, "w x 1", at(10, 20, 1)), txn(2, "r x .", at(21, 30, 1))],
    expected: [null, "G-single-process", "G-single-process"],
    pattern: "stale read in its own process",
  },
  {
    name: "a process goes on before its transaction of unknown outcome takes effect",
    order: "process",
    history: [
      txn(1, "a x 1", { status: "info", process: 1, invokedAt: 10 }),
      txn(2, "r x []", at(21, 30, 1)),
      txn(3, "r x [1]"),
    ],
    expected: VALID,
  },
  {
    name: "a process does not see the append of another, which was over",
    order: "process",
    history: [txn(1, "a x 1", at(10, 20, 1)), txn(2, "r x []", at(21, 30, 2)), txn(3, "r x [1]")],
    expected: VALID,
  },
  {
    name: "a read of what is written later",
    order: "realTime",
    history: [txn(1, "w x 1", at(21, 30)), txn(2, "r x 1", at(10, 20))],
    expected: everywhere("G1c-realtime"),
  },
  {
    name: "appends in the opposite of their order in time",
    order: "realTime",
    history: [txn(1, "a x 1", at(10, 20)), txn(2, "a x 2", at(21, 30)), txn(3, "r x [2 1]")],
    expected: everywhere("G0-realtime"),
    involved: [1, 2],
  },
  {
    name: "a serial order that contradicts time at one place",
    order: "realTime",
    history: [txn(1, "r x .", at(21, 30)), txn(2, "w x 1; r y .", at(0, 30)), txn(3, "w y 1", at(0, 20))],
    expected: [null, null, "G2-item-realtime"],
  },
  {
    name: "two readers, one after the other, see a register go back",
    order: "realTime",
    history: [txn(1, "w x 1", at(0, 90)), txn(2, "r x 1", at(10, 20)), txn(3, "r x .", at(21, 30))],
    expected: [null, "G-single-realtime", "G-single-realtime"],
  },
  {
    name: "a long fork whose ends are joined by time",
    order: "realTime",
    history: [
      txn(1, "w x 1", at(0, 90)),
      txn(2, "r x 1; r y .", at(0, 90)),
      txn(3, "w y 1", at(0, 20)),
      txn(4, "r x .", at(21, 90)),
    ],
    expected: [null, "G-nonadjacent-realtime", "G-nonadjacent-realtime"],
  },
]
