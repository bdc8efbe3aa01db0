export * from "./plan/plan.ts"
export {
  scenario,
  type Draw,
  type Scenario,
  type ScenarioFaults,
  type ScenarioSpec,
  type ScriptedFault,
} from "./plan/scenario.ts"
export { drawPlan } from "./plan/draw.ts"
export { Chance } from "./plan/chance.ts"
export { parsePlan } from "./plan/parse.ts"
export { isPlanError, type PlanError } from "./plan/shape.ts"
export { explainPlan, type PlanTable } from "./plan/explain.ts"
export { classify } from "./faults/atlas.ts"
export { FAULT_KINDS, FAULTS, SWARM_KINDS, SWITCH_KINDS, type FaultForm } from "./plan/catalogue.ts"
export { WORKLOADS } from "./workload/kinds.ts"
export type { OpGround, Workload } from "./workload/workload.ts"
export {
  ClientMemory,
  runOperation,
  type ClientAnswer,
  type ClientStep,
  type Ending,
} from "./workload/client.ts"
export { Clients, type ClientHost } from "./workload/clients.ts"
export { finalReads } from "./workload/final-reads.ts"
export { judgeHistory, type Found } from "./judge.ts"
export { quietAt, runUs } from "./phases.ts"
export { checkQuiet, settleUs, underWayUs, type QuietStore, type QuietView } from "./check/liveness.ts"
export { simulate, type SimulateOptions } from "./simulate.ts"
export { Corpus, CORPUS_MAX, FEATURES_MAX, type CorpusFile } from "./strategy/corpus.ts"
export { mutated } from "./strategy/mutate.ts"
export { prioritized, withPriorities } from "./strategy/priority.ts"
export { NOTHING_SEEN, simulateSighted, type Sighting } from "./strategy/sighting.ts"
export { GENERATION, STRATEGIES, Strategist, type Lesson, type Strategy } from "./strategy/strategist.ts"
export type { RunClass, RunResult, RunSignature } from "./result.ts"
export {
  DECLARED_SITES,
  FAMILIES,
  missedSites,
  MOMENTS,
  possibleCells,
  readCell,
  ROLES,
  sitesOf,
  type Cells,
} from "./coverage/sites.ts"
export { MARK_FLOOR_RUNS, MARKS, type MarkRule } from "./coverage/marks.ts"
export type { OnlineChecker, Violation, WorldView } from "./check/checker.ts"
export { ORACLES, type Oracle } from "./check/oracles.ts"
export { checkLinearizable, type Linearizability } from "./check/linearizable.ts"
export { byInvocation, INSTANT_NEVER, readHistory, writeHistory, type Operation } from "./check/history.ts"
export { KERNEL_SEARCH, shrink, type Shrunk, type ShrinkOptions } from "./shrink/shrink.ts"
export type { Cursor, Search, SearchState, Step } from "./shrink/search.ts"
export { sizeOf, Tried, type Seen, type ShrinkProgress } from "./shrink/drive.ts"
export { signatureOf } from "./shrink/canonical.ts"
export {
  makeCapsule,
  parseCapsule,
  writeCapsule,
  writePlan,
  type Capsule,
  type CapsuleNotes,
  type FoundNote,
  type ShrinkNote,
} from "./trace/capsule.ts"
export { effectText, inputText, LineRecorder, type Listener, type Note } from "./trace/recorder.ts"
export type { FaultRun } from "./faults/stage.ts"
export { DiskBase } from "./env/disk-base.ts"
export type { KernelBuild, StoreKernel } from "./kernel-build.ts"
export { kernelBuild } from "./build.ts"
export { replay, type Replay } from "./trace/replay.ts"
export { findParting, partingWindow, type Parting, type Rerun, type Window } from "./trace/diff.ts"
export {
  failureOf,
  shrinkFailure,
  superfluous,
  type FailureOptions,
  type ShrunkFailure,
} from "./shrink/failure.ts"
export { CLIENT_IDS_FROM } from "./plan/catalogue.ts"
// Machines other than the kernel: sim/library/README.md.
export {
  system,
  type Hunt,
  type HuntOptions,
  type MachineReplay,
  type SmallFailure,
  type System,
  type SystemSpec,
} from "./library/system.ts"
export * from "./library/machine.ts"
export type { Check, Finding, NodeView, Observation, OpenCall, WorldNow } from "./library/checks.ts"
export type { Call } from "./library/clients.ts"
export {
  parseMachinePlan,
  type MachineOp,
  type MachinePlan,
  type MachineWorkload,
  type OperationGround,
  type PlanSource,
} from "./library/plan.ts"
export { parseMachineCapsule, type MachineCapsule } from "./library/capsule.ts"
export type { MachineResult, MachineRunOptions } from "./library/run.ts"
export { MACHINE_FAULTS, MACHINE_SWARM } from "./library/faults.ts"
export { checkCalls, linearizable, type CallsVerdict, type Model } from "./library/linearizable.ts"
// All schedules of a small scope: sim/explore/README.md.
export {
  DEFAULT_SCOPE,
  DEVIATIONS,
  EVENTS_MAX,
  exploration,
  explore,
  OPERATIONS_MAX,
  parseSchedule,
  replaySchedule,
  STORES_MAX,
  storyText,
  writeSchedule,
  type Choice,
  type Explored,
  type ExploreProgress,
  type Replayed,
  type ScheduleFile,
  type Scope,
} from "./explore/index.ts"
