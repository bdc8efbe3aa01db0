import type { Plugin } from "esbuild"
import type { Server } from "./patch.ts"

/** As Vite and Rolldown take it. */
export type ServingPlugin = {
  readonly name: string
  readonly enforce: "pre"
  readonly load: (id: string) => string | null
}

/** What Vite or Rolldown load goes through the server. Vitest is Vite: a test file may run over a mutated checkout. */
export function vitePatch(server: Server): ServingPlugin {
  return { name: "orrery-zoo", enforce: "pre", load: (id) => server.textOf(id.split("?")[0]!) }
}

/** What esbuild bundles goes through the server: a page or a package of a mutated checkout. */
export function esbuildPatch(server: Server): Plugin {
  return {
    name: "orrery-zoo",
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const contents = server.textOf(path)
        return contents === null ? null : { contents, loader: "ts" }
      })
    },
  }
}
