/**
 * What must come to pass when all faults are lifted. The world asks at the end of each quiet part; what
 * cannot be asked of one moment (rates, terms that go on rising) is watched while it lasts.
 *
 * An excuse is a fact of the view, never a guess: see `Excuse`.
 */
import { isStoreMessage, type Effect, type GroupStatus, type Input, type Member, type Timing } from "#kernel"
import type { OnlineChecker, Violation, WorldView } from "./checker.ts"
import type { PlanPhases } from "../plan/plan.ts"
import { hasQuorum, sameConfiguration } from "./quorums.ts"

/** The world at the end of a quiet part. */
export type QuietView = {
  readonly now: number
  readonly event: number
  /** When the faults were lifted, and the last store they kept down had booted. */
  readonly calmSince: number
  readonly timing: Timing
  readonly stores: readonly QuietStore[]
  /** Where each group's leader's log ended `underWayUs` ago: every member must have applied that by now. */
  readonly logEnds: ReadonlyMap<number, number>
  /** What each replica of a store had applied then, by `placeOf`; nothing for one that was not there. */
  readonly appliedAgo: ReadonlyMap<string, number>
  /** Those of this quiet part, and older ones whose client still waits. */
  readonly requests: readonly QuietRequest[]
}

export type QuietStore = {
  readonly store: number
  readonly up: boolean
  /** Id of the plan's fault that keeps it down, or null: then nobody knows why. */
  readonly downBy: number | null
  readonly groups: readonly GroupStatus[]
  /** Inputs not yet handed over, and effects whose barrier is not met. */
  readonly inbox: number
  readonly held: number
}

export type QuietRequest = {
  readonly id: number
  readonly group: number
  readonly sentAt: number
  readonly deadlineAt: number
  /** When it got its last answer, a result or a final error; a refusal that is retried is none. Null: not yet. */
  readonly answeredAt: number | null
  /** Its client forgot it at once: it needs no answer, yet may still make work. */
  readonly abandoned: boolean
}

export type Excuse =
  /** The quiet part was too short to judge: shorter than the settling time. */
  | { readonly name: "tooShort"; readonly group: 0 }
  /** The plan keeps so many stores down that the group has no quorum. */
  | { readonly name: "noQuorum"; readonly group: number }
  /** A member lacks entries and comes forward: as it went of late it has them within another settling time. */
  | { readonly name: "comingForward"; readonly group: number }

/** Election timeouts a group may take to settle: lost first rounds, split votes, one failed candidate. */
const SETTLE_ELECTIONS = 8
const HEARTBEATS_UNDER_WAY = 10

/** How old what is judged must be: followers learn of a commit with the next heartbeat. */
export function underWayUs(timing: Timing): number {
  return HEARTBEATS_UNDER_WAY * timing.heartbeatUs
}

/** A group on a store, as `QuietView.appliedAgo` has it. */
export function placeOf(group: number, store: number): string {
  return `${group}/${store}`
}

export function settleUs(timing: Timing): number {
  return SETTLE_ELECTIONS * timing.electionUsMax
}

/** Why parts of this quiet part are not judged. For the report: an excuse nobody counts hides a bug. */
export function excusesOf(view: QuietView): readonly Excuse[] {
  if (view.now - view.calmSince < settleUs(view.timing)) return [{ name: "tooShort", group: 0 }]
  const excuses: Excuse[] = []
  for (const group of groupsOf(view)) {
    if (!isAble(view, group)) excuses.push({ name: "noQuorum", group })
    else if (lacking(view, group).some((member) => comesForward(view, group, member)))
      excuses.push({ name: "comingForward", group })
  }
  return excuses
}

