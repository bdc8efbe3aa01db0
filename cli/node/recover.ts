import {
  BirthError,
  ClusterError,
  DataDirError,
  machineParts,
  NodeLog,
  readNodeConfig,
  recoverStore,
  StoppedError,
  type NodeConfig,
  type NodeParts,
  type RecoverReport,
} from "#net"
import type { RecoverOrder, RecoverRefusal } from "#kernel"
import { EnvironmentError, EXIT, UsageError } from "../errors.ts"
import type { Host } from "../host.ts"

export type RecoverOptions = {
  readonly seen: readonly RecoverOrder[]
  readonly acceptDataLoss?: true
  readonly json?: true
}

const WHY: Readonly<Record<RecoverRefusal, string>> = {
  noSuchReplica: "this store has no such replica",
  otherLife: "its volume is in another life by now",
  otherGeneration: "its range is in another generation by now: this was done before",
  notAlone: "others vote in it: start them, and they repair it",
  notDamaged: "it has lost nothing",
  stateUnknown: "nobody can say any more what its rows are the state of: only a backup helps",
}

/** Looks, or acts; gives the exit code. */
export async function recoverNode(
  directory: string,
  { seen, acceptDataLoss, json }: RecoverOptions,
  host: Host,
  partsOf: (log: NodeLog) => Pick<NodeParts, "openDisk"> = machineParts,
): Promise<number> {
  if (acceptDataLoss === true && seen.length === 0)
    throw new UsageError("--accept-data-loss: say of which group by --seen; without it, they are listed")
  const config = configOf(directory)
  const stream = { write: (line: string) => void host.stderr.write(line) }
  const log = new NodeLog({ level: "warn", isPretty: json !== true, stream }, config.store, config.cluster)
  const isLook = acceptDataLoss !== true
  try {
    const report = await recoverStore(directory, config, partsOf(log), { orders: seen, isLook, log })
    host.stdout.write(json === true ? `${JSON.stringify(report, null, 1)}\n` : textOf(directory, report))
    if (isLook && seen.length > 0 && report.refused.length === 0) {
      throw new UsageError("Nothing was done: what is lost is lost for good only with --accept-data-loss")
    }
    return report.refused.length > 0 || (isLook && report.found.length > 0) ? EXIT.failed : EXIT.pass
  } catch (error) {
    if (error instanceof DataDirError || error instanceof BirthError)
      throw new EnvironmentError(`${error.code}: ${error.message}`)
    if (error instanceof StoppedError) throw new EnvironmentError(error.message)
    throw error
  } finally {
    log.flush()
  }
}

function configOf(directory: string): NodeConfig {
  try {
    return readNodeConfig(directory)
  } catch (error) {
    if (error instanceof ClusterError) throw new UsageError(error.message)
    throw error
  }
}

function seenText({ group, replica, incarnation, generation }: RecoverOrder): string {
  return [group, replica, incarnation, generation].join("/")
}

function textOf(directory: string, { found, recovered, refused, isDone }: RecoverReport): string {
  const lines: string[] = []
  for (const { group, replica, generation, index, isLogLost, isStateLost } of recovered) {
    const lost = [isLogLost ? "entries at the end of its log" : "", isStateLost ? "rows of its state" : ""]
    const goes = isDone ? "goes on" : "would go on"
    lines.push(
      `Group ${group}, replica ${replica}: ${goes} from entry ${index} in generation ${generation}. Lost: ${lost.filter((each) => each !== "").join(" and ")}.`,
    )
  }
  for (const { order, code } of refused)
    lines.push(`Group ${order.group}, replica ${order.replica}: ${code}: ${WHY[code]}.`)
  for (const order of found) {
    lines.push(
      `Group ${order.group}, replica ${order.replica}: has lost something, and no other replica to be repaired from.`,
      `  Restore it from a backup. Without one, what is left of it can be gone on with; acknowledged writes are lost then:`,
      `  orrery range recover ${directory} --seen ${seenText(order)} --accept-data-loss`,
    )
  }
  if (lines.length === 0) lines.push("No group of this store is known to have lost anything for good.")
  return `${lines.join("\n")}\n`
}
