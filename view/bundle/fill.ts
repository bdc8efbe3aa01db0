const PLACE = "__ORRERY_SUBJECT__"

/** The page with this in it: whatever JSON can say. */
export function fillPage(page: string, subject: object): string {
  const json = JSON.stringify(subject).replaceAll("<", "\\u003c").replaceAll("\u2028", "\\u2028")
  // By a function: a replacement text has signs of its own.
  return page.replace(PLACE, () => json)
}
