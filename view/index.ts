export { coneOf, type Cone } from "./session/cone.ts"
export { nearestPassing, partOf, type CompareOptions, type Neighbour } from "./session/compare.ts"
export { ednLines } from "./session/edn.ts"
export { ADDED_FAULTS, editPlan, type AddedKind, type Edit } from "./session/edit.ts"
export { lookAtEvent, lookAtMessage, type EventView, type MessageView } from "./session/event.ts"
export { playRecordings, type Played, type RecordedPart } from "./session/recording.ts"
export { focusOf, type Focus } from "./session/focus.ts"
export { likelihoods, otherFrom, type InevitableOptions, type Likelihood } from "./session/inevitable.ts"
export {
  inspectStore,
  type Fact,
  type InspectOptions,
  type Section,
  type StoreView,
} from "./session/inspect.ts"
export { eventAt, processAt, runPlan, timeOf, type Run, type RunOptions } from "./session/run.ts"
export { outlineOf, sceneOf, type Outline, type Scene } from "./session/scene.ts"
export { search, type Hit, type SearchResult } from "./session/search.ts"
export { shivizLines, type EventWindow } from "./session/shiviz.ts"
export { whoWrote, type Provenance } from "./session/wrote.ts"
