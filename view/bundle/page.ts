import { readFileSync } from "node:fs"
import { join, relative } from "node:path"
import { build, type Plugin } from "esbuild"

const ROOT: string = join(import.meta.dirname, "../..")

export type PageOptions = {
  /** Gives a source file another text, by its path from the root; null leaves it. For kernels with a planted bug. */
  readonly edit?: (path: string, text: string) => string | null
}

/**
 * The page without a run in it: one HTML file with the kernel, the simulator and the view. `fillPage` puts a run in.
 * Throws what esbuild says when a source does not build.
 */
export async function bundlePage(options: PageOptions = {}): Promise<string> {
  const [worker, main, style] = await Promise.all([
    bundle("view/page/worker.ts", options),
    bundle("view/page/main.tsx", options),
    bundle("view/page/style.css", {}),
  ])
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline' blob:; worker-src blob:; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'">
<title>Orrery</title>
<style>
${style}</style>
</head>
<body>
<div id="app"></div>
<script type="application/json" id="subject">__ORRERY_SUBJECT__</script>
<script type="text/plain" id="worker">
${unclosed(worker)}</script>
<script>
${unclosed(main)}</script>
</body>
</html>
`
}

async function bundle(entry: string, { edit }: PageOptions): Promise<string> {
  const built = await build({
    absWorkingDir: ROOT,
    entryPoints: [entry],
    bundle: true,
    write: false,
    minify: true,
    format: "iife",
    platform: "browser",
    target: "es2024",
    charset: "utf8",
    legalComments: "none",
    jsx: "automatic",
    jsxImportSource: "preact",
    // Only seedrandom asks, and does without.
    external: ["crypto"],
    plugins: edit === undefined ? [] : [edited(edit)],
  })
  return built.outputFiles[0]!.text
}

/** Text inside of a script element must not end it: esbuild sees to that, and this that it did. */
function unclosed(script: string): string {
  if (/<\/script|<!--/i.test(script)) throw new Error("The page's script would end its own element")
  return script
}

function edited(edit: NonNullable<PageOptions["edit"]>): Plugin {
  return {
    name: "edited",
    setup(page) {
      page.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const text = edit(relative(ROOT, path), readFileSync(path, "utf8"))
        return text === null ? null : { contents: text, loader: "ts" }
      })
    },
  }
}
