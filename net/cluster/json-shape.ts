import { closest, distance } from "fastest-levenshtein"
import { ClusterError, type ClusterErrorCode } from "./errors.ts"

/** One value of a JSON document, and the way to it: what is wrong is told with its place. */
export class JsonNode {
  readonly value: unknown
  readonly #file: string
  readonly #path: string

  constructor(file: string, value: unknown, path = "") {
    this.value = value
    this.#file = file
    this.#path = path
  }

  /** Throws, naming file and place. */
  fail(message: string, code: ClusterErrorCode = "configInvalid"): never {
    throw new ClusterError(code, `${this.#file}: ${this.#path === "" ? "" : `${this.#path}: `}${message}`)
  }

  /** The fields of an object that has all of `required`, and of others only `optional`. */
  fields<Name extends string, Other extends string = never>(
    required: readonly Name[],
    optional: readonly Other[] = [],
  ): Readonly<Record<Name, JsonNode>> & Readonly<Partial<Record<Other, JsonNode>>> {
    const { value } = this
    if (typeof value !== "object" || value === null || Array.isArray(value)) this.fail("must be an object")
    const known: readonly string[] = [...required, ...optional]
    const found: Record<string, JsonNode> = {}
    for (const [name, field] of Object.entries(value)) {
      if (!known.includes(name))
        this.fail(`unknown key "${name}"${didYouMean(name, known)}`, "configUnknownKey")
      found[name] = this.#at(this.#path === "" ? name : `${this.#path}.${name}`, field)
    }
    for (const name of required) if (found[name] === undefined) this.fail(`"${name}" is missing`)
    return found as Readonly<Record<Name, JsonNode>> & Readonly<Partial<Record<Other, JsonNode>>>
  }

  items(max: number): readonly JsonNode[] {
    const { value } = this
    if (!Array.isArray(value)) this.fail("must be a list")
    if (value.length > max) this.fail(`has ${value.length} items, more than ${max}`)
    return value.map((item: unknown, index) => this.#at(`${this.#path}[${index}]`, item))
  }

  integer(min: number, max: number): number {
    const { value } = this
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max) {
      this.fail(`must be a whole number from ${min} to ${max}, not ${shown(value)}`)
    }
    return value
  }

  /** At most `max` characters of the Latin-1 range, as keys and names are held. */
  text(max: number): string {
    const { value } = this
    if (typeof value !== "string" || value.length > max) {
      this.fail(`must be a text of at most ${max} characters, not ${shown(value)}`)
    }
    for (let at = 0; at < value.length; at++) {
      if (value.charCodeAt(at) > 0xff) this.fail("holds a character above U+00FF")
    }
    return value
  }

  #at(path: string, value: unknown): JsonNode {
    return new JsonNode(this.#file, value, path)
  }
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing"
  return text.length > 40 ? `${text.slice(0, 40)}…` : text
}

function didYouMean(name: string, known: readonly string[]): string {
  const best = closest(name, [...known])
  return distance(name, best) <= Math.max(2, Math.floor(best.length / 3)) ? `, did you mean "${best}"?` : ""
}
