import { existsSync } from "node:fs"
import { chromium, type Browser } from "playwright-core"

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]

const NAMED = process.env["ORRERY_CHROMIUM"]
/** The browser that is named, or one of this machine; null where there is none. Nothing is ever downloaded. */
export const CHROMIUM: string | null =
  (NAMED === undefined ? PLACES : [NAMED]).find((place) => existsSync(place)) ?? null

export function launch(): Promise<Browser> {
  if (CHROMIUM === null) throw new Error("There is no chromium")
  // Root, as in containers, has no sandbox; the page comes from this checkout and asks for nothing.
  return chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] })
}
