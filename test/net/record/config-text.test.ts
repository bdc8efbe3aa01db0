import assert from "node:assert/strict"
import { test } from "vitest"
import { configText, readConfig } from "#net/record/config-text.ts"
import { configOf } from "../../support/store-rig.ts"

const ORDER = { group: 3, replica: 4_096, incarnation: Number.MAX_SAFE_INTEGER, generation: 2 }

test("a configuration is read as it was written, with the orders a start was given and without", () => {
  for (const config of [configOf(2), { ...configOf(2), recover: [ORDER, { ...ORDER, group: 4 }] }])
    assert.deepEqual(readConfig(JSON.parse(configText(config))), config)
})

test("what is no order makes it no configuration", () => {
  const whole = JSON.parse(configText({ ...configOf(1), recover: [ORDER] })) as object
  assert.notEqual(readConfig(whole), null)
  for (const recover of [
    null,
    ORDER,
    [null],
    [{ ...ORDER, group: -1 }],
    [{ ...ORDER, generation: 1.5 }],
    [{ group: 3, replica: 1, incarnation: 2 }],
    [{ ...ORDER, incarnation: "7" }],
  ])
    assert.equal(readConfig({ ...whole, recover }), null)
})
