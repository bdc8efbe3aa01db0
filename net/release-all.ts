/**
 * Does all of them, one after the other, whatever becomes of those before, and then throws the first error there was: what
 * can be released is released.
 */
export async function releaseAll(deeds: readonly (() => unknown)[]): Promise<void> {
  const errors: unknown[] = []
  for (const deed of deeds) {
    try {
      await deed()
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 0) throw errors[0]
}
