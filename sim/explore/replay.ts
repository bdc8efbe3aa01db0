import type { KvReply } from "#kernel"
import type { Found } from "../judge.ts"
import type { KernelBuild } from "../kernel-build.ts"
import type { Choice } from "./choice.ts"
import type { Scope } from "./scope.ts"
import { Root } from "./search.ts"
import { frameText, type Item } from "./store-graph.ts"
import type { Told } from "./store-run.ts"
import { ExploredWorld, type State } from "./world.ts"

/** One step of a schedule in words. */
export type StoryLine = {
  /** From 1. */
  readonly step: number
  readonly at: number
  readonly text: string
  /** Somebody chose it: it is not just the next thing under way. */
  readonly isChosen: boolean
  /** A role, a vote, a log, a commit or a client's knowledge is not what it was. */
  readonly isNotable: boolean
}

export type Replayed = {
  readonly found: Found | null
  /** The first choice that means nothing where it stands, from 1; null when all were taken. */
  readonly refusedAt: number | null
  readonly story: readonly StoryLine[]
}

/** A schedule once more, up to what it breaks. */
export function replaySchedule(scope: Scope, choices: readonly Choice[], build: KernelBuild): Replayed {
  const world = new ExploredWorld(scope, build)
  const root = new Root(world)
  const judge = root.judge.fork()
  const story: StoryLine[] = []
  let { state } = root
  let { found } = root
  for (const [index, choice] of choices.entries()) {
    if (found !== null) break
    const step = world.take(state, { choice, deviations: [] })
    if (step === null) return { found, refusedAt: index + 1, story }
    found = judge.hear(step)
    const what = tell(world, state, choice)
    const consequences = step.told.flatMap((each) => consequencesOf(each.told))
    story.push({
      step: index + 1,
      at: step.state.now,
      text: consequences.length === 0 ? what : `${what}: ${consequences.join(", ")}`,
      isChosen: choice.type !== "take" || choice.item > 0,
      isNotable: consequences.length > 0,
    })
    state = step.state
  }
  return { found, refusedAt: null, story }
}

function tell(world: ExploredWorld, state: State, choice: Choice): string {
  switch (choice.type) {
    case "take":
      return happens(world, state.queue[choice.item]!)
    case "gather":
      return `${happens(world, state.queue[choice.item]!)}, and waits for a turn`
    case "delay":
      return `later: ${happens(world, state.queue[0]!)}`
    case "drop":
      return `lost: ${happens(world, state.queue[choice.item]!)}`
    case "duplicate":
      return `${happens(world, state.queue[choice.item]!)}, and will once more`
    case "tick":
      return `store ${choice.store} wakes`
    case "lapse":
      return "a long silence"
    case "ask":
      return `client ${state.asked + 1} asks store ${choice.store}: ${world.clients.text(state.asked)}`
    case "crash":
      return `store ${choice.store} loses power; what it was writing ${choice.kept ? "has arrived" : "is lost"}`
    case "restart":
      return `store ${choice.store} starts`
    case "cut":
      return `store ${choice.store} is cut off`
    case "heal":
      return `store ${state.cut} is reached again`
  }
}

function happens(world: ExploredWorld, item: Item): string {
  const form = world.items.form(item)
  switch (form.type) {
    case "frame":
      return `store ${form.to} hears store ${form.from}: ${frameText(form.frame)}`
    case "disk":
      return `store ${form.store} volume ${form.op.volume}: ${form.op.type} ${form.op.number} done`
    case "turn":
      return `store ${form.store} has its turn`
  }
}

/** What a person wants to know of what a step did. */
function consequencesOf(told: readonly Told[]): readonly string[] {
  const words: string[] = []
  for (const each of told) {
    if (each.type === "stopped") words.push(`it stops itself (${each.code})`)
    if (each.type !== "stepped") continue
    for (const effect of each.effects) {
      if (effect.type === "reply")
        words.push(`answers client ${effect.session + 1} ${answerText(effect.reply)}`)
      if (effect.type !== "observe") continue
      const { observation } = effect
      if (observation.type === "roleChanged") words.push(`${observation.role} of term ${observation.term}`)
      else if (observation.type === "voted")
        words.push(`votes for ${observation.votedFor} in term ${observation.term}`)
      else if (observation.type === "logChanged")
        words.push(`log from ${observation.index} of terms ${observation.terms.join(" ")}`)
      else if (observation.type === "committed") words.push(`commits ${observation.index}`)
    }
  }
  return words
}

function answerText(reply: KvReply): string {
  if (reply.type === "error") return reply.error.code
  return reply.results
    .map((result) => (result.type === "value" ? (result.value ?? "absent") : result.type))
    .join(" ")
}

/**
 * At most `linesMax` lines: what was chosen, what changed something, and the last of what just followed; with less room what was chosen
 * alone, and with less than that its beginning and its end.
 */
export function storyText(story: readonly StoryLine[], linesMax: number): readonly string[] {
  let lines: readonly string[] = story.map(lineText)
  for (const least of ["notable", "chosen"] as const)
    if (lines.length > linesMax) lines = folded(story, least, Math.floor(linesMax / 4))
  if (lines.length <= linesMax) return lines
  const head = Math.floor((linesMax - 1) / 3)
  const tail = linesMax - 1 - head
  return [...lines.slice(0, head), `      … ${lines.length - head - tail} lines`, ...lines.slice(-tail)]
}

/** Runs of lines that are less than `least`, as one each, but for the last `whole` lines: a reader came for those. */
function folded(story: readonly StoryLine[], least: "notable" | "chosen", whole: number): readonly string[] {
  const lines: string[] = []
  let run: StoryLine[] = []
  const flush = (): void => {
    const [first] = run
    if (first !== undefined) lines.push(run.length === 1 ? lineText(first) : foldedText(first, run.length))
    run = []
  }
  for (const [index, line] of story.entries()) {
    const isShown = line.isChosen || (least === "notable" && line.isNotable)
    if (!isShown && index < story.length - whole) {
      run.push(line)
      continue
    }
    flush()
    lines.push(lineText(line))
  }
  flush()
  return lines
}

function lineText({ step, at, text, isChosen }: StoryLine): string {
  return `${String(step).padStart(4)}${isChosen ? "*" : " "} ${(at / 1_000_000).toFixed(3)} s  ${text}`
}

function foldedText({ step, at }: StoryLine, length: number): string {
  return `${String(step).padStart(4)}  ${(at / 1_000_000).toFixed(3)} s  … ${length} frames and syncs, in order`
}
