import type { GroupStatus } from "#kernel"
import { brief, count } from "../report/format.ts"
import type { Paint } from "../report/paint.ts"
import { textTable } from "../report/table.ts"
import type { StoreReport } from "./door.ts"
import { leaderIn } from "./cluster.ts"

/** A store as somebody outside sees it: what it says, or that it says nothing. */
export type SeenStore = {
  readonly store: number
  /** `silent`: it cannot be reached, or does not answer in time. */
  readonly state: "up" | "silent" | "down" | "paused"
  readonly report: StoreReport | null
}

const GROUPS_SHOWN = 40

/** Stores, then groups: who leads, in which term, and by how many entries each replica lags behind. */
export function statusText(stores: readonly SeenStore[], paint: Paint): string {
  const blocks = [storeTable(stores, paint)]
  const reports = new Map(stores.map(({ store, report }) => [store, report]))
  const groups = groupsOf(stores)
  for (const { store, report } of stores) {
    const volumes = report?.forgetful ?? []
    if (volumes.length > 0) blocks.push(paint.yellow(forgetfulText(store, volumes)))
  }
  const rows = groups.slice(0, GROUPS_SHOWN).map((group) => groupRow(group, reports, paint))
  if (rows.length > 0) {
    const head = ["group", "keys", "leader", "term", "committed", "rows", "replicas (entries behind)"]
    blocks.push(textTable(head, rows, [0, 3, 4, 5], paint))
  }
  const left = groups.length - rows.length
  if (left > 0) blocks.push(paint.dim(`… and ${count(left)} more groups (--json has them all)`))
  return `${blocks.join("\n\n")}\n`
}

function storeTable(stores: readonly SeenStore[], paint: Paint): string {
  const rows = stores.map(({ store, state, report }) => {
    const groups = report?.groups ?? []
    const leads = groups.filter(({ role }) => role === "leader").length
    const waiting = groups.reduce((sum, { waitingRequests }) => sum + waitingRequests, 0)
    const disk = report?.disk ?? null
    return [
      `${store}`,
      state === "up" ? paint.green(state) : state === "paused" ? paint.yellow(state) : paint.red(state),
      ...(report === null ? ["–", "–", "–"] : [count(groups.length), count(leads), count(waiting)]),
      disk === null ? "–" : `${brief(disk.usedBytes)}B`,
      disk === null ? "–" : `${brief(disk.freeBytes)}B`,
    ]
  })
  return textTable(
    ["store", "state", "replicas", "leads", "waiting", "data", "free"],
    rows,
    [0, 2, 3, 4, 5, 6],
    paint,
  )
}

function forgetfulText(store: number, volumes: readonly number[]): string {
  return `store ${store}: volume ${volumes.join(", ")} may have forgotten replicas; a range that nobody leads may be lost there`
}

function groupsOf(stores: readonly SeenStore[]): readonly number[] {
  const groups = new Set(stores.flatMap(({ report }) => (report?.groups ?? []).map(({ group }) => group)))
  return [...groups].sort((a, b) => a - b)
}

function groupRow(
  group: number,
  reports: ReadonlyMap<number, StoreReport | null>,
  paint: Paint,
): readonly string[] {
  const leader = leaderIn(reports, group)
  const statuses = [...reports].flatMap(([store, report]) =>
    (report?.groups ?? []).filter((status) => status.group === group).map((status) => ({ store, status })),
  )
  const told = statuses.find(({ store }) => store === leader?.store) ?? statuses[0]!
  const { descriptor, size } = told.status
  const commitIndex = Math.max(...statuses.map(({ status }) => status.commitIndex))
  return [
    `${group}`,
    `[${shownKey(descriptor.start)}, ${descriptor.end === "" ? "∞" : shownKey(descriptor.end)})`,
    leader === null ? paint.red("none") : `${leader.store}`,
    count(Math.max(...statuses.map(({ status }) => status.term))),
    count(commitIndex),
    size === null ? "–" : count(size.rows),
    replicasText(told.status, statuses, commitIndex, paint),
  ]
}

type Placed = { readonly store: number; readonly status: GroupStatus }

/** Each member by its store: its lag, or what is wrong with it. */
function replicasText(
  told: GroupStatus,
  statuses: readonly Placed[],
  commitIndex: number,
  paint: Paint,
): string {
  const { voters, outgoing, learners } = told.configuration
  const members = new Set([...voters, ...outgoing, ...learners].map(({ store }) => store))
  return [...members]
    .sort((a, b) => a - b)
    .map((store) => {
      const status = statuses.find((placed) => placed.store === store)?.status
      if (status === undefined) return paint.red(`${store}: silent`)
      if (status.state !== "whole") return paint.red(`${store}: ${status.state}`)
      if (status.role === "recovering") return paint.yellow(`${store}: recovering`)
      const lag = `${store}: ${count(Math.max(0, commitIndex - status.appliedIndex))}`
      return status.recoveredAt > 0 ? paint.yellow(`${lag}, recovered at ${status.recoveredAt}`) : lag
    })
    .join("  ")
}

/** Keys are bytes: those that no terminal shows are told by their codes. */
function shownKey(key: string): string {
  return key.replaceAll(/[^\x20-\x7e]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, "0")}`)
}
