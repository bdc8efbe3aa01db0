import { assert } from "vitest"
import type { Cursor, ReadView, Space, Write } from "#kernel"

type Row = readonly [key: string, value: string]
/** For each space its rows, ascending. */
export type Model = readonly (readonly Row[])[]

/** What an engine holds in these spaces, as sorted arrays: too slow to be wrong. */
export class EngineModel {
  readonly nothing: Model
  readonly #spaces: readonly Space[]

  constructor(spaces: readonly Space[]) {
    this.#spaces = spaces
    this.nothing = spaces.map(() => [])
  }

  apply(model: Model, writes: readonly Write[]): Model {
    const next = model.map((rows) => [...rows])
    for (const { space, type, key, value } of writes) {
      const at = this.#spaces.indexOf(space)
      const isCleared = (name: string): boolean =>
        type === "clear" ? name >= key && (value === "" || name < value) : name === key
      next[at] = next[at]!.filter(([name]) => !isCleared(name))
      if (type === "put") next[at].push([key, value])
      next[at].sort(([a], [b]) => (a < b ? -1 : 1))
    }
    return next
  }

  /** The view shows these rows, both ways, as a whole and from `start` to `end`. */
  assertAgree(view: ReadView, model: Model, start: string, end: string): void {
    for (const [at, space] of this.#spaces.entries()) {
      const rows = model[at]!
      assert.deepEqual(walk(view.cursor(space, "", "", false)), rows)
      assert.deepEqual(walk(view.cursor(space, "", "", true)), [...rows].reverse())
      const inside = rows.filter(([name]) => name >= start && (end === "" || name < end))
      assert.deepEqual(walk(view.cursor(space, start, end, false)), inside)
      assert.deepEqual(walk(view.cursor(space, start, end, true)), [...inside].reverse())
      for (const name of [start, end, ...rows.map(([name]) => name)]) {
        assert.equal(view.get(space, name), rows.find((row) => row[0] === name)?.[1] ?? null)
      }
    }
  }
}

/** All rows from here on. */
export function walk(cursor: Cursor): Row[] {
  const rows: Row[] = []
  for (; cursor.valid; cursor.next()) rows.push([cursor.key, cursor.value])
  return rows
}
