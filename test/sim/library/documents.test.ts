import assert from "node:assert/strict"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "vitest"
import { MACHINE_FAULTS } from "orrery/sim"
import { failureOf, pauses } from "../../../docs/library/own-kernel.ts"

const ROOT = join(import.meta.dirname, "../../..")

/** Lines without their indentation: a page shows parts of a file, moved to its margin and wrapped for it. */
function linesOf(text: string): string {
  return text.replace(/\s+/g, " ").trim()
}

test("every piece of code in docs/library is part of a file that tests run", () => {
  const files = [
    ...globSync("docs/library/*.ts", { cwd: ROOT }),
    ...globSync("test/sim/library/*.test.ts", { cwd: ROOT }),
  ]
  const texts = files.map((file) => linesOf(readFileSync(join(ROOT, file), "utf8")))
  const page = readFileSync(join(ROOT, "docs/library/README.md"), "utf8")
  const blocks = [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code!)
  assert.ok(blocks.length >= 8)
  assert.deepEqual(
    blocks.filter((block) => !texts.some((text) => text.includes(linesOf(block)))),
    [],
  )
})

test("the kernel's own run of the page finds nothing wrong", () => {
  assert.equal(pauses.name, "pauses")
  assert.equal(failureOf(1), null)
})

test("every fault that machines meet is a fault of plans", () => {
  assert.ok(MACHINE_FAULTS.length > 20)
})
