/**
 * Plain data: what a state, a message, a request, a durable value may be made of, so that it can be
 * written down, compared, hashed, copied and frozen: null, undefined, booleans, numbers, bigints, strings,
 * arrays, plain objects, Maps, Sets and Uint8Arrays, and nothing else. No cycles.
 *
 * `undefined` and an absent field differ, as do -0 and 0, and the order of fields counts: a program can
 * tell them apart, so they are not the same state.
 */

/** Data that is not plain: `path` says where, as `state.holders[2]`. */
export class NotPlainError extends Error {
  override readonly name = "NotPlainError"
  readonly path: string

  constructor(path: string, what: string) {
    super(`${path} is ${what}: only plain data can be saved, compared and replayed`)
    this.path = path
  }
}

const DEPTH_MAX = 200

/** One text for each value: equal texts, equal values. `path` names the value in errors. */
export function plainText(value: unknown, path: string): string {
  return textOf(value, path, 0)
}

function textOf(value: unknown, path: string, depth: number): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value)
    case "number":
      return Object.is(value, -0) ? "-0" : String(value)
    case "boolean":
    case "undefined":
      return String(value)
    case "bigint":
      return `${value}n`
    case "object":
      break
    default:
      throw new NotPlainError(path, `a ${typeof value}`)
  }
  if (value === null) return "null"
  if (depth > DEPTH_MAX) throw new NotPlainError(path, "nested too deeply, or in a circle")
  if (Array.isArray(value)) {
    const parts: string[] = []
    for (let i = 0; i < value.length; i++) parts.push(textOf(value[i], `${path}[${i}]`, depth + 1))
    return `[${parts.join(",")}]`
  }
  if (value instanceof Map) {
    const parts: string[] = []
    for (const [key, held] of value) {
      const name = textOf(key, `a key of ${path}`, depth + 1)
      parts.push(`${name}=>${textOf(held, `${path}.get(${name})`, depth + 1)}`)
    }
    return `Map{${parts.join(",")}}`
  }
  if (value instanceof Set) {
    const parts: string[] = []
    for (const held of value) parts.push(textOf(held, `a member of ${path}`, depth + 1))
    return `Set{${parts.join(",")}}`
  }
  if (value instanceof Uint8Array) return `bytes[${value.join(",")}]`
  plainObjectAt(value, path)
  const parts: string[] = []
  for (const [name, held] of Object.entries(value)) {
    parts.push(`${JSON.stringify(name)}:${textOf(held, `${path}.${name}`, depth + 1)}`)
  }
  return `{${parts.join(",")}}`
}

/** The same value of other objects: nothing in it is shared with the first, or within itself. */
export function copyPlain<T>(value: T, path: string): T {
  return copyOf(value, path, 0) as T
}

function copyOf(value: unknown, path: string, depth: number): unknown {
  if (typeof value === "function" || typeof value === "symbol")
    throw new NotPlainError(path, `a ${typeof value}`)
  if (typeof value !== "object" || value === null) return value
  if (depth > DEPTH_MAX) throw new NotPlainError(path, "nested too deeply, or in a circle")
  if (Array.isArray(value)) return value.map((held, i) => copyOf(held, `${path}[${i}]`, depth + 1))
  if (value instanceof Map) {
    const entries = [...value].map(([key, held]): [unknown, unknown] => [
      copyOf(key, `a key of ${path}`, depth + 1),
      copyOf(held, `a value of ${path}`, depth + 1),
    ])
    return new Map(entries)
  }
  if (value instanceof Set) {
    return new Set([...value].map((held) => copyOf(held, `a member of ${path}`, depth + 1)))
  }
  if (value instanceof Uint8Array) return value.slice()
  plainObjectAt(value, path)
  return Object.fromEntries(
    Object.entries(value).map(([name, held]) => [name, copyOf(held, `${path}.${name}`, depth + 1)]),
  )
}

/** Freezes arrays and objects all the way down. Maps, Sets and bytes cannot be frozen: compare their text. */
export function freezePlain<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value
  if (value instanceof Map) {
    for (const [key, held] of value) {
      freezePlain(key)
      freezePlain(held)
    }
    return value
  }
  if (value instanceof Set) {
    for (const held of value) freezePlain(held)
    return value
  }
  if (value instanceof Uint8Array) return value
  for (const held of Object.values(value)) freezePlain(held)
  return Object.freeze(value)
}

/** Whether JSON gives the value back as it was: what a plan may carry. Null, or the path of what it would not. */
export function notJson(value: unknown, path: string): string | null {
  if (value === null || typeof value === "string" || typeof value === "boolean") return null
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0) ? null : path
  if (typeof value !== "object") return path
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const found = notJson(value[i], `${path}[${i}]`)
      if (found !== null) return found
    }
    return null
  }
  if (!isPlainObject(value)) return path
  for (const [name, held] of Object.entries(value)) {
    const found = notJson(held, `${path}.${name}`)
    if (found !== null) return found
  }
  return null
}

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function plainObjectAt(value: object, path: string): void {
  if (!isPlainObject(value)) {
    const { constructor } = value
    throw new NotPlainError(path, `an instance of ${constructor.name}`)
  }
  if (Object.getOwnPropertySymbols(value).length > 0) throw new NotPlainError(path, "an object with symbols")
}
