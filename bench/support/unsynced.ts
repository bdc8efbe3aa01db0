import { readFileSync } from "node:fs"
import { registerHooks } from "node:module"
import { join, relative } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

// Builds of a node that promise what the disk has not: `node --import <this file>?edit=log bin/orrery.js start …`. The
// flag holds for every thread of that process, the one that writes bases included.

export type Unsynced = "log" | "base"

type Edit = { readonly file: string; readonly find: string; readonly replace: string }

const EDITS: Readonly<Record<Unsynced, Edit>> = {
  log: {
    file: "net/disk/calls.ts",
    find: "constants.O_WRONLY | constants.O_DSYNC",
    replace: "constants.O_WRONLY",
  },
  base: {
    file: "net/disk/environment.ts",
    find: "overlappingSync: false,",
    replace: "overlappingSync: false, noSync: true,",
  },
}

const ROOT = join(import.meta.dirname, "..", "..")
const SELF = fileURLToPath(import.meta.url)

/** What to start Node with, so that its disk is served without these syncs. */
export function unsynced(which: Unsynced): readonly string[] {
  return ["--import", `${pathToFileURL(SELF).href}?edit=${which}`]
}

const chosen = new URL(import.meta.url).searchParams.get("edit")
if (chosen === "log" || chosen === "base") {
  const edit = EDITS[chosen]
  registerHooks({
    load(url, context, nextLoad) {
      if (!url.startsWith("file:") || relative(ROOT, fileURLToPath(url)) !== edit.file)
        return nextLoad(url, context)
      const text = readFileSync(join(ROOT, edit.file), "utf8")
      const parts = text.split(edit.find)
      if (parts.length !== 2)
        throw new Error(`${edit.file} has ${JSON.stringify(edit.find)} not exactly once`)
      const source = parts.join(edit.replace)
      return { format: "module-typescript", source, shortCircuit: true }
    },
  })
}
