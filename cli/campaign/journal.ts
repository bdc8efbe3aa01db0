import * as fs from "node:fs"
import { join, resolve } from "node:path"
import { buildId, orreryVersion } from "../build-id.ts"
import { EnvironmentError, messageOf, systemCode, UsageError } from "../errors.ts"
import { makeFolder, readTextFile } from "../files.ts"
import { misfit } from "../report/form.ts"
import type { Failure } from "../report/model.ts"
import { shellWord } from "../report/shell-word.ts"
import {
  HEAD,
  JOURNAL_FORMAT,
  keepRun,
  type Entry,
  type Head,
  type JournalKey,
  type SessionStart,
  type Spent,
} from "./journal-entry.ts"
import { openLines, sealLine } from "./journal-lines.ts"
import { JournalState } from "./journal-state.ts"
import { isHarness, type RunRecord } from "./run.ts"
import { jobCount } from "./schedule.ts"

/** After so many runs, or so many bytes of them, what they came to is written in their place. */
const TAIL_RUNS_MAX = 256
const TAIL_BYTES_MAX = 1 << 19

export type ReadJournal = { readonly head: Head; readonly state: JournalState }

/**
 * Reads the journal in a folder, also while a session writes it. Throws a `UsageError` on a folder without one, on a format of another
 * version and on damage; what was being written when a session died is left out.
 */
export function readJournal(folder: string): ReadJournal {
  const path = pathIn(folder)
  if (!fs.existsSync(path)) throw new UsageError(`There is no journal in ${folder}`)
  return parseJournal(path, readTextFile(path))
}

export function parseJournal(path: string, text: string): ReadJournal {
  const lines = openLines(text)
  if ("damagedLine" in lines) throw new UsageError(`${path} is damaged in line ${lines.damagedLine}`)
  const [first, ...entries] = lines.objects
  const fault = first === undefined ? "its first line is not whole" : misfit(first, HEAD, "")
  if (fault !== null) throw new UsageError(`${path} is no journal of \`orrery sim run --journal\`: ${fault}`)
  const head = first as Head
  if (head.journal !== JOURNAL_FORMAT)
    throw new UsageError(`${path} is of format ${head.journal}, this version reads ${JOURNAL_FORMAT}`)
  const state = new JournalState(head.key)
  for (const [index, entry] of entries.entries()) {
    try {
      state.read(entry)
    } catch (thrown) {
      if (!(thrown instanceof UsageError)) throw thrown
      throw new UsageError(`${path} is damaged in line ${index + 2}: ${thrown.message}`)
    }
  }
  if (state.last === null) throw new UsageError(`${path} is damaged: no session began it`)
  return { head, state }
}

/**
 * The journal of a campaign that takes several sessions, for the one that goes on now. A run counts once its line is on the
 * disk: whatever ends a session costs the runs under way. Now and then the whole file is replaced by what it comes to, so
 * that it does not grow with the runs. One process at a time has it.
 */
export class Journal {
  readonly state: JournalState
  readonly folder: string
  readonly #head: Head
  readonly #release: () => Promise<void>
  readonly #startedAt: number = performance.now()
  readonly #cpu: NodeJS.CpuUsage = process.cpuUsage()
  readonly #verify: boolean
  #file: number | null = null
  #tailRuns = 0
  #tailBytes = 0

  private constructor(
    folder: string,
    head: Head,
    state: JournalState,
    verify: boolean,
    release: () => Promise<void>,
  ) {
    this.folder = folder
    this.#head = head
    this.state = state
    this.#verify = verify
    this.#release = release
  }

  /**
   * Goes on with the journal in a folder, or begins one. Throws a `UsageError` when it is of another build or another campaign, an
   * `EnvironmentError` when another process has it or the disk refuses.
   */
  static async open(
    folder: string,
    key: JournalKey,
    session: Omit<SessionStart, "type" | "at">,
    verify: boolean,
  ): Promise<Journal> {
    const release = await lock(folder)
    try {
      const state = fs.existsSync(pathIn(folder)) ? readOf(folder, key) : new JournalState(key)
      const runs = jobCount({ ...key, runs: session.runs })
      if (runs !== null && state.done.end > runs) {
        throw new UsageError(
          `--seeds: the journal in ${folder} has come to run ${state.done.end} of its list, and ${runs} are asked for in all`,
        )
      }
      const head: Head = { journal: JOURNAL_FORMAT, version: orreryVersion(), key }
      state.apply({ type: "session", at: new Date().toISOString(), ...session })
      const journal = new Journal(folder, head, state, verify, release)
      journal.#replace()
      return journal
    } catch (thrown) {
      await release()
      throw thrown
    }
  }

