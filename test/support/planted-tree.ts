import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

const ROOT = join(import.meta.dirname, "../..")

const CONFIGS = [
  ".oxlintrc.json",
  "package.json",
  "tsconfig.base.json",
  "kernel/tsconfig.json",
  "sim/tsconfig.json",
  "view/tsconfig.json",
  "view/page/tsconfig.json",
  "view/bundle/tsconfig.json",
  "net/tsconfig.json",
  "scenarios/tsconfig.json",
  "cli/tsconfig.json",
  "bench/tsconfig.json",
  "test/tsconfig.json",
]

/** A complaint of a tool: where, and by which rule (`no-cycle`) or compiler code (`TS2591`). */
export type Complaint = { readonly file: string; readonly by: string; readonly text: string }

/** A throw-away checkout: the real configuration and libraries, and nothing of the source but what is planted. */
export class PlantedTree {
  readonly #root = realpathSync(mkdtempSync(join(tmpdir(), "orrery-fence-")))

  constructor(files: Readonly<Record<string, string>>) {
    for (const config of CONFIGS) {
      mkdirSync(dirname(join(this.#root, config)), { recursive: true })
      cpSync(join(ROOT, config), join(this.#root, config))
    }
    symlinkSync(join(ROOT, "node_modules"), join(this.#root, "node_modules"))
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.#root, path)), { recursive: true })
      writeFileSync(join(this.#root, path), text)
    }
  }

  lint(): readonly Complaint[] {
    const printed = JSON.parse(
      this.#run("oxlint", ["--format", "json", "--ignore-pattern", "node_modules"]),
    ) as {
      diagnostics: { filename: string; code: string; message: string }[]
    }
    return printed.diagnostics.map(({ filename, code, message }) => ({
      file: filename,
      by: /\((.+)\)/.exec(code)?.[1] ?? code,
      text: message,
    }))
  }

  /** Compiles one folder as a project, with the projects it refers to. */
  compile(folder: string): readonly Complaint[] {
    const printed = this.#run("tsc", ["--build", "--pretty", "false", folder])
    const complaints: Complaint[] = []
    for (const [, file, by, text] of printed.matchAll(/^(.+?)\(\d+,\d+\): error (TS\d+): (.+)$/gm)) {
      complaints.push({ file: file!, by: by!, text: text! })
    }
    return complaints
  }

  remove(): void {
    rmSync(this.#root, { recursive: true, force: true })
  }

  #run(tool: string, args: readonly string[]): string {
    const { stdout, error } = spawnSync(join(ROOT, "node_modules/.bin", tool), args, {
      cwd: this.#root,
      encoding: "utf8",
      maxBuffer: 64 * 1024 * 1024,
    })
    if (error) throw error
    return stdout
  }
}
