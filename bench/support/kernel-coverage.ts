/** What of the kernel was reached, from what c8 has made of V8's counts. */
import { stripTypeScriptTypes } from "node:module"

/** The part of Istanbul's `coverage-final.json` that c8 fills and we read: each line of a file is a statement of it. */
export type IstanbulFile = {
  readonly path: string
  readonly statementMap: Readonly<Record<string, { readonly start: { readonly line: number } }>>
  readonly s: Readonly<Record<string, number>>
  readonly f: Readonly<Record<string, number>>
  readonly fnMap: Readonly<Record<string, FunctionPlace>>
}

type FunctionPlace = {
  readonly name: string
  readonly loc: { readonly start: { readonly line: number }; readonly end: { readonly line: number } }
}

export type Missed = {
  readonly path: string
  /** From 1. */
  readonly line: number
  readonly text: string
  /** The function it stands in, or nothing. */
  readonly within: string
}

export type FileCoverage = {
  /** From the root of the repository, `kernel/raft/log.ts`. */
  readonly path: string
  /** Lines that hold code, and how many of them were run. */
  readonly code: number
  readonly reached: number
  /** All lines as c8 counts them, comments and types included. */
  readonly lines: number
  readonly linesReached: number
  readonly functions: number
  readonly functionsReached: number
  /** Lines of code that were never run, in their order. */
  readonly missed: readonly Missed[]
}

/**
 * The lines, from 1, on which something can be run: those that hold more than comments, types, brackets and what is
 * imported from where. c8 counts every line of a file, so that a long comment makes its file look well tried.
 */
export function codeLines(source: string): ReadonlySet<number> {
  const blank = (text: string): string => text.replace(/[^\n]/g, " ")
  const code = stripTypeScriptTypes(source, { mode: "strip" })
    .replace(/"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`|\/\*[^]*?\*\/|\/\/.*/g, (found) =>
      found.startsWith("/") ? blank(found) : found,
    )
    .replace(/^(?:import|export)\s(?:[^"=;]*\sfrom\s)?"[^"]*"/gm, blank)
  const lines = new Set<number>()
  for (const [index, line] of code.split("\n").entries())
    if (/[^\s()[\]{};,]/.test(line)) lines.add(index + 1)
  return lines
}

export function fileCoverage(path: string, source: string, counted: IstanbulFile): FileCoverage {
  const code = codeLines(source)
  const texts = source.split("\n")
  const hits = new Map<number, number>()
  for (const [id, { start }] of Object.entries(counted.statementMap)) hits.set(start.line, counted.s[id] ?? 0)
  const missed = [...code].filter((line) => (hits.get(line) ?? 0) === 0).sort((a, b) => a - b)
  const functions = Object.values(counted.f)
  return {
    path,
    code: code.size,
    reached: code.size - missed.length,
    lines: hits.size,
    linesReached: [...hits.values()].filter((count) => count > 0).length,
    functions: functions.length,
    functionsReached: functions.filter((count) => count > 0).length,
    missed: missed.map((line) => {
      return {
        path,
        line,
        text: texts[line - 1]!.trim(),
        within: innermost(Object.values(counted.fnMap), line),
      }
    }),
  }
}

/** The name of the smallest function with one around a line. */
function innermost(places: readonly FunctionPlace[], line: number): string {
  let name = ""
  let least = Infinity
  for (const place of places) {
    const { start, end } = place.loc
    if (place.name.startsWith("(") || start.line > line || end.line < line) continue
    if (end.line - start.line >= least) continue
    least = end.line - start.line
    name = place.name
  }
  return name
}

export type FolderCoverage = Omit<FileCoverage, "path" | "missed"> & {
  readonly folder: string
  readonly files: number
}

/** A row for each folder, by name, and one for all of them at the end. */
export function byFolder(files: readonly FileCoverage[]): readonly FolderCoverage[] {
  const folderOf = ({ path }: FileCoverage): string => path.slice(0, path.lastIndexOf("/"))
  const folders = [...Map.groupBy(files, folderOf)].sort(([a], [b]) => (a < b ? -1 : 1))
  const sum = (folder: string, parts: readonly FileCoverage[]): FolderCoverage => {
    const total = (of: (part: FileCoverage) => number): number =>
      parts.reduce((soFar, part) => soFar + of(part), 0)
    return {
      folder,
      files: parts.length,
      code: total(({ code }) => code),
      reached: total(({ reached }) => reached),
      lines: total(({ lines }) => lines),
      linesReached: total(({ linesReached }) => linesReached),
      functions: total(({ functions }) => functions),
      functionsReached: total(({ functionsReached }) => functionsReached),
    }
  }
  return [...folders.map(([folder, parts]) => sum(folder, parts)), sum("all", files)]
}

/** A hundred times the share; of nothing everything was reached. */
export function share(part: number, whole: number): number {
  return whole === 0 ? 100 : (100 * part) / whole
}

/** One digit behind the point, and 100.0 only of all. */
export function percentText(part: number, whole: number): string {
  return (Math.floor(10 * share(part, whole)) / 10).toFixed(1)
}