  /** Durable when it returns. False for a run that an interrupt kept from being verified: it counts as never made. */
  finished(record: RunRecord): boolean {
    if (this.#verify && !record.verified && !isHarness(record.result)) return false
    this.#append({ type: "run", run: keepRun(record), spent: this.#spent })
    this.#tailRuns++
    if (this.#tailRuns >= TAIL_RUNS_MAX || this.#tailBytes >= TAIL_BYTES_MAX) this.#replace()
    return true
  }

  /** These failing runs were told as these failures, which are whole: with what earlier sessions told of them. */
  told(
    failures: readonly Failure[],
    runs: readonly { readonly index: number; readonly signature: string }[],
  ): void {
    this.#append({ type: "told", failures, runs, spent: this.#spent })
  }

  async close(): Promise<void> {
    try {
      if (this.#file !== null) fs.closeSync(this.#file)
    } finally {
      this.#file = null
      await this.#release()
    }
  }

  get #spent(): Spent {
    const { user, system } = process.cpuUsage(this.#cpu)
    return {
      elapsedMs: Math.round(performance.now() - this.#startedAt),
      cpuMs: Math.round((user + system) / 1_000),
    }
  }

  #append(entry: Entry): void {
    if (this.#file === null) throw new EnvironmentError("The journal takes no more")
    this.state.apply(entry)
    const line = sealLine(entry)
    try {
      fs.writeFileSync(this.#file, line)
      fs.fdatasyncSync(this.#file)
    } catch (thrown) {
      this.#fail(thrown)
    }
    this.#tailBytes += Buffer.byteLength(line)
  }

  /** Puts one line for all of them in the place of the lines so far. Until the rename the old file is whole. */
  #replace(): void {
    const path = pathIn(this.folder)
    const next = `${path}.next`
    try {
      fs.writeFileSync(next, sealLine(this.#head) + sealLine(this.state.checkpoint), { flush: true })
      fs.renameSync(next, path)
      syncFolder(this.folder)
      if (this.#file !== null) fs.closeSync(this.#file)
      this.#file = null
      this.#file = fs.openSync(path, "a")
    } catch (thrown) {
      this.#fail(thrown)
    }
    this.#tailRuns = 0
    this.#tailBytes = 0
  }

  /** Nothing is written after what may be half a line: behind it that would be damage. */
  #fail(thrown: unknown): never {
    if (this.#file !== null) fs.closeSync(this.#file)
    this.#file = null
    throw new EnvironmentError(`Cannot write ${pathIn(this.folder)}: ${messageOf(thrown)}`)
  }
}

function pathIn(folder: string): string {
  return join(folder, "journal.jsonl")
}

function readOf(folder: string, key: JournalKey): JournalState {
  const { head, state } = readJournal(folder)
  const other = `give --journal another folder to begin anew, or see what it holds with \`orrery sim status ${shellWord(folder)}\``
  if (head.key.build !== key.build) {
    throw new UsageError(
      `The runs in ${folder} are of build ${head.key.build}, this is build ${key.build}, and what one has shown the other has not: ${other}`,
    )
  }
  if (JSON.stringify(head.key) !== JSON.stringify(key)) {
    throw new UsageError(
      `The journal in ${folder} is of another campaign, begun with \`${state.last?.command ?? ""}\`: ${other}`,
    )
  }
  return state
}

/** What its runs rest on, of this build. */
export function journalKey(campaign: Omit<JournalKey, "build">): JournalKey {
  const { isDefault, shares, firstSeed, shard } = campaign
  // Spelled in one order, so that equal keys are equal text.
  return {
    build: buildId(),
    isDefault,
    shares: shares.map(({ scenario, weight }) => ({ scenario, weight })),
    firstSeed,
    shard: shard === null ? null : { index: shard.index, count: shard.count },
  }
}

/** For as long as this process lives, unless it is given back before. */
async function lock(folder: string): Promise<() => Promise<void>> {
  try {
    makeFolder(folder)
  } catch (thrown) {
    throw new EnvironmentError(`Cannot make ${folder}: ${messageOf(thrown)}`)
  }
  // Loaded for this alone: with it come the sockets and files of a node.
  const { DataDirError, DirectoryLock, SYSTEM_CALLS } = await import("#net")
  try {
    const held = await DirectoryLock.take(resolve(folder), SYSTEM_CALLS)
    return () => held.release()
  } catch (thrown) {
    if (thrown instanceof DataDirError || systemCode(thrown) !== "")
      throw new EnvironmentError(messageOf(thrown))
    throw thrown
  }
}

/** So that the rename is durable as well. */
function syncFolder(folder: string): void {
  const file = fs.openSync(folder, "r")
  try {
    fs.fsyncSync(file)
  } finally {
    fs.closeSync(file)
  }
}
