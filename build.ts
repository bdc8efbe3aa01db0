import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { spawnSync } from "node:child_process"
import { dirname, join, resolve } from "node:path"
import { transformSync } from "esbuild"
import { bundlePage } from "./view/bundle/page.ts"

// `node build.ts [folder]` writes the package to dist/ or that folder: the same tree as JavaScript with
// declarations, since Node strips no types under node_modules. `npm pack ./dist` makes the tarball.

type Manifest = {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly license: string
  readonly engines: Readonly<Record<string, string>>
  readonly imports: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
}

const ROOT = import.meta.dirname
const DIST = resolve(process.argv[2] ?? join(ROOT, "dist"))
const FOLDERS = ["kernel", "sql", "sim", "view", "net", "cli", "scenarios"].filter((folder) =>
  existsSync(join(ROOT, folder)),
)

/** Names of modules in imports, exports and worker URLs, whether fixed or made from a template. */
const TYPESCRIPT_NAME =
  /((?:\bfrom|\bimport|\bimport\(|\bnew URL\()\s*(["'`])(?:\.{1,2}\/|#)(?:(?!\2).)*)\.ts\2/g

function javascriptNames(text: string): string {
  return text.replace(TYPESCRIPT_NAME, "$1.js$2")
}

function put(path: string, text: string): void {
  const target = join(DIST, path)
  mkdirSync(dirname(target), { recursive: true })
  writeFileSync(target, text)
}

function compile(): void {
  const { status, error } = spawnSync(join(ROOT, "node_modules/.bin/tsc"), ["--build", ROOT], {
    stdio: "inherit",
  })
  if (error) throw error
  if (status !== 0) throw new Error("Cannot build the package: its types do not check")
}

function emit(path: string): void {
  if (path.endsWith("/tsconfig.json") || path.endsWith("/README.md")) return
  if (!path.endsWith(".ts")) {
    cpSync(join(ROOT, path), join(DIST, path))
    return
  }
  const bare = path.slice(0, -".ts".length)
  const { code } = transformSync(readFileSync(join(ROOT, path), "utf8"), {
    loader: "ts",
    format: "esm",
    target: "node24",
    sourcefile: path,
  })
  put(`${bare}.js`, javascriptNames(code))
  put(`${bare}.d.ts`, javascriptNames(readFileSync(join(ROOT, ".build", `${bare}.d.ts`), "utf8")))
}

function manifest(own: Manifest): object {
  const imports = Object.entries(own.imports)
    .filter(([, target]) => FOLDERS.some((folder) => target.startsWith(`./${folder}/`)))
    .map(([name, target]) => [name, target.replace(/\.ts$/, ".js")] as const)
  return {
    name: own.name,
    version: own.version,
    // Never on an index: people build it, or take a tarball from a release.
    private: true,
    description: own.description,
    license: own.license,
    type: "module",
    engines: own.engines,
    bin: { orrery: "bin/orrery.js" },
    imports: Object.fromEntries(imports),
    exports: {
      "./client": { types: "./net/client/index.d.ts", default: "./net/client/index.js" },
      "./sim": { types: "./sim/index.d.ts", default: "./sim/index.js" },
      "./sim/fast-check": {
        types: "./sim/library/fast-check.d.ts",
        default: "./sim/library/fast-check.js",
      },
      "./package.json": "./package.json",
    },
    dependencies: own.dependencies,
    // Only for whoever imports "orrery/sim/fast-check", and only types of it.
    peerDependencies: { "fast-check": ">=4" },
    peerDependenciesMeta: { "fast-check": { optional: true } },
  }
}

compile()
rmSync(DIST, { recursive: true, force: true })
const files = FOLDERS.flatMap((folder) => globSync(`${folder}/**/*.*`, { cwd: ROOT }))
  // The page is one file, made here: what it is made of stays out.
  .filter((file) => !file.startsWith("view/page/") && file !== "view/bundle/page.ts")
  .toSorted()
for (const file of files) emit(file)
put("view/page.html", await bundlePage())
for (const file of ["bin/orrery.js", "LICENSE", "README.md", "CHANGELOG.md"]) {
  mkdirSync(dirname(join(DIST, file)), { recursive: true })
  cpSync(join(ROOT, file), join(DIST, file))
}
put(
  "package.json",
  `${JSON.stringify(manifest(JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"))), null, 2)}\n`,
)
console.log(`${DIST}: ${files.length} files of ${FOLDERS.join(", ")}`)