/** The first promise of liveness this world breaks, or null. */
export function checkQuiet(view: QuietView): Violation | null {
  const violate = (oracle: string, message: string): Violation => ({
    oracle,
    message,
    at: view.now,
    event: view.event,
  })
  for (const store of view.stores) {
    if (!store.up && store.downBy === null) {
      return violate(
        "LIVE-store-up",
        `Store ${store.store} is down at the end of quiet and no fault keeps it so.`,
      )
    }
  }
  if (view.now - view.calmSince < settleUs(view.timing)) return null
  for (const group of groupsOf(view)) {
    if (!isAble(view, group)) continue
    const problem = checkGroup(view, group)
    if (problem !== null) return violate(problem.oracle, problem.message)
  }
  for (const request of view.requests) {
    if (request.answeredAt !== null || request.abandoned || request.deadlineAt > view.now) continue
    if (!isAble(view, request.group)) continue
    if (request.sentAt < view.calmSince + settleUs(view.timing)) continue
    return violate(
      "LIVE-progress",
      `Request ${request.id} to group ${request.group}, sent at ${request.sentAt} µs in quiet, has no answer after its deadline.`,
    )
  }
  const isBusy = view.requests.some((request) => isUnderWay(view, request))
  for (const store of view.stores) {
    if (!store.up || isBusy) continue
    // Heartbeats and their answers may be under way at any moment; work may not.
    const usual = 4 * view.stores.length * Math.max(1, store.groups.length)
    if (store.inbox > usual || store.held > usual) {
      return violate(
        "LIVE-converge",
        `Store ${store.store} ends quiet with ${store.inbox} inputs and ${store.held} effects waiting though no request is.`,
      )
    }
  }
  return null
}

/**
 * Of a cluster that may have halted only this is asked: no two replicas that live in one configuration have come
 * to different states by the same number of entries. A fork may be; it may not be silent.
 */
export function checkForks(view: QuietView): Violation | null {
  for (const group of groupsOf(view)) {
    const members = upStatuses(view, group)
    for (let i = 0; i < members.length; i++) {
      for (let j = i + 1; j < members.length; j++) {
        const a = members[i]!.status
        const b = members[j]!.status
        if (a.appliedIndex !== b.appliedIndex || a.role === "recovering" || b.role === "recovering") continue
        if (a.hashHigh === b.hashHigh && a.hashLow === b.hashLow) continue
        return {
          oracle: "HASH-replicas-agree",
          message: `Group ${group} forked in silence: stores ${members[i]!.store} and ${members[j]!.store} have other states at applied index ${a.appliedIndex}.`,
          at: view.now,
          event: view.event,
        }
      }
    }
  }
  return null
}

type Problem = { readonly oracle: string; readonly message: string }

function checkGroup(view: QuietView, group: number): Problem | null {
  const members = upStatuses(view, group)
  const leader = leaderOf(members)
  if (leader === null) {
    return {
      oracle: "LIVE-leader",
      message: `Group ${group} has a quorum and no leader ${view.now - view.calmSince} µs into quiet.`,
    }
  }
  const wanted = view.logEnds.get(group) ?? 0
  for (const { store, status } of members) {
    if (!isMember(leader, store, status)) continue
    const name = `Group ${group} replica ${status.replica} (store ${store})`
    if (status.state !== "whole") {
      return { oracle: "HASH-scrub", message: `${name} ends quiet with a state that is ${status.state}.` }
    }
    if (status.role === "recovering") {
      return { oracle: "LIVE-converge", message: `${name} ends quiet without having been repaired.` }
    }
    if (status.appliedIndex < wanted) {
      if (comesForward(view, group, { store, status })) continue
      return {
        oracle: "LIVE-converge",
        message: `${name} ends quiet with ${status.appliedIndex} applied; a while ago its leader's log ended at ${wanted}, and now at ${leader.lastIndex}, committed to ${leader.commitIndex}.`,
      }
    }
    if (status.appliedIndex !== leader.appliedIndex) continue
    if (status.hashHigh !== leader.hashHigh || status.hashLow !== leader.hashLow) {
      return {
        oracle: "HASH-replicas-agree",
        message: `${name} has another state than its leader at applied index ${status.appliedIndex}.`,
      }
    }
    if (!sameConfiguration(status.configuration, leader.configuration)) {
      return {
        oracle: "RAFT-config-overlap",
        message: `${name} ends quiet in another configuration than its leader.`,
      }
    }
  }
  return null
}

