/** What a field must be, spelled as data: one table that says the whole shape. */
export type Form =
  | "string"
  | "number"
  | "boolean"
  | "any"
  /** A whole number from 0. */
  | "count"
  | { readonly oneOf: readonly string[] }
  | { readonly orNull: Form }
  | { readonly list: Form }
  | { readonly record: Form }
  | { readonly fields: Readonly<Record<string, Form>> }

/** One sentence on the first place where the value is not of the form, or null. */
export function misfit(value: unknown, form: Form, path: string): string | null {
  const place = path === "" ? "it" : path
  if (form === "any") return null
  if (form === "count") return isCount(value) ? null : `${place} is not a whole number from 0`
  if (typeof form === "string") {
    const fits = form === "number" ? Number.isFinite(value) : typeof value === form
    return fits ? null : `${place} is not a ${form}`
  }
  if ("oneOf" in form) {
    return form.oneOf.some((word) => word === value)
      ? null
      : `${place} is not one of ${form.oneOf.join(", ")}`
  }
  if ("orNull" in form) return value === null ? null : misfit(value, form.orNull, path)
  if ("list" in form) {
    if (!Array.isArray(value)) return `${place} is not a list`
    return firstMisfit(value.map((item, index) => [item, form.list, `${path}[${index}]`] as const))
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return `${place} is not an object`
  const entries = Object.entries(value)
  if ("record" in form) {
    return firstMisfit(entries.map(([key, item]) => [item, form.record, `${path}.${key}`] as const))
  }
  const unknown = entries.find(([key]) => !Object.hasOwn(form.fields, key))
  if (unknown !== undefined) return `${place} has the unknown field "${unknown[0]}"`
  const record = value as Readonly<Record<string, unknown>>
  return firstMisfit(
    Object.entries(form.fields).map(
      ([key, inner]) => [record[key], inner, path === "" ? key : `${path}.${key}`] as const,
    ),
  )
}

function firstMisfit(parts: readonly (readonly [unknown, Form, string])[]): string | null {
  for (const [value, form, path] of parts) {
    const fault = misfit(value, form, path)
    if (fault !== null) return fault
  }
  return null
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
