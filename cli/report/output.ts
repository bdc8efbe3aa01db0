import { join, relative } from "node:path"
import { EnvironmentError } from "../errors.ts"
import { writeTextFile } from "../files.ts"
import type { Host } from "../host.ts"
import { reportHtml } from "./html.ts"
import { reportJson } from "./json.ts"
import { junitXml } from "./junit.ts"
import type { Report } from "./model.ts"
import { paintFor } from "./paint.ts"
import { reportText } from "./table.ts"

export type OutputOptions = {
  readonly json: string | null
  readonly junit: string | null
  readonly html: string | null
}

/**
 * Writes every form of the report and tells it on the terminal. A form without a path of its own goes to a
 * new folder under `.orrery/report/`. With `--json -` standard output is the object and nothing else.
 */
export function publish(host: Host, report: Report, options: OutputOptions): void {
  const folder = join(".orrery", "report", `${stamp()}-${process.pid}`)
  const paths: string[] = []
  const refused: EnvironmentError[] = []
  const put = (path: string, text: string): void => {
    try {
      writeTextFile(path, text)
      paths.push(relative(".", path))
    } catch (thrown) {
      // Told after the table: minutes of work must not be lost to a full disk.
      if (!(thrown instanceof EnvironmentError)) throw thrown
      refused.push(thrown)
    }
  }
  put(options.html ?? join(folder, "report.html"), reportHtml(report))
  if (options.json !== "-") put(options.json ?? join(folder, "report.json"), reportJson(report))
  put(options.junit ?? join(folder, "junit.xml"), junitXml(report))
  const people = options.json === "-" ? host.stderr : host.stdout
  if (options.json === "-") host.stdout.write(reportJson(report))
  people.write(reportText(report, paths, paintFor(people, host.env)))
  const [first] = refused
  if (first !== undefined) throw first
}

/** `2026-11-20T20-18-25`: sorts, and is a legal name everywhere. */
function stamp(): string {
  return new Date().toISOString().slice(0, 19).replaceAll(":", "-")
}
