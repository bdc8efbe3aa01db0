/**
 * While a run goes on, everything whose answer depends on the machine, the hour or the engine throws
 * instead of answering. Lint sees what our sources say; this sees what they and their libraries do.
 *
 * Not seen here: `await` and the `**` operator, which call nothing that could be replaced. The first is
 * refused by lint and useless inside a synchronous run, the second by lint alone.
 */

/** What is asked of a trapped constructor without calling it. */
const STATICS: Readonly<Record<string, readonly string[]>> = {
  Date: ["now", "parse", "UTC"],
  Promise: ["all", "allSettled", "any", "race", "reject", "resolve", "try", "withResolvers"],
  Intl: ["Collator", "DateTimeFormat", "NumberFormat", "PluralRules", "Segmenter", "getCanonicalLocales"],
  "process.hrtime": ["bigint"],
}

type Slot = { readonly owner: object; readonly key: string; readonly name: string }

const LOCALE_METHODS: readonly (readonly [object, string, readonly string[]])[] = [
  [String.prototype, "String", ["localeCompare", "toLocaleLowerCase", "toLocaleUpperCase"]],
  [Number.prototype, "Number", ["toLocaleString"]],
  [BigInt.prototype, "BigInt", ["toLocaleString"]],
  [Array.prototype, "Array", ["toLocaleString"]],
  [Object.prototype, "Object", ["toLocaleString"]],
]

const GLOBALS: readonly string[] = [
  "Date",
  "Intl",
  "WeakRef",
  "FinalizationRegistry",
  "Promise",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "queueMicrotask",
  "fetch",
  "BroadcastChannel",
  "MessageChannel",
]

/** Their last digit may differ between engines. `sqrt` is exact by IEEE 754 and stays. */
const INEXACT: readonly string[] = (
  "acos acosh asin asinh atan atan2 atanh cbrt cos cosh exp expm1 " +
  "hypot log log10 log1p log2 pow sin sinh tan tanh"
).split(" ")

const PROCESS: readonly string[] = [
  "hrtime",
  "nextTick",
  "uptime",
  "cpuUsage",
  "memoryUsage",
  "resourceUsage",
]

function slots(): readonly Slot[] {
  const found: Slot[] = []
  const add = (owner: object, ownerName: string, keys: readonly string[]): void => {
    for (const key of keys) {
      if (key in owner) found.push({ owner, key, name: ownerName === "" ? key : `${ownerName}.${key}` })
    }
  }
  add(globalThis, "", GLOBALS)
  add(Math, "Math", ["random", ...INEXACT])
  add(Performance.prototype, "performance", ["now", "mark", "measure", "timeOrigin", "toJSON"])
  add(Crypto.prototype, "crypto", ["getRandomValues", "randomUUID", "subtle"])
  add(process, "process", [...PROCESS, "env"])
  add(Promise.prototype, "Promise", ["then"])
  for (const [owner, ownerName, keys] of LOCALE_METHODS) add(owner, ownerName, keys)
  return found
}

function isPlainFunction(descriptor: PropertyDescriptor | undefined): boolean {
  return descriptor?.writable === true && typeof descriptor.value === "function"
}

/** Thrown in the place where the leak is, and kept: whoever swallows it does not hide it. */
export class LeakError extends Error {
  override readonly name = "LeakError"
}

export type Trapped<T> =
  | { readonly type: "returned"; readonly value: T }
  | { readonly type: "threw"; readonly thrown: unknown }
  /** Something asked the machine; `name` says what (`Math.random`), `stack` from where. */
  | { readonly type: "leaked"; readonly name: string; readonly stack: string }

/** The traps of one thread, laid and lifted around each synchronous run. */
export class Traps {
  readonly #slots: readonly Slot[] = slots()
  readonly #traps: readonly (() => never)[] = this.#slots.map((slot) => this.#trapFor(slot.name))
  #saved: readonly (PropertyDescriptor | undefined)[] | null = null
  #leak: { readonly name: string; readonly stack: string } | null = null

  /** Runs `work` under traps. The first leak decides the outcome even if `work` caught the error. */
  around<T>(work: () => T): Trapped<T> {
    this.#leak = null
    this.#lay()
    let outcome: Trapped<T>
    try {
      outcome = { type: "returned", value: work() }
    } catch (thrown) {
      outcome = { type: "threw", thrown }
    } finally {
      this.#lift()
    }
    const leak = this.#leak as { readonly name: string; readonly stack: string } | null
    return leak === null ? outcome : { type: "leaked", name: leak.name, stack: leak.stack }
  }

  #lay(): void {
    this.#saved = this.#slots.map((slot) => Object.getOwnPropertyDescriptor(slot.owner, slot.key))
    for (const [index, slot] of this.#slots.entries()) {
      const trap = this.#traps[index]
      if (trap === undefined) continue
      // A plain store where there is a plain function: it leaves the shape of `Math` and of the prototypes
      // alone, so the `Math.imul` of a hot loop stays as fast as without traps.
      if (isPlainFunction(this.#saved[index])) (slot.owner as Record<string, unknown>)[slot.key] = trap
      else Object.defineProperty(slot.owner, slot.key, { configurable: true, get: trap })
    }
  }

  #lift(): void {
    const saved = this.#saved ?? []
    this.#saved = null
    for (const [index, slot] of this.#slots.entries()) {
      const descriptor = saved[index]
      if (descriptor === undefined) delete (slot.owner as Record<string, unknown>)[slot.key]
      else if (isPlainFunction(descriptor))
        (slot.owner as Record<string, unknown>)[slot.key] = descriptor.value
      else Object.defineProperty(slot.owner, slot.key, descriptor)
    }
  }

  /** A function that may be called, constructed or asked for a static: `Date()`, `new Date()`, `Date.now()`. */
  #trapFor(name: string): () => never {
    const spring = (member: string): never => this.#spring(member)
    // A function, since an arrow cannot be constructed.
    const trap = (member: string): (() => never) =>
      function leaked(): never {
        return spring(member)
      }
    const root = trap(name)
    for (const member of STATICS[name] ?? [])
      Object.defineProperty(root, member, { get: trap(`${name}.${member}`) })
    return root
  }

  #spring(name: string): never {
    const error = new LeakError(`A run asked for ${name}: its answer is not in the plan`)
    this.#leak ??= { name, stack: error.stack ?? "" }
    throw error
  }
}
