import {
  decodeVersion,
  decodeVersionKey,
  SPACE_VERSIONS,
  volumeOfTenant,
  type Entry,
  type GroupStatus,
  type Kernel,
  type Stamp,
} from "#kernel"
import { entryOf, type LogPlace } from "./log-story.ts"
import { processAt, type Run } from "./run.ts"

/** One fact of a store. `before` is what it was a step earlier, null when it was not there; absent when it is the same. */
export type Fact = { readonly name: string; readonly value: string; readonly before?: string | null }
export type Section = {
  readonly title: string
  readonly facts: readonly Fact[]
  /** Facts of the step before that are there no more. */
  readonly gone: readonly { readonly name: string; readonly value: string }[]
}
export type StoreView = {
  readonly store: number
  /** The last event of this store up to the one that was asked for; 0 when there was none. */
  readonly event: number
  readonly life: "never started" | "down" | "up"
  readonly sections: readonly Section[]
}

export type InspectOptions = {
  /** Only rows whose key begins so. */
  readonly prefix?: string
  readonly rowsMax?: number
  readonly entriesMax?: number
}

type Facts = ReadonlyMap<string, ReadonlyMap<string, string>>

const ROWS_MAX = 60
const ENTRIES_MAX = 12

/** What a store knows after an event, and what its last step changed in it. */
export function inspectStore(
  run: Run,
  store: number,
  event: number,
  options: InspectOptions = {},
): StoreView {
  const { recorder, rewinder } = run
  const own = recorder.eventsOf[store - 1]
  const count = own?.countUpTo(event) ?? 0
  const at = count === 0 ? 0 : own!.at(count - 1)
  const process = processAt(run, store, event)
  if (process === null) {
    const wasUp = recorder.turnovers.some((turnover) => turnover.store === store && turnover.event <= event)
    return { store, event: at, life: wasUp ? "down" : "never started", sections: [] }
  }
  const { life, step } = process
  const before =
    step === 0
      ? null
      : factsOf(
          run,
          rewinder.kernelAt(life, step - 1),
          store,
          life.events.at(step - 1) - 1,
          stampAt(step - 2),
          options,
        )
  // On from there by the step itself, which whoever looks at the event asks for next.
  if (step > 0) rewinder.stepAt(life, step - 1)
  const now = factsOf(run, rewinder.kernelAt(life, step), store, event, stampAt(step - 1), options)
  return { store, event: at, life: "up", sections: sectionsOf(now, before) }

  function stampAt(index: number): Stamp | null {
    return index < 0 ? null : recorder.inputs.read(life.events.at(index) - 1)
  }
}

function sectionsOf(now: Facts, before: Facts | null): readonly Section[] {
  return [...now].map(([title, facts]) => {
    const old = before?.get(title) ?? null
    return {
      title,
      facts: [...facts].map(([name, value]) => {
        if (before === null) return { name, value }
        const was = old?.get(name) ?? null
        return was === value ? { name, value } : { name, value, before: was }
      }),
      gone: [...(old ?? [])].filter(([name]) => !facts.has(name)).map(([name, value]) => ({ name, value })),
    }
  })
}

function factsOf(
  run: Run,
  kernel: Kernel,
  store: number,
  event: number,
  stamp: Stamp | null,
  options: InspectOptions,
): Facts {
  const sections = new Map<string, ReadonlyMap<string, string>>()
  const { incarnation, boot, volumes, configEpoch } = kernel.identity()
  sections.set(
    "store",
    new Map([
      ["incarnation", String(incarnation)],
      ["boot", String(boot)],
      ...(configEpoch > 0 ? [["configuration epoch", String(configEpoch)] as const] : []),
      ...volumes.map((volume) => [`volume ${volume.volume}`, `incarnation ${volume.incarnation}`] as const),
      ...(stamp === null
        ? []
        : [["monotonic clock", `${stamp.mono} µs`] as const, ["wall clock", `${stamp.wall} µs`] as const]),
    ]),
  )
  const tenants = new Set<number>()
  for (const status of kernel.status()) {
    const { group } = status
    tenants.add(status.descriptor.tenant)
    sections.set(`group ${group}`, groupFacts(status, stamp === null ? 0 : kernel.leaseTerm(group, stamp)))
    const log = run.recorder.logs.tail(event, store, group, options.entriesMax ?? ENTRIES_MAX)
    sections.set(`log of group ${group}`, logFacts(run, log, status))
  }
  for (const tenant of [...tenants].sort((a, b) => a - b))
    sections.set(`rows of tenant ${tenant}`, rowFacts(kernel, volumeOfTenant(tenant), options))
  return sections
}

