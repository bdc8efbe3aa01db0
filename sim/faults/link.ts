import { LinkOverlay, type LinkFault } from "../env/link-overlay.ts"
import { LANE_COUNT } from "../env/network.ts"
import { Priorities, type StreamsBy } from "../env/priorities.ts"
import { CLIENT_IDS_FROM } from "../plan/catalogue.ts"
import { argument, type CommonStage, type FaultKindActions, type FaultRun } from "./stage.ts"

const RATIO_PPM = 100_000

/** Faults of links: an overlay on the network, lifted as it came. */
export const linkFault: FaultKindActions<CommonStage> = {
  begin(stage, run) {
    const sides = sidesOf(stage, run)
    if (sides === null) return
    run.applied = true
    const { endpointCount } = stage.network
    const fault = run.fault.kind === "prioritize" ? prioritized(stage, run, sides) : linkFaultOf(run)
    stage.network.overlay(new LinkOverlay(run.fault.id, fault, stage.now, run.tally, sides, endpointCount))
  },
  lift(stage, run) {
    stage.network.lift(run.fault.id)
  },
}

type Sides = { readonly from: readonly number[]; readonly to: readonly number[]; readonly oneWay: boolean }

/** The two sides of a fault of links; null when one of them is empty. */
export function sidesOf(stage: CommonStage, run: FaultRun): Sides | null {
  const from = endpoints(stage, run.stores)
  const to = endpoints(stage, peersOf(stage, run))
  return from.length === 0 || to.length === 0 ? null : { from, to, oneWay: argument(run, "oneWay", 0) === 1 }
}

const STREAMS: readonly StreamsBy[] = ["link", "sender", "receiver"]

/** An order among the streams of these links, which draws as long as it lasts. */
function prioritized({ now, seed, network }: CommonStage, run: FaultRun, sides: Sides): LinkFault {
  const { fault } = run
  const spec = {
    by: STREAMS[argument(run, "by", 0)] ?? "link",
    slowestUs: argument(run, "slowestUs", 100_000),
    changes: argument(run, "changes", 0),
  }
  const there = sides.from.flatMap((from) => sides.to.map((to) => ({ from, to })))
  const back = sides.oneWay ? [] : there.map(({ from, to }) => ({ from: to, to: from }))
  const links = [...there, ...back].filter(({ from, to }) => from !== to)
  const span = { from: now, until: fault.until }
  const key = { seed, id: fault.id }
  const priorities = new Priorities(spec, key, span, links, network.endpointCount, LANE_COUNT)
  return { type: "prioritize", priorities }
}

function linkFaultOf(run: FaultRun): LinkFault {
  const { kind } = run.fault
  switch (kind) {
    case "partition":
    case "clog":
    case "hold":
      return { type: kind }
    case "drop":
    case "duplicate":
    case "corrupt":
    case "misroute":
      return { type: kind, ratioPpm: argument(run, "ratioPpm", RATIO_PPM) }
    case "delay":
      return {
        type: kind,
        minUs: argument(run, "minUs", 0),
        meanUs: argument(run, "meanUs", 10_000),
        tailPpm: argument(run, "tailPpm", 0),
        tailUs: argument(run, "tailUs", 0),
      }
    case "capacity":
      return { type: kind, messages: argument(run, "messages", 2) }
    case "flap":
      // Of each at least a microsecond, so that a period is never empty.
      return {
        type: kind,
        upUs: Math.max(1, argument(run, "upUs", 100_000)),
        downUs: Math.max(1, argument(run, "downUs", 100_000)),
      }
    default:
      throw new RangeError(`Cannot lay ${kind} over links: it is no fault of the network`)
  }
}

/** Empty peers are all other stores that were ever started; when there are none, the struck ones themselves. */
function peersOf(stage: CommonStage, run: FaultRun): readonly number[] {
  if (run.peers.length > 0) return run.peers
  const others: number[] = []
  for (let store = 1; store <= stage.storeCount; store++) {
    if (stage.host(store).boots > 0 && !run.stores.includes(store)) others.push(store)
  }
  return others.length > 0 ? others : run.stores
}

function endpoints(stage: CommonStage, ids: readonly number[]): readonly number[] {
  const { network } = stage
  return ids
    .map((id) =>
      id >= CLIENT_IDS_FROM ? network.endpointOfClient(id - CLIENT_IDS_FROM) : network.endpointOfStore(id),
    )
    .filter((endpoint) => endpoint >= 0 && endpoint < network.endpointCount)
}
