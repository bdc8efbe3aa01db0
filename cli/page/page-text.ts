import { existsSync, readFileSync } from "node:fs"
import { fillPage } from "#view/bundle/fill.ts"

/** What `npm run build` made; in the checkout there is none, and the page is made when it is asked for. */
const MADE = new URL("../../view/page.html", import.meta.url)

let page: Promise<string> | null = null

/** The page with this in it. */
export async function pageText(subject: object): Promise<string> {
  page ??= emptyPage()
  return fillPage(await page, subject)
}

async function emptyPage(): Promise<string> {
  if (existsSync(MADE)) return readFileSync(MADE, "utf8")
  const { bundlePage } = await import("#view/bundle/page.ts")
  return bundlePage()
}
