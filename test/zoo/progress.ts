import type { Host } from "#cli/host.ts"
import { makeBar } from "#cli/progress.ts"
import { duration } from "#cli/report/format.ts"
import type { Window } from "./hunt.ts"
import { windowsLeft, type MutantResult } from "./results.ts"

export interface ZooProgress {
  /** What is being done for a mutant now. */
  at(id: string, doing: string): void
  /** Nothing any more. */
  left(id: string): void
  found(id: string, window: Window): void
  stop(): void
}

/** A bar where somebody watches, a line a window where nobody does. */
export function startZooProgress(
  host: Host,
  isQuiet: boolean,
  results: () => readonly MutantResult[],
  { windows, shrink }: { readonly windows: number; readonly shrink: boolean },
): ZooProgress {
  if (isQuiet) return { at() {}, left() {}, found() {}, stop() {} }
  const steps = (): { readonly done: number; readonly all: number } => {
    let done = 0
    let left = 0
    for (const result of results()) {
      done += result.windows.length + (result.shrunk === null ? 0 : 1)
      left += windowsLeft(result, windows)
      const isFound = result.windows.length === 0 || result.windows.some(({ found }) => found !== null)
      if (shrink && result.shrunk === null && isFound) left++
    }
    return { done, all: done + left }
  }
  if (host.stderr.isTTY !== true) {
    return {
      at() {},
      left() {},
      found(id, window) {
        const { done, all } = steps()
        host.stderr.write(`${done}/${all}  ${id}  ${lineOf(window)}\n`)
      },
      stop() {},
    }
  }
  const started = performance.now()
  const doing = new Map<string, string>()
  const bar = makeBar(host)
  bar.start(1_000, 0, { text: "" })
  const draw = (): void => {
    const { done, all } = steps()
    const under = [...doing].map(([id, what]) => `${id} ${what}`).join(" · ")
    const text = `${done}/${all}  ${duration((performance.now() - started) / 1_000)}  ${under}`
    bar.update(Math.min(999, Math.floor((done / Math.max(1, all)) * 1_000)), { text })
  }
  return {
    at(id, what) {
      doing.set(id, what)
      draw()
    },
    left(id) {
      doing.delete(id)
      draw()
    },
    found(id) {
      doing.delete(id)
      draw()
    },
    stop() {
      bar.stop()
    },
  }
}

function lineOf({ from, seeds, found }: Window): string {
  if (found === null) return `not found on the ${seeds} seeds from ${from} on`
  return `${found.oracle} on seed ${found.seed}, after ${seeds}`
}
