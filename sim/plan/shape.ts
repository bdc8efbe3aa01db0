/** What is wrong with a file someone gave us, in words for that person. */
export type PlanError = {
  readonly type: "planError"
  /** Where, as `$.faults[3].kind`. */
  readonly path: string
  readonly message: string
  /** The known name that looks most like the unknown one, or null. */
  readonly nearest: string | null
}

/** Reads one value or throws a `Refusal`, which `readShape` turns into a `PlanError`. */
export type Shape<T> = (json: unknown, path: string) => T

/** Carries a refusal from the depth of a file to its reader. It never leaves this file's `readShape`. */
export class Refusal extends Error {
  readonly path: string
  readonly nearest: string | null

  constructor(path: string, message: string, nearest: string | null = null) {
    super(message)
    this.path = path
    this.nearest = nearest
  }
}

export function readShape<T>(shape: Shape<T>, json: unknown): T | PlanError {
  try {
    return shape(json, "$")
  } catch (error) {
    if (error instanceof Refusal) return planError(error.path, error.message, error.nearest)
    throw error
  }
}

export function planError(path: string, message: string, nearest: string | null = null): PlanError {
  const hint = nearest === null ? "" : ` Did you mean "${nearest}"?`
  return { type: "planError", path, message: `${path}: ${message}.${hint}`, nearest }
}

export function isPlanError(value: object): value is PlanError {
  return (value as { type?: unknown }).type === "planError"
}

/** An object with exactly these fields. */
export function record<T extends object>(fields: { readonly [K in keyof T]: Shape<T[K]> }): Shape<T> {
  const names = Object.keys(fields)
  return (json, path) => {
    const given = objectAt(json, path)
    refuseUnknown(given, names, path)
    const read: Record<string, unknown> = {}
    for (const name of names) {
      if (!Object.hasOwn(given, name)) throw new Refusal(path, `the field "${name}" is missing`)
      read[name] = fields[name as keyof T](given[name], `${path}.${name}`)
    }
    return read as T
  }
}

/** A record some of whose fields may be missing: each is then read from what it is by default. */
export function withDefaults<T extends object>(defaults: object, shape: Shape<T>): Shape<T> {
  return (json, path) => shape({ ...defaults, ...objectAt(json, path) }, path)
}

/** One of several records, told apart by their field `type`. */
export function tagged<T extends { readonly type: string }>(shapes: {
  readonly [K in T["type"]]: Shape<Extract<T, { readonly type: K }>>
}): Shape<T> {
  const types = Object.keys(shapes)
  return (json, path) => {
    const type = oneOf(types)(objectAt(json, path)["type"], `${path}.type`)
    return shapes[type as T["type"]](json, path)
  }
}

export function list<T>(shape: Shape<T>): Shape<readonly T[]> {
  return (json, path) => {
    if (!Array.isArray(json)) throw new Refusal(path, `expected a list, found ${nameOf(json)}`)
    return json.map((value, index) => shape(value, `${path}[${index}]`))
  }
}

export function oneOf<T extends string>(values: readonly T[]): Shape<T> {
  return (json, path) => {
    if (typeof json !== "string")
      throw new Refusal(path, `expected one of ${quoted(values)}, found ${nameOf(json)}`)
    if (values.includes(json as T)) return json as T
    throw new Refusal(path, `"${json}" is none of ${quoted(values)}`, nearestName(json, values))
  }
}

export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return (json, path) => (json === null ? null : shape(json, path))
}

export function only<T extends string | number>(value: T): Shape<T> {
  return (json, path) => {
    if (json === value) return value
    throw new Refusal(path, `expected ${JSON.stringify(value)}, found ${JSON.stringify(json) ?? "nothing"}`)
  }
}

/** A whole number of [min, max]. */
export function whole(min: number, max: number = Number.MAX_SAFE_INTEGER): Shape<number> {
  return (json, path) => {
    if (!Number.isSafeInteger(json)) throw new Refusal(path, `expected a whole number, found ${nameOf(json)}`)
    const value = json as number
    if (value >= min && value <= max) return value
    throw new Refusal(path, `${value} lies outside ${min} to ${max}`)
  }
}

export const bool: Shape<boolean> = (json, path) => {
  if (typeof json === "boolean") return json
  throw new Refusal(path, `expected true or false, found ${nameOf(json)}`)
}

export const text: Shape<string> = (json, path) => {
  if (typeof json === "string") return json
  throw new Refusal(path, `expected a string, found ${nameOf(json)}`)
}

/** Keys and values: one char a byte. */
export const latin1: Shape<string> = (json, path) => {
  const value = text(json, path)
  for (let index = 0; index < value.length; index++) {
    if (value.charCodeAt(index) > 0xff) throw new Refusal(path, "a char beyond latin1 is no byte")
  }
  return value
}

export function objectAt(json: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof json === "object" && json !== null && !Array.isArray(json))
    return json as Record<string, unknown>
  throw new Refusal(path, `expected an object, found ${nameOf(json)}`)
}

export function refuseUnknown(given: object, names: readonly string[], path: string): void {
  for (const name of Object.keys(given)) {
    if (!names.includes(name))
      throw new Refusal(path, `there is no field "${name}"`, nearestName(name, names))
  }
}

function nameOf(json: unknown): string {
  if (json === undefined) return "nothing"
  if (json === null) return "null"
  if (Array.isArray(json)) return "a list"
  return typeof json === "object" ? "an object" : JSON.stringify(json)
}

function quoted(values: readonly string[]): string {
  return values.map((value) => `"${value}"`).join(", ")
}

/** The name that takes the fewest single changes to reach, when they are few enough to be a slip. */
export function nearestName(name: string, names: readonly string[]): string | null {
  let nearest: string | null = null
  let fewest = Math.max(2, Math.floor(name.length / 2)) + 1
  for (const candidate of names) {
    const changes = distance(name.toLowerCase(), candidate.toLowerCase())
    if (changes < fewest) {
      fewest = changes
      nearest = candidate
    }
  }
  return nearest
}

/** Levenshtein's: insertions, deletions and replacements of single chars. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}
