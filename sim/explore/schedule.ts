import {
  list,
  nullable,
  oneOf,
  only,
  readShape,
  record,
  Refusal,
  text,
  whole,
  type PlanError,
  type Shape,
} from "../plan/shape.ts"
import { choiceText, parseChoice, type Choice } from "./choice.ts"
import { EVENTS_MAX, OPERATIONS_MAX, STORES_MAX, type Scope } from "./scope.ts"

/** One schedule of a scope, and what it breaks: everything that happens again when it is replayed. */
export type ScheduleFile = {
  readonly schedule: 1
  /** The version that found it. */
  readonly version: string
  /** Id of the bug that was planted in the kernel; null for the shipped one. */
  readonly mutant: string | null
  readonly oracle: string
  readonly message: string
  readonly scope: Scope
  readonly choices: readonly Choice[]
}

const COUNT = whole(0, EVENTS_MAX)

const CHOICE: Shape<Choice> = (json, path) => {
  const choice = parseChoice(text(json, path))
  if (choice === null) throw new Refusal(path, "this is no choice such as take 0, tick 2 or crash 1 lost")
  return choice
}

const OPERATIONS: Shape<Scope["operations"]> = (json, path) => {
  const operations = list(oneOf(["put", "get"] as const))(json, path)
  if (operations.length > OPERATIONS_MAX)
    throw new Refusal(path, `there are more than ${OPERATIONS_MAX} operations`)
  return operations
}

const SCOPE: Shape<Scope> = record<Scope>({
  seed: whole(0),
  stores: whole(1, STORES_MAX),
  from: oneOf(["start", "leader"] as const),
  operations: OPERATIONS,
  events: COUNT,
  ticks: COUNT,
  deviations: COUNT,
  delays: nullable(COUNT),
  gathers: COUNT,
  drops: COUNT,
  duplicates: COUNT,
  crashes: COUNT,
  cuts: COUNT,
  lapses: COUNT,
})

const FILE: Shape<ScheduleFile> = record<ScheduleFile>({
  schedule: only(1),
  version: text,
  mutant: nullable(text),
  oracle: text,
  message: text,
  scope: SCOPE,
  choices: list(CHOICE),
})

/** A schedule from JSON, or what is wrong with it. */
export function parseSchedule(json: unknown): ScheduleFile | PlanError {
  return readShape(FILE, json)
}

/** One choice a line, for people and for diffs. */
export function writeSchedule({ choices, ...head }: ScheduleFile): string {
  const lines = choices.map((choice) => JSON.stringify(choiceText(choice)))
  const rest = JSON.stringify(head, null, 1).slice(0, -2)
  return `${rest},\n "choices": [\n${lines.join(",\n")}\n ]\n}\n`
}