/** Members that have not applied what they should have by now. */
function lacking(view: QuietView, group: number): readonly StoreStatus[] {
  const wanted = view.logEnds.get(group) ?? 0
  return upStatuses(view, group).filter(({ status }) => status.appliedIndex < wanted)
}

/**
 * A window of one message and entries as large as messages may be: then a member that was far behind is still on its way
 * when the quiet part ends. At its pace since `underWayUs` ago it is there before another settling time has passed; one
 * that stands still, or crawls, is not.
 */
function comesForward(view: QuietView, group: number, { store, status }: StoreStatus): boolean {
  const wanted = view.logEnds.get(group) ?? 0
  const before = view.appliedAgo.get(placeOf(group, store))
  if (before === undefined || status.role === "recovering" || status.state !== "whole") return false
  const pace = (status.appliedIndex - before) / underWayUs(view.timing)
  return pace * settleUs(view.timing) >= wanted - status.appliedIndex && pace > 0
}

/** Followers learn of a commit with the next heartbeat: what was answered a moment ago is still under way. */
function isUnderWay(view: QuietView, request: QuietRequest): boolean {
  const since = view.now - underWayUs(view.timing)
  return request.answeredAt === null ? request.deadlineAt > since : request.answeredAt > since
}

function groupsOf(view: QuietView): readonly number[] {
  const groups = new Set<number>()
  for (const store of view.stores) for (const status of store.groups) groups.add(status.group)
  for (const request of view.requests) groups.add(request.group)
  return [...groups].sort((a, b) => a - b)
}

type StoreStatus = { readonly store: number; readonly status: GroupStatus }

function upStatuses(view: QuietView, group: number): readonly StoreStatus[] {
  const found: StoreStatus[] = []
  for (const store of view.stores) {
    if (!store.up) continue
    for (const status of store.groups) if (status.group === group) found.push({ store: store.store, status })
  }
  return found
}

function leaderOf(members: readonly StoreStatus[]): GroupStatus | null {
  let leader: GroupStatus | null = null
  for (const { status } of members) {
    if (status.role === "leader" && (leader === null || status.term > leader.term)) leader = status
  }
  // One that the others have left behind is none.
  for (const { store, status } of members) {
    if (leader !== null && status.term > leader.term && isMember(leader, store, status)) return null
  }
  return leader
}

/** By its place as well: an id given by an entry that was never committed may be given again elsewhere. */
function isMember(leader: GroupStatus, store: number, status: GroupStatus): boolean {
  const { voters, outgoing, learners } = leader.configuration
  const is = (member: Member): boolean => member.replica === status.replica && member.store === store
  return voters.some(is) || outgoing.some(is) || learners.some(is)
}

/** It has a quorum by the configuration of its leader, or else of its most advanced replica that is up. */
function isAble(view: QuietView, group: number): boolean {
  const members = upStatuses(view, group)
  const leader = leaderOf(members)
  let best: GroupStatus | null = leader
  for (const { status } of members) {
    if (leader !== null) break
    if (
      best === null ||
      status.term > best.term ||
      (status.term === best.term && status.lastIndex > best.lastIndex)
    ) {
      best = status
    }
  }
  if (best === null) return view.stores.every((store) => store.up)
  const isUp = (id: number): boolean => view.stores.some((store) => store.store === id && store.up)
  return hasQuorum(best.configuration, isUp)
}

type GroupTraffic = {
  sends: number
  requests: number
  windowsOver: number
  term: number
  /** Times its term rose since this quiet part settled. */
  rises: number
  replicas: number
}

const SECOND = 1_000_000
/** Messages beyond heartbeats and requests that catching up may take in one second. */
const SENDS_SLACK = 500
const SENDS_PER_REQUEST = 32
const WINDOWS_OVER_MAX = 3
/** Chance may unseat a leader once; a livelock does not stop. */
const RISES_MAX = 2

