import { randomBytes } from "node:crypto"
import {
  Kernel,
  type Effect,
  type KernelConfig,
  type Observation,
  type RecoverOrder,
  type RecoverRefusal,
  type VolumeImage,
} from "#kernel"
import type { NodeConfig } from "./cluster/node-config.ts"
import { MachineClock } from "./host/clock.ts"
import { Host, type HostLog, type HostStop } from "./host/host.ts"
import { kernelConfigOf, StoppedError, type NodeParts } from "./server.ts"

/**
 * The operator's act for groups that lost their only replica: a start of the store that speaks to nobody, with orders. What
 * may be gone on with is decided in the kernel, as everything is.
 */

/** How long a group may take to lead itself again and to have its state on disk. */
const WAIT_MS_MAX = 60_000
const LOOK_MS = 20

type Recovered = Extract<Observation, { readonly type: "groupRecovered" }>

/** What a start finds, or would find. */
export type RecoverReport = {
  /** Orders that would have a group go on without what it lost. */
  readonly found: readonly RecoverOrder[]
  /** Groups that go on by an order, or would. */
  readonly recovered: readonly Omit<Recovered, "type">[]
  readonly refused: readonly { readonly order: RecoverOrder; readonly code: RecoverRefusal }[]
  /** It was done, and is durable; otherwise nothing was written. */
  readonly isDone: boolean
}

type Options = {
  readonly orders: readonly RecoverOrder[]
  /** Only look: nothing is written. */
  readonly isLook: boolean
  readonly log: HostLog
}

/**
 * Looks at the store of this directory, and carries the orders out unless only a look is wanted or none applies. The store
 * must not be running. Rejects with a `StoppedError` when it stops for another reason, or in spite of the orders.
 */
export async function recoverStore(
  directory: string,
  config: NodeConfig,
  parts: Pick<NodeParts, "openDisk">,
  { orders, isLook, log }: Options,
): Promise<RecoverReport> {
  const disk = await parts.openDisk(directory, config)
  try {
    const images = await disk.images()
    // One that has lived is not born again, whatever is left of it.
    const kernelConfig: KernelConfig = { ...kernelConfigOf(config), bootstrap: null, recover: orders }
    const report = look(kernelConfig, images)
    if (isLook || report.refused.length > 0 || report.recovered.length === 0) return report
    const bear = (): Promise<void> => Promise.resolve()
    const birth = { born: true, bear }
    const host = new Host(kernelConfig, { clock: new MachineClock(), disk, birth, log, watcher: null })
    try {
      await act(host, images, report.recovered)
    } finally {
      await host.close()
    }
    return { ...report, isDone: true }
  } finally {
    await disk.close()
  }
}

/** What a start with these orders would say, and what it would still stop for. Nothing is carried out. */
function look(config: KernelConfig, images: readonly VolumeImage[]): RecoverReport {
  const orders = [...(config.recover ?? [])]
  const missing: RecoverOrder[] = []
  for (;;) {
    const clock = new MachineClock()
    const boot = { mono: clock.mono(), wall: clock.wall(), seedHigh: 0, seedLow: 0 }
    const { effects } = Kernel.open({ ...config, recover: [...orders, ...missing] }, images, boot)
    const said = effects.flatMap((effect) => (effect.type === "observe" ? [effect.observation] : []))
    const next = said.flatMap((each) => (each.type === "recoverable" ? [each.order] : []))
    const fatal = fatalOf(effects)
    if (fatal !== null && fatal.code !== "corruptSingleReplica") throw new StoppedError(fatal)
    const isRefused = said.some((each) => each.type === "recoverRefused")
    if (fatal === null || isRefused) return reportOf(said, orders, [...missing, ...next])
    // It stops at the first of them: as if it had been given the order, what else is there?
    const isNew = next.some(({ group }) => ![...orders, ...missing].some((order) => order.group === group))
    if (!isNew) throw new StoppedError(fatal)
    missing.push(...next)
  }
}

function fatalOf(effects: readonly Effect[]): HostStop | null {
  const fatal = effects.find((effect) => effect.type === "fatal")
  return fatal === undefined ? null : { code: fatal.code, detail: fatal.detail }
}

function reportOf(
  said: readonly Observation[],
  orders: readonly RecoverOrder[],
  found: readonly RecoverOrder[],
): RecoverReport {
  const isOrdered = ({ group }: { readonly group: number }): boolean =>
    orders.some((order) => order.group === group)
  return {
    found,
    recovered: said.flatMap((each) => {
      if (each.type !== "groupRecovered" || !isOrdered(each)) return []
      const { type: _, ...recovered } = each
      return [recovered]
    }),
    refused: said.flatMap((each) =>
      each.type === "recoverRefused" ? [{ order: each.order, code: each.code }] : [],
    ),
    isDone: false,
  }
}

/** Until every group that goes on leads itself, has applied the entry that says so, and its rows are on disk. */
async function act(
  host: Host,
  images: readonly VolumeImage[],
  recovered: RecoverReport["recovered"],
): Promise<void> {
  let stop: HostStop | null = null
  host.onStopped((how) => {
    stop = how
  })
  const seeds = randomBytes(8)
  host.boot(images, seeds.readUInt32LE(0), seeds.readUInt32LE(4))
  const isThere = ({ group, index }: RecoverReport["recovered"][number]): boolean => {
    const status = host.groups().find((each) => each.group === group)
    return status?.role === "leader" && status.appliedIndex > index && status.checkpoint !== null
  }
  const until = performance.now() + WAIT_MS_MAX
  while (stop === null && !recovered.every(isThere)) {
    if (performance.now() > until)
      stop = { code: "defect", detail: "The groups did not lead themselves in time" }
    const { promise, resolve } = Promise.withResolvers<void>()
    setTimeout(resolve, LOOK_MS)
    await promise
  }
  if (stop !== null) throw new StoppedError(stop)
}
