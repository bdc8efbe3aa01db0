import { join } from "node:path"
import { ByteWriter, type Effect, type Input } from "#kernel"
import { FlightRecorder, type RecorderOptions } from "#net"
import { kernelBuild, type KernelBuild, type Plan, type StoreKernel } from "#sim"
import { World } from "#sim/world.ts"
import { Clients } from "#sim/workload/clients.ts"
import { runUs } from "#sim/phases.ts"

/** One start of one store, and what it was recorded as. */
export type RecordedLife = {
  readonly store: number
  readonly directory: string
  readonly recorder: FlightRecorder
  events: number
  /** Of the kernel after its last step. */
  kernel: StoreKernel | null
  closed: boolean
}

/** Of the simulated time between two moments at which recorders may write. */
const SLICE_US = 100_000

/**
 * Runs a plan with a recorder beside every kernel: real kernels under pseudo-random inputs, crashes and restarts. A life that
 * ends by a crash is left as a process leaves it, and the last of each store is closed. `last` ends with the run.
 */
export async function recordWorld(
  plan: Plan,
  directory: string,
  options: Omit<RecorderOptions, "directory" | "build"> & {
    readonly eventsMax?: number
    /** What a disk is given after each slice, in turns of the loop; as long as it needs unless given. */
    readonly turns?: number
  },
): Promise<readonly RecordedLife[]> {
  const lives: RecordedLife[] = []
  const spares: FlightRecorder[][] = []
  const directoryOf = (store: number, life: number): string =>
    join(directory, `store-${store}`, `life-${life}`)
  const lifeCounts: number[] = []
  const stores = plan.cluster.stores + plan.cluster.spares
  const stock = async (): Promise<void> => {
    for (let store = 1; store <= stores; store++) {
      const made = (spares[store] ??= [])
      while (made.length < (lifeCounts[store] ?? 0) + 4) {
        const own = directoryOf(store, made.length)
        made.push(await FlightRecorder.create({ ...options, directory: own, build: "test" }))
      }
    }
  }
  const follow = (life: RecordedLife, kernel: StoreKernel): StoreKernel => {
    life.kernel = kernel
    return {
      step(input: Input): readonly Effect[] {
        const effects = kernel.step(input)
        life.events++
        life.recorder.stepped(input, effects)
        return effects
      },
      save: (sink) => kernel.save(sink),
      identity: () => kernel.identity(),
      status: () => kernel.status(),
      isDrained: () => kernel.isDrained(),
      leaseTerm: (group, stamp) => kernel.leaseTerm(group, stamp),
      view: (volume) => kernel.view(volume),
    }
  }
  const build: KernelBuild = {
    ...kernelBuild,
    open(config, images, boot) {
      const { store } = config
      const life = (lifeCounts[store] ??= 0)
      lifeCounts[store]++
      const recorder = spares[store]![life]!
      const opened = kernelBuild.open(config, images, boot)
      const own: RecordedLife = {
        store,
        directory: directoryOf(store, life),
        recorder,
        events: 0,
        kernel: opened.kernel,
        closed: false,
      }
      lives.push(own)
      recorder.opened(config, images, boot, opened.effects, { save: (sink) => own.kernel!.save(sink) })
      return { kernel: follow(own, opened.kernel), effects: opened.effects }
    },
    load(config, bytes, bases) {
      const own = lives.findLast((life) => life.store === config.store)!
      return follow(own, kernelBuild.load(config, bytes, bases))
    },
  }
  await stock()
  const clients = new Clients(plan, plan.workload.ops)
  const world = new World({ plan, build, checkers: [], clients, listener: null })
  clients.start(world)
  const end = runUs(plan.phases)
  for (let at = 0; at < end && world.event < (options.eventsMax ?? Infinity); at += SLICE_US) {
    if (!world.runUntil(Math.min(at + SLICE_US, end))) break
    await stock()
    // However slow the disk is now: what is recorded depends on the plan alone.
    if (options.turns === undefined) for (const life of lives) await life.recorder.written()
    for (let turn = 0; turn < (options.turns ?? 0); turn++)
      await new Promise((resolve) => setImmediate(resolve))
  }
  for (const life of lives) {
    life.closed = life === lives.findLast((other) => other.store === life.store)
    // What a dead process leaves is what its recorder had written; here all it had was.
    await life.recorder.closed()
  }
  return lives
}

/** Canonical bytes of a kernel. */
export function savedOf(kernel: StoreKernel): Uint8Array {
  const writer = new ByteWriter()
  kernel.save(writer)
  return writer.finish()
}
