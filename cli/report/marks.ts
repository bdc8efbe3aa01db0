import { MARK_FLOOR_RUNS } from "#sim"
import { tellable } from "../campaign/floors.ts"
import { count, percent } from "./format.ts"
import type { MarkTotals, Totals } from "./model.ts"

/** `116 of 123 were hit`. */
export function marksText({ marks }: Totals): string {
  const hit = marks.filter(({ runs }) => runs > 0).length
  return `${count(hit)} of ${count(marks.length)} were hit`
}

/** Marks with a floor that no run of a campaign held to it has hit. */
export function missingMarks({ marks }: Totals): readonly string[] {
  return marks.filter(({ runs, chance }) => chance !== null && runs === 0).map(({ name }) => name)
}

/** What a campaign of this size can say of floors at all; empty when it was not held to them. */
export function tellableText({ marks, runs }: Totals): string {
  const asked = marks.filter(({ chance }) => chance !== null).length
  if (asked === 0) return ""
  return `of ${count(asked)} floors, ${count(runs)} runs can tell ${count(tellable(marks, runs))} that are lost from bad luck`
}

export const MARK_HEAD: readonly string[] = [
  "mark",
  "runs",
  "share",
  `floor of ${count(MARK_FLOOR_RUNS)}`,
  "chance of so few",
  "scenarios that are for it",
]

/** A mark in a line; `declaring` are the scenarios that promise to reach it. */
export function markRow(mark: MarkTotals, runs: number, declaring: readonly string[]): readonly string[] {
  const { name, floor, elsewhere, chance } = mark
  return [
    name,
    count(mark.runs),
    percent(mark.runs, runs),
    floor === null ? "–" : count(floor),
    chance === null ? "–" : chance >= 1 ? "1" : chance.toPrecision(1),
    elsewhere === "" ? declaring.join(", ") : elsewhere,
  ]
}

export function declaringOf({ scenarios }: Totals, mark: string): readonly string[] {
  return scenarios.filter(({ declaredMarks }) => declaredMarks.includes(mark)).map(({ name }) => name)
}
