import type { GroupStatus, Observation } from "#kernel"
import type { OnlineChecker, WorldView } from "../check/checker.ts"
import { CLIENT_IDS_FROM } from "../plan/catalogue.ts"
import type { FaultKind } from "../plan/plan.ts"
import { cellOf, ROLES, type Cells, type Moment, type Role } from "./sites.ts"

/** A store has just started for this long. */
const STARTING_US = 500_000
/** A snapshot is under way from its sending to its being taken in, which takes about this long. */
const SNAPSHOT_US = 1_000_000

type Standing = { readonly role: Role; readonly moment: Moment }

const DOWN: Standing = { role: "down", moment: "idle" }
const CLIENT: Standing = { role: "client", moment: "idle" }

/** What the meter may ask of the running world. */
export interface MeteredWorld {
  readonly now: number
  readonly storeCount: number
  isUp(store: number): boolean
  statusOf(store: number): readonly GroupStatus[]
}

/** Counts whom faults strike, and in which moment of their life. */
export class SiteMeter implements OnlineChecker {
  readonly name = "sites"
  readonly #counts = new Map<string, number>()
  readonly #startedAt: number[] = []
  readonly #snapshotAt: number[] = []

  storeBooted(world: WorldView, store: number): void {
    this.#startedAt[store] = world.now
  }

  observed(world: WorldView, store: number, observation: Observation): void {
    const { type } = observation
    if (type === "snapshotInstalled" || (type === "mark" && observation.name === "raft.snapshot.needed"))
      this.#snapshotAt[store] = world.now
  }

  /** How all stores stand now: a fault may change that as it begins, and say only then whom it strikes. */
  look(world: MeteredWorld): readonly Standing[] {
    const standings: Standing[] = [DOWN]
    for (let store = 1; store <= world.storeCount; store++) standings.push(this.#standing(world, store))
    return standings
  }

  struck(kind: FaultKind, stores: readonly number[], standings: readonly Standing[]): void {
    for (const id of stores) {
      const standing = id >= CLIENT_IDS_FROM ? CLIENT : standings[id]
      if (standing === undefined) continue
      const cell = cellOf(kind, standing.role, standing.moment)
      this.#counts.set(cell, (this.#counts.get(cell) ?? 0) + 1)
    }
  }

  /** Cells that were hit, in their own order. */
  cells(): Cells {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
  }

  #standing(world: MeteredWorld, store: number): Standing {
    if (!world.isUp(store)) return DOWN
    const groups = world.statusOf(store)
    let role: Role = "spare"
    for (const status of groups) if (ROLES.indexOf(status.role) < ROLES.indexOf(role)) role = status.role
    return { role, moment: this.#moment(world.now, store, groups, role) }
  }

  #moment(now: number, store: number, groups: readonly GroupStatus[], role: Role): Moment {
    const since = (times: readonly number[]): number => now - (times[store] ?? Number.NEGATIVE_INFINITY)
    if (since(this.#startedAt) < STARTING_US) return "starting"
    if (role === "spare") return "idle"
    if (groups.some((status) => status.leader === 0)) return "electing"
    if (since(this.#snapshotAt) < SNAPSHOT_US) return "snapshot"
    const isChanging = ({ configuration }: GroupStatus): boolean =>
      configuration.outgoing.length > 0 || configuration.promoting.length > 0
    if (groups.some(isChanging)) return "changing"
    return groups.some((status) => status.waitingRequests > 0) ? "serving" : "idle"
  }
}
