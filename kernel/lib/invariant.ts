/** Our own bug, never a user's: nothing but the host catches it, and the host stops the store. */
export class InvariantError extends Error {
  override readonly name = "InvariantError"
}

/**
 * Stops the store when `condition` is false. Always on, in every build.
 * `message` is a constant, or a function when it carries values, so that the good path builds no string.
 */
export function invariant(condition: boolean, message: string | (() => string)): asserts condition {
  if (!condition) throw new InvariantError(typeof message === "string" ? message : message())
}

/** Makes an unhandled variant a compile error, and a stopped store if it happens all the same. */
export function unreachable(value: never): never {
  throw new InvariantError(`Cannot handle ${JSON.stringify(value)}: no such variant`)
}