/** In quiet, once settled: terms stand still, and messages are in proportion to heartbeats and requests. */
export class LivelockChecker implements OnlineChecker {
  readonly name = "livelock"
  readonly #phases: PlanPhases
  readonly #timing: Timing
  readonly #groups: (GroupTraffic | undefined)[] = []
  #disturbedAt = 0
  #window = -1

  constructor(
    phases: PlanPhases,
    timing: Timing,
    groups: readonly { readonly group: number; readonly replicas: number }[],
  ) {
    this.#phases = phases
    this.#timing = timing
    for (const { group, replicas } of groups) {
      this.#groups[group] = { sends: 0, requests: 0, windowsOver: 0, term: 0, rises: 0, replicas }
    }
  }

  storeCrashed(world: WorldView): void {
    this.#disturbedAt = world.now
  }

  storeBooted(world: WorldView): void {
    this.#disturbedAt = world.now
  }

  stepped(world: WorldView, _store: number, input: Input, effects: readonly Effect[]): void {
    const isSettled = this.#isSettled(world.now)
    if (!isSettled) {
      if (this.#window !== -1) for (const group of this.#groups) if (group !== undefined) group.rises = 0
      this.#window = -1
      this.#note(world, effects, false)
      return
    }
    const window = Math.floor(world.now / SECOND)
    if (window !== this.#window) this.#turnWindow(world, window)
    // Requests name ranges, and one may be asked of several stores: each counts for every group.
    if (input.type === "request" || input.type === "admin") {
      for (const group of this.#groups) if (group !== undefined) group.requests++
    }
    this.#note(world, effects, true)
  }

  #isSettled(now: number): boolean {
    const { faultsUs, quietUs } = this.#phases
    const inRound = now % (faultsUs + quietUs)
    if (inRound < faultsUs) return false
    const calmSince = Math.max(now - (inRound - faultsUs), this.#disturbedAt)
    return now - calmSince >= settleUs(this.#timing)
  }

  #turnWindow(world: WorldView, window: number): void {
    const isWhole = window === this.#window + 1 && this.#window !== -1
    this.#window = window
    const heartbeats = Math.ceil(SECOND / this.#timing.heartbeatUs)
    for (let id = 0; id < this.#groups.length; id++) {
      const group = this.#groups[id]
      if (group === undefined) continue
      const sendsMax = SENDS_SLACK + group.replicas * (8 * heartbeats + SENDS_PER_REQUEST * group.requests)
      group.windowsOver = isWhole && group.sends > sendsMax ? group.windowsOver + 1 : 0
      if (group.windowsOver >= WINDOWS_OVER_MAX) {
        world.report(
          "LIVE-no-livelock",
          `Group ${id} sends ${group.sends} messages in a quiet second; ${sendsMax} would do for ${group.requests} requests.`,
        )
      }
      group.sends = 0
      group.requests = 0
    }
  }

  #note(world: WorldView, effects: readonly Effect[], isSettled: boolean): void {
    for (let i = 0; i < effects.length; i++) {
      const effect = effects[i]!
      if (effect.type === "send") {
        // A heartbeat between stores is of no group.
        if (isStoreMessage(effect.message)) continue
        const group = this.#groups[effect.message.group]
        if (group !== undefined) group.sends++
      } else if (effect.type === "observe" && effect.observation.type === "roleChanged") {
        const { group: id, term, role } = effect.observation
        const group = this.#groups[id]
        if (group === undefined || term <= group.term) continue
        // A replica that missed an election learns of its term late; a new candidate raises it.
        if (!isSettled) group.rises = 0
        else if (role === "candidate" || role === "leader") group.rises++
        if (group.rises > RISES_MAX) {
          world.report(
            "LIVE-no-livelock",
            `Group ${id} goes on to term ${term} in settled quiet, rise ${group.rises}.`,
          )
        }
        group.term = term
      }
    }
  }
}