function groupFacts(status: GroupStatus, leaseTerm: number): ReadonlyMap<string, string> {
  const { configuration, descriptor } = status
  const named = (members: typeof configuration.voters): string =>
    members.map(({ replica, store }) => `${replica} on s${store}`).join(", ")
  const facts = new Map<string, string>([
    ["role", status.role],
    ["term", String(status.term)],
    ["replica", String(status.replica)],
    ["voted for", status.votedFor === 0 ? "nobody" : `replica ${status.votedFor}`],
    ["leader", status.leader === 0 ? "unknown" : `replica ${status.leader}`],
    ["lease", leaseTerm === 0 ? "none" : `serves reads alone in term ${leaseTerm}`],
    ["commit index", String(status.commitIndex)],
    ["applied index", String(status.appliedIndex)],
    ["log", `${status.firstIndex} to ${status.lastIndex}`],
    ["durable index", String(status.durableIndex)],
    ["voters", named(configuration.voters)],
  ])
  if (configuration.outgoing.length > 0) facts.set("outgoing voters", named(configuration.outgoing))
  if (configuration.learners.length > 0) facts.set("learners", named(configuration.learners))
  for (const { replica, store, state, matchIndex, nextIndex, inflightBytes } of status.followers) {
    facts.set(
      `follower ${replica} on s${store}`,
      `match ${matchIndex}, next ${nextIndex}, ${state}${inflightBytes > 0 ? `, ${inflightBytes} bytes under way` : ""}`,
    )
  }
  facts.set("waiting requests", String(status.waitingRequests))
  facts.set("state", status.state)
  facts.set("state hash", hex(status.hashHigh) + hex(status.hashLow))
  facts.set("checkpoint", status.checkpoint === null ? "none in this boot" : String(status.checkpoint.id))
  facts.set("keys", `[${shown(descriptor.start)}, ${descriptor.end === "" ? "∞" : shown(descriptor.end)})`)
  facts.set("generation", String(descriptor.generation))
  return facts
}

function logFacts(run: Run, log: readonly LogPlace[], status: GroupStatus): ReadonlyMap<string, string> {
  return new Map(
    log.map(({ index, term, digest }) => {
      const state =
        index <= status.appliedIndex ? "applied" : index <= status.commitIndex ? "committed" : "not committed"
      return [`${index}`, `term ${term} · ${entryText(run, digest)} · ${state}`] as const
    }),
  )
}

function entryText(run: Run, digest: number): string {
  const { recorder } = run
  const carrier = recorder.logs.carrierOf(digest)
  const input = carrier === null ? null : recorder.inputs.read(carrier - 1)
  const entry = input?.type === "frame" ? entryOf(input.frame, digest) : null
  return entry === null ? `entry ${hex(digest)}` : payloadText(entry)
}

function payloadText({ payload }: Entry): string {
  switch (payload.type) {
    case "bootstrap":
      return "bootstrap"
    case "configuration": {
      const { voters, outgoing } = payload.configuration
      const stores = voters.map(({ store }) => `s${store}`).join(" ")
      return `voters ${stores}${outgoing.length > 0 ? " (joint)" : ""}`
    }
    case "batch": {
      const told = payload.batch.writes.flatMap((write) => {
        const key = write.space === SPACE_VERSIONS ? decodeVersionKey(write.key) : null
        if (key === null) return []
        const version = decodeVersion(write.value)
        const value =
          version === "damaged" ? "damaged" : version.tombstone ? "deleted" : shown(version.payload)
        return [`${shown(key.userKey)} = ${value}`]
      })
      return told.length === 0 ? "no rows" : told.join(", ")
    }
  }
}

function rowFacts(kernel: Kernel, volume: number, options: InspectOptions): ReadonlyMap<string, string> {
  const rows = new Map<string, string>()
  const cursor = kernel.view(volume).cursor(SPACE_VERSIONS, "", "", false)
  for (; cursor.valid && rows.size < (options.rowsMax ?? ROWS_MAX); cursor.next()) {
    const key = decodeVersionKey(cursor.key)
    if (key === null || !key.userKey.startsWith(options.prefix ?? "")) continue
    const version = decodeVersion(cursor.value)
    const value = version === "damaged" ? "damaged" : version.tombstone ? "deleted" : shown(version.payload)
    rows.set(`${shown(key.userKey)} @${key.ts}`, value)
  }
  return rows
}

/** Bytes that print, the others as escapes. */
export function shown(text: string): string {
  let told = ""
  for (const char of text.length > 80 ? text.slice(0, 80) : text) {
    const code = char.charCodeAt(0)
    if (char === "\\") told += "\\\\"
    else told += code >= 0x20 && code < 0x7f ? char : `\\x${code.toString(16).padStart(2, "0")}`
  }
  return text.length > 80 ? `${told}…` : told
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, "0")
}
